import t from 'tap';
import { TunnelPlace } from '../../src/pool/tunnel-place.ts';
import { http2Context } from './fake-http2.ts';
import { answeringOrigin, until } from './origins.ts';
import { endpointAt, openOf, policyWith, type TestContext, TestRequest, testPool } from './pool-fixture.ts';

type Changes = NonNullable<Parameters<typeof policyWith>[0]>;

/** A tunnel that was dialled, and the pool that it may join. */
async function dialled(t: Parameters<typeof answeringOrigin>[0], changes: Changes = {}) {
  const origin = await answeringOrigin(t);
  const context: TestContext = http2Context(10);
  const pool = testPool(t, context, policyWith(changes));
  pool.add(endpointAt(origin.port));
  const tunnel = new TestRequest('/', { tunnel: true, fresh: true });
  let place = new TunnelPlace(() => {});
  const { tunnelReady } = tunnel;
  tunnel.tunnelReady = (socket, endpoint, own) => {
    place = own;
    tunnelReady.call(tunnel, socket, endpoint, own);
  };
  pool.acquire(tunnel);
  await until(() => tunnel.tunnelSocket !== null);
  const join = (): void => {
    const [endpoint] = pool.allEndpoints;
    if (tunnel.tunnelSocket === null || endpoint === undefined) throw new Error('nothing to join');
    pool.join(tunnel.tunnelSocket, endpoint, place);
  };
  return { context, pool, origin, join };
}

t.test('a socket that was dialled for a tunnel becomes an idle connection, in the place of the tunnel', async (t) => {
  const { context, pool, origin, join } = await dialled(t);
  t.equal(context.capacity.used, 1);
  join();
  t.same(pool.totals(), { connecting: 0, active: 0, idle: 1, draining: 0 });
  t.equal(pool.endpoints[0]?.tunnels.size, 0);
  t.equal(context.capacity.used, 1);
  const request = new TestRequest('/a');
  t.ok(pool.acquire(request));
  await until(() => request.ended === 1);
  t.equal(origin.connections.length, 1);
});

t.test('it is closed where pool.maxConnections has no room for it', async (t) => {
  const { context, pool, join } = await dialled(t, { pool: { maxConnections: 1 } });
  const request = new TestRequest('/running');
  pool.acquire(request);
  await until(() => request.ended === 1);
  join();
  t.equal(openOf(pool), 1);
  t.equal(context.capacity.used, 1);
});

const unwelcome: [string, Changes][] = [
  ['HTTP/2 is spoken to the destination', { protocol: 'http2' }],
  ['nothing is pooled', { pool: { enabled: false } }],
];
for (const [why, changes] of unwelcome) {
  t.test(`it is closed, and its place given back, where ${why}`, async (t) => {
    const { context, pool, join } = await dialled(t, changes);
    join();
    t.equal(openOf(pool), 0);
    t.equal(context.capacity.used, 0);
  });
}

t.test('it is closed where its endpoint has gone', async (t) => {
  const { context, pool, join } = await dialled(t);
  pool.setState(pool.endpoints[0]?.spec.id ?? '', 'removed');
  join();
  t.equal(openOf(pool), 0);
  t.equal(context.capacity.used, 0);
  t.equal(pool.allEndpoints.length, 0);
});
