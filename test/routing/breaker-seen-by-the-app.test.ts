import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { answeringOrigin, appClient, ok, statsOf, TARGET, toOrigins, until } from '../pool/origins.ts';
import { refusingPort } from '../pool/pool-fixture.ts';
import { reload, startSidecar } from '../sidecar.ts';

const FAILING = 'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n';
const breaker = { destinationFailures: 3, recovery: '10s' };

/** A destination whose breaker was open for its time, and whose only connection is held by another request. */
async function openAndHeld(t: Test, pool: Record<string, unknown> = {}) {
  let well = false;
  const origin = await answeringOrigin(t, ({ path }) => (path === '/hold' ? null : well ? ok(path) : FAILING));
  const sidecar = await startSidecar(t, {
    destinations: [toOrigins([origin], { breaker, pool: { maxConnections: 1, ...pool } })],
  });
  const [client, holder] = [await appClient(t, sidecar), await appClient(t, sidecar)];
  await client.get('/a');
  await client.get('/b');
  client.send('/c');
  holder.send('/hold');
  await until(() => origin.requests.length === 4);
  await client.response();
  sidecar.clock.advance(10_000);
  const letGo = (): void => origin.requests[3]?.connection.write(ok('held'));
  const heal = (): void => {
    well = true;
  };
  return { sidecar, origin, client, holder, letGo, heal };
}

t.test('the app sees the breaker open, one request try, and the breaker close', async (t) => {
  let answer: ((path: string) => string | null) | null = null;
  const origins = [0, 1].map(() => answeringOrigin(t, ({ path }) => (answer === null ? FAILING : answer(path))));
  const [one, two] = await Promise.all(origins);
  if (one === undefined || two === undefined) throw new Error('none');
  const seen = (): number => one.requests.length + two.requests.length;
  const sidecar = await startSidecar(t, { destinations: [toOrigins([one, two], { breaker })] });
  const client = await appClient(t, sidecar);
  const failures = [await client.get('/a'), await client.get('/b'), await client.get('/c')];
  t.ok(
    failures.every(({ status, body }) => status === 503 && body === ''),
    'the answers of the upstream pass as they are',
  );
  const refused = await client.get('/d');
  t.equal(refused.status, 503);
  t.match(refused.head, /\r\nretry-after: 10\r\n/i);
  t.match(JSON.parse(refused.body), { code: 'CIRCUIT_OPEN', message: /status 503/ });
  t.match(statsOf(sidecar).breaker, { state: 'open', failures: 3, triedAgainInMs: 10_000 });
  for (let index = 0; index < 20; index++) await client.get('/refused');
  t.equal(seen(), 3, 'nothing of that reaches the upstream');
  sidecar.clock.advance(10_000);
  const clients = await Promise.all([0, 1, 2, 3].map(() => appClient(t, sidecar)));
  answer = () => null;
  clients[0]?.send('/trial');
  await until(() => seen() === 4);
  for (const each of clients.slice(1)) t.equal((await each.get('/others')).status, 503);
  t.equal(seen(), 4, 'one trial alone');
  [...one.requests, ...two.requests].find(({ path }) => path === '/trial')?.connection.write(ok('well'));
  t.equal((await clients[0]?.response())?.body, 'well');
  answer = (path) => ok(path);
  for (const each of clients) t.equal((await each.get('/again')).body, '/again');
  t.match(statsOf(sidecar).breaker, { state: 'closed', failures: 0 });
  const log = readFileSync(sidecar.logFile, 'utf8');
  for (const event of ['breaker_opened', 'breaker_half_open', 'breaker_closed']) t.match(log, event);
});

t.test('an app that leaves during its trial leaves the trial to the next request', async (t) => {
  let silent = false;
  const origin = await answeringOrigin(t, ({ path }) => (path === '/next' ? ok(path) : silent ? null : FAILING));
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin], { breaker })] });
  const [client, impatient] = [await appClient(t, sidecar), await appClient(t, sidecar)];
  for (const path of ['/a', '/b', '/c']) await client.get(path);
  sidecar.clock.advance(10_000);
  silent = true;
  impatient.send('/trial');
  await until(() => origin.requests.length === 4);
  t.equal((await client.get('/next')).status, 503);
  impatient.connection.socket.resetAndDestroy();
  await until(() => statsOf(sidecar).active === 0);
  t.equal((await client.get('/next')).body, '/next');
  t.equal(statsOf(sidecar).breaker.state, 'closed');
});

t.test('an app that leaves while its trial waits for a connection does so too', async (t) => {
  const { sidecar, client, letGo, heal } = await openAndHeld(t);
  const impatient = await appClient(t, sidecar);
  impatient.send('/trial');
  await until(() => statsOf(sidecar).pending === 1);
  t.equal((await client.get('/next')).status, 503);
  impatient.connection.socket.resetAndDestroy();
  await until(() => statsOf(sidecar).pending === 0);
  heal();
  client.send('/next');
  await until(() => statsOf(sidecar).pending === 1);
  letGo();
  t.equal((await client.response()).body, '/next');
});

