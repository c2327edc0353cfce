import t, { type Test } from 'tap';
import type { DestinationPolicy } from '../../src/config/types.ts';
import type { DestinationPool } from '../../src/pool/destination-pool.ts';
import { HeldLoad, scalingPolicy } from './held-load.ts';
import { answeringOrigin, until } from './origins.ts';
import { endpointAt, poolContext, type TestContext, TestRequest, testPool } from './pool-fixture.ts';

type Scaled = { readonly pool: DestinationPool; readonly context: TestContext; readonly load: HeldLoad };

/** A pool whose limit follows the load; the cooldown is 60 s unless the policy says otherwise. */
async function scaledPool(
  t: Test,
  policy: DestinationPolicy = scalingPolicy({ scaling: 'load', maxConnections: 20 }, { cooldownMs: 60_000 }),
  maxConnections = 10_000,
): Promise<Scaled> {
  const origin = await answeringOrigin(t, () => null);
  const context = poolContext(maxConnections);
  const pool = testPool(t, context, policy);
  pool.add(endpointAt(origin.port));
  pool.settle();
  return { pool, context, load: new HeldLoad(pool, context, [origin]) };
}

/** What `limit_scaled` told, as `from>to`. */
const steps = ({ seen }: TestContext): string[] =>
  seen.flatMap((event) => (event.type === 'limit_scaled' ? [`${event.from}>${event.to}`] : []));

t.test(
  'a limit that is hardly used halves when the cooldown has passed since the beginning, and not before',
  async (t) => {
    const { pool, context, load } = await scaledPool(t);
    await load.hold(2);
    await load.seconds(59);
    t.equal(pool.limit.current, 20);
    t.same(steps(context), []);
    await load.seconds(2);
    t.equal(pool.limit.current, 10);
    t.equal(pool.limit.scaled, 10);
    t.equal(pool.limit.configured, 20);
    t.match(context.seen.at(-1), { type: 'limit_scaled', from: 20, to: 10, utilization: 0.1 });
  },
);

t.test('a limit of which 70 % are in use grows by half at once, and shrinks when the peak is forgotten', async (t) => {
  const { pool, context, load } = await scaledPool(t);
  await load.hold(13);
  await load.seconds(1);
  t.equal(pool.limit.current, 20, '65 % are below it');
  await load.hold(1);
  await load.seconds(1);
  t.equal(pool.limit.current, 30);
  await load.hold(16);
  t.equal(pool.totals().active, 30, 'so many may be open now');
  await load.letGo();
  await load.seconds(58);
  t.equal(pool.limit.current, 30, 'the step is kept for the cooldown');
  await load.seconds(10);
  t.equal(pool.limit.current, 10, 'nothing was in use for half a minute and more');
  t.same(steps(context), ['20>30', '30>10']);
});

t.test('a moment of load counts for half a minute, not only where a tick sees it', async (t) => {
  const { pool, load } = await scaledPool(t);
  await load.seconds(59);
  await load.hold(14);
  await load.letGo();
  t.equal(pool.totals().active, 0);
  await load.seconds(1);
  t.equal(pool.limit.current, 30);
});

t.test('from 30 % to 70 % the limit is as configured', async (t) => {
  const { pool, context, load } = await scaledPool(t);
  await load.hold(6);
  await load.seconds(200);
  t.equal(pool.limit.current, 20);
  t.equal(pool.limit.scaled, null);
  t.same(steps(context), []);
  await load.letGo(1);
  for (let second = 0; second < 61 && pool.limit.current === 20; second++) await load.seconds(1);
  t.equal(pool.limit.current, 10, '25 % are below it');
  await load.hold(1);
  await load.seconds(58);
  t.equal(pool.limit.current, 10, 'the way up keeps to the cooldown, too, while nobody waits');
  await load.seconds(5);
  t.equal(pool.limit.current, 20);
});

t.test('no request waits at a limit that was scaled down: it is as configured again at once', async (t) => {
  const { pool, context, load } = await scaledPool(t);
  await load.seconds(61);
  t.equal(pool.limit.current, 10);
  await load.hold(20);
  t.equal(pool.pending.size, 0);
  t.equal(pool.totals().active, 20, 'all of them have connections');
  t.equal(pool.limit.current, 20);
  t.same(steps(context), ['20>10', '10>20']);
  t.match(context.seen.at(-1), { type: 'limit_scaled', utilization: 0.5 });
  const late = load.send();
  t.ok(late.waiting, 'at the configured limit it waits, as ever');
  await load.seconds(1);
  await until(() => !late.waiting);
  t.equal(pool.limit.current, 30, 'and the step up from there waits for no cooldown: the one down was undone');
});

