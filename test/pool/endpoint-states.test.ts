import t, { type Test } from 'tap';
import type { DestinationPool } from '../../src/pool/destination-pool.ts';
import type { EndpointState } from '../../src/pool/endpoint-pool.ts';
import { type AnsweringOrigin, answeringOrigin, ok, until } from './origins.ts';
import { endpointAt, openOf, policyWith, poolContext, refusingPort, TestRequest, testPool } from './pool-fixture.ts';
import { silentPort } from './silent-port.ts';

const idOf = ({ port }: { readonly port: number }): string => endpointAt(port).id;

/** A request that has had its answer. */
async function get(pool: DestinationPool, path = '/'): Promise<TestRequest> {
  const request = new TestRequest(path);
  pool.acquire(request);
  await until(() => request.ended === 1 || request.error !== null);
  return request;
}

/** Which of the origins `count` requests in a row went to. */
async function portsOf(pool: DestinationPool, count: number): Promise<Set<number | undefined>> {
  const ports = new Set<number | undefined>();
  for (let index = 0; index < count; index++) ports.add((await get(pool)).endpoint?.spec.port);
  return ports;
}

/** A pool over these origins, each with an idle connection. */
async function warmPool(t: Test, origins: readonly AnsweringOrigin[], policy = policyWith()) {
  const context = poolContext();
  const pool = testPool(t, context, policy);
  for (const { port } of origins) pool.add(endpointAt(port));
  pool.settle();
  for (const _ of origins) await get(pool);
  t.equal(pool.totals().idle, origins.length);
  return { pool, context };
}

t.test(
  'an endpoint that is not ready takes no request, and its idle connections stay until their idle time',
  async (t) => {
    const [one, two] = [await answeringOrigin(t), await answeringOrigin(t)];
    const policy = policyWith({ pool: { idleTimeoutMs: 100_000 } });
    const { pool, context } = await warmPool(t, [one, two], policy);
    pool.setState(idOf(one), 'unready');
    t.equal(pool.totals().idle, 2);
    t.same(await portsOf(pool, 4), new Set([two.port]));
    const burst = [new TestRequest('/'), new TestRequest('/')];
    for (const request of burst) pool.acquire(request);
    await until(() => burst.every(({ ended }) => ended === 1));
    t.equal(pool.totals().idle, 3);
    for (let second = 0; second < 99; second++) {
      context.clock.advance(1000);
      pool.tick(context.clock.now());
      await get(pool);
    }
    t.notOk(one.connections[0]?.ended, 'it is no surplus, though the peak of the last half minute does not need it');
    t.equal(pool.totals().idle, 2, 'the surplus was elsewhere');
    t.equal(two.connections.length, 2, 'and was all of it');
    context.clock.advance(1000);
    pool.tick(context.clock.now());
    await one.connections[0]?.until(({ ended }) => ended);
    t.equal(pool.totals().idle, 1);
  },
);

t.test('a readiness flap costs no handshake and cuts nothing', async (t) => {
  const origin = await answeringOrigin(t, ({ path }) => (path === '/slow' ? null : ok(path)));
  const { pool } = await warmPool(t, [origin]);
  const slow = new TestRequest('/slow');
  pool.acquire(slow);
  await until(() => origin.requests.length === 2);
  const second = await get(pool, '/second');
  t.equal(second.reused, false);
  pool.setState(idOf(origin), 'unready');
  const [endpoint] = pool.endpoints;
  pool.add(endpointAt(origin.port));
  t.equal(pool.endpoints[0], endpoint, 'it is the same endpoint');
  t.ok((await get(pool)).reused);
  origin.requests[1]?.connection.write(ok('slow'));
  await until(() => slow.ended === 1);
  t.equal(slow.failure, null);
  t.equal(pool.totals().idle, 2);
  t.equal(origin.connections.length, 2);
});

t.test('a connection that comes free at an endpoint that is not ready serves nobody who waits', async (t) => {
  const [one, two] = [await answeringOrigin(t, () => null), await answeringOrigin(t)];
  const context = poolContext();
  const pool = testPool(t, context, policyWith({ pool: { maxConnections: 1 } }));
  pool.add(endpointAt(one.port));
  const running = new TestRequest('/running');
  pool.acquire(running);
  await until(() => one.requests.length === 1);
  pool.add(endpointAt(two.port));
  const waiting = new TestRequest('/waiting');
  pool.acquire(waiting);
  t.ok(waiting.waiting);
  pool.setState(idOf(one), 'unready');
  one.requests[0]?.connection.write(ok('done'));
  await until(() => waiting.ended === 1);
  t.equal(waiting.endpoint?.spec.port, two.port, 'its place was worth more than its connection');
  t.equal(one.requests.length, 1);
});

