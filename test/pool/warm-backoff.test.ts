import net from 'node:net';
import t, { type Test } from 'tap';
import { TlsIdentity } from '../../src/connection/tls-identity.ts';
import { WarmBackoff } from '../../src/pool/warm-backoff.ts';
import { HeldLoad, scalingPolicy } from './held-load.ts';
import { answeringOrigin, until } from './origins.ts';
import { endpointAt, poolContext, refusingPort, testPool } from './pool-fixture.ts';

/** A server that closes each connection as soon as it has come, and counts them. */
async function closingOrigin(t: Test): Promise<{ readonly port: number; readonly seen: () => number }> {
  let seen = 0;
  const server = net.createServer((socket) => {
    seen++;
    socket.on('error', () => {});
    socket.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const address = server.address();
  return { port: typeof address === 'object' && address !== null ? address.port : 0, seen: () => seen };
}

t.test(
  'after a failure an endpoint is left alone for 1 s, then 2, up to 30, and is tried by one connect at a time',
  (t) => {
    const backoff = new WarmBackoff();
    t.ok(backoff.allows(0, 7));
    const waits: number[] = [];
    let now = 1000;
    for (let failure = 0; failure < 8; failure++) {
      backoff.failed(now);
      backoff.failed(now + 1);
      const from = now;
      while (!backoff.allows(now, 0)) now += 100;
      waits.push(now - from);
      t.notOk(backoff.allows(now, 1));
    }
    t.same(waits, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
    backoff.stands(4999);
    t.notOk(backoff.allows(now, 1), 'a connection that has only just come proves nothing');
    backoff.stands(5000);
    t.ok(backoff.allows(now, 1));
    backoff.failed(now);
    t.ok(backoff.allows(now + 1000, 0), 'and it begins with a second again');
    t.end();
  },
);

t.test('only what the endpoint closed itself, and soon, speaks against it', (t) => {
  for (const [reason, ageMs, allowed] of [
    ['upstream_closed', 100, false],
    ['error', 4000, false],
    ['goaway', 100, false],
    ['upstream_closed', 6000, true],
    ['rebalance', 100, true],
    ['admin', 100, true],
  ] as const) {
    const backoff = new WarmBackoff();
    backoff.closedUnused(reason, ageMs, 10);
    t.equal(backoff.allows(20, 0), allowed, `${reason} after ${ageMs} ms`);
  }
  t.end();
});

t.test('a floor at a server that takes connections and closes them is tried more and more rarely', async (t) => {
  const origin = await closingOrigin(t);
  const context = poolContext();
  const pool = testPool(t, context, scalingPolicy({ minConnections: 5 }));
  pool.add(endpointAt(origin.port));
  pool.settle();
  const load = new HeldLoad(pool, context, []);
  for (let second = 0; second < 60; second++) {
    await load.seconds(1);
    await until(() => pool.counted === 0);
  }
  // Five at first; then one each after 1, 2, 4, 8, 16 s, and 30 s.
  t.ok(origin.seen() <= 11 && origin.seen() >= 9, `${origin.seen()} in a minute`);
});

t.test(
  'a floor at a port where nobody listens is tried more and more rarely, and is there soon after somebody does',
  async (t) => {
    const origin = await answeringOrigin(t, () => null);
    const { port } = origin;
    const dead = await refusingPort();
    const context = poolContext();
    const pool = testPool(t, context, scalingPolicy({ minConnections: 5 }));
    pool.add(endpointAt(dead));
    pool.settle();
    const load = new HeldLoad(pool, context, [origin]);
    await load.seconds(60);
    const failed = context.seen.filter(({ type }) => type === 'connect_failed').length;
    t.ok(failed >= 8 && failed <= 20, `${failed} connects in a minute`);
    const revived = net.createServer((socket) => socket.on('error', () => {}));
    await new Promise<void>((resolve) => revived.listen(dead, '127.0.0.1', resolve));
    t.teardown(() => revived.close());
    await load.seconds(40);
    t.equal(pool.totals().idle, 5);
    await load.seconds(5);
    t.ok(pool.endpoints[0]?.warming.allows(context.clock.now(), 4), 'and its failures are forgotten');
    pool.add(endpointAt(port));
    pool.setState(endpointAt(dead).id, 'removed');
    pool.settle();
    await load.seconds(2);
    t.equal(pool.totals().idle, 5, 'another endpoint has its own record');
  },
);

t.test('a floor that fails for a reason of this side is tried more and more rarely, too', async (t) => {
  const origin = await answeringOrigin(t, () => null);
  const context = poolContext();
  const policy = scalingPolicy({ minConnections: 5 });
  const tls = { ...policy.tls, ca: '/nowhere/ca.pem' };
  const identity = new TlsIdentity('orders.shop:443', 'orders.shop', tls, context.clock, context.events);
  const pool = testPool(t, context, policy, 'orders.shop:443', identity);
  pool.add(endpointAt(origin.port));
  pool.settle();
  await new HeldLoad(pool, context, [origin]).seconds(60);
  const failed = context.seen.filter(({ type }) => type === 'connect_failed').length;
  t.ok(failed >= 9 && failed <= 11, `${failed} connects in a minute`);
  t.notOk(pool.endpoints[0]?.health.suspect, 'it is not the fault of the endpoint');
});
