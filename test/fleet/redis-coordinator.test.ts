import t, { type Test } from 'tap';
import { RedisCoordinator, type RedisCoordinatorOptions } from '../../src/fleet/redis-coordinator.ts';
import { RedisFailure } from '../../src/fleet/redis-failure.ts';
import { TestClock } from '../test-clock.ts';
import { FakeRedis } from './fake-redis.ts';
import { DEFAULTS, FakeDestination, shareBook } from './fleet-fixture.ts';

const BUDGET = 100;

class Sidecar {
  readonly upstream = new FakeDestination('upstream:80', BUDGET);
  readonly parts: ReturnType<typeof shareBook>;
  readonly coordinator: RedisCoordinator;

  constructor(
    t: Test,
    redis: FakeRedis,
    id: string,
    options: { peers?: RedisCoordinatorOptions['peers']; minShare?: number; destinations?: number } = {},
  ) {
    const more = Array.from(
      { length: Math.max(0, (options.destinations ?? 1) - 1) },
      (_, i) => new FakeDestination(`more-${i}:80`, BUDGET),
    );
    this.parts = shareBook(options.destinations === 0 ? [] : [this.upstream, ...more], redis.clock);
    this.coordinator = new RedisCoordinator({
      ...this.parts,
      random: () => 0.5,
      id,
      keys: 'carpool:{w}',
      failoverTimeoutMs: 10_000,
      minShare: options.minShare ?? 1,
      peers: options.peers ?? null,
      link: redis.link,
    });
    t.teardown(() => this.coordinator.close());
  }

  get share(): number | null {
    return this.upstream.pool.limit.share;
  }

  get open(): number {
    return this.upstream.pool.demand.open;
  }

  want(connections: number): void {
    this.upstream.pool.want(connections);
  }
}

/** Time passes, and whoever waits for an answer hears it at its own moment. */
async function pass(clock: TestClock, ms: number, each: () => void = () => {}): Promise<void> {
  for (let at = 0; at < ms; at += 50) {
    clock.advance(50);
    // The promises of a call: sent, answered, all answered, heard.
    for (let i = 0; i < 10; i++) await Promise.resolve();
    each();
  }
}

function fleet(t: Test, count: number, open = true) {
  const redis = new FakeRedis(new TestClock());
  const cars = Array.from({ length: count }, (_, i) => new Sidecar(t, redis, `id-${i}`));
  if (open) redis.open();
  const sum = (): number => cars.reduce((all, car) => all + car.open, 0);
  let most = 0;
  const run = (ms: number): Promise<void> =>
    pass(redis.clock, ms, () => {
      most = Math.max(most, sum());
    });
  return { redis, clock: redis.clock, cars, run, sum, most: () => most };
}

t.test(
  'nothing is opened before Redis has answered; then shares follow demand, and never exceed the budget',
  async (t) => {
    const { redis, cars, run, sum, most } = fleet(t, 20, false);
    for (const car of cars) car.want(6);
    t.ok(cars.every((car) => car.share === 0));
    t.match(cars[0]?.coordinator.stats(), { coordinator: 'redis', state: 'starting' });
    redis.open();
    await run(6000);
    t.same(
      cars.map((car) => car.share),
      cars.map(() => 5),
    );
    t.equal(sum(), BUDGET);
    t.match(cars[0]?.coordinator.stats(), { state: 'connected', peers: 20, problem: null });
    for (const [i, car] of cars.entries()) car.want(i === 0 ? 60 : 2);
    await run(3000);
    t.equal(cars[0]?.open, 60);
    t.ok(most() <= BUDGET);
  },
);

t.test('all destinations are asked for in one round trip', async (t) => {
  const redis = new FakeRedis(new TestClock());
  new Sidecar(t, redis, 'id', { destinations: 5 });
  redis.open();
  await pass(redis.clock, 5000);
  t.equal(redis.calls, redis.trips * 5);
  t.ok(redis.trips >= 9 && redis.trips <= 12, `${redis.trips} in 5 s`);
});

t.test('who has come down says so at once, and does not wait for the next call', async (t) => {
  const { cars, run, redis } = fleet(t, 2);
  const [one, two] = cars;
  if (one === undefined || two === undefined) throw new Error('there are two');
  one.want(100);
  await run(6000);
  t.equal(one.share, 99);
  one.upstream.pool.stuck = 90;
  two.want(60);
  await run(3000);
  t.equal(one.share, 50);
  t.equal(two.share, 10, 'while the first still has 90');
  const inRedis = () => redis.tables.get('carpool:{w}:upstream:80')?.members.get('id-0');
  const seen = inRedis()?.seen;
  while (inRedis()?.seen === seen) await run(50);
  one.upstream.pool.stuck = 0;
  one.upstream.pool.limitChanged();
  await run(200);
  t.equal(inRedis()?.held, 50);
  await run(500);
  t.equal(two.share, 50);
});

