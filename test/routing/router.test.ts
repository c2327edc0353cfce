import t, { type Test } from 'tap';
import type { Config, DestinationConfig } from '../../src/config/types.ts';
import { CarpoolError } from '../../src/errors.ts';
import { DestinationObserver } from '../../src/observer.ts';
import { Router } from '../../src/routing/router.ts';
import { answeringOrigin, until } from '../pool/origins.ts';
import { defaultConfig, endpointAt, poolContext, TestRequest } from '../pool/pool-fixture.ts';
import { FakeDiscovery } from './fake-discovery.ts';

const DROP_AFTER_MS = 900_000;
const DENIED = '169.254.169.254';

function entry(host: string, port: number | null, changes: Partial<DestinationConfig> = {}): DestinationConfig {
  const { defaults } = defaultConfig();
  const own = { name: null, localPort: null, basePath: '', endpoints: null, to: null, mode: null };
  const base = { ...own, fleet: { maxConnections: null }, policy: defaults };
  return { ...base, match: { host, port }, ...changes };
}

function routerWith(
  t: Test,
  discovery: FakeDiscovery,
  options: { destinations?: readonly DestinationConfig[]; limit?: number } = {},
) {
  const context = poolContext();
  const base = defaultConfig();
  const configWith = (destinations: readonly DestinationConfig[]): Config => ({
    ...base,
    limits: { ...base.limits, destinations: options.limit ?? 100 },
    destinations,
  });
  let observers = 0;
  const router = new Router(configWith(options.destinations ?? []), {
    discovery,
    allowed: (address, port) =>
      port === 1 || address === DENIED ? new CarpoolError('DESTINATION_DENIED', 'port 1') : null,
    context,
    events: context.events,
    observe: (name) => {
      observers++;
      return new DestinationObserver(name);
    },
    forget: () => {
      observers--;
    },
  });
  t.teardown(() => router.close('now'));
  return { router, context, configWith, observers: () => observers };
}

t.test('rule 30: a hundred thousand host names leave as many destinations as the limit allows', async (t) => {
  const discovery = new FakeDiscovery([endpointAt(2)]);
  const { router, context, observers } = routerWith(t, discovery, { limit: 50 });
  for (let index = 0; index < 100_000; index++) router.find(`name-${index}.example`, 80);
  t.equal(discovery.subscribed, 100_000);
  t.equal(router.destinations.length, 50);
  t.equal(observers(), 50);
  t.equal(discovery.open, 50, 'those that were dropped listen to discovery no more');
  const before = context.clock.waiting;
  context.clock.advance(1000);
  t.equal(context.clock.waiting, before, 'no timer is left of them');
});

t.test('rule 30: nor do the names that a wildcard of the configuration covers, or the ports of a host', async (t) => {
  const discovery = new FakeDiscovery([endpointAt(2)]);
  const destinations = [entry('*.shop', 80), entry('legacy', null), entry('kept.shop', 80)];
  const { router, context } = routerWith(t, discovery, { limit: 10, destinations });
  const kept = router.find('kept.shop', 80);
  for (let index = 0; index < 1000; index++) router.find(`name-${index}.shop`, 80);
  for (let port = 1; port < 1000; port++) router.find('legacy', port);
  t.equal(router.destinations.length, 10);
  t.equal(router.find('kept.shop', 80), kept, 'one that is written with its name stays');
  context.clock.advance(DROP_AFTER_MS);
  router.tick(context.clock.now());
  t.same(
    router.destinations.map(({ name }) => name),
    ['kept.shop:80'],
  );
});

t.test('the destination that was used least recently makes room; one in use never does', async (t) => {
  const origin = await answeringOrigin(t, () => null);
  const discovery = new FakeDiscovery([endpointAt(origin.port)]);
  const { router, context } = routerWith(t, discovery, { limit: 2 });
  const busy = router.find('busy', 80);
  const request = new TestRequest('/held');
  busy.acquire(request, []);
  await until(() => origin.requests.length === 1);
  context.clock.advance(1);
  const idle = router.find('idle', 80);
  context.clock.advance(1);
  router.find('new', 80);
  t.ok(idle.closed);
  t.notOk(busy.closed);
  router.find('new', 80).acquire(new TestRequest('/held'), []);
  await until(() => origin.requests.length === 2);
  t.throws(() => router.find('one-too-many', 80), { code: 'OVERLOADED' });
  t.equal(router.find('busy', 80), busy, 'those that are there still serve');
});

