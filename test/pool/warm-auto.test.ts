import t, { type Test } from 'tap';
import type { DestinationPolicy } from '../../src/config/types.ts';
import type { DestinationPool } from '../../src/pool/destination-pool.ts';
import { HeldLoad, scalingPolicy } from './held-load.ts';
import { type AnsweringOrigin, answeringOrigin, until } from './origins.ts';
import { endpointAt, poolContext, type TestContext, testPool } from './pool-fixture.ts';

type Warm = {
  readonly pool: DestinationPool;
  readonly context: TestContext;
  readonly load: HeldLoad;
  readonly origins: readonly AnsweringOrigin[];
};

async function warmPool(t: Test, policy: DestinationPolicy, endpoints = 1): Promise<Warm> {
  const origins: AnsweringOrigin[] = [];
  for (let index = 0; index < endpoints; index++) origins.push(await answeringOrigin(t, () => null));
  const context = poolContext();
  const pool = testPool(t, context, policy);
  for (const { port } of origins) pool.add(endpointAt(port));
  pool.settle();
  return { pool, context, load: new HeldLoad(pool, context, origins), origins };
}

const closes = ({ seen }: TestContext, reason: string): number =>
  seen.filter((event) => event.type === 'connection_closed' && event.reason === reason).length;

t.test('auto keeps what was in use warm, beyond the half minute of the others, and beyond the idle time', async (t) => {
  const { pool, context, load } = await warmPool(t, scalingPolicy({ minConnections: 'auto', idleTimeoutMs: 20_000 }));
  await load.seconds(30);
  t.equal(pool.floor, 0, 'nothing was needed');
  t.equal(pool.counted, 0);
  for (let round = 0; round < 6; round++) {
    await load.hold(6);
    await load.letGo();
    await load.seconds(10);
  }
  t.equal(pool.floor, 6);
  load.leastIdle = 6;
  await load.seconds(200);
  t.equal(load.leastIdle, 6, 'each was replaced before its idle time was over');
  t.ok(closes(context, 'idle_timeout') >= 6 * 8, `${closes(context, 'idle_timeout')} went`);
  t.equal(closes(context, 'rebalance'), 0, 'none was surplus');
  await load.seconds(150);
  t.equal(pool.floor, 0, 'five minutes without a request');
  await load.seconds(20);
  t.equal(pool.counted, 0);
});

t.test('auto opens what the same time of the period before needed, ahead of that time', async (t) => {
  const policy = scalingPolicy({ minConnections: 'auto', idleTimeoutMs: 20_000 }, { windowMs: 600_000 });
  const { pool, load } = await warmPool(t, policy);
  await load.seconds(425);
  await load.hold(8);
  await load.letGo();
  await load.seconds(600 - 50);
  t.equal(pool.counted, 0, 'forgotten');
  await load.seconds(40);
  t.equal(pool.totals().idle, 8, 'open before it comes');
  const requests = await load.hold(8);
  t.ok(
    requests.every(({ reused }) => reused),
    'no request waits for a handshake',
  );
});

t.test('the learned floor is never above the limit in force', async (t) => {
  const { pool, load } = await warmPool(t, scalingPolicy({ minConnections: 'auto', maxConnections: 10 }));
  await load.hold(8);
  await load.seconds(30);
  await load.letGo();
  t.equal(pool.floor, 8);
  pool.limit.setShare(3);
  pool.limitChanged();
  t.equal(pool.floor, 3);
  await load.seconds(5);
  t.equal(pool.counted, 3);
});

t.test('a reload turns learning on and off; another window begins anew', async (t) => {
  const { pool, load } = await warmPool(t, scalingPolicy({}));
  await load.hold(5);
  await load.seconds(30);
  t.equal(pool.floor, 0);
  pool.setPolicy(scalingPolicy({ minConnections: 'auto' }), null);
  await load.seconds(20);
  t.equal(pool.floor, 5);
  pool.setPolicy(scalingPolicy({ minConnections: 'auto' }, { windowMs: 60_000 }), null);
  await load.seconds(1);
  t.equal(pool.floor, 0);
  await load.seconds(20);
  t.equal(pool.floor, 5);
  pool.setPolicy(scalingPolicy({ minConnections: 2 }), null);
  t.equal(pool.floor, 2);
});

