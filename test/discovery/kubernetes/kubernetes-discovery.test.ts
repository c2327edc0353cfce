import t from 'tap';
import { RecordingSink } from '../recording-sink.ts';
import { startKubernetes } from './discovery-fixture.ts';
import { at, failure, settled } from './fake-kube-api.ts';
import { service, slice } from './kube-objects.ts';

const ORDERS = service({ name: 'orders' });
const pod = (last: number, more: object = {}) => ({ address: `10.1.0.${last}`, uid: `pod-${last}`, ...more });
const slices = (...endpoints: ReturnType<typeof pod>[]) => slice({ service: 'orders', endpoints });

/** What a destination has in rotation. */
const ready = (sink: RecordingSink): string[] =>
  [...sink.endpoints].flatMap(([id, state]) => (state === 'ready' ? [id.replace(/\/.*/, '')] : [])).sort();

t.test('nothing is asked of the API server before a name is used, and then only about that name', async (t) => {
  const { api, discovery, subscribe, opened } = startKubernetes(t);
  t.ok(discovery.claims('orders'));
  t.notOk(discovery.claims('github.com'));
  await settled();
  t.equal(opened(), 0);
  t.equal(discovery.connected, null);
  await subscribe('orders');
  t.same(
    api.lists.map(({ path }) => path),
    ['/api/v1/namespaces/shop/services/orders'],
  );
  t.same(api.watches, []);
});

t.test('the endpoints of a Service are told when its slices are known, and DNS is not asked', async (t) => {
  const { api, dns, clock, discovery, subscribe, call, tell } = startKubernetes(t);
  const { sink, subscription } = await subscribe('orders.shop.svc.cluster.local');
  t.match(subscription.describe(), { source: 'kubernetes', state: 'resolving' });
  await tell(ORDERS, [slices(pod(1), pod(2))]);
  t.same(ready(sink), ['10.1.0.1:8080', '10.1.0.2:8080']);
  t.match(call(/endpointslices$/).query, { labelSelector: 'kubernetes.io/service-name in (orders)' });
  t.ok(sink.settlements.every((error) => error === null));
  t.same(subscription.describe(), { source: 'kubernetes', state: 'ready', error: null, ageMs: 0 });
  t.equal(discovery.connected, true);
  t.equal(discovery.watches, 1);
  clock.advance(1000);
  t.same(dns.names, []);
  t.equal(api.open.length, 1);
});

t.test('two destinations of one Service share its GET and the watch', async (t) => {
  const { api, subscribe, tell } = startKubernetes(t);
  const one = await subscribe('orders');
  const two = await subscribe('orders.shop');
  await tell(ORDERS, [slices(pod(1))]);
  t.same(ready(one.sink), ready(two.sink));
  t.equal(api.lists.length, 2);
  t.equal(api.watches.length, 1);
});

t.test('an endpoint that terminates is told within the event, and the time is measured', async (t) => {
  const { api, clock, observer, subscribe, tell } = startKubernetes(t);
  const { sink } = await subscribe('orders');
  await tell(ORDERS, [at(100, slices(pod(1), pod(2)))]);
  sink.take();
  const readAt = clock.now();
  clock.advance(3);
  const gone = pod(2, { ready: false, serving: true, terminating: true });
  api.last.handlers.event('MODIFIED', at(101, slices(pod(1), gone)), readAt);
  t.match(sink.take(), [/^terminating 10\.1\.0\.2:8080.* serving$/, 'settled']);
  t.equal(observer.propagation.total, 1);
  t.equal(observer.propagation.sumSeconds, 0.003);
  t.equal(observer.events.get('MODIFIED'), 1);
  api.last.handlers.event('MODIFIED', at(102, slices(pod(1), gone, pod(3))), readAt);
  t.equal(observer.propagation.total, 1, 'one more endpoint takes nothing away');
});

