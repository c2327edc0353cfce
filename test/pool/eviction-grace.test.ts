import { readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { parse, stringify } from 'yaml';
import type { DestinationPool } from '../../src/pool/destination-pool.ts';
import { rawClient } from '../raw-origin.ts';
import { startSidecar } from '../sidecar.ts';
import { answeringOrigin, appClient, closedFor, statsOf, TARGET, toOrigins, until } from './origins.ts';
import { endpointAt, policyWith, poolContext, type TestContext, TestRequest, testPool } from './pool-fixture.ts';

const GRACE_MS = 300_000;

/** Time as the ticker passes it. */
function pass(ms: number, context: TestContext, pool: DestinationPool): void {
  context.clock.advance(ms);
  pool.tick(context.clock.now());
}

/** A pool with one endpoint, through which an exchange and a tunnel run. */
async function running(t: Parameters<typeof testPool>[0], graceMs = GRACE_MS) {
  const origin = await answeringOrigin(t, () => null);
  const context = poolContext();
  const pool = testPool(t, context, policyWith({ graceMs }));
  pool.add(endpointAt(origin.port));
  const exchange = new TestRequest('/long');
  const tunnel = new TestRequest('/', { tunnel: true, fresh: true });
  pool.acquire(exchange);
  pool.acquire(tunnel);
  await until(() => origin.requests.length === 1 && tunnel.tunnelSocket !== null);
  const id = endpointAt(origin.port).id;
  return { origin, context, pool, exchange, tunnel, id };
}

t.test('what runs through a removed endpoint is destroyed when eviction.grace is over, and not before', async (t) => {
  const { context, pool, exchange, tunnel, id } = await running(t);
  pass(GRACE_MS, context, pool);
  pool.setState(id, 'removed');
  pass(GRACE_MS - 1, context, pool);
  t.equal(exchange.ended, 0);
  t.notOk(tunnel.cut);
  t.equal(pool.stats()[0]?.state, 'removed', 'it is still shown');
  pass(1, context, pool);
  t.equal(exchange.failure?.code, 'UPSTREAM_CLOSED');
  t.match(exchange.failure?.message, /endpoint_removed/);
  t.ok(tunnel.cut);
  t.equal(pool.allEndpoints.length, 0);
  t.equal(context.capacity.used, 0);
  t.match(context.seen.at(-1), { type: 'connection_closed', reason: 'endpoint_removed' });
});

t.test('with eviction.grace 0 what runs goes on until it is done', async (t) => {
  const { context, pool, exchange, tunnel, id } = await running(t, 0);
  pool.setState(id, 'removed');
  pass(100 * GRACE_MS, context, pool);
  t.equal(exchange.ended, 0);
  t.notOk(tunnel.cut);
});

t.test('an endpoint that terminates is given all the time that it takes', async (t) => {
  const { context, pool, exchange, tunnel, id } = await running(t);
  pool.setState(id, 'terminating');
  pass(2 * GRACE_MS, context, pool);
  t.equal(exchange.ended, 0);
  pool.setState(id, 'removed');
  pass(GRACE_MS - 1, context, pool);
  t.equal(exchange.ended, 0, 'the grace begins when it is gone');
  pass(1, context, pool);
  t.equal(exchange.ended, 1);
  t.ok(tunnel.cut);
});

t.test(
  'an endpoint that is back before the grace is over is no reason to cut; when it goes again a new grace begins',
  async (t) => {
    const { origin, context, pool, exchange, tunnel, id } = await running(t);
    pool.setState(id, 'removed');
    pass(GRACE_MS - 1, context, pool);
    pool.add(endpointAt(origin.port));
    pass(GRACE_MS, context, pool);
    t.equal(exchange.ended, 0);
    pool.setState(id, 'removed');
    pass(GRACE_MS - 1, context, pool);
    t.equal(exchange.ended, 0);
    pass(1, context, pool);
    t.equal(exchange.ended, 1);
    t.ok(tunnel.cut);
  },
);

t.test('a tunnel that ends by itself leaves nothing of its endpoint', async (t) => {
  const { context, pool, exchange, tunnel, id } = await running(t);
  exchange.cancel();
  pool.setState(id, 'removed');
  t.equal(pool.allEndpoints.length, 1);
  tunnel.tunnelSocket?.destroy();
  tunnel.tunnelClosed?.();
  t.equal(pool.allEndpoints.length, 0);
  t.equal(context.capacity.used, 0);
});

t.test('through the whole sidecar: exchange and CONNECT tunnel are cut so that the app can see it', async (t) => {
  const [old, next] = [await answeringOrigin(t, () => null), await answeringOrigin(t)];
  const policy = { eviction: { grace: '10s' } };
  const sidecar = await startSidecar(t, { destinations: [toOrigins([old], policy)] });
  const client = await appClient(t, sidecar);
  client.send('/slow', 'POST', 'x');
  const tunnel = await rawClient(t, sidecar.port);
  tunnel.write(`CONNECT ${TARGET} HTTP/1.1\r\nHost: ${TARGET}\r\n\r\n`);
  await tunnel.untilReceived('200');
  tunnel.write('\0no HTTP: to be passed on as it is');
  await until(() => old.requests.length === 1 && sidecar.app.process().tunnels === 1);
  const settings = parse(readFileSync(sidecar.configFile, 'utf8'));
  writeFileSync(sidecar.configFile, stringify({ ...settings, destinations: [toOrigins([next], policy)] }));
  t.ok((await sidecar.app.steering.reload()).applied);
  for (let second = 0; second < 9; second++) sidecar.clock.advance(1000);
  t.equal(statsOf(sidecar).draining, 1);
  t.equal(sidecar.app.process().tunnels, 1);
  let reset: string | undefined;
  tunnel.socket.on('error', (error: NodeJS.ErrnoException) => {
    reset = error.code;
  });
  for (let second = 0; second < 2; second++) sidecar.clock.advance(1000);
  await tunnel.until(({ closed }) => closed);
  t.equal(reset, 'ECONNRESET', 'no FIN, as if the server had said all');
  t.equal((await client.response()).status, 502, 'a POST is not sent twice');
  t.equal(await closedFor(sidecar, 'endpoint_removed'), 1);
  t.equal(sidecar.app.process().tunnels, 0);
  t.equal(sidecar.app.process().upstreamConnections, 0);
});
