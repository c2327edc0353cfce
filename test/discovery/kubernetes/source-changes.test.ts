import t from 'tap';
import { RecordingSink } from '../recording-sink.ts';
import { startKubernetes } from './discovery-fixture.ts';
import { at, failure, settled } from './fake-kube-api.ts';
import { service, slice } from './kube-objects.ts';

const ORDERS = service({ name: 'orders' });
const pod = (last: number, more: object = {}) => ({ address: `10.1.0.${last}`, uid: `pod-${last}`, ...more });
/** Of a hand-made slice: no object behind it, so its id is that of DNS. */
const bare = (last: number, more: object = {}) => ({ address: `10.1.0.${last}`, uid: null, ...more });
const slices = (...endpoints: object[]) =>
  slice({ service: 'orders', endpoints: endpoints as ReturnType<typeof pod>[], ports: [{ name: 'http', port: 80 }] });
const external = (externalName: string) => service({ name: 'orders', externalName });

/** What a destination has in rotation. */
const ready = (sink: RecordingSink): string[] =>
  [...sink.endpoints].flatMap(([id, state]) => (state === 'ready' ? [id.replace(/\/.*/, '')] : [])).sort();

t.test('an endpoint that DNS and the slices name alike stays when a name moves to DNS', async (t) => {
  const { api, clock, dns, subscribe, tell } = startKubernetes(t);
  const { sink } = await subscribe('orders');
  await tell(ORDERS, [slices(bare(1), bare(2))]);
  clock.advance(10_000);
  api.last.handlers.ended(failure('forbidden'));
  dns.answer('orders', ['10.1.0.1']);
  t.same(ready(sink), ['10.1.0.1:80']);
});

t.test('an endpoint that DNS had and the slices call unready is taken back when a name moves over', async (t) => {
  const { clock, dns, subscribe, tell } = startKubernetes(t);
  const { sink } = await subscribe('orders');
  clock.advance(200);
  dns.answer('orders', ['10.1.0.1', '10.1.0.2']);
  await tell(ORDERS, [slices(bare(1), bare(2, { ready: false }))]);
  t.same(ready(sink), ['10.1.0.1:80']);
});