t.test('a share that grows out of nothing wanted it first: who waits is heard within a moment', async (t) => {
  const { cars, run, redis } = fleet(t, 2);
  await run(6000);
  const [one] = cars;
  const before = redis.trips;
  one?.want(30);
  await run(200);
  t.equal(one?.open, 30);
  t.ok(redis.trips - before <= 2);
});

t.test(
  'a Redis that is away: the share stays, is brought down to the even share, and raised to it before the lease ends',
  async (t) => {
    const { redis, cars, run, sum, most } = fleet(t, 10);
    const [one, two] = cars;
    if (one === undefined || two === undefined) throw new Error('there are ten');
    for (const car of cars) car.want(20);
    one.want(90);
    for (const car of cars.slice(1)) car.want(2);
    await run(8000);
    t.equal(one.share, 82);
    redis.lose('Redis at there: nothing listens');
    await run(6500);
    t.equal(one.share, 82, 'while the lease runs');
    t.match(one.coordinator.stats(), { state: 'connected', problem: 'Redis at there: nothing listens' });
    for (const car of cars) car.want(20);
    await run(1100);
    t.equal(one.share, 10);
    t.ok((two.share ?? 99) < 10, 'and who had less has to wait until the others have come down');
    await run(2400);
    t.same(
      cars.map((car) => car.share),
      cars.map(() => 10),
    );
    t.equal(sum(), BUDGET);
    t.ok(most() <= BUDGET);
    t.match(one.coordinator.stats(), { state: 'failover', peers: 10 });
    const failovers = one.parts.told.filter(({ type }) => type === 'fleet_failover');
    t.match(failovers, [
      {
        coordinator: 'redis',
        message: /nothing listens. Until it answers each of 10 sidecars has the same share \(upstream:80: 10\)/,
      },
    ]);
    redis.open();
    await run(12_000);
    t.match(one.coordinator.stats(), { state: 'connected', problem: null });
    t.equal(one.parts.types().filter((type) => type === 'fleet_failover').length, 1);
    t.equal(one.parts.types().filter((type) => type === 'fleet_restored').length, 1);
    t.ok(most() <= BUDGET, 'nor when it was back');
  },
);

t.test('a Redis that comes back without its data is not one with an empty fleet', async (t) => {
  const { redis, cars, run, most } = fleet(t, 10);
  for (const car of cars) car.want(10);
  await run(6000);
  redis.lose('gone');
  await run(1000);
  for (const table of redis.tables.values()) table.forget();
  for (const car of cars) car.want(100);
  redis.open();
  for (let i = 0; i < 40; i++) {
    await run(200);
    if (!cars.every(({ share }) => share === 10)) t.fail(`after ${i * 200} ms: ${cars.map(({ share }) => share)}`);
  }
  t.ok(most() <= BUDGET);
});

t.test('those that do not come back are waited for, for as long as they may still use what they had', async (t) => {
  const { redis, cars, run } = fleet(t, 10);
  for (const car of cars) car.want(10);
  await run(6000);
  const [gone] = cars;
  redis.lose('gone');
  gone?.coordinator.close();
  await run(1000);
  for (const table of redis.tables.values()) table.forget();
  for (const car of cars) car.want(100);
  redis.open();
  await run(8000);
  t.ok(cars.every(({ share }) => share === 10));
  await run(4000);
  t.ok(cars.slice(1).every(({ share }) => (share ?? 0) >= 11));
});

t.test('a new sidecar has its minimum after a few calls, although all was granted', async (t) => {
  const { redis, cars, run, most, sum } = fleet(t, 4);
  for (const car of cars) car.want(100);
  await run(6000);
  const late = new Sidecar(t, redis, 'late');
  late.want(1);
  cars.push(late);
  t.equal(late.share, 0);
  await run(1500);
  t.equal(late.open, 1);
  t.ok(most() <= BUDGET);
  t.equal(sum(), BUDGET);
});