t.test('the limit that was raised for a request is not lowered again before the cooldown is over', async (t) => {
  const policy = scalingPolicy({ scaling: 'load', maxConnections: 20 }, { cooldownMs: 200_000 });
  const { pool, context, load } = await scaledPool(t, policy);
  await load.seconds(300);
  t.equal(pool.limit.current, 10);
  await load.hold(11);
  await load.letGo();
  await load.seconds(199);
  t.equal(pool.limit.current, 20, 'nothing is in use since three minutes');
  await load.seconds(2);
  t.equal(pool.limit.current, 10);
  t.same(steps(context), ['20>10', '10>20', '20>10']);
});

t.test('an idle connection makes room before the limit is raised', async (t) => {
  const origins = [await answeringOrigin(t, () => null), await answeringOrigin(t, () => null)];
  const context = poolContext();
  const policy = scalingPolicy({ scaling: 'load', maxConnections: 4, idleTimeoutMs: 300_000 }, { cooldownMs: 1000 });
  const pool = testPool(t, context, policy);
  for (const { port } of origins) pool.add(endpointAt(port));
  pool.settle();
  const load = new HeldLoad(pool, context, origins);
  await load.seconds(91);
  t.equal(pool.limit.current, 2);
  await load.hold(2);
  await load.letGo();
  t.equal(pool.totals().idle, 2);
  const fresh = new TestRequest('/fresh', { fresh: true });
  pool.acquire(fresh);
  await until(() => !fresh.waiting);
  t.equal(pool.limit.current, 2, 'it took the place of an idle one');
  t.equal(pool.counted, 2);
  await load.hold(2);
  t.equal(pool.limit.current, 4, 'there was one idle for the first of these, and none for the second');
});

t.test('the limit never goes above limits.maxConnections, nor below what is kept warm', async (t) => {
  const policy = scalingPolicy({ scaling: 'load', maxConnections: 20, minConnections: 15 }, { cooldownMs: 60_000 });
  const { pool, context, load } = await scaledPool(t, policy, 25);
  await load.seconds(61);
  t.equal(pool.limit.current, 15);
  t.equal(pool.totals().idle, 15);
  await load.hold(18);
  await load.seconds(1);
  t.equal(pool.limit.current, 25);
  t.same(steps(context), ['20>15', '15>20', '20>25']);
});

t.test('where the limit shrinks idle connections go, and busy ones when they are free', async (t) => {
  const { pool, context, load } = await scaledPool(
    t,
    scalingPolicy({ scaling: 'load', maxConnections: 10 }, { cooldownMs: 1000 }),
  );
  await load.hold(10);
  await load.seconds(2);
  t.equal(pool.limit.current, 15);
  pool.setPolicy(scalingPolicy({ scaling: 'load', maxConnections: 40 }, { cooldownMs: 1000 }), null);
  await load.seconds(2);
  t.equal(pool.limit.current, 20, '25 % of 40');
  pool.setPolicy(scalingPolicy({ scaling: 'load', maxConnections: 8 }, { cooldownMs: 1000 }), null);
  t.equal(pool.limit.current, 4, 'the step is kept, and holds for the new number at once');
  pool.setPolicy(scalingPolicy({ scaling: 'load', maxConnections: 40 }, { cooldownMs: 1000 }), null);
  pool.setPolicy(scalingPolicy({ maxConnections: 4 }), null);
  t.equal(pool.limit.current, 4);
  t.equal(pool.limit.scaled, null, 'it does not follow the load any more');
  t.equal(pool.totals().active, 10, 'none was cut');
  await load.letGo(3);
  t.equal(pool.counted, 7, 'what is free goes');
  await load.letGo(3);
  t.equal(pool.counted, 4);
  await load.letGo();
  t.equal(pool.counted, 4, 'the rest stays');
  t.same(
    context.seen.filter((event) => event.type === 'connection_closed' && event.reason !== 'rebalance'),
    [],
  );
});

t.test('the share of a fleet caps what scaling makes of the limit, and a request waits at the share', async (t) => {
  const { pool, context, load } = await scaledPool(t);
  await load.seconds(61);
  t.equal(pool.limit.current, 10);
  pool.limit.setShare(8);
  pool.limitChanged();
  t.equal(pool.limit.current, 8);
  await load.hold(8);
  const late = load.send();
  t.ok(late.waiting);
  t.same(steps(context), ['20>10'], 'a higher limit would not help it');
  pool.limit.setShare(12);
  pool.limitChanged();
  await until(() => !late.waiting);
  t.equal(pool.totals().active, 9);
  await load.hold(3);
  t.equal(pool.limit.current, 12, 'beyond ten the step down was undone, and the share is what is left');
  t.equal(pool.limit.scaled, null);
});

t.test('a maximum of one stays one', async (t) => {
  const { pool, context, load } = await scaledPool(
    t,
    scalingPolicy({ scaling: 'load', maxConnections: 1 }, { cooldownMs: 1000 }),
  );
  await load.seconds(100);
  await load.hold(1);
  await load.seconds(100);
  t.equal(pool.limit.current, 1);
  t.same(steps(context), []);
});