t.test(
  'a request whose connect is under way to an endpoint that turns unready goes elsewhere; the connection is kept',
  async (t) => {
    const [one, two] = [await answeringOrigin(t), await answeringOrigin(t)];
    const context = poolContext();
    const pool = testPool(t, context);
    pool.add(endpointAt(one.port));
    const request = new TestRequest('/');
    pool.acquire(request);
    pool.add(endpointAt(two.port));
    pool.setState(idOf(one), 'unready');
    await until(() => request.ended === 1);
    t.equal(request.endpoint?.spec.port, two.port);
    await until(() => pool.totals().idle === 2);
    t.equal(one.requests.length, 0);
  },
);

t.test('a terminating endpoint that still serves is drained at once while another is ready', async (t) => {
  const slowly = ({ path }: { readonly path: string }) => (path === '/slow' ? null : ok(path));
  const [one, two] = [await answeringOrigin(t, slowly), await answeringOrigin(t, slowly)];
  const { pool } = await warmPool(t, [one, two]);
  const slow = [new TestRequest('/slow'), new TestRequest('/slow')];
  for (const request of slow) pool.acquire(request);
  for (const _ of slow) await get(pool);
  t.match(pool.totals(), { active: 2, idle: 2 }, 'one of each at each');
  pool.setState(idOf(one), 'terminating_serving');
  pool.settle();
  t.match(pool.totals(), { active: 1, idle: 1, draining: 1 });
  t.same(await portsOf(pool, 4), new Set([two.port]));
  for (const { requests } of [one, two]) requests.find(({ path }) => path === '/slow')?.connection.write(ok('slow'));
  await until(() => slow.every(({ ended }) => ended === 1));
  t.ok(
    slow.every(({ failure }) => failure === null),
    'what ran has finished',
  );
  t.match(pool.totals(), { active: 0, idle: 2, draining: 0 });
  t.equal(pool.endpoints[0]?.open.size, 0);
});

t.test('where news comes singly, nobody has to say that it is all', async (t) => {
  const [one, two] = [await answeringOrigin(t), await answeringOrigin(t)];
  const { pool } = await warmPool(t, [one, two]);
  pool.setState(idOf(one), 'terminating_serving');
  await one.connections[0]?.until(({ ended }) => ended);
  t.equal(pool.totals().idle, 1);
});

t.test(
  'when only terminating endpoints that serve are left they keep their connections and take requests',
  async (t) => {
    const [one, two, three] = [await answeringOrigin(t), await answeringOrigin(t), await answeringOrigin(t)];
    const { pool } = await warmPool(t, [one, two]);
    pool.setState(idOf(one), 'terminating_serving');
    pool.setState(idOf(two), 'terminating_serving');
    pool.settle();
    t.equal(pool.totals().idle, 2, 'the order within a batch does not matter');
    t.same(await portsOf(pool, 4), new Set([one.port, two.port]));
    t.same([one.connections.length, two.connections.length], [1, 1], 'no handshake');
    pool.add(endpointAt(three.port));
    t.same(await portsOf(pool, 2), new Set([three.port]), 'a better one takes all');
    await Promise.all([one, two].map(({ connections }) => connections[0]?.until(({ ended }) => ended)));
    pool.setState(idOf(three), 'removed');
    t.equal((await get(pool)).error, null, 'and when that one goes they serve again');
    t.equal(one.connections.length + two.connections.length, 3);
  },
);

t.test(
  'an endpoint that terminates without serving is drained and takes nothing, though there is no other',
  async (t) => {
    const origin = await answeringOrigin(t);
    const { pool, context } = await warmPool(t, [origin]);
    pool.setState(idOf(origin), 'terminating');
    t.equal(openOf(pool), 0);
    const request = new TestRequest('/');
    pool.acquire(request);
    context.clock.advance(1000);
    t.match(request.error, {
      code: 'NO_ENDPOINTS',
      message: /orders\.shop:8080 has no endpoint that serves \(1 terminating\)/,
    });
  },
);

for (const state of ['terminating', 'terminating_serving', 'removed'] as const satisfies readonly EndpointState[]) {
  t.test(`back from ${state} while it drains: new connections, the draining ones are not revived`, async (t) => {
    const [one, two] = [await answeringOrigin(t, () => null), await answeringOrigin(t, () => null)];
    const context = poolContext();
    const pool = testPool(t, context);
    pool.add(endpointAt(one.port));
    const running = new TestRequest('/running');
    pool.acquire(running);
    await until(() => one.requests.length === 1);
    pool.add(endpointAt(two.port));
    pool.setState(idOf(one), state);
    pool.settle();
    t.equal(pool.totals().draining, 1);
    pool.add(endpointAt(one.port));
    pool.setState(idOf(two), 'removed');
    const next = new TestRequest('/next');
    pool.acquire(next);
    await until(() => one.requests.length === 2);
    t.equal(one.connections.length, 2);
    for (const { connection } of one.requests) connection.write(ok('done'));
    await until(() => running.ended === 1 && next.ended === 1);
    t.equal(running.failure, null);
    await one.connections[0]?.until(({ ended }) => ended);
    t.equal(pool.totals().idle, 1, 'the new one stays');
    t.equal(pool.allEndpoints.length, 1);
  });
}

