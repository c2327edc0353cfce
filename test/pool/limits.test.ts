import t from 'tap';
import { startSidecar } from '../sidecar.ts';
import { answeringOrigin, appClient, closedFor, metric, ok, statsOf, toOrigins, until } from './origins.ts';

t.test('the connection used last is reused first', async (t) => {
  const origin = await answeringOrigin(t, () => null);
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin])] });
  const a = await appClient(t, sidecar);
  const b = await appClient(t, sidecar);
  a.send('/a');
  const first = await origin.connection(0);
  await first.untilReceived('/a ');
  b.send('/b');
  const second = await origin.connection(1);
  await second.untilReceived('/b ');
  first.write(ok('a'));
  await a.response();
  second.write(ok('b'));
  await b.response();
  a.send('/c');
  await until(() => origin.requests.length === 3);
  t.equal(origin.requests[2]?.connection.index, 1, 'the second connection came free last');
  second.write(ok('c'));
  await a.response();
  a.send('/d');
  await until(() => origin.requests.length === 4);
  t.equal(origin.requests[3]?.connection.index, 1);
  t.equal(origin.connections.length, 2);
});

t.test('at maxConnections requests wait, first in first out, for the connection that comes free first', async (t) => {
  const origin = await answeringOrigin(t, () => null);
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin], { pool: { maxConnections: 2 } })] });
  const clients = await Promise.all([1, 2, 3, 4].map(() => appClient(t, sidecar)));
  const [a, b, c, d] = clients;
  if (a === undefined || b === undefined || c === undefined || d === undefined) throw new Error('too few');
  a.send('/a');
  await until(() => origin.requests.length === 1);
  b.send('/b');
  await until(() => origin.requests.length === 2);
  c.send('/c');
  await until(() => statsOf(sidecar).pending === 1);
  d.send('/d');
  await until(() => statsOf(sidecar).pending === 2);
  t.equal(await metric(sidecar, 'carpool_pool_pending_requests'), 2);
  origin.requests[1]?.connection.write(ok('b'));
  await b.response();
  await until(() => origin.requests.length === 3);
  t.equal(origin.requests[2]?.path, '/c', 'who waited longest is served first');
  t.equal(origin.requests[2]?.connection.index, 1, 'on the connection that came free');
  origin.requests[2]?.connection.write(ok('c'));
  t.equal((await c.response()).body, 'c');
  await until(() => origin.requests.length === 4);
  t.equal(origin.requests[3]?.path, '/d');
  origin.requests[3]?.connection.write(ok('d'));
  origin.requests[0]?.connection.write(ok('a'));
  t.equal((await d.response()).body, 'd');
  t.equal((await a.response()).body, 'a');
  t.equal(origin.connections.length, 2, 'the limit held');
});

t.test(
  'bytes behind a response never become the answer of the request that waited for its connection (rule 15)',
  async (t) => {
    const origin = await answeringOrigin(t, () => null);
    const sidecar = await startSidecar(t, { destinations: [toOrigins([origin], { pool: { maxConnections: 1 } })] });
    const a = await appClient(t, sidecar);
    const b = await appClient(t, sidecar);
    a.send('/a');
    await until(() => origin.requests.length === 1);
    b.send('/b');
    await until(() => statsOf(sidecar).pending === 1);
    origin.requests[0]?.connection.write(ok('a') + ok('poison'));
    t.equal((await a.response()).body, 'a');
    await until(() => origin.requests.length === 2);
    t.equal(origin.requests[1]?.connection.index, 1, 'the waiting request got a fresh connection');
    origin.requests[1]?.connection.write(ok('b'));
    t.equal((await b.response()).body, 'b');
    t.equal(await closedFor(sidecar, 'protocol_error'), 1);
  },
);

t.test('an idle connection of another endpoint makes room at the limit', async (t) => {
  const origins = [await answeringOrigin(t), await answeringOrigin(t)];
  const sidecar = await startSidecar(t, {
    destinations: [toOrigins(origins, { balancer: 'round_robin', pool: { maxConnections: 1 } })],
  });
  const a = await appClient(t, sidecar);
  t.equal((await a.get('/1')).status, 200);
  t.equal((await a.get('/2')).status, 200);
  t.equal((await a.get('/3')).status, 200);
  t.same(origins.map(({ requests }) => requests.length).sort(), [1, 2], 'the turn went round');
  t.same(origins.map(({ connections }) => connections.length).sort(), [1, 2]);
  t.equal(await closedFor(sidecar, 'rebalance'), 2);
  t.equal(sidecar.app.process().upstreamConnections, 1);
});