t.test('a destination whose requests wait for a first address makes no room', async (t) => {
  const origin = await answeringOrigin(t);
  const discovery = new FakeDiscovery(null);
  const { router, context } = routerWith(t, discovery, { limit: 1 });
  const request = new TestRequest('/waits');
  const destination = router.find('slow-name', 80);
  t.notOk(destination.acquire(request, []));
  context.clock.advance(1);
  t.throws(() => router.find('other', 80), { code: 'OVERLOADED' });
  discovery.sink('slow-name:80').add(endpointAt(origin.port));
  discovery.sink('slow-name:80').settled(null);
  await until(() => request.ended === 1);
  t.equal(request.error, null);
});

t.test('a destination is dropped with its connections after 15 minutes without a request', async (t) => {
  const origin = await answeringOrigin(t);
  const discovery = new FakeDiscovery([endpointAt(origin.port)]);
  const { router, context, observers } = routerWith(t, discovery);
  const first = router.find('Name.Example', 80);
  t.equal(router.find('name.example', 80), first, 'names are the same in any case');
  t.not(router.find('name.example', 81), first);
  context.clock.advance(DROP_AFTER_MS - 1);
  router.find('name.example', 80);
  context.clock.advance(2);
  router.tick(context.clock.now());
  t.same(
    router.destinations.map(({ name }) => name),
    ['name.example:80'],
    'the port that nobody asked for since is gone',
  );
  const request = new TestRequest('/1');
  first.acquire(request, []);
  await until(() => request.ended === 1);
  first.pool.tick(context.clock.now());
  context.clock.advance(DROP_AFTER_MS);
  router.tick(context.clock.now());
  t.ok(first.closed);
  router.tick(context.clock.now());
  t.equal(router.destinations.length, 0);
  t.equal(observers(), 0);
  t.equal(context.capacity.used, 0);
  t.not(router.find('name.example', 80), first, 'it is made anew when it is named again');
});

t.test('a destination with a request under way is not dropped, however old it is', async (t) => {
  const origin = await answeringOrigin(t, () => null);
  const discovery = new FakeDiscovery([endpointAt(origin.port)]);
  const { router, context } = routerWith(t, discovery);
  const destination = router.find('name', 80);
  destination.acquire(new TestRequest('/long'), []);
  await until(() => origin.requests.length === 1);
  context.clock.advance(2 * DROP_AFTER_MS);
  router.tick(context.clock.now());
  t.notOk(destination.closed);
});

t.test('a destination that only failed is dropped after half a minute', async (t) => {
  const discovery = new FakeDiscovery(null);
  const { router, context } = routerWith(t, discovery);
  const destination = router.find('typo', 80);
  const request = new TestRequest('/');
  destination.acquire(request, []);
  discovery.sink('typo:80').settled(new CarpoolError('NO_ROUTE', 'no such name'));
  t.equal(request.error?.code, 'NO_ROUTE', 'who waited gets the error');
  t.throws(() => destination.acquire(new TestRequest('/'), []), { code: 'NO_ROUTE' }, 'and so does who comes after');
  t.equal(discovery.refreshed, 1, 'which asks discovery again');
  context.clock.advance(30_000);
  router.tick(context.clock.now());
  t.ok(destination.closed);
});

