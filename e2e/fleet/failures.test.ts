import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { until } from '../until.ts';
import { CountingOrigin } from './counting-origin.ts';
import { type Car, redisCli, startCars } from './crowd.ts';
import { RedisServer, whyNoRedis } from './redis-server.ts';

const reason = whyNoRedis();
const skip = reason === null ? {} : { skip: reason };

/** One sidecar with a budget of ten and a minimum of two, and an app that makes six requests at a time. */
async function oneCar(t: Test, redis: Record<string, unknown>): Promise<{ car: Car; origin: CountingOrigin }> {
  const origin = await CountingOrigin.start(t, 50);
  const fleet = { coordinator: 'redis', maxConnections: 10, minShare: 2, workload: 'w', failoverTimeout: '4s', redis };
  const [car] = await startCars(t, 1, `127.0.0.1:${origin.port}`, { fleet });
  if (car === undefined) throw new Error('it was started');
  car.drive(6);
  return { car, origin };
}

function secretFile(t: Test, text: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'carpool-secret-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, 'password');
  writeFileSync(file, text);
  return file;
}

/** @param share with what it may grow into, should nobody else want it */
const leased = (car: Car, share: number): Promise<unknown> =>
  until(`a share of ${share}`, async () => [share, share + 1].includes((await car.share()) ?? 0), 20_000);

/** The line about the failover, when it is there. */
const failover = (car: Car): Promise<string> =>
  until('the line about the failover', () => car.logged('fleet_failover')[0] ?? null);

t.test(
  'a Redis that is not there: requests wait 2 s, go by the minimum then, and by leases when it comes',
  skip,
  async (t) => {
    const redis = await RedisServer.start(t);
    await redis.kill();
    const { car } = await oneCar(t, { url: redis.url });
    await leased(car, 2);
    const line = await failover(car);
    t.match(line, /nothing listens there: look at fleet.redis.url and at Redis \(ECONNREFUSED\)/);
    t.match(line, /2 connections \(fleet.minShare\)/);
    await redis.run();
    await leased(car, 6);
    t.equal(car.logged('fleet_failover').length, 1, 'it was told once');
    await until('the end of it', () => car.logged('fleet_restored').length === 1);
    t.same(car.failures, []);
  },
);

t.test('password, user, database and rotation', skip, async (t) => {
  const redis = await RedisServer.start(t, ['--requirepass', 'first-secret']);
  const auth = (...args: string[]): string => redisCli(redis.port, '--no-auth-warning', '-a', 'first-secret', ...args);
  const file = secretFile(t, 'wrong-secret\n');
  const { car } = await oneCar(t, { url: redis.url.replace('/0', '/3'), passwordFile: file });
  await leased(car, 2);
  t.match(
    await failover(car),
    /refuses the user or the password: look at fleet.redis.username and fleet.redis.passwordFile/,
  );
  writeFileSync(file, 'first-secret\n');
  await leased(car, 6);
  t.match(auth('-n', '3', 'keys', '*'), /^carpool:\{w\}:127\.0\.0\.1:\d+$/);
  t.same(car.logged('secret'), [], 'no secret is told');
  t.same(car.failures, []);
});

t.test('a user with no more rights than the documents name', skip, async (t) => {
  const redis = await RedisServer.start(t);
  redisCli(
    redis.port,
    'acl',
    'setuser',
    'app',
    'on',
    '>pw',
    '~carpool:*',
    '+eval',
    '+evalsha',
    '+hgetall',
    '+hset',
    '+hdel',
    '+pexpire',
    '+time',
  );
  const { car } = await oneCar(t, { url: redis.url, username: 'app', passwordFile: secretFile(t, 'pw') });
  await leased(car, 6);
  redisCli(redis.port, 'acl', 'setuser', 'app', '-hset');
  await until('the failover', () => car.logged('fleet_failover').length === 1);
  t.match(
    await failover(car),
    /allow eval, evalsha, hgetall, hset, hdel, pexpire and time on the keys of fleet.redis.prefix/,
  );
  redisCli(redis.port, 'acl', 'setuser', 'app', '+hset');
  await until('the end of it', () => car.logged('fleet_restored').length === 1);
  await leased(car, 6);
  t.same(car.failures, []);
});

