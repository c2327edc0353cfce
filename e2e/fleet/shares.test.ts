import { setTimeout as wait } from 'node:timers/promises';
import t from 'tap';
import { until } from '../until.ts';
import { CountingOrigin } from './counting-origin.ts';
import { type Car, redisCli, startCars } from './crowd.ts';
import { RedisServer, whyNoRedis } from './redis-server.ts';

const BUDGET = 100;
const CARS = 20;
const FAILOVER_MS = 10_000;

const reason = whyNoRedis();

/** A sidecar's calls wait for its share, and are not lost by that. */
const settings = (url: string): Record<string, unknown> => ({
  defaults: { pool: { maxConnections: 100, acquireTimeout: '30s' } },
  fleet: {
    coordinator: 'redis',
    maxConnections: BUDGET,
    workload: 'crowd',
    failoverTimeout: `${FAILOVER_MS}ms`,
    redis: { url },
  },
});

const failures = (cars: readonly Car[]): string[] => cars.flatMap(({ failures }) => failures);

t.test('twenty sidecars, one budget', reason === null ? {} : { skip: reason }, async (t) => {
  const redis = await RedisServer.start(t);
  const origin = await CountingOrigin.start(t, 200);
  const cars = await startCars(t, CARS, `127.0.0.1:${origin.port}`, settings(redis.url));
  const [one, two] = cars;
  if (one === undefined || two === undefined) throw new Error('there are twenty');
  const shares = async (): Promise<number[]> =>
    (await Promise.all(cars.map((car) => car.share()))).map((each) => each ?? -1);
  const even = async (): Promise<boolean> => (await shares()).every((share) => share === BUDGET / CARS);

  await t.test('everybody has a part of it', async (t) => {
    for (const car of cars) car.drive(6);
    await until('all to have five', even, 30_000);
    await until('all to use them', () => origin.open === BUDGET);
    t.ok(origin.takeMost() <= BUDGET, 'and there were never more');
    t.same(failures(cars), []);
  });

  await t.test('demand of one that goes from 5 % to 60 % of it is followed within 3 s', async (t) => {
    for (const car of cars) car.drive(car === one ? 60 : 2);
    const begun = performance.now();
    await until('one to have 60', () => origin.openBy(one.name) >= 60, 15_000);
    const ms = Math.round(performance.now() - begun);
    t.ok(ms <= 3000, `after ${ms} ms`);
    await wait(2000);
    t.ok(origin.takeMost() <= BUDGET, 'and there were never more');
    t.same(failures(cars), []);
  });

  await t.test('the share of one that was killed goes to others when its lease is over', async (t) => {
    for (const car of cars) car.drive(car === one || car === two ? 60 : 1);
    await until('both to have the most there is', () => origin.openBy(one.name) + origin.openBy(two.name) > 80, 20_000);
    const before = origin.openBy(two.name);
    await one.stop('SIGKILL');
    const begun = performance.now();
    await until(
      'the other to have more',
      () => origin.openBy(two.name) >= Math.min(60, before + 8),
      FAILOVER_MS + 5000,
    );
    t.ok(performance.now() - begun >= FAILOVER_MS - 1500, `after ${Math.round(performance.now() - begun)} ms`);
    t.ok(origin.takeMost() <= BUDGET, 'and there were never more');
    t.same(failures(cars.slice(1)), []);
    cars.shift();
  });

  const left = CARS - 1;
  const share = Math.floor(BUDGET / left);
  const outages = [
    ['stopped', () => redis.pause(), async () => redis.goOn()],
    ['killed', () => redis.kill(), () => redis.run()],
  ] as const;
  for (const [how, away, back] of outages) {
    await t.test(
      `a Redis that is ${how} under load costs no request, and the even share is used within ${FAILOVER_MS} ms`,
      async (t) => {
        for (const car of cars) car.drive(car === two ? 40 : 3);
        await until('one to have much', () => origin.openBy(two.name) > 30, 20_000);
        // Everybody is to know how many are left.
        await wait(2000);
        origin.takeMost();
        const answers = cars.map((car) => car.answers);
        await away();
        const begun = performance.now();
        await until('the even share', async () => (await shares()).every((each) => each === share), FAILOVER_MS + 5000);
        const ms = Math.round(performance.now() - begun);
        t.ok(ms <= FAILOVER_MS, `after ${ms} ms`);
        await wait(2000);
        t.ok(origin.takeMost() <= BUDGET, 'and there were never more');
        await back();
        const since = performance.now();
        await until('one to have much again', () => origin.openBy(two.name) > 30, 30_000);
        t.comment(`shares ${await shares()}`);
        t.comment(`back after ${Math.round(performance.now() - since)} ms`);
        t.ok(origin.takeMost() <= BUDGET, 'nor when it was back');
        t.same(failures(cars), [], 'no request failed');
        t.ok(
          cars.every((car, i) => car.answers > (answers[i] ?? 0)),
          'and all went on',
        );
        t.equal(two.logged('fleet_failover').length, how === 'stopped' ? 1 : 2, 'it was told once');
        await until('that it is over', () => two.logged('fleet_restored').length === (how === 'stopped' ? 1 : 2));
      },
    );
  }

  await t.test('what it costs', async (t) => {
    for (const car of cars) car.drive(0);
    redisCli(redis.port, 'config', 'resetstat');
    await wait(5000);
    const calls = /total_commands_processed:(\d+)/.exec(redisCli(redis.port, 'info', 'stats'))?.[1];
    t.comment(`${Number(calls) / 5} commands a second, those of the script among them`);
    t.comment(redisCli(redis.port, 'info', 'commandstats').replaceAll('\r', ''));
    t.comment(`resident: ${cars.map((car) => car.residentMiB.toFixed(0)).join(', ')} MiB`);
    t.comment(redisCli(redis.port, 'memory', 'usage', `carpool:{crowd}:127.0.0.1:${origin.port}`));
  });

  await t.test('who ends gives its share back at once', async (t) => {
    const [last] = cars.splice(-1);
    await last?.stop();
    const members = redisCli(redis.port, 'hlen', `carpool:{crowd}:127.0.0.1:${origin.port}`);
    t.equal(Number(members), cars.length + 1, 'one field for each, and one for the table');
  });
});