t.test('who closes gives its share back at once', async (t) => {
  const { cars, run } = fleet(t, 2);
  for (const car of cars) car.want(100);
  await run(6000);
  const [one, two] = cars;
  one?.want(0);
  one?.coordinator.close();
  await run(600);
  t.equal(two?.share, BUDGET);
});

t.test('without a Redis at the start requests wait 2 s, and go by the minimum then', async (t) => {
  const redis = new FakeRedis(new TestClock());
  const car = new Sidecar(t, redis, 'id', { minShare: 3 });
  car.want(10);
  redis.lose('Redis at there: nothing listens there: look at fleet.redis.url');
  await pass(redis.clock, 1950);
  t.equal(car.open, 0);
  await pass(redis.clock, 150);
  t.equal(car.open, 3);
  t.match(car.parts.told, [
    {
      type: 'fleet_failover',
      message: /look at fleet.redis.url. Until it answers each destination has 3 connections \(fleet.minShare\)/,
    },
  ]);
});

t.test('without a Redis at the start, and with the Service’s pods known, the even share is used', async (t) => {
  const redis = new FakeRedis(new TestClock());
  const peers = { count: { peers: 20, rank: 0 }, close: () => {} };
  const car = new Sidecar(t, redis, 'id', { peers });
  car.want(100);
  await pass(redis.clock, 2100);
  t.equal(car.open, 5);
  t.match(car.coordinator.stats(), { state: 'failover', peers: 20 });
});

t.test('a destination whose key is in the way falls back alone, and says what to do', async (t) => {
  const redis = new FakeRedis(new TestClock());
  const [car] = [new Sidecar(t, redis, 'one', { destinations: 2 }), new Sidecar(t, redis, 'two', { destinations: 2 })];
  if (car === undefined) throw new Error('there are two');
  const failure = new RedisFailure('Redis has something else under the key', false);
  redis.broken.set('carpool:{w}:upstream:80', failure);
  redis.open();
  car.want(80);
  await pass(redis.clock, 12_000);
  t.equal(car.open, BUDGET / 2, 'as many as there are by what others of its keys say');
  t.match(car.coordinator.stats(), { state: 'failover', problem: /something else/ });
  redis.broken.clear();
  await pass(redis.clock, 5000);
  t.equal(car.open, 80);
  t.match(car.coordinator.stats(), { state: 'connected', problem: null });
});

t.test('an answer that makes no sense is none', async (t) => {
  for (const nonsense of ['OK', [], [-1, 1], ['x', 'y'], [5, 0], null, 7]) {
    const redis = new FakeRedis(new TestClock());
    const car = new Sidecar(t, redis, 'id');
    redis.broken.set('carpool:{w}:upstream:80', nonsense);
    redis.open();
    await pass(redis.clock, 1000);
    t.equal(car.share, 0, JSON.stringify(nonsense));
    await pass(redis.clock, 1500);
    t.match(car.coordinator.stats(), { state: 'failover', problem: /nobody understands/ });
  }
});

t.test('calls are fewer where there are many sidecars', async (t) => {
  const { redis, cars, run } = fleet(t, 200);
  await run(8000);
  const before = redis.trips;
  await run(5000);
  const each = (redis.trips - before) / cars.length / 5;
  t.ok(each <= 1.1, `${each} calls a second each`);
});

t.test('a budget that comes and goes by a reload', async (t) => {
  const { cars, run } = fleet(t, 1);
  const [car] = cars;
  if (car === undefined) throw new Error('there is one');
  await run(4000);
  car.upstream.budget = null;
  car.coordinator.reconfigure(DEFAULTS);
  t.equal(car.share, null);
  car.upstream.budget = 7;
  car.upstream.pool.limit.setShare(0);
  car.coordinator.reconfigure(DEFAULTS);
  car.want(10);
  await run(4000);
  t.equal(car.share, 7);
});

t.test('when it closes nothing of it goes on', async (t) => {
  const { clock, cars, run } = fleet(t, 2);
  await run(3000);
  for (const { coordinator } of cars) coordinator.close();
  t.equal(clock.waiting, 0);
});

t.test('what was wrong is over when Redis can be reached, also where no destination has a budget yet', async (t) => {
  const redis = new FakeRedis(new TestClock());
  const { coordinator } = new Sidecar(t, redis, 'id', { destinations: 0 });
  redis.lose('Redis at redis:6379: nothing listens there');
  t.match(coordinator.stats(), { state: 'starting', problem: /nothing listens/ });
  redis.open();
  await pass(redis.clock, 1000);
  t.match(coordinator.stats(), { state: 'connected', problem: null });
});