t.test('a terminating endpoint that was needed and is ready again keeps its connections', async (t) => {
  const origin = await answeringOrigin(t);
  const { pool } = await warmPool(t, [origin]);
  pool.setState(idOf(origin), 'terminating_serving');
  pool.settle();
  pool.add(endpointAt(origin.port));
  pool.settle();
  t.ok((await get(pool)).reused);
  t.equal(origin.connections.length, 1);
});

t.test('requests whose connect is under way to an endpoint that goes are connected elsewhere at once', async (t) => {
  const [gone, other] = [await answeringOrigin(t), await answeringOrigin(t)];
  for (const state of ['terminating', 'removed'] as const) {
    const context = poolContext();
    const pool = testPool(t, context);
    pool.add(endpointAt(gone.port));
    const request = new TestRequest('/');
    pool.acquire(request);
    pool.add(endpointAt(other.port));
    pool.setState(idOf(gone), state);
    await until(() => request.ended === 1);
    t.equal(request.endpoint?.spec.port, other.port);
    t.equal(context.clock.waiting, 0, 'no deadline is left');
    t.equal(context.capacity.used, 1);
  }
  t.equal(gone.requests.length, 0);
});

t.test('a connect that nothing answers keeps no request when its endpoint goes', async (t) => {
  const silent = await silentPort(t);
  const other = await answeringOrigin(t);
  for (const state of ['terminating', 'terminating_serving', 'removed', 'unready'] as const) {
    const context = poolContext();
    const pool = testPool(t, context);
    pool.add(endpointAt(silent));
    const request = new TestRequest('/');
    pool.acquire(request);
    pool.add(endpointAt(other.port));
    pool.setState(endpointAt(silent).id, state);
    await until(() => request.ended === 1);
    t.equal(request.endpoint?.spec.port, other.port, state);
  }
});

t.test('news that an endpoint is ready again ends its ejection by connect failures; other news does not', async (t) => {
  const [good, dead] = [await answeringOrigin(t), await refusingPort()];
  const context = poolContext();
  const pool = testPool(t, context);
  pool.add(endpointAt(good.port));
  pool.add(endpointAt(dead));
  const ejected = () => pool.stats().filter(({ state }) => state === 'ejected').length;
  const fail = async () => {
    for (let index = 0; index < 2; index++)
      t.equal((await get(pool)).error, null, 'another endpoint saves the request');
    t.equal(ejected(), 1);
  };
  await fail();
  pool.add(endpointAt(dead));
  pool.setState(endpointAt(dead).id, 'suspended');
  pool.add(endpointAt(dead));
  t.equal(ejected(), 1, 'a slice that is told again, or a DNS answer, says nothing of the process');
  for (const state of ['unready', 'terminating', 'removed'] as const) {
    pool.setState(endpointAt(dead).id, state);
    pool.add(endpointAt(dead));
    t.equal(ejected(), 0, state);
    await fail();
  }
});

t.test('an ejected endpoint that is not ready is not tried in the background', async (t) => {
  const good = await answeringOrigin(t);
  const dead = await refusingPort();
  const context = poolContext();
  const pool = testPool(t, context);
  pool.add(endpointAt(good.port));
  pool.add(endpointAt(dead));
  for (let index = 0; index < 2; index++) await get(pool);
  pool.setState(endpointAt(dead).id, 'unready');
  const tries = () => context.seen.filter(({ type }) => type === 'connect_failed').length;
  const before = tries();
  for (let second = 0; second < 5; second++) {
    context.clock.advance(1000);
    pool.tick(context.clock.now());
    t.equal(pool.totals().connecting, 0);
  }
  t.equal(tries(), before);
});

t.test('a flap within one batch leaves nothing open that nobody knows of', async (t) => {
  const [one, two] = [await answeringOrigin(t), await answeringOrigin(t)];
  const { pool, context } = await warmPool(t, [one, two]);
  pool.setState(idOf(one), 'terminating_serving');
  pool.add(endpointAt(one.port));
  pool.settle();
  await until(() => pool.totals().connecting === 0);
  t.equal(pool.allEndpoints.length, 2);
  for (let second = 0; second < 60; second++) {
    context.clock.advance(1000);
    pool.tick(context.clock.now());
  }
  t.equal(openOf(pool), 0);
});

t.test('one state as others see it: /stats', async (t) => {
  const origin = await answeringOrigin(t);
  const { pool } = await warmPool(t, [origin]);
  const shown = () => pool.stats()[0]?.state;
  const serves = () => pool.stats()[0]?.inRotation;
  t.ok(serves());
  pool.setState(idOf(origin), 'unready');
  t.equal(shown(), 'unready');
  t.notOk(serves());
  pool.setState(idOf(origin), 'terminating_serving');
  t.equal(shown(), 'terminating');
  t.ok(serves(), 'nothing better is left');
});