t.test('a name that is no Service goes by DNS, which is remembered for five minutes', async (t) => {
  const { api, clock, dns, subscribe, call } = startKubernetes(t);
  const { sink, subscription } = await subscribe('redis');
  await call(/services\/redis$/).fail('not_found');
  t.same(dns.names, ['redis']);
  dns.answer('redis', ['10.9.0.1']);
  t.same(ready(sink), ['10.9.0.1:80']);
  t.match(subscription.describe(), { source: 'dns', state: 'ready', error: null });
  subscription.close();
  t.same(dns.closed, ['redis']);
  await subscribe('redis');
  clock.advance(200_000);
  t.equal(api.lists.length, 1);
  t.equal(api.watches.length, 0);
  clock.advance(160_000);
  await settled();
  t.equal(api.lists.length, 2, 'it is asked again while it is used');
  await call(/services\/redis$/).fail('not_found');
  t.same(dns.closed, ['redis'], 'DNS goes on without a break');
});

t.test('without the right to read Services a name goes by DNS, with one line for the namespace', async (t) => {
  const { api, discovery, dns, lines, subscribe, call } = startKubernetes(t);
  const { sink, subscription } = await subscribe('orders');
  const other = await subscribe('carts');
  await call(/services\/orders$/).fail('forbidden', { message: 'Services in shop may not be read' });
  await call(/services\/carts$/).fail('forbidden', { message: 'Services in shop may not be read' });
  dns.answer('orders', ['10.96.0.10']);
  t.same(ready(sink), ['10.96.0.10:80']);
  t.match(subscription.describe(), { source: 'dns', state: 'ready', error: /may not be read/, hint: 'Do something.' });
  t.match(lines, [/may not be read/]);
  t.equal(lines.length, 1, 'one line for the namespace');
  other.subscription.close();
  discovery.askAgain();
  await settled();
  t.equal(api.lists.length, 2, 'not twice within a second');
});

t.test('after five minutes, or when it is asked to, a refused Service is read again', async (t) => {
  const { api, clock, discovery, dns, lines, subscribe, call, tell } = startKubernetes(t);
  const { sink, subscription } = await subscribe('orders');
  await call(/services\/orders$/).fail('forbidden');
  dns.answer('orders', ['10.96.0.10']);
  clock.advance(2000);
  discovery.askAgain();
  clock.advance(0);
  await settled();
  t.equal(api.lists.length, 2);
  sink.take();
  await tell(ORDERS, [slices(pod(1))]);
  t.match(sink.take(), [/^add 10\.1\.0\.1:8080/, 'remove 10.96.0.10:80', 'settled']);
  t.match(subscription.describe(), { source: 'kubernetes', error: null });
  t.match(lines.at(-1), /over/);
});

