import t, { type Test } from 'tap';
import type { DestinationPool } from '../../src/pool/destination-pool.ts';
import type { EndpointPool } from '../../src/pool/endpoint-pool.ts';
import { startSidecar } from '../sidecar.ts';
import { answeringOrigin, appClient, ok, statsOf, toOrigins, until } from './origins.ts';
import { endpointAt, policyWith, poolContext, refusingPort, TestRequest, testPool } from './pool-fixture.ts';

const failing = 'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n';

function poolOf(t: Test, count: number): { pool: DestinationPool; context: ReturnType<typeof poolContext> } {
  const context = poolContext();
  const pool = testPool(t, context, policyWith({ breaker: { failures: 2, recoveryMs: 60_000 } }));
  for (let index = 0; index < count; index++) pool.add(endpointAt(1000 + index));
  pool.settle();
  return { pool, context };
}

const at = (pool: DestinationPool, index: number): EndpointPool => {
  const endpoint = pool.endpoints[index];
  if (endpoint === undefined) throw new Error('none');
  return endpoint;
};

const out = (pool: DestinationPool): number[] =>
  pool.endpoints.filter(({ health }) => health.out).map(({ spec }) => spec.port);

t.test(
  'two of three that refuse connects: one is ejected, the other is tried in the background and by no request',
  async (t) => {
    const good = await answeringOrigin(t);
    const port = await refusingPort();
    const context = poolContext();
    const pool = testPool(t, context, policyWith({ balancer: 'p2c' }));
    pool.add(endpointAt(good.port));
    for (const last of [2, 3]) pool.add({ id: `127.0.0.${last}:${port}`, address: `127.0.0.${last}`, port });
    pool.settle();
    const refused = (): number => context.seen.filter(({ type }) => type === 'connect_failed').length;
    const ask = async (): Promise<void> => {
      const request = new TestRequest('/', { fresh: true });
      pool.acquire(request);
      await until(() => request.ended === 1);
    };
    while (refused() < 2) await ask();
    for (let index = 0; index < 40; index++) await ask();
    t.equal(refused(), 2, 'each has cost one connect, and no request after that');
    t.equal(pool.endpoints.filter(({ health }) => health.out).length, 1);
    t.equal(pool.rotation.candidates.length, 2, 'the cap holds');
    for (let second = 0; second < 20; second++) {
      context.clock.advance(1000);
      pool.tick(context.clock.now());
      await until(() => pool.totals().connecting === 0);
      await ask();
    }
    t.ok(refused() >= 6 && refused() <= 12, `${refused()} connects in 20 s, less often each time`);
  },
);

t.test('two of three that answer 503: what may not be ejected is tried by one request now and then', async (t) => {
  let well = false;
  const good = await answeringOrigin(t);
  const bad = [0, 1].map(() => answeringOrigin(t, ({ path }) => (well ? ok(path) : failing)));
  const origins = [good, ...(await Promise.all(bad))];
  const failed = (): number => (origins[1]?.requests.length ?? 0) + (origins[2]?.requests.length ?? 0);
  const sidecar = await startSidecar(t, {
    destinations: [toOrigins(origins, { balancer: 'round_robin', breaker: { failures: 3 } })],
  });
  const client = await appClient(t, sidecar);
  for (let index = 0; index < 100; index++) await client.get('/');
  t.equal(failed(), 6);
  t.match(
    statsOf(sidecar).endpoints.map(({ state }) => state),
    ['ready', 'ejected', 'ready'],
  );
  sidecar.clock.advance(1000);
  for (let index = 0; index < 20; index++) await client.get('/');
  t.equal(failed(), 7);
  sidecar.clock.advance(1000);
  for (let index = 0; index < 20; index++) await client.get('/');
  t.equal(failed(), 7, 'it is left alone for longer each time');
  sidecar.clock.advance(1000);
  well = true;
  for (let index = 0; index < 20; index++) t.equal((await client.get('/')).status, 200);
  t.ok(failed() >= 16, 'and has its share again as soon as it answers');
});

