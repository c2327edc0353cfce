import t from 'tap';
import { startSidecar } from '../sidecar.ts';
import { answeringOrigin, appClient, ok, statsOf, toOrigins, until } from './origins.ts';
import { endpointAt, policyWith, poolContext, testPool } from './pool-fixture.ts';

const failing = 'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n';

t.test('five failures in a row eject an endpoint for breaker.recovery, then one request alone tries it', async (t) => {
  let well = false;
  const good = await answeringOrigin(t);
  const bad = await answeringOrigin(t, ({ path }) => (well ? (path === '/trial' ? null : ok(path)) : failing));
  const sidecar = await startSidecar(t, {
    destinations: [toOrigins([good, bad], { balancer: 'round_robin', breaker: { failures: 5, recovery: '60s' } })],
  });
  const client = await appClient(t, sidecar);
  const statuses: number[] = [];
  for (let index = 0; index < 20; index++) statuses.push((await client.get(`/${index}`)).status);
  t.equal(statuses.filter((status) => status === 503).length, 5);
  t.match(statsOf(sidecar).endpoints[1], { state: 'ejected', ejectedForMs: 60_000, consecutiveFailures: 5 });
  sidecar.clock.advance(59_000);
  await client.get('/still');
  t.equal(bad.requests.length, 5);
  well = true;
  sidecar.clock.advance(2000);
  const clients = await Promise.all([1, 2, 3, 4].map(() => appClient(t, sidecar)));
  for (const each of clients) each.send('/trial');
  await until(() => good.requests.length + bad.requests.length === 25);
  t.equal(bad.requests.length, 6, 'one request alone');
  bad.requests[5]?.connection.write(ok('well'));
  for (const each of clients) await each.response();
  t.equal(statsOf(sidecar).endpoints[1]?.state, 'ready');
  for (let index = 0; index < 4; index++) await client.get('/well');
  t.equal(bad.requests.length, 8, 'it has its turns again');
});

t.test('a failed trial ejects again, for longer', async (t) => {
  const good = await answeringOrigin(t);
  const bad = await answeringOrigin(t, () => failing);
  const sidecar = await startSidecar(t, {
    destinations: [toOrigins([good, bad], { balancer: 'round_robin', breaker: { failures: 2, recovery: '10s' } })],
  });
  const client = await appClient(t, sidecar);
  for (let index = 0; index < 6; index++) await client.get(`/${index}`);
  t.equal(bad.requests.length, 2);
  sidecar.clock.advance(11_000);
  for (let index = 0; index < 6; index++) await client.get(`/${index}`);
  t.equal(bad.requests.length, 3);
  t.match(statsOf(sidecar).endpoints[1], { state: 'ejected', ejectedForMs: 20_000 });
});

t.test('a trial request whose app gives up counts as failed', async (t) => {
  const good = await answeringOrigin(t);
  let silent = false;
  const bad = await answeringOrigin(t, () => (silent ? null : failing));
  const sidecar = await startSidecar(t, {
    destinations: [toOrigins([good, bad], { balancer: 'round_robin', breaker: { failures: 2, recovery: '10s' } })],
  });
  const client = await appClient(t, sidecar);
  for (let index = 0; index < 6; index++) await client.get(`/${index}`);
  silent = true;
  sidecar.clock.advance(11_000);
  const impatient = [await appClient(t, sidecar), await appClient(t, sidecar)];
  for (const each of impatient) each.send('/trial');
  await until(() => bad.requests.length === 3);
  for (const each of impatient) each.connection.socket.resetAndDestroy();
  await until(() => statsOf(sidecar).endpoints[1]?.state === 'ejected' && statsOf(sidecar).active === 0);
  t.equal(statsOf(sidecar).endpoints[1]?.ejectedForMs, 20_000);
});

