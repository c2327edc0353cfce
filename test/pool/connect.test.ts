import { once } from 'node:events';
import net from 'node:net';
import t from 'tap';
import { startSidecar } from '../sidecar.ts';
import { answeringOrigin, appClient, metric, ok, statsOf, toOrigins, until } from './origins.ts';
import { refusingPort } from './pool-fixture.ts';
import { silentPort } from './silent-port.ts';

// round_robin begins with the second endpoint, so the first request goes to the one that fails.
const ROUND = { balancer: 'round_robin' };
const connectErrors = (sidecar: Parameters<typeof metric>[0]): Promise<number> =>
  metric(sidecar, 'carpool_pool_connect_errors_total', 'code="ECONNREFUSED"');

t.test('a refused connect is tried at another endpoint, whatever the method', async (t) => {
  const origin = await answeringOrigin(t);
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin, { port: await refusingPort() }], ROUND)] });
  const client = await appClient(t, sidecar);
  t.equal((await client.post('/1')).status, 200);
  t.equal(await connectErrors(sidecar), 1);
});

t.test('after three refused connects the request fails with 502, errno and address', async (t) => {
  const port = await refusingPort();
  const sidecar = await startSidecar(t, { destinations: [toOrigins([{ port }])] });
  const client = await appClient(t, sidecar);
  for (let round = 1; round <= 2; round++) {
    const answer = await client.get('/1');
    t.equal(answer.status, 502);
    t.match(answer.head, /proxy-status: carpool; error=connection_refused/);
    const { code, message } = JSON.parse(answer.body);
    t.equal(code, 'CONNECT_FAILED');
    t.match(message, new RegExp(`127\\.0\\.0\\.1:${port}: ECONNREFUSED`));
    t.equal(
      await connectErrors(sidecar),
      3 * round,
      'three tries, and a single endpoint is tried again by the next request',
    );
  }
  t.equal(statsOf(sidecar).endpoints[0]?.state, 'ready', 'the last endpoint is never ejected');
  t.equal(sidecar.app.process().upstreamConnections, 0);
});

t.test('an endpoint that refuses is left alone for 1 s, then 2 s, and is tried in the background only', async (t) => {
  const origin = await answeringOrigin(t);
  const port = await refusingPort();
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin, { port }], ROUND)] });
  const client = await appClient(t, sidecar);
  for (let index = 0; index < 6; index++) t.equal((await client.get(`/${index}`)).status, 200);
  t.equal(await connectErrors(sidecar), 1, 'one request found it out');
  t.match(statsOf(sidecar).endpoints[1], { state: 'ejected', ejectedForMs: 1000 });
  sidecar.clock.advance(1000);
  await until(() => statsOf(sidecar).endpoints[1]?.ejectedForMs === 2000);
  t.equal(await connectErrors(sidecar), 2, 'the sweep tried it again');
  sidecar.clock.advance(1999);
  t.equal((await client.get('/still')).status, 200);
  t.equal(await connectErrors(sidecar), 2);
  const back = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => socket.write(ok('back')));
  });
  back.listen(port, '127.0.0.1');
  await once(back, 'listening');
  t.teardown(() => back.close());
  sidecar.clock.advance(1001);
  await until(() => statsOf(sidecar).endpoints[1]?.state === 'ready');
  t.equal(await connectErrors(sidecar), 2);
  const answers = [await client.get('/a'), await client.get('/b')];
  t.same(
    answers.map(({ body }) => body).filter((body) => body === 'back'),
    ['back'],
    'it has its turn again',
  );
  for (const { connections } of statsOf(sidecar).endpoints) t.equal(connections.length, 1);
});