t.test('an idle connection that is left alone to try the server’s patience is no part of the floor', async (t) => {
  const { pool, context, load } = await warmPool(t, scalingPolicy({ minConnections: 3 }));
  pool.idleTime.closedAfter(10_000, context.clock.now());
  await load.seconds(11);
  const [endpoint] = pool.endpoints;
  t.ok(endpoint !== undefined && endpoint.probe !== null);
  await load.seconds(1);
  t.equal(pool.totals().idle, 4);
});

t.test('a new endpoint gets its share of the floor, and one that is not ready keeps none of it', async (t) => {
  const { pool, load, origins } = await warmPool(t, scalingPolicy({ minConnections: 6 }));
  await load.seconds(2);
  t.equal(pool.totals().idle, 6);
  const added = await answeringOrigin(t, () => null);
  pool.add(endpointAt(added.port));
  pool.settle();
  await load.seconds(6);
  const at = (port: number): number => pool.endpoints.find(({ spec }) => spec.port === port)?.open.size ?? 0;
  const [first] = origins;
  if (first === undefined) throw new Error('none');
  t.same([at(first.port), at(added.port)], [3, 3]);
  pool.setState(endpointAt(first.port).id, 'unready');
  await load.seconds(2);
  t.same([at(first.port), at(added.port)], [3, 6], 'the floor is kept where it is of use');
  await load.seconds(10);
  t.same([at(first.port), at(added.port)], [3, 6], 'and those that are out are no surplus for that');
});

t.test('a single endpoint that answers with errors is kept warm, for there is no better one', async (t) => {
  const { pool, context, load } = await warmPool(t, scalingPolicy({ minConnections: 4 }));
  const [endpoint] = pool.endpoints;
  if (endpoint === undefined) throw new Error('none');
  pool.evidence.eject(endpoint, 'failures', 'for the test');
  t.equal(endpoint.health.ejection.state, 'doubted');
  pool.tick(context.clock.now());
  t.equal(pool.counted, 0, 'for a moment it is left alone');
  await load.seconds(3);
  t.equal(pool.totals().idle, 4);
});

t.test('what maxIdle does not let stay is not opened again and again', async (t) => {
  const { pool, context, load } = await warmPool(t, scalingPolicy({ minConnections: 6, maxIdle: 4 }));
  await load.seconds(10);
  t.equal(pool.totals().idle, 4);
  t.same(
    context.seen.filter(({ type }) => type === 'connection_closed'),
    [],
  );
  await load.hold(2);
  await load.seconds(1);
  t.equal(pool.totals().idle, 4, 'six in all, two of them busy');
});

t.test('a pool that is off, or closed, keeps nothing warm', async (t) => {
  const off = await warmPool(t, scalingPolicy({ minConnections: 4, enabled: false }));
  await off.load.seconds(5);
  t.equal(off.origins[0]?.connections.length, 0);
  const closing = await warmPool(t, scalingPolicy({ minConnections: 4 }));
  await closing.load.seconds(2);
  t.equal(closing.pool.counted, 4);
  closing.pool.close();
  await closing.load.seconds(5);
  t.equal(closing.pool.counted, 0);
  await until(() => closing.origins[0]?.connections.every(({ ended }) => ended) === true);
  t.equal(closing.origins[0]?.connections.length, 4, 'and no new one came');
});

t.test('a large floor is opened in some ticks, not all at once', async (t) => {
  const { pool, context, load } = await warmPool(t, scalingPolicy({ minConnections: 100 }));
  context.clock.advance(1000);
  pool.tick(context.clock.now());
  t.equal(pool.totals().connecting, 64);
  await load.seconds(3);
  t.equal(pool.totals().idle, 100);
});

t.test('while a destination is paused nothing is opened ahead', async (t) => {
  const { pool, load, origins } = await warmPool(t, scalingPolicy({ minConnections: 4 }));
  pool.resting = true;
  await load.seconds(10);
  t.equal(origins[0]?.connections.length, 0);
  pool.resting = false;
  await load.seconds(1);
  t.equal(pool.counted, 4);
});

t.test('where the server keeps idle connections for a moment only, none is opened again each second', async (t) => {
  const short = await warmPool(t, scalingPolicy({ minConnections: 4, idleTimeoutMs: 1900 }));
  await short.load.seconds(20);
  t.equal(short.origins[0]?.connections.length, 0);
  const enough = await warmPool(t, scalingPolicy({ minConnections: 4, idleTimeoutMs: 2000 }));
  await enough.load.seconds(20);
  t.equal(enough.pool.totals().idle, 4);
});