t.test('where all that is left is doubtful all of it is used', async (t) => {
  const origins = await Promise.all([0, 1, 2].map(() => answeringOrigin(t, () => failing)));
  const sidecar = await startSidecar(t, {
    destinations: [toOrigins(origins, { balancer: 'round_robin', breaker: { failures: 2 } })],
  });
  const client = await appClient(t, sidecar);
  for (let index = 0; index < 60; index++) t.equal((await client.get('/')).body, '');
  t.equal(statsOf(sidecar).endpoints.filter(({ state }) => state === 'ejected').length, 1);
  t.equal(
    origins.filter(({ requests }) => requests.length > 20).length,
    2,
    'the two that may not be out share the rest',
  );
});

t.test('when endpoints leave, the one that is out longest is let in again, so that half are never out', async (t) => {
  const { pool, context } = poolOf(t, 4);
  pool.evidence.eject(at(pool, 1), 'failures', 'test');
  context.clock.advance(1000);
  pool.evidence.eject(at(pool, 0), 'failures', 'test');
  t.same(out(pool), [1000, 1001]);
  pool.evidence.eject(at(pool, 2), 'failures', 'test');
  t.same(out(pool), [1000, 1001], 'no third one');
  pool.setState('127.0.0.1:1003', 'removed');
  t.same(out(pool), [1000], 'one of three');
  t.match(context.seen.at(-1), { type: /endpoint_(restored|removed)/ });
  t.equal(context.seen.filter(({ type }) => type === 'endpoint_restored').length, 1);
  pool.setState('127.0.0.1:1002', 'unready');
  t.same(out(pool), [1000], 'one of two');
  pool.setState('127.0.0.1:1001', 'removed');
  t.same(out(pool), [], 'a single one never');
  t.equal(pool.rotation.candidates.length, 1);
  pool.add(endpointAt(1002));
  pool.add(endpointAt(1004));
  t.same(out(pool), []);
});

t.test('an endpoint that is ejected and not ready comes back into the count when it is ready again', async (t) => {
  const { pool } = poolOf(t, 4);
  pool.evidence.eject(at(pool, 0), 'failures', 'test');
  pool.setState('127.0.0.1:1000', 'unready');
  pool.evidence.eject(at(pool, 1), 'failures', 'test');
  pool.setState('127.0.0.1:1003', 'removed');
  t.same(out(pool), [1000, 1001], 'one of two ready ones');
  pool.add(endpointAt(1000));
  t.same(out(pool).length, 1, 'one of three');
});

t.test('at the limit a connection that comes free at an ejected endpoint serves nobody who waits', async (t) => {
  const good = await answeringOrigin(t, ({ path }) => (path.startsWith('/hold') ? null : ok(path)));
  const bad = await answeringOrigin(t, ({ path }) => (path.startsWith('/hold') ? null : failing));
  const sidecar = await startSidecar(t, {
    destinations: [
      toOrigins([good, bad], { balancer: 'round_robin', breaker: { failures: 2 }, pool: { maxConnections: 4 } }),
    ],
  });
  const clients = await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map(() => appClient(t, sidecar)));
  for (const index of [0, 1, 2, 3]) {
    clients[index]?.send(`/hold${index}`);
    await until(() => good.requests.length + bad.requests.length === index + 1);
  }
  for (const index of [4, 5, 6, 7]) {
    clients[index]?.send('/waits');
    await until(() => statsOf(sidecar).pending === index - 3);
  }
  const held = [...bad.requests];
  t.equal(held.length, 2);
  held[0]?.connection.write(failing);
  await until(() => bad.requests.length + good.requests.length === 5);
  held[1]?.connection.write(failing);
  const before = bad.requests.length;
  await until(() => statsOf(sidecar).endpoints[1]?.state === 'ejected');
  good.requests[0]?.connection.write(ok('free'));
  good.requests[1]?.connection.write(ok('free'));
  for (const index of [5, 6, 7]) await clients[index]?.response();
  t.equal(bad.requests.length, before, 'nothing went there after it was ejected');
});