t.test('the endpoints of a Service that turns out to be gone go also where DNS had failed before', async (t) => {
  const { api, clock, dns, subscribe, tell, call } = startKubernetes(t);
  const { sink } = await subscribe('orders');
  await tell(ORDERS, [slices(pod(1))]);
  clock.advance(10_000);
  api.last.handlers.ended(failure('forbidden'));
  dns.fail('orders');
  t.same(ready(sink), ['10.1.0.1:80'], 'forbidden is no reason to give up what is known');
  const asked = () => api.lists.filter(({ path }) => path.includes('/services/')).length;
  while (asked() < 2) {
    clock.advance(20_000);
    await settled();
    api.last.handlers.ended(failure('forbidden'));
    await call(/endpointslices$/).fail('forbidden');
  }
  await call(/services\//).fail('not_found');
  t.same(ready(sink), []);
  t.equal(sink.settlements.at(-1)?.code, 'NO_ROUTE');
});

t.test('when an ExternalName changes, the old target serves until the new one is known', async (t) => {
  const { clock, dns, subscribe, call } = startKubernetes(t);
  const { sink } = await subscribe('orders');
  await call(/services\//).answerRaw(external('old.test'));
  dns.answer('old.test.', ['203.0.113.1', '203.0.113.2']);
  clock.advance(400_000);
  await settled();
  await call(/services\//).answerRaw(external('new.test'));
  t.same(ready(sink), ['203.0.113.1:80', '203.0.113.2:80']);
  sink.take();
  dns.answer('new.test.', ['203.0.113.2', '203.0.113.3']);
  t.same(ready(sink), ['203.0.113.2:80', '203.0.113.3:80']);
  t.same(sink.take(), ['add 203.0.113.2:80', 'add 203.0.113.3:80', 'remove 203.0.113.1:80', 'settled']);
  t.same(dns.closed, ['old.test.']);
});

t.test('what DNS told of the first of several names is taken back when the slices are known', async (t) => {
  const { clock, dns, subscribe, call, tell } = startKubernetes(t);
  const { sink } = await subscribe('orders');
  await call(/services\//).answerRaw(external('old.test'));
  dns.answer('old.test.', ['203.0.113.1']);
  clock.advance(400_000);
  await settled();
  await call(/services\//).answerRaw(external('new.test'));
  clock.advance(400_000);
  await settled();
  await call(/services\//).answerRaw(external('newest.test'));
  clock.advance(400_000);
  await settled();
  await tell(ORDERS, [slices(pod(1))]);
  t.same(ready(sink), ['10.1.0.1:80']);
});

t.test('the old target of an ExternalName goes when the new one has no address', async (t) => {
  const { clock, dns, subscribe, call } = startKubernetes(t);
  const { sink } = await subscribe('orders');
  await call(/services\//).answerRaw(external('old.test'));
  dns.answer('old.test.', ['203.0.113.1']);
  clock.advance(400_000);
  await settled();
  await call(/services\//).answerRaw(external('new.test'));
  dns.fail('new.test.');
  t.same(ready(sink), []);
  t.equal(sink.settlements.at(-1)?.code, 'NO_ROUTE');
});

t.test('an ExternalName that becomes a Service with pods again is noticed by its slices', async (t) => {
  const { api, clock, dns, subscribe, tell, call } = startKubernetes(t);
  const { sink } = await subscribe('orders');
  await tell(ORDERS, [at(100, slices(pod(1)))]);
  clock.advance(5000);
  api.last.handlers.event('DELETED', at(101, slices(pod(1))), clock.now());
  clock.advance(0);
  await settled();
  await call(/services\//).answerRaw(external('old.test'));
  dns.answer('old.test.', ['203.0.113.1']);
  t.same(ready(sink), ['203.0.113.1:80']);
  clock.advance(5000);
  api.last.handlers.event('ADDED', at(110, slices(pod(2))), clock.now());
  clock.advance(0);
  await settled();
  await call(/services\//).answerRaw(ORDERS);
  t.same(ready(sink), ['10.1.0.2:80']);
});

t.test('a change that is seen while the Service is being read is read after it', async (t) => {
  const { api, clock, subscribe, tell } = startKubernetes(t);
  await subscribe('orders');
  await tell(ORDERS, [at(100, slices(pod(1)))]);
  const ports = (port: number) => slice({ service: 'orders', ports: [{ name: 'http', port }], endpoints: [pod(1)] });
  clock.advance(5000);
  api.last.handlers.event('MODIFIED', at(101, ports(81)), clock.now());
  clock.advance(0);
  await settled();
  t.equal(api.lists.length, 3);
  api.last.handlers.event('MODIFIED', at(102, ports(82)), clock.now());
  await api.list.answerRaw(ORDERS);
  clock.advance(1000);
  await settled();
  t.equal(api.lists.length, 4);
  await api.list.answerRaw(ORDERS);
  clock.advance(10_000);
  await settled();
  t.equal(api.lists.length, 4, 'once');
});

t.test('the Service is read again when slices that had no ports get some', async (t) => {
  const { api, clock, subscribe, tell } = startKubernetes(t);
  await subscribe('orders');
  await tell(ORDERS, [at(100, slice({ service: 'orders', ports: [], endpoints: [] }))]);
  clock.advance(5000);
  await settled();
  const before = api.lists.length;
  api.last.handlers.event('MODIFIED', at(101, slices(pod(1))), clock.now());
  clock.advance(0);
  await settled();
  t.equal(api.lists.length, before + 1);
});

t.test('slices that change do not shorten the wait that the API server asked for', async (t) => {
  const { api, clock, discovery, subscribe, tell, call } = startKubernetes(t);
  await subscribe('orders');
  await tell(ORDERS, [at(100, slices(pod(1)))]);
  clock.advance(5000);
  api.last.handlers.event('DELETED', at(101, slices(pod(1))), clock.now());
  clock.advance(0);
  await settled();
  await call(/services\//).fail('throttled', { retryAfterMs: 20_000 });
  const before = api.lists.length;
  api.last.handlers.event('ADDED', at(102, slices(pod(1))), clock.now());
  api.last.handlers.event('DELETED', at(103, slices(pod(1))), clock.now());
  clock.advance(15_000);
  await settled();
  t.equal(api.lists.length, before);
  discovery.askAgain();
  clock.advance(0);
  await settled();
  t.equal(api.lists.length, before + 1, 'but for who asks for it');
});

t.test('that several Services may not be read is one line, also where the message names each', async (t) => {
  const { clock, discovery, lines, subscribe, call } = startKubernetes(t);
  const names = ['orders', 'carts', 'users'];
  for (const name of names) await subscribe(name);
  for (const name of names)
    await call(new RegExp(`services/${name}$`)).fail('forbidden', { message: `services "${name}" is forbidden` });
  t.equal(lines.length, 1);
  await subscribe('free');
  await call(/services\/free$/).answerRaw(service({ name: 'free' }));
  t.equal(lines.length, 1, 'one Service that may be read is not the end of it');
  t.match(discovery.problems, [{ message: /is forbidden/ }]);
  clock.advance(2000);
  discovery.askAgain();
  clock.advance(0);
  await settled();
  for (const name of names) {
    t.equal(lines.length, 1, name);
    await call(new RegExp(`services/${name}$`)).answerRaw(service({ name }));
  }
  t.equal(lines.length, 2);
  t.match(lines.at(-1), /over/);
  t.same(discovery.problems, []);
});

t.test('a destination that throws keeps nobody else from being told, and ends nothing', async (t) => {
  const { api, clock, discovery, lines, tell, subscribe } = startKubernetes(t);
  class Faulty extends RecordingSink {
    override add(): void {
      throw new Error('a fault of the test');
    }
  }
  discovery.subscribe('orders', 80, new Faulty());
  const { sink } = await subscribe('orders');
  await tell(ORDERS, [at(100, slices(pod(1)))]);
  t.same(ready(sink), ['10.1.0.1:80']);
  api.last.handlers.event('MODIFIED', at(101, slices(pod(1), pod(2))), clock.now());
  t.same(ready(sink), ['10.1.0.1:80', '10.1.0.2:80']);
  t.match(lines, [/a fault of the test/]);
  t.equal(lines.length, 1);
});

t.test('a destination that throws as the Service is read ends nothing', async (t) => {
  const { dns, discovery, lines, subscribe, call } = startKubernetes(t);
  class Faulty extends RecordingSink {
    override add(): void {
      throw new Error('a fault of the test');
    }
  }
  dns.cached.set('orders', ['10.96.0.10']);
  discovery.subscribe('orders', 80, new Faulty());
  const { sink } = await subscribe('orders');
  await call(/services\//).fail('not_found');
  t.same(ready(sink), ['10.96.0.10:80']);
  t.match(lines, [/a fault of the test/]);
});

t.test('a destination that leaves while it is told of an endpoint leaves nothing behind', async (t) => {
  for (const how of ['slices', 'dns']) {
    const { api, clock, dns, discovery, call } = startKubernetes(t);
    class Leaving extends RecordingSink {
      override add(): void {
        subscription.close();
      }
    }
    const sink = new Leaving();
    const subscription = discovery.subscribe('orders', 80, sink);
    await settled();
    if (how === 'slices') {
      await call(/services\//).answerRaw(ORDERS);
      await call(/endpointslices$/).answer([slices(pod(1))], 100);
    } else {
      dns.cached.set('orders', ['10.96.0.10']);
      await call(/services\//).fail('forbidden');
    }
    t.same(sink.take(), [], how);
    t.equal(dns.names.length, dns.closed.length, how);
    t.equal(api.open.length, 0, how);
    discovery.close();
    t.equal(clock.waiting, 0, how);
  }
});

t.test('a failure that was held back is told when the API server has no better answer', async (t) => {
  const { clock, dns, subscribe, call } = startKubernetes(t);
  const { sink } = await subscribe('orders');
  clock.advance(200);
  dns.fail('orders');
  t.same(sink.take(), []);
  await call(/services\//).fail('forbidden');
  t.same(sink.take(), ['settled NO_ROUTE']);
});

t.test('what was wrong with Services is forgotten with them', async (t) => {
  const { clock, discovery, subscribe, call } = startKubernetes(t);
  const { subscription } = await subscribe('orders');
  await call(/services\//).fail('forbidden');
  t.equal(discovery.problems.length, 1);
  subscription.close();
  clock.advance(400_000);
  t.same(discovery.problems, []);
});

t.test('namespaces that an app makes up do not gather', async (t) => {
  const { discovery, subscribe, tell } = startKubernetes(t);
  const { sink } = await subscribe('orders');
  for (let index = 0; index < 500; index++)
    discovery.subscribe(`a.made-up-${index}.svc.cluster.local`, 80, new RecordingSink()).close();
  t.ok(discovery.namespaces <= 65, `${discovery.namespaces}`);
  await tell(ORDERS, [slices(pod(1))]);
  t.same(ready(sink), ['10.1.0.1:80'], 'one that is used stays');
});