t.test('a trial that gets no connection for reasons of our own says nothing about the destination', async (t) => {
  const { sidecar, origin, client, letGo } = await openAndHeld(t, { acquireTimeout: '2s' });
  client.send('/trial');
  await until(() => statsOf(sidecar).pending === 1);
  sidecar.clock.advance(2000);
  t.equal(JSON.parse((await client.response()).body).code, 'ACQUIRE_TIMEOUT');
  t.equal(statsOf(sidecar).breaker.state, 'half_open');
  client.send('/trial');
  letGo();
  t.equal((await client.response()).body, '', 'the next one tries, and hears what the upstream says');
  t.equal(origin.requests.at(-1)?.path, '/trial');
});

t.test('a trial that a pause holds back is one again after it', async (t) => {
  const { sidecar, origin, client, holder, letGo, heal } = await openAndHeld(t);
  const leaves = await appClient(t, sidecar);
  leaves.send('/leaves');
  await until(() => statsOf(sidecar).pending === 1);
  sidecar.app.steering.pause(TARGET);
  client.send('/trial');
  await until(() => statsOf(sidecar).pending === 2);
  leaves.connection.socket.resetAndDestroy();
  await until(() => statsOf(sidecar).pending === 1);
  heal();
  letGo();
  await holder.response();
  sidecar.app.steering.resume(TARGET);
  t.equal((await client.response()).body, '/trial');
  t.equal(statsOf(sidecar).breaker.state, 'closed');
  t.notOk(origin.requests.some(({ path }) => path === '/leaves'));
});

t.test('a trial that waits for a connection when a pause begins goes on with resume', async (t) => {
  const { sidecar, client, holder, letGo, heal } = await openAndHeld(t);
  client.send('/trial');
  await until(() => statsOf(sidecar).pending === 1);
  sidecar.app.steering.pause(TARGET);
  heal();
  letGo();
  await holder.response();
  sidecar.app.steering.resume(TARGET);
  t.equal((await client.response()).body, '/trial');
});

t.test('the trial takes no connection that was quiet meanwhile: it may be dead', async (t) => {
  let restarted = false;
  const used = new Set<unknown>();
  const origin = await answeringOrigin(t, ({ path, connection }) => {
    if (!restarted) return used.add(connection) && FAILING;
    if (!used.has(connection)) return ok(path);
    connection.socket.resetAndDestroy();
    return null;
  });
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin], { breaker })] });
  const client = await appClient(t, sidecar);
  for (const path of ['/a', '/b', '/c']) await client.get(path);
  t.equal(statsOf(sidecar).idle, 1);
  restarted = true;
  sidecar.clock.advance(10_000);
  t.equal((await client.post('/trial')).body, '/trial');
  t.equal(statsOf(sidecar).breaker.state, 'closed');
});

t.test('connects that fail open it, once for a request with all its tries', async (t) => {
  const port = await refusingPort();
  const endpoints = [1, 2, 3].map((last) => `127.0.0.${last}:${port}`);
  const sidecar = await startSidecar(t, { destinations: [{ match: TARGET, endpoints, breaker }] });
  const client = await appClient(t, sidecar);
  for (let index = 0; index < 3; index++) t.equal(statsOf(sidecar).breaker.failures, index) && (await client.get('/'));
  t.equal(JSON.parse((await client.get('/')).body).code, 'CIRCUIT_OPEN');
});

t.test('resets and response time-outs open it; other statuses, and apps that leave, never', async (t) => {
  let how = 'status';
  const origin = await answeringOrigin(t, ({ connection }) => {
    if (how === 'reset') connection.socket.resetAndDestroy();
    return how === 'status' ? 'HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n' : null;
  });
  const sidecar = await startSidecar(t, {
    destinations: [toOrigins([origin], { breaker, timeouts: { response: '5s' }, retry: { attempts: 1 } })],
  });
  const client = await appClient(t, sidecar);
  for (let index = 0; index < 5; index++) t.equal((await client.post('/x')).status, 500);
  how = 'silent';
  for (let index = 0; index < 5; index++) {
    const leaves = await appClient(t, sidecar);
    const before = origin.requests.length;
    leaves.send('/leaves', 'POST', 'x');
    await until(() => origin.requests.length === before + 1);
    leaves.connection.socket.resetAndDestroy();
    await until(() => statsOf(sidecar).active === 0);
  }
  t.match(statsOf(sidecar).breaker, { state: 'closed', failures: 0 });
  how = 'reset';
  for (let index = 0; index < 2; index++) t.equal((await client.post('/x')).status, 502);
  t.equal(statsOf(sidecar).breaker.failures, 2);
  how = 'silent';
  const before = origin.requests.length;
  client.send('/x', 'POST', 'x');
  await until(() => origin.requests.length === before + 1);
  sidecar.clock.advance(7000);
  t.equal((await client.response()).status, 504);
  t.equal(statsOf(sidecar).breaker.state, 'open');
});

t.test('a reload switches it on and off', async (t) => {
  const origin = await answeringOrigin(t, () => FAILING);
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin])] });
  const client = await appClient(t, sidecar);
  for (let index = 0; index < 10; index++) await client.get('/');
  t.equal(statsOf(sidecar).breaker.state, 'off');
  t.equal(origin.requests.length, 10);
  await reload(sidecar, { destinations: [toOrigins([origin], { breaker })] });
  for (let index = 0; index < 10; index++) await client.get('/');
  t.equal(origin.requests.length, 13);
  await reload(sidecar, { destinations: [toOrigins([origin])] });
  t.equal(statsOf(sidecar, TARGET).breaker.state, 'off');
  await client.get('/');
  t.equal(origin.requests.length, 14);
});