t.test('requests that come before the first answer of discovery wait for it, in their order', async (t) => {
  const origin = await answeringOrigin(t);
  const discovery = new FakeDiscovery(null);
  const { router, context } = routerWith(t, discovery);
  const destination = router.find('name', 80);
  const requests = [new TestRequest('/a'), new TestRequest('/b'), new TestRequest('/c')];
  for (const request of requests) t.notOk(destination.acquire(request, []));
  t.equal(destination.stats().pending, 3);
  const [first, second, third] = requests;
  if (first === undefined || second === undefined || third === undefined) throw new Error('none');
  destination.withdraw(second);
  discovery.sink('name:80').add(endpointAt(origin.port));
  discovery.sink('name:80').settled(null);
  await until(() => first.ended === 1 && third.ended === 1);
  t.equal(second.told, 0);
  t.equal(origin.requests.length, 2);
  context.clock.advance(60_000);
  t.same([first.told, third.told], [1, 1], 'their deadlines ended with the wait');
});

t.test('a request that got no address within timeouts.connect gets DNS_TIMEOUT', async (t) => {
  const { router, context } = routerWith(t, new FakeDiscovery(null));
  const request = new TestRequest('/');
  router.find('name', 80).acquire(request, []);
  context.clock.advance(9999);
  t.equal(request.told, 0);
  context.clock.advance(1);
  t.equal(request.error?.code, 'DNS_TIMEOUT');
});

t.test('an endpoint at a denied address is never dialled', async (t) => {
  const discovery = new FakeDiscovery([endpointAt(1)]);
  const { router } = routerWith(t, discovery);
  const destination = router.find('rebound', 80);
  t.throws(() => destination.acquire(new TestRequest('/'), []), { code: 'DESTINATION_DENIED' });
  t.equal(destination.pool.endpoints.length, 0);
});

t.test('of two addresses of an endpoint a denied one is left out, whichever it is', async (t) => {
  const discovery = new FakeDiscovery(null);
  const { router } = routerWith(t, discovery);
  const destination = router.find('both', 80);
  const sink = discovery.sink('both:80');
  const tell = (address: string, otherAddress: string) => sink.add({ id: 'pod', address, otherAddress, port: 80 });
  const dialled = () => destination.pool.endpoints.map(({ addresses }) => addresses);
  tell(DENIED, DENIED);
  t.same(dialled(), []);
  tell(DENIED, 'fd00::1');
  t.same(dialled(), [['fd00::1']]);
  tell('10.0.0.1', DENIED);
  t.same(dialled(), [['10.0.0.1']]);
  tell('10.0.0.1', 'fd00::1');
  t.same(dialled(), [['10.0.0.1', 'fd00::1']], 'what is told later of an endpoint counts');
});

t.test('a destination with an open tunnel is in use', async (t) => {
  const origin = await answeringOrigin(t);
  const discovery = new FakeDiscovery([endpointAt(origin.port)]);
  const { router, context } = routerWith(t, discovery);
  const destination = router.find('name', 80);
  const tunnel = new TestRequest('/', { tunnel: true, fresh: true });
  destination.acquire(tunnel, []);
  await until(() => tunnel.told === 1);
  context.clock.advance(2 * DROP_AFTER_MS);
  router.tick(context.clock.now());
  t.notOk(destination.closed);
  tunnel.tunnelClosed?.();
  router.tick(context.clock.now());
  t.ok(destination.closed);
});

t.test('endpoints come and go while requests run: directly by discovery', async (t) => {
  const [one, two] = [await answeringOrigin(t, () => null), await answeringOrigin(t)];
  const discovery = new FakeDiscovery([endpointAt(one.port)]);
  const { router, context } = routerWith(t, discovery);
  const destination = router.find('name', 80);
  const running = new TestRequest('/running');
  destination.acquire(running, []);
  await until(() => one.requests.length === 1);
  const sink = discovery.sink('name:80');
  sink.remove(endpointAt(one.port).id);
  sink.remove(endpointAt(one.port).id);
  const early = new TestRequest('/early');
  destination.acquire(early, []);
  context.clock.advance(1000);
  t.match(early.error, { code: 'NO_ENDPOINTS', message: /name:80 has no endpoint that serves/ });
  sink.settled(new CarpoolError('NO_ENDPOINTS', 'none of 2 pods is ready'));
  const next = new TestRequest('/next');
  const late = new TestRequest('/late');
  destination.acquire(late, []);
  context.clock.advance(999);
  destination.acquire(next, []);
  context.clock.advance(1);
  t.match(late.error, { code: 'NO_ENDPOINTS', message: /none of 2 pods is ready/ }, 'with the words of discovery');
  sink.add(endpointAt(two.port));
  sink.settled(null);
  await until(() => next.ended === 1);
  t.equal(destination.stats().draining, 1);
  one.requests[0]?.connection.write('HTTP/1.1 204 No Content\r\n\r\n');
  await until(() => running.ended === 1);
  t.equal(running.failure, null, 'what ran has finished');
  t.equal(destination.stats().draining, 0);
});