for (const balancer of ['p2c', 'round_robin', 'least_loaded', 'sticky']) {
  t.test(`${balancer}: whatever comes at once, one request alone tries an ejected endpoint`, async (t) => {
    let silent = false;
    const answer = ({ path }: { path: string }): string | null => (silent ? null : ok(path));
    const good = [await answeringOrigin(t, answer), await answeringOrigin(t, answer)];
    const bad = await answeringOrigin(t, () => (silent ? null : failing));
    const sidecar = await startSidecar(t, {
      destinations: [
        toOrigins([...good, bad], {
          balancer,
          breaker: { failures: 2, recovery: '5s' },
          sticky: STICKY[balancer] ?? {},
        }),
      ],
    });
    const ask = async (count: number, prefix: string) => {
      const clients = await Promise.all(Array.from({ length: count }, () => appClient(t, sidecar)));
      for (const [index, client] of clients.entries())
        client.connection.write(
          `GET http://orders.shop:8080/${prefix} HTTP/1.1\r\nHost: orders.shop:8080\r\nX-Key: ${prefix}${index}\r\n\r\n`,
        );
      return clients;
    };
    for (let round = 0; statsOf(sidecar).endpoints[2]?.state !== 'ejected'; round++) {
      for (const client of await ask(3, `round${round}-`)) await client.response();
    }
    const before = bad.requests.length;
    sidecar.clock.advance(4000);
    for (const client of await ask(20, 'still')) await client.response();
    t.equal(bad.requests.length, before, 'none until its time is over');
    sidecar.clock.advance(2000);
    silent = true;
    await ask(40, 'held');
    await until(() => statsOf(sidecar).active === 40);
    t.equal(bad.requests.length, before + 1);
  });
}

const STICKY: Readonly<Record<string, Record<string, string>>> = { sticky: { by: 'header', name: 'X-Key' } };

t.test('an exchange that runs on at an ejected endpoint does not keep it from its trial', async (t) => {
  const good = await answeringOrigin(t);
  let well = false;
  const bad = await answeringOrigin(t, ({ path }) => (path === '/stream' ? null : well ? ok(path) : failing));
  const sidecar = await startSidecar(t, {
    destinations: [toOrigins([good, bad], { balancer: 'round_robin', breaker: { failures: 2, recovery: '5s' } })],
  });
  const [client, stream] = [await appClient(t, sidecar), await appClient(t, sidecar)];
  for (let index = 0; bad.requests.length === 0; index++) {
    stream.send('/stream');
    await until(() => good.requests.length + bad.requests.length === index + 1);
    if (bad.requests.length === 0) await stream.response();
  }
  while (statsOf(sidecar).endpoints[1]?.state !== 'ejected') await client.get('/');
  const before = bad.requests.length;
  sidecar.clock.advance(6000);
  well = true;
  for (let index = 0; index < 3; index++) await client.get('/trial');
  t.equal(statsOf(sidecar).endpoints[1]?.state, 'ready');
  t.ok(bad.requests.length > before);
});

t.test('an endpoint that fails again right after its trial is out again at once', async (t) => {
  const good = await answeringOrigin(t);
  let answer = failing;
  const bad = await answeringOrigin(t, () => answer);
  const sidecar = await startSidecar(t, {
    destinations: [toOrigins([good, bad], { balancer: 'round_robin', breaker: { failures: 3, recovery: '5s' } })],
  });
  const client = await appClient(t, sidecar);
  while (bad.requests.length < 3) await client.get('/');
  sidecar.clock.advance(6000);
  answer = 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\ncut';
  const clients = [await appClient(t, sidecar), await appClient(t, sidecar)];
  for (const each of clients) each.send('/');
  await until(() => bad.requests.length === 4 && statsOf(sidecar).endpoints[1]?.state === 'ready');
  bad.requests[3]?.connection.socket.resetAndDestroy();
  await until(() => statsOf(sidecar).endpoints[1]?.state === 'ejected');
  t.equal(statsOf(sidecar).endpoints[1]?.ejectedForMs, 10_000);
});