t.test('more than maxPending waiting requests are refused at once with what the pool holds', async (t) => {
  const origin = await answeringOrigin(t, () => null);
  const sidecar = await startSidecar(t, {
    destinations: [toOrigins([origin], { pool: { maxConnections: 1, maxPending: 1 } })],
  });
  const [a, b, c] = [await appClient(t, sidecar), await appClient(t, sidecar), await appClient(t, sidecar)];
  a.send('/a');
  await until(() => origin.requests.length === 1);
  b.send('/b');
  await until(() => statsOf(sidecar).pending === 1);
  const refused = await c.get('/c');
  t.equal(refused.status, 503);
  t.match(refused.head, /proxy-status: carpool; error=connection_limit_reached/);
  const { code, message } = JSON.parse(refused.body);
  t.equal(code, 'POOL_PENDING_FULL');
  t.match(message, /1 connections \(limit 1\), 1 active, 0 idle, 0 connecting, 1 requests waiting \(limit 1\)/);
  origin.requests[0]?.connection.write(ok('a'));
  await until(() => origin.requests.length === 2);
  origin.requests[1]?.connection.write(ok('b'));
  t.equal((await b.response()).body, 'b', 'the one that waited is served');
  t.equal(await metric(sidecar, 'carpool_errors_total', 'code="POOL_PENDING_FULL"'), 1);
});

t.test('a request that waited for acquireTimeout gets 504 with what the pool holds', async (t) => {
  const origin = await answeringOrigin(t, () => null);
  const sidecar = await startSidecar(t, {
    destinations: [toOrigins([origin], { pool: { maxConnections: 1, acquireTimeout: '5s' } })],
  });
  const [a, b] = [await appClient(t, sidecar), await appClient(t, sidecar)];
  a.send('/a');
  await until(() => origin.requests.length === 1);
  b.send('/b');
  await until(() => statsOf(sidecar).pending === 1);
  sidecar.clock.advance(4999);
  t.equal(statsOf(sidecar).pending, 1);
  sidecar.clock.advance(1);
  const refused = await b.response();
  t.equal(refused.status, 504);
  const { code, message } = JSON.parse(refused.body);
  t.equal(code, 'ACQUIRE_TIMEOUT');
  t.match(
    message,
    /waited 5000 ms .* 1 connections \(limit 1\), 1 active, 0 idle, .* 0 requests waiting \(limit 1000\)/,
  );
  t.equal(statsOf(sidecar).pending, 0);
});

t.test('an app that leaves gives up its place in the queue', async (t) => {
  const origin = await answeringOrigin(t, () => null);
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin], { pool: { maxConnections: 1 } })] });
  const [a, b, c] = [await appClient(t, sidecar), await appClient(t, sidecar), await appClient(t, sidecar)];
  a.send('/a');
  await until(() => origin.requests.length === 1);
  b.send('/b');
  await until(() => statsOf(sidecar).pending === 1);
  c.send('/c');
  await until(() => statsOf(sidecar).pending === 2);
  b.connection.socket.resetAndDestroy();
  await until(() => statsOf(sidecar).pending === 1);
  origin.requests[0]?.connection.write(ok('a'));
  await until(() => origin.requests.length === 2);
  t.equal(origin.requests[1]?.path, '/c');
  origin.requests[1]?.connection.write(ok('c'));
  t.equal((await c.response()).body, 'c');
  t.equal(origin.requests.length, 2, 'the request of the app that left never went out');
});

t.test('maxIdle bounds the idle connections, the oldest leaves', async (t) => {
  const origin = await answeringOrigin(t, () => null);
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin], { pool: { maxIdle: 2 } })] });
  const clients = await Promise.all([1, 2, 3].map(() => appClient(t, sidecar)));
  for (const [index, client] of clients.entries()) {
    client.send(`/${index}`);
    await until(() => origin.requests.length === index + 1);
  }
  for (const [index, client] of clients.entries()) {
    origin.requests[index]?.connection.write(ok('x'));
    await client.response();
  }
  const first = await origin.connection(0);
  await first.until(({ ended }) => ended);
  t.equal(statsOf(sidecar).idle, 2);
  t.notOk(origin.connections[1]?.ended);
  t.notOk(origin.connections[2]?.ended);
});

t.test('maxIdle 1 keeps one connection for one request after another', async (t) => {
  const origin = await answeringOrigin(t);
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin], { pool: { maxIdle: 1 } })] });
  const client = await appClient(t, sidecar);
  for (let index = 0; index < 5; index++) t.equal((await client.get(`/${index}`)).body, `/${index}`);
  t.equal(origin.connections.length, 1);
});