t.test('without the right to watch slices a Service goes by DNS', async (t) => {
  const { dns, subscribe, call } = startKubernetes(t);
  const { subscription } = await subscribe('orders');
  await call(/services\//).answerRaw(ORDERS);
  await call(/endpointslices$/).fail('forbidden', { message: 'slices in shop may not be listed' });
  t.same(dns.names, ['orders']);
  t.match(subscription.describe(), { source: 'dns', error: /may not be listed/ });
});

t.test(
  'when the right to watch is taken away a Service that was known goes by DNS, and comes back with the right',
  async (t) => {
    const { api, clock, dns, subscribe, tell, call } = startKubernetes(t);
    const { sink, subscription } = await subscribe('orders');
    await tell(ORDERS, [slices(pod(1))]);
    clock.advance(10_000);
    api.last.handlers.ended(failure('forbidden', { message: 'slices in shop may not be watched' }));
    t.same(dns.names, ['orders']);
    t.same(ready(sink), ['10.1.0.1:8080'], 'nothing is taken away before DNS has answered');
    dns.answer('orders', ['10.96.0.10']);
    t.same(ready(sink), ['10.96.0.10:80']);
    t.match(subscription.describe(), { source: 'dns', error: /may not be watched/ });
    clock.advance(90_000);
    await settled();
    if (api.lists.length > 2) await call(/endpointslices$/).answer([slices(pod(1))], '200');
    api.last.handlers.opened();
    t.same(ready(sink), ['10.1.0.1:8080']);
  },
);

t.test('a first lookup that takes too long goes by DNS, and moves over without a moment of nothing', async (t) => {
  const { clock, dns, subscribe, tell } = startKubernetes(t);
  const { sink } = await subscribe('orders');
  clock.advance(199);
  t.same(dns.names, []);
  clock.advance(1);
  t.same(dns.names, ['orders']);
  dns.answer('orders', ['10.96.0.10']);
  sink.take();
  await tell(ORDERS, [slices(pod(1), pod(2))]);
  t.match(sink.take(), [/^add 10\.1\.0\.1/, /^add 10\.1\.0\.2/, 'remove 10.96.0.10:80', 'settled']);
  t.same(dns.closed, ['orders']);
});

t.test('that DNS has no such name is no answer as long as the API server may have one', async (t) => {
  const { clock, dns, subscribe, call, tell } = startKubernetes(t);
  const one = await subscribe('orders');
  clock.advance(200);
  dns.fail('orders');
  t.same(one.sink.take(), [], 'who waits goes on waiting');
  await tell(ORDERS, [slices(pod(1))]);
  t.match(one.sink.take(), [/^add 10\.1\.0\.1/, 'settled']);
  const two = await subscribe('nothing');
  clock.advance(200);
  dns.fail('nothing');
  t.same(two.sink.take(), []);
  await call(/services\/nothing$/).fail('not_found');
  t.same(two.sink.take(), ['settled NO_ROUTE'], 'now it is');
  dns.fail('nothing');
  t.same(two.sink.take(), ['settled NO_ROUTE']);
});

t.test('what DNS has cached is told at once, and taken back as well', async (t) => {
  const { clock, dns, subscribe, tell } = startKubernetes(t);
  dns.cached.set('orders', ['10.96.0.10']);
  const { sink } = await subscribe('orders');
  clock.advance(200);
  t.same(sink.take(), ['add 10.96.0.10:80', 'settled']);
  await tell(ORDERS, [slices(pod(1))]);
  t.match(sink.take(), [/^add 10\.1\.0\.1/, 'remove 10.96.0.10:80', 'settled']);
});

t.test(
  'while the API server is away a new name goes by DNS at once, and is asked for again ever more rarely',
  async (t) => {
    const { api, clock, discovery, dns, lines, subscribe, call, tell } = startKubernetes(t);
    const { sink } = await subscribe('orders');
    await call(/services\//).fail('unreachable', { message: 'connect ECONNREFUSED' });
    t.same(dns.names, ['orders']);
    t.equal(discovery.connected, false);
    dns.answer('orders', ['10.96.0.10']);
    const asked: number[] = [];
    const begun = clock.now();
    for (let known = api.lists.length; asked.length < 5; clock.advance(100)) {
      await settled();
      if (api.lists.length === known) continue;
      known = api.lists.length;
      asked.push(Math.round((clock.now() - begun) / 100));
      await call(/services\//).fail('unreachable', { message: 'connect ECONNREFUSED' });
    }
    const gaps = asked.map((when, index) => when - (asked[index - 1] ?? 0));
    for (const [index, gap] of gaps.entries()) if (index > 0) t.ok(gap > (gaps[index - 1] ?? 0), `${gaps}`);
    t.equal(lines.length, 1, 'one line, not one for each try');
    while (api.lists.length < 7) {
      clock.advance(1000);
      await settled();
    }
    await tell(ORDERS, [slices(pod(1))]);
    t.same(ready(sink), ['10.1.0.1:8080']);
    t.equal(discovery.connected, true);
  },
);

t.test('in an outage the endpoints known last serve on, and DNS is not asked', async (t) => {
  const { api, clock, discovery, dns, subscribe, call, tell } = startKubernetes(t);
  const { sink, subscription } = await subscribe('orders');
  await tell(ORDERS, [slices(pod(1))]);
  sink.take();
  api.last.handlers.ended(failure('unreachable', { message: 'the API server is away' }));
  for (let minute = 0; minute < 20; minute++) {
    clock.advance(60_000);
    await settled();
    for (const list of api.lists.slice(2)) await list.fail('unreachable', { message: 'the API server is away' });
    api.last.handlers.ended(failure('unreachable', { message: 'the API server is away' }));
  }
  t.same([...new Set(sink.take())], ['settled'], 'no endpoint is taken away');
  t.same(dns.names, []);
  t.equal(discovery.connected, false);
  t.match(subscription.describe(), { source: 'kubernetes', state: 'ready', error: /API server/, hint: /./ });
  t.ok((subscription.describe().ageMs ?? 0) >= 19 * 60_000, 'and how old that is');
  t.ok(call(/services\//));
});

t.test('an ExternalName goes to its target by DNS, as an absolute name', async (t) => {
  const { api, dns, subscribe, call } = startKubernetes(t);
  const { sink } = await subscribe('billing');
  await call(/services\//).answerRaw(service({ name: 'billing', externalName: 'Billing.Example.COM' }));
  t.same(dns.names, ['billing.example.com.']);
  dns.answer('billing.example.com.', ['203.0.113.5']);
  t.same(ready(sink), ['203.0.113.5:80']);
  t.same(api.watches, []);
});

t.test('an ExternalName never leads to loopback', async (t) => {
  for (const address of ['127.0.0.1', '127.9.9.9', '::1', '0.0.0.0', '::', '::ffff:127.0.0.1']) {
    const { dns, subscribe, call } = startKubernetes(t);
    const { sink } = await subscribe('billing');
    await call(/services\//).answerRaw(service({ name: 'billing', externalName: 'localhost' }));
    dns.answer('localhost.', [address]);
    t.same(sink.take(), ['settled DESTINATION_DENIED'], address);
    t.match(sink.settlements.at(-1), { hint: /spec\.externalName/ });
  }
  const { dns, subscribe, call } = startKubernetes(t);
  const { sink } = await subscribe('billing');
  await call(/services\//).answerRaw(service({ name: 'billing', externalName: 'mixed.test' }));
  dns.answer('mixed.test.', ['127.0.0.1', '203.0.113.5']);
  t.same(sink.take(), ['add 203.0.113.5:80', 'settled'], 'what is no loopback address is used');
  dns.fail('mixed.test.');
  t.match(sink.settlements.at(-1), { code: 'NO_ROUTE', message: /ExternalName/, hint: /mixed\.test/ });
});

t.test('a port that the Service does not have goes by DNS, and says which there are', async (t) => {
  const { dns, lines, subscribe, tell, call, clock, api } = startKubernetes(t);
  const { sink, subscription } = await subscribe('orders', 8081);
  await tell(ORDERS, [at(100, slices(pod(1)))]);
  t.same(dns.names, ['orders']);
  dns.answer('orders', ['10.96.0.10'], 8081);
  t.match(subscription.describe(), { source: 'dns', state: 'ready', error: /has no port 8081; it has 80 \(http\)/ });
  t.match(lines, [/has no port 8081/]);
  t.equal(lines.length, 1);
  // The Service gets the port, and its slices show it first.
  clock.advance(1000);
  const ports = [
    { name: 'http', port: 8080 },
    { name: 'admin', port: 9091 },
  ];
  const now = slice({ service: 'orders', ports, endpoints: [pod(1)] });
  api.last.handlers.event('MODIFIED', at(101, now), clock.now());
  clock.advance(0);
  await settled();
  const more = service({
    name: 'orders',
    ports: [
      { name: 'http', port: 80 },
      { name: 'admin', port: 8081 },
    ],
  });
  await call(/services\//).answerRaw(more);
  t.same(ready(sink), ['10.1.0.1:9091']);
  t.match(lines.at(-1), /over/);
});

t.test('a Service that is deleted goes by DNS, and comes back with its slices', async (t) => {
  const { api, clock, dns, subscribe, tell, call } = startKubernetes(t);
  const { sink, subscription } = await subscribe('orders');
  await tell(ORDERS, [at(100, slices(pod(1)))]);
  clock.advance(5000);
  api.last.handlers.event('DELETED', at(101, slices(pod(1))), clock.now());
  t.same(ready(sink), []);
  clock.advance(0);
  await settled();
  await call(/services\//).fail('not_found');
  t.same(dns.names, ['orders']);
  dns.fail('orders');
  t.equal(sink.settlements.at(-1)?.code, 'NO_ROUTE');
  clock.advance(5000);
  api.last.handlers.event('ADDED', at(110, slices(pod(7))), clock.now());
  clock.advance(0);
  await settled();
  await call(/services\//).answerRaw(ORDERS);
  t.same(ready(sink), ['10.1.0.7:8080']);
  t.match(subscription.describe(), { source: 'kubernetes', state: 'ready' });
});

t.test('a pod of a headless Service is picked by its host name', async (t) => {
  const { dns, subscribe, tell, call } = startKubernetes(t);
  const { sink } = await subscribe('db-1.db.shop.svc.cluster.local', 5432);
  const endpoints = [pod(1, { hostname: 'db-0' }), pod(2, { hostname: 'db-1' })];
  const db = service({ name: 'db', headless: true, ports: [{ name: 'pg', port: 5432 }] });
  await tell(db, [slice({ service: 'db', endpoints, ports: [{ name: 'pg', port: 5432 }] })]);
  t.same(ready(sink), ['10.1.0.2:5432']);
  const wrong = await subscribe('x.orders.shop.svc.cluster.local');
  await call(/services\/orders$/).answerRaw(ORDERS);
  t.same(dns.names, ['x.orders.shop.svc.cluster.local'], 'pods of other Services have no such names');
  t.same(wrong.sink.take(), []);
});

t.test('session affinity is told with the pod’s address, and taken back', async (t) => {
  const { clock, subscribe, tell, call } = startKubernetes(t);
  const { sink } = await subscribe('orders');
  await tell(service({ name: 'orders', spec: { sessionAffinity: 'ClientIP' } }), [slices(pod(1))]);
  t.ok(sink.take().includes('affinity 10.1.0.9'));
  clock.advance(400_000);
  await settled();
  await call(/services\//).answerRaw(ORDERS);
  t.same(sink.take().slice(-2), ['affinity null', 'settled']);
});

t.test(
  'with cluster-wide rights a name of two labels goes by DNS at once, while the Service is asked for',
  async (t) => {
    const { dns, subscribe, tell } = startKubernetes(t, { namespaces: ['*'] });
    const { sink } = await subscribe('orders.elsewhere');
    t.same(dns.names, ['orders.elsewhere']);
    dns.answer('orders.elsewhere', ['10.96.0.10']);
    const orders = service({ name: 'orders', namespace: 'elsewhere' });
    await tell(orders, [slice({ service: 'orders', namespace: 'elsewhere', endpoints: [pod(1)] })]);
    t.same(ready(sink), ['10.1.0.1:8080']);
  },
);

t.test('a Service without selector and slices goes by DNS until somebody writes a slice', async (t) => {
  const { api, clock, dns, subscribe, tell } = startKubernetes(t);
  const { sink, subscription } = await subscribe('orders');
  await tell(service({ name: 'orders', spec: { selector: null } }), []);
  t.same(dns.names, ['orders']);
  t.match(subscription.describe(), { source: 'dns', error: /no selector and no EndpointSlices/, hint: /selector/ });
  api.last.handlers.event('ADDED', at(101, slices(pod(1))), clock.now());
  t.same(ready(sink), ['10.1.0.1:8080']);
});

t.test('what cannot be an endpoint is left out of the slices, and said with its remedy', async (t) => {
  const { lines, subscribe, tell } = startKubernetes(t);
  const { sink, subscription } = await subscribe('orders');
  await tell(ORDERS, [slices(pod(1), { address: '999.1.1.1', uid: 'x' })]);
  t.same(ready(sink), ['10.1.0.1:8080']);
  t.match(subscription.describe(), { source: 'kubernetes', state: 'ready', error: /999\.1\.1\.1/, hint: /left out/ });
  t.match(lines, [/999\.1\.1\.1/]);
});

t.test('a destination that is dropped ends its interest: no watch without a name', async (t) => {
  const { api, clock, discovery, subscribe, tell } = startKubernetes(t);
  const one = await subscribe('orders');
  const two = await subscribe('orders', 81);
  await tell(ORDERS, [slices(pod(1))]);
  one.subscription.close();
  t.equal(api.open.length, 1);
  one.sink.take();
  two.subscription.close();
  two.subscription.close();
  t.equal(api.open.length, 0);
  t.equal(discovery.connected, null);
  clock.advance(1_000_000);
  await settled();
  t.same(one.sink.take(), []);
  t.equal(api.lists.length, 2, 'and nothing is asked for any more');
  t.equal(clock.waiting, 0);
});

t.test('names that an app makes up are asked for eight at a time, and do not gather', async (t) => {
  const { api, clock, discovery } = startKubernetes(t);
  for (let index = 0; index < 1500; index++) discovery.subscribe(`made-up-${index}`, 80, new RecordingSink()).close();
  await settled();
  t.equal(api.lists.length, 8);
  for (let index = 0; index < 20; index++) await api.lists[index]?.fail('not_found');
  t.ok(api.lists.length > 20 && api.lists.length < 40);
  clock.advance(0);
  t.ok(clock.waiting < 1100);
});

t.test('an answer that is no Service is no reason to fail', async (t) => {
  for (const odd of [null, 7, 'text', [], {}, { kind: 'Pod', metadata: { name: 'a', namespace: 'shop' } }]) {
    const { dns, subscribe, call } = startKubernetes(t);
    const { subscription } = await subscribe('orders');
    await call(/services\//).answerRaw(odd);
    t.same(dns.names, ['orders']);
    t.match(subscription.describe(), { source: 'dns', hint: /Kubernetes API/ });
  }
});

t.test('a refresh is DNS’s business', async (t) => {
  const { dns, subscribe, tell, clock } = startKubernetes(t);
  const { subscription } = await subscribe('orders');
  subscription.refresh();
  clock.advance(200);
  subscription.refresh();
  t.equal(dns.refreshed, 1);
  await tell(ORDERS, [slices(pod(1))]);
  subscription.refresh();
  t.equal(dns.refreshed, 1);
});

t.test(
  'without readable credentials names go by DNS from the start on, with one line, and move over when they are mended',
  async (t) => {
    const problem = { message: 'the kubeconfig /x/kc is not there', hint: 'Look at its path.' };
    const { who, api, clock, dns, discovery, lines, subscribe, tell } = startKubernetes(
      t,
      {},
      { namespace: null, problem },
    );
    t.equal(lines.length, 1, 'said at the start');
    t.match(lines, [/\/x\/kc is not there\. Look at its path/]);
    t.equal(discovery.connected, false);
    for (const host of ['orders', 'orders.shop', 'db-0.db.shop']) t.ok(discovery.claims(host), host);
    for (const host of ['localhost', 'a.b.c.d', 'Ü.x', 'foo.localhost']) t.notOk(discovery.claims(host), host);
    dns.cached.set('orders.shop', ['10.96.0.10']);
    const { sink, subscription } = await subscribe('orders.shop');
    const other = await subscribe('github.com');
    const left = await subscribe('carts');
    left.subscription.close();
    t.same(ready(sink), ['10.96.0.10:80']);
    t.match(subscription.describe(), { source: 'dns', state: 'ready', error: /is not there/, hint: /path/ });
    clock.advance(60_000);
    t.equal(lines.length, 1, 'and not again');
    t.same(api.lists, []);
    who.problem = null;
    who.namespace = 'shop';
    sink.take();
    clock.advance(10_000);
    await settled();
    t.match(lines, [/not there/, /over/]);
    t.same(
      api.lists.map(({ path }) => path),
      ['/api/v1/namespaces/shop/services/orders'],
      'only what has the form of a Service is asked for',
    );
    await tell(ORDERS, [slices(pod(1))]);
    t.same(ready(sink), ['10.1.0.1:8080'], 'DNS’s endpoints are taken back');
    const closed = dns.closed.filter((host) => host === 'orders.shop');
    t.equal(closed.length, 2, 'and DNS is left: by the name that waited, and by the Service');
    t.match(subscription.describe(), { source: 'kubernetes', error: null });
    t.match(other.subscription.describe(), { source: 'dns', error: null });
    t.equal(discovery.connected, true);
  },
);

t.test(
  'credentials that become unreadable later have one line for all Services, and are looked at again',
  async (t) => {
    const { who, clock, dns, lines, subscribe, call, tell } = startKubernetes(t);
    await subscribe('orders');
    await subscribe('carts');
    who.problem = { message: 'the token is empty', hint: 'Fill it.' };
    await call(/services\/orders$/).fail('no_credentials', { message: 'the token is empty' });
    await call(/services\/carts$/).fail('no_credentials', { message: 'the token is empty' });
    t.same(dns.names, ['orders', 'carts']);
    t.equal(lines.length, 1);
    who.problem = null;
    clock.advance(10_000);
    clock.advance(1000);
    await settled();
    t.match(lines.at(-1), /over: the token is empty/);
    await tell(service({ name: 'carts' }), [slice({ service: 'carts', endpoints: [pod(3)] })]);
    t.pass();
  },
);

t.test('a Service without an endpoint that serves says so, to the operator and to the app', async (t) => {
  const { api, clock, lines, subscribe, tell } = startKubernetes(t);
  const { sink, subscription } = await subscribe('orders');
  await tell(ORDERS, [at(100, slices(pod(1, { ready: false })))]);
  t.match(subscription.describe(), {
    source: 'kubernetes',
    error: /shop\/orders has no endpoint that serves \(1 not ready\)/,
  });
  t.match(sink.settlements.at(-1), { code: 'NO_ENDPOINTS', message: /no endpoint that serves/, hint: /readiness/ });
  t.equal(lines.length, 1);
  api.last.handlers.event(
    'MODIFIED',
    at(101, slices(pod(1, { ready: false, serving: true, terminating: true }))),
    clock.now(),
  );
  t.match(subscription.describe(), { error: null }, 'one that terminates and serves will do');
});

t.test('a pod name that no endpoint has is told with where such names come from', async (t) => {
  const { subscribe, tell } = startKubernetes(t);
  const { sink, subscription } = await subscribe('db-9.db.shop.svc.cluster.local');
  const endpoints = [pod(1, { hostname: 'db-0' })];
  await tell(service({ name: 'db', headless: true }), [slice({ service: 'db', endpoints })]);
  t.match(subscription.describe(), { error: /no endpoint with the host name db-9/, hint: /StatefulSet/ });
  t.match(sink.settlements.at(-1), { code: 'NO_ENDPOINTS' });
});

t.test('where DNS has no answer either the app is told why DNS was asked', async (t) => {
  const { dns, subscribe, tell } = startKubernetes(t);
  const { sink } = await subscribe('orders', 8081);
  await tell(ORDERS, [slices(pod(1))]);
  dns.fail('orders');
  t.match(sink.settlements.at(-1), { code: 'NO_ROUTE', message: /has no port 8081; it has 80 \(http\)/ });
});