t.test('a refusing endpoint comes back although the pool was at its limit when its time was over', async (t) => {
  let silent = false;
  const origin = await answeringOrigin(t, ({ path }) => (silent ? null : ok(path)));
  const port = await refusingPort();
  const sidecar = await startSidecar(t, {
    destinations: [toOrigins([origin, { port }], { ...ROUND, pool: { maxConnections: 1 } })],
  });
  const client = await appClient(t, sidecar);
  t.equal((await client.get('/1')).status, 200);
  silent = true;
  client.send('/held');
  await until(() => origin.requests.length === 2);
  sidecar.clock.advance(3000);
  t.equal(statsOf(sidecar).connecting, 0, 'there is no room for another connect');
  const back = net.createServer((socket) => socket.on('error', () => {}));
  back.listen(port, '127.0.0.1');
  await once(back, 'listening');
  t.teardown(() => back.close());
  origin.requests[1]?.connection.write(ok('done'));
  await client.response();
  sidecar.clock.advance(1000);
  await until(() => statsOf(sidecar).endpoints[1]?.state === 'ready');
  t.equal(sidecar.app.process().upstreamConnections, 1);
});

t.test('at most half of the endpoints are ejected', async (t) => {
  const origin = await answeringOrigin(t);
  const dead = [await refusingPort(), await refusingPort(), await refusingPort()].map((port) => ({ port }));
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin, ...dead], ROUND)] });
  const client = await appClient(t, sidecar);
  // Three tries may all meet dead endpoints at first.
  const statuses: number[] = [];
  for (let index = 0; index < 12; index++) statuses.push((await client.get(`/${index}`)).status);
  t.ok(statuses.filter((status) => status !== 200).length <= 1, statuses.join());
  t.equal(statsOf(sidecar).endpoints.filter(({ state }) => state === 'ejected').length, 2);
});

t.test('when an endpoint has not answered a connect after connectAttempt another is tried beside it', async (t) => {
  const origin = await answeringOrigin(t);
  const silent = { port: await silentPort(t) };
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin, silent], ROUND)] });
  const client = await appClient(t, sidecar);
  client.send('/1');
  await until(() => statsOf(sidecar).connecting === 1);
  sidecar.clock.advance(999);
  t.equal(statsOf(sidecar).connecting, 1);
  sidecar.clock.advance(1);
  t.equal((await client.response()).body, '/1');
  t.equal(statsOf(sidecar).connecting, 1, 'the slow connect goes on, for the pool');
  t.equal(statsOf(sidecar).endpoints[1]?.state, 'ejected', 'others do not wait for it');
  for (let index = 0; index < 4; index++) t.equal((await client.get('/more')).status, 200);
  sidecar.clock.advance(10_000);
  t.equal(await metric(sidecar, 'carpool_pool_connect_timeouts_total'), 1);
  t.equal(await metric(sidecar, 'carpool_pool_connect_errors_total', 'code="ETIMEDOUT"'), 1);
  t.equal((await client.get('/last')).status, 200);
});

t.test('a connect that no endpoint answers ends with 504 after timeouts.connect, all tries together', async (t) => {
  const silent = [{ port: await silentPort(t) }, { port: await silentPort(t) }];
  const sidecar = await startSidecar(t, { destinations: [toOrigins(silent, { timeouts: { connect: '5s' } })] });
  const client = await appClient(t, sidecar);
  client.send('/1');
  await until(() => statsOf(sidecar).connecting === 1);
  sidecar.clock.advance(4999);
  t.equal(statsOf(sidecar).pending, 1);
  t.equal(statsOf(sidecar).connecting, 2);
  sidecar.clock.advance(1);
  const answer = await client.response();
  t.equal(answer.status, 504);
  t.match(answer.head, /error=connection_timeout/);
  t.equal(JSON.parse(answer.body).code, 'CONNECT_TIMEOUT');
  sidecar.clock.advance(10_000);
  t.equal(statsOf(sidecar).pending, 0);
});

t.test('an app that leaves while its connect is under way leaves nothing behind', async (t) => {
  const sidecar = await startSidecar(t, { destinations: [toOrigins([{ port: await silentPort(t) }])] });
  const client = await appClient(t, sidecar);
  client.send('/1');
  await until(() => statsOf(sidecar).pending === 1);
  client.connection.socket.resetAndDestroy();
  await until(() => statsOf(sidecar).pending === 0);
  sidecar.clock.advance(10_000);
  t.match(statsOf(sidecar), { connecting: 0, active: 0, idle: 0, draining: 0 });
  t.equal(sidecar.app.process().upstreamConnections, 0);
});