t.test(
  'what Redis answers instead of a share: each is survived, told with what to do, and over when it is over',
  skip,
  async (t) => {
    const redis = await RedisServer.start(t);
    const { car, origin } = await oneCar(t, { url: redis.url });
    await leased(car, 6);
    const key = `carpool:{w}:127.0.0.1:${origin.port}`;
    const cases: readonly [name: string, begin: () => unknown, end: () => unknown, words: RegExp][] = [
      [
        'another kind of value',
        () => {
          redisCli(redis.port, 'del', key);
          redisCli(redis.port, 'set', key, 'x');
        },
        () => redisCli(redis.port, 'del', key),
        /has something else under the key: set another fleet.redis.prefix/,
      ],
      [
        'a replica',
        () => redisCli(redis.port, 'replicaof', '127.0.0.1', '1'),
        () => redisCli(redis.port, 'replicaof', 'no', 'one'),
        /is a replica.*let fleet.redis.url name the primary/,
      ],
      [
        'no memory',
        () => redisCli(redis.port, 'config', 'set', 'maxmemory', '1'),
        () => redisCli(redis.port, 'config', 'set', 'maxmemory', '0'),
        /has no memory left: raise its maxmemory/,
      ],
      [
        'CLIENT PAUSE',
        () => redisCli(redis.port, 'client', 'pause', '8000'),
        () => redisCli(redis.port, 'client', 'unpause'),
        /has not answered for 1000 ms/,
      ],
      [
        'a busy script',
        () => {
          redisCli(redis.port, 'config', 'set', 'busy-reply-threshold', '100');
          void busyScript(redis.port);
        },
        () => redisCli(redis.port, 'script', 'kill'),
        /is busy with a script|has not answered/,
      ],
      [
        'a password',
        () => {
          redisCli(redis.port, 'config', 'set', 'requirepass', 'pw');
          redisCli(redis.port, '-a', 'pw', 'client', 'kill', 'type', 'normal');
        },
        () => redisCli(redis.port, '-a', 'pw', 'config', 'set', 'requirepass', ''),
        /wants a password: set fleet.redis.passwordFile/,
      ],
    ];
    for (const [name, begin, end, words] of cases) {
      await t.test(name, async (t) => {
        const before = car.logged('fleet_failover').length;
        begin();
        await until('the failover', () => car.logged('fleet_failover').length > before);
        t.match(car.logged('fleet_failover').at(-1), words);
        await wait(500);
        end();
        await until('the end of it', () => car.logged('fleet_restored').length > before, 30_000);
        await leased(car, 6);
        t.equal(car.logged('fleet_failover').length, before + 1, 'told once');
        t.ok(origin.takeMost() <= 10);
        t.same(car.failures, [], 'no request failed');
      });
    }
  },
);

/** Keeps Redis busy until the script is killed. */
function busyScript(port: number): void {
  spawnSync('sh', ['-c', `redis-cli -p ${port} eval 'while true do end' 0 >/dev/null 2>&1 &`]);
}

t.test('TLS: the CA is that of the file, and no other will do', skip, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'carpool-tls-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const [key, cert] = [join(directory, 'key'), join(directory, 'cert')];
  const subject = ['-subj', '/CN=redis', '-addext', 'subjectAltName=IP:127.0.0.1'];
  spawnSync('openssl', [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    '-keyout',
    key,
    '-out',
    cert,
    ...subject,
  ]);
  const redis = await RedisServer.start(t);
  await redis.kill();
  const tls = [
    '--tls-port',
    String(redis.port),
    '--port',
    '0',
    '--tls-cert-file',
    cert,
    '--tls-key-file',
    key,
    '--tls-auth-clients',
    'no',
  ];
  await redis.run(tls);
  const url = redis.url.replace('redis:', 'rediss:');
  const { car } = await oneCar(t, { url });
  await leased(car, 2);
  t.match(await failover(car), /TLS fails: .*look at fleet.redis.ca/);
  const { car: other } = await oneCar(t, { url, ca: cert });
  await leased(other, 6);
});