t.test('other statuses and apps that leave are no failures', async (t) => {
  let status = 500;
  const origins = [
    await answeringOrigin(t),
    await answeringOrigin(t, () => `HTTP/1.1 ${status} X\r\nContent-Length: 0\r\n\r\n`),
  ];
  const sidecar = await startSidecar(t, {
    destinations: [toOrigins(origins, { balancer: 'round_robin', breaker: { failures: 2 } })],
  });
  const client = await appClient(t, sidecar);
  for (status of [500, 501, 505, 429, 404, 400, 500, 500]) for (const path of ['/a', '/b']) await client.get(path);
  t.equal(statsOf(sidecar).endpoints[1]?.consecutiveFailures, 0);
  t.equal(statsOf(sidecar).endpoints[1]?.state, 'ready');
  status = 502;
  for (const path of ['/a', '/b']) await client.get(path);
  t.equal(statsOf(sidecar).endpoints[1]?.consecutiveFailures, 1);
  status = 200;
  for (const path of ['/a', '/b']) await client.get(path);
  t.equal(statsOf(sidecar).endpoints[1]?.consecutiveFailures, 0, 'a whole answer between starts the count again');
});

t.test('resets before the head of a response eject an endpoint', async (t) => {
  const good = await answeringOrigin(t);
  const bad = await answeringOrigin(t, ({ connection }) => {
    connection.socket.resetAndDestroy();
    return null;
  });
  const sidecar = await startSidecar(t, { destinations: [toOrigins([good, bad], { balancer: 'round_robin' })] });
  const client = await appClient(t, sidecar);
  let failures = 0;
  for (let index = 0; index < 30; index++) if ((await client.post(`/${index}`)).status === 502) failures++;
  t.equal(failures, 5);
  t.equal(statsOf(sidecar).endpoints[1]?.state, 'ejected');
});

t.test('where a connect decides, neither an app that leaves nor one failure on an old connection does', async (t) => {
  const context = poolContext();
  const pool = testPool(t, context);
  const origins = [await answeringOrigin(t), await answeringOrigin(t)];
  for (const { port } of origins) pool.add(endpointAt(port));
  pool.settle();
  const [endpoint] = pool.endpoints;
  if (endpoint === undefined) throw new Error('no endpoint');
  pool.evidence.eject(endpoint, 'connect', 'ECONNREFUSED');
  context.clock.advance(1000);
  const now = context.clock.now();
  pool.tick(now);
  t.equal(endpoint.dialing, 1, 'it is being tried');
  pool.evidence.gaveUp(endpoint, 500, now);
  pool.evidence.failed(endpoint, 'UPSTREAM_RESET', 500, now);
  t.match(endpoint.health.ejection, { state: 'trial', by: 'connect' });
  await until(() => endpoint.dialing === 0);
  t.equal(endpoint.health.out, false);
});

t.test('what went out before the request that brought an endpoint back does not eject it again', async (t) => {
  const context = poolContext();
  const pool = testPool(t, context, policyWith({ breaker: { failures: 2, recoveryMs: 10_000 } }));
  for (const port of [1, 2]) pool.add(endpointAt(port));
  pool.settle();
  const [endpoint] = pool.endpoints;
  if (endpoint === undefined) throw new Error('no endpoint');
  const fail = (ms: number) => pool.evidence.failed(endpoint, 'RESPONSE_TIMEOUT', ms, context.clock.now());
  for (let index = 0; index < 2; index++) fail(30_000);
  context.clock.advance(10_000);
  pool.evidence.tick(context.clock.now());
  t.equal(endpoint.health.ejection.state, 'trial');
  pool.evidence.answered(endpoint, 200, 5, context.clock.now());
  fail(30_000);
  t.equal(endpoint.health.out, false, 'before the first whole answer, too');
  pool.evidence.completed(endpoint, 200);
  context.clock.advance(15_000);
  for (let index = 0; index < 4; index++) fail(30_000);
  t.equal(endpoint.health.out, false);
  for (let index = 0; index < 2; index++) fail(15_005);
  t.equal(endpoint.health.out, true, 'what went out with it counts, and what went out since');
});