t.test('destinations that are kept warm exist from the start, others from their first use', async (t) => {
  const { defaults } = defaultConfig();
  const warm = { ...defaults, pool: { ...defaults.pool, minConnections: 1 } };
  const discovery = new FakeDiscovery([endpointAt(2)]);
  const destinations = [entry('warm', 80, { policy: warm }), entry('*.warm', 80, { policy: warm }), entry('cold', 80)];
  const { router, configWith } = routerWith(t, discovery, { destinations });
  t.same(
    router.destinations.map(({ name }) => name),
    ['warm:80'],
  );
  router.reconfigure(configWith([...destinations, entry('late', 81, { policy: warm })]));
  t.same(
    router.destinations.map(({ name }) => name),
    ['warm:80', 'late:81'],
  );
});

t.test('a reload changes discovery.emptyWait for destinations that are there', async (t) => {
  const discovery = new FakeDiscovery([]);
  const { router, context, configWith } = routerWith(t, discovery);
  const destination = router.find('empty', 80);
  const request = new TestRequest('/');
  t.notOk(destination.acquire(request, []));
  context.clock.advance(1000);
  t.equal(request.error?.code, 'NO_ENDPOINTS');
  const config = configWith([]);
  router.reconfigure({ ...config, discovery: { ...config.discovery, emptyWaitMs: 0 } });
  t.equal(router.find('empty', 80), destination);
  t.throws(() => destination.acquire(new TestRequest('/'), []), { code: 'NO_ENDPOINTS' });
});

t.test(
  'requests that wait for an endpoint still hear of one although a reload makes their destination anew',
  async (t) => {
    const origin = await answeringOrigin(t);
    const discovery = new FakeDiscovery([]);
    const { router, context, configWith } = routerWith(t, discovery);
    const before = router.find('empty', 80);
    const sink = discovery.sink('empty:80');
    const request = new TestRequest('/waits');
    before.acquire(request, []);
    router.reconfigure(configWith([entry('empty', 80)]));
    t.ok(before.closed);
    t.equal(discovery.open, 1, 'it listens on');
    sink.add(endpointAt(origin.port));
    sink.settled(null);
    await until(() => request.ended === 1);
    t.equal(request.error, null);
    for (let tick = 0; tick < 3; tick++) router.tick(context.clock.now());
    t.equal(router.destinations.length, 0);
    t.equal(discovery.open, 0, 'and no longer than they need it');
  },
);

t.test('a pause of a destination that closes leaves those who wait for its first address their hope', async (t) => {
  const origin = await answeringOrigin(t);
  const discovery = new FakeDiscovery(null);
  const { router, context, configWith } = routerWith(t, discovery);
  const before = router.find('slow-name', 80);
  const sink = discovery.sink('slow-name:80');
  const request = new TestRequest('/waits');
  before.acquire(request, []);
  router.reconfigure(configWith([entry('slow-name', 80)]));
  router.pause(before);
  t.equal(discovery.open, 1);
  router.resume(before);
  sink.add(endpointAt(origin.port));
  sink.settled(null);
  await until(() => request.ended === 1);
  t.equal(request.error, null);
  for (let tick = 0; tick < 3; tick++) router.tick(context.clock.now());
  t.equal(discovery.open, 0);
});
