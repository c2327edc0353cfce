import t from 'tap';
import { startSidecar } from '../sidecar.ts';
import { answeringOrigin, appClient, closedFor, metric, ok, openIdle, statsOf, toOrigins, until } from './origins.ts';

t.test('an idle connection is closed after 50 s while nothing is known of the server', async (t) => {
  const origin = await answeringOrigin(t);
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin])] });
  const client = await appClient(t, sidecar);
  await client.get('/1');
  sidecar.clock.advance(49_000);
  t.equal(statsOf(sidecar).idle, 1);
  await client.get('/2');
  t.equal(origin.connections.length, 1, 'it is still used before');
  sidecar.clock.advance(51_000);
  t.equal(statsOf(sidecar).idle, 0);
  await origin.connections[0]?.until(({ ended }) => ended);
  t.equal(await closedFor(sidecar, 'idle_timeout'), 1);
});

t.test('pool.idleTimeout is the cap that the user sets', async (t) => {
  const origin = await answeringOrigin(t, ({ path }) => ok(path, 'Keep-Alive: timeout=60\r\n'));
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin], { pool: { idleTimeout: '3s' } })] });
  const client = await appClient(t, sidecar);
  await client.get('/1');
  t.match(statsOf(sidecar).endpoints[0]?.idle, { effectiveMs: 3000, source: 'configured' });
  sidecar.clock.advance(4000);
  t.equal(statsOf(sidecar).idle, 0);
});

t.test('what the server advertises in Keep-Alive, less a margin, is the safe idle time', async (t) => {
  const origin = await answeringOrigin(t, ({ path }) => ok(path, 'Keep-Alive: timeout=5, max=100\r\n'));
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin])] });
  const client = await appClient(t, sidecar);
  await client.get('/1');
  t.match(statsOf(sidecar).endpoints[0]?.idle, { effectiveMs: 4500, source: 'advertised' });
  t.equal(await metric(sidecar, 'carpool_pool_learned_idle_seconds', 'source="advertised"'), 4.5);
  sidecar.clock.advance(4400);
  await client.post('/2');
  t.equal(origin.connections.length, 1, 'within it even a POST takes the idle connection');
  sidecar.clock.advance(5000);
  await client.get('/3');
  t.equal(origin.connections.length, 2, 'after it no request does');
});

t.test('the idle time-out of a server is learned from its closes', async (t) => {
  const origin = await answeringOrigin(t);
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin])] });
  const client = await appClient(t, sidecar);
  await client.get('/1');
  sidecar.clock.advance(20_000);
  origin.connections[0]?.socket.end();
  await until(() => statsOf(sidecar).idle === 0);
  t.match(statsOf(sidecar).endpoints[0]?.idle, { effectiveMs: 18_000, source: 'learned' });
  t.equal(await closedFor(sidecar, 'upstream_closed'), 1);
  await client.get('/2');
  sidecar.clock.advance(17_000);
  await client.get('/3');
  t.equal(origin.connections.length, 2, 'short of the learned time it is used');
  sidecar.clock.advance(19_000);
  await client.post('/4');
  t.equal(origin.connections.length, 3, 'past it no request takes it, although the server has not closed it');
});

t.test('a close that meets a request teaches too, and the request is sent again on a fresh connection', async (t) => {
  const origin = await answeringOrigin(t, ({ path, connection }) => {
    if (path !== '/meets' || connection.index > 0) return ok(path);
    connection.socket.end();
    return null;
  });
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin])] });
  const client = await appClient(t, sidecar);
  await client.get('/1');
  sidecar.clock.advance(20_000);
  t.equal((await client.get('/meets')).body, '/meets');
  t.equal(origin.connections.length, 2);
  t.match(statsOf(sidecar).endpoints[0]?.idle, { effectiveMs: 18_000, source: 'learned' });
});

t.test(
  'now and then an idle connection is left alone past the learned time, and what it survives is learned',
  async (t) => {
    const origin = await answeringOrigin(t);
    const sidecar = await startSidecar(t, { destinations: [toOrigins([origin])] });
    const client = await appClient(t, sidecar);
    await client.get('/1');
    sidecar.clock.advance(20_000);
    origin.connections[0]?.socket.end();
    await until(() => statsOf(sidecar).idle === 0);
    await client.get('/2');
    sidecar.clock.advance(31_000);
    t.equal(statsOf(sidecar).idle, 0, 'at the end it closes like any other');
    t.match(
      statsOf(sidecar).endpoints[0]?.idle,
      { effectiveMs: 27_000, source: 'learned' },
      'from 20 s to 30 s, less a tenth',
    );
    await client.get('/3');
    sidecar.clock.advance(28_000);
    t.equal(statsOf(sidecar).idle, 0, 'the next one is not a probe: one in five minutes is enough');
  },
);

t.test(
  'while the safe idle time is unknown a POST takes no connection idle for over unsafeMaxIdle, a GET does',
  async (t) => {
    const origin = await answeringOrigin(t);
    const sidecar = await startSidecar(t, { destinations: [toOrigins([origin])] });
    const client = await appClient(t, sidecar);
    await client.get('/1');
    sidecar.clock.advance(4000);
    await client.post('/2');
    t.equal(origin.connections.length, 1, 'at 4 s it still does');
    sidecar.clock.advance(4001);
    await client.get('/3');
    t.equal(origin.connections.length, 1);
    sidecar.clock.advance(4001);
    await client.post('/4');
    t.equal(origin.connections.length, 2);
    t.equal(origin.requests[3]?.connection.index, 1);
    t.equal(await metric(sidecar, 'carpool_pool_requests_total', 'reused="true"'), 2);
  },
);

t.test('a POST at maxConnections replaces the doubtful idle connection of its own endpoint', async (t) => {
  const origin = await answeringOrigin(t);
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin], { pool: { maxConnections: 1 } })] });
  const client = await appClient(t, sidecar);
  await client.get('/1');
  sidecar.clock.advance(5000);
  t.equal((await client.post('/2')).status, 200);
  t.equal(origin.connections.length, 2);
  t.equal(sidecar.app.process().upstreamConnections, 1);
});

t.test('a connection older than maxAge takes no new request and finishes what it has', async (t) => {
  let silent = false;
  const origin = await answeringOrigin(t, ({ path }) => (silent ? null : ok(path)));
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin], { pool: { maxAge: '10s' } })] });
  const client = await appClient(t, sidecar);
  await client.get('/1');
  silent = true;
  client.send('/2');
  await until(() => origin.requests.length === 2);
  sidecar.clock.advance(60_000);
  t.notOk(origin.connections[0]?.ended, 'the request that runs is not cut');
  origin.connections[0]?.write(ok('late'));
  t.equal((await client.response()).body, 'late');
  await origin.connections[0]?.until(({ ended }) => ended);
  t.equal(await closedFor(sidecar, 'max_age'), 1);
  silent = false;
  await client.get('/3');
  t.equal(origin.connections.length, 2);
  sidecar.clock.advance(11_000);
  t.equal(await closedFor(sidecar, 'max_age'), 2, 'an idle one closes when its time has come');
});

t.test('maxAge is spread by ten percent each way', async (t) => {
  const origin = await answeringOrigin(t, () => null);
  const sidecar = await startSidecar(t, {
    destinations: [toOrigins([origin], { pool: { maxAge: '100s', minConnections: 40, idleTimeout: '300s' } })],
  });
  const created = sidecar.clock.now();
  sidecar.clock.advance(1000);
  await until(() => origin.connections.length === 40);
  await until(() => statsOf(sidecar).idle === 40);
  let first = 0;
  let last = 0;
  for (let step = 0; step < 240; step++) {
    sidecar.clock.advance(500);
    const closed = await closedFor(sidecar, 'max_age');
    if (closed > 0 && first === 0) first = sidecar.clock.now() - created;
    if (closed >= 40 && last === 0) last = sidecar.clock.now() - created;
  }
  t.ok(first >= 90_000 && first < 98_000, `the first after ${first} ms`);
  t.ok(last > 102_000 && last <= 113_000, `the last after ${last} ms`);
});

t.test('a connection carries maxRequests and no more', async (t) => {
  const origin = await answeringOrigin(t);
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin], { pool: { maxRequests: 2 } })] });
  const client = await appClient(t, sidecar);
  for (let index = 0; index < 5; index++) t.equal((await client.get(`/${index}`)).body, `/${index}`);
  t.same(
    origin.requests.map(({ connection }) => connection.index),
    [0, 0, 1, 1, 2],
  );
  t.equal(await closedFor(sidecar, 'max_requests'), 2);
});

t.test('with pool.enabled false every request has a connection of its own, closed after it', async (t) => {
  const origin = await answeringOrigin(t);
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin], { pool: { enabled: false } })] });
  const client = await appClient(t, sidecar);
  for (let index = 0; index < 3; index++) t.equal((await client.get(`/${index}`)).body, `/${index}`);
  t.equal((await client.post('/p')).body, '/p');
  t.same(
    origin.requests.map(({ connection }) => connection.index),
    [0, 1, 2, 3],
  );
  for (const connection of origin.connections) await connection.until(({ ended }) => ended);
  t.equal(sidecar.app.process().upstreamConnections, 0);
  t.equal(await closedFor(sidecar, 'not_reusable'), 4);
});

t.test('with pool.enabled false and a limit, requests wait their turn for connections of their own', async (t) => {
  const origin = await answeringOrigin(t);
  const sidecar = await startSidecar(t, {
    destinations: [toOrigins([origin], { pool: { enabled: false, maxConnections: 1 } })],
  });
  const clients = await Promise.all([1, 2, 3, 4, 5].map(() => appClient(t, sidecar)));
  const answers = await Promise.all(clients.map((client, index) => client.get(`/${index}`)));
  t.same(
    answers.map(({ body }) => body),
    ['/0', '/1', '/2', '/3', '/4'],
  );
  t.equal(origin.connections.length, 5);
  t.equal(await metric(sidecar, 'carpool_pool_requests_total', 'reused="true"'), 0);
});

t.test('a trickle over three endpoints keeps a connection to each, though one at a time would do', async (t) => {
  const origins = [await answeringOrigin(t), await answeringOrigin(t), await answeringOrigin(t)];
  const sidecar = await startSidecar(t, { destinations: [toOrigins(origins, { balancer: 'round_robin' })] });
  const client = await appClient(t, sidecar);
  for (let second = 0; second < 120; second++) {
    await client.get(`/${second}`);
    sidecar.clock.advance(1000);
  }
  t.same(
    origins.map(({ connections }) => connections.length),
    [1, 1, 1],
  );
});

t.test('the sweep trims what the peak of the last half minute did not need', async (t) => {
  let silent = true;
  const origin = await answeringOrigin(t, ({ path }) => (silent ? null : ok(path)));
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin], { pool: { idleTimeout: '300s' } })] });
  const clients = await Promise.all([1, 2, 3, 4, 5].map(() => appClient(t, sidecar)));
  await openIdle(clients, origin);
  silent = false;
  sidecar.clock.advance(25_000);
  t.equal(statsOf(sidecar).idle, 5, 'the peak needed five');
  silent = true;
  await openIdle(clients, origin);
  silent = false;
  sidecar.clock.advance(25_000);
  t.equal(statsOf(sidecar).idle, 5, 'a peak counts for half a minute, whenever in the window it was');
  sidecar.clock.advance(60_000);
  t.equal(statsOf(sidecar).idle, 1, 'one stays');
  t.notOk(origin.connections[4]?.ended, 'the one used last');
  t.equal((await clients[0]?.get('/again'))?.body, '/again');
});

t.test('evict closes the idle connections; all: active ones when they are done', async (t) => {
  const origin = await answeringOrigin(t, () => null);
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin])] });
  const [a, b] = [await appClient(t, sidecar), await appClient(t, sidecar)];
  await openIdle([a, b], origin);
  a.send('/active');
  await until(() => origin.requests.length === 3);
  const active = origin.requests[2]?.connection;
  t.equal(sidecar.app.steering.evict({ destination: 'orders.shop:8080', idleOnly: true }), 1);
  t.same((({ active, idle, draining }) => ({ active, idle, draining }))(statsOf(sidecar)), {
    active: 1,
    idle: 0,
    draining: 0,
  });
  t.equal(sidecar.app.steering.evict({ destination: null, idleOnly: false }), 1);
  t.equal(
    sidecar.app.steering.evict({ destination: null, idleOnly: false }),
    0,
    'a second time there is nothing to evict',
  );
  t.match(statsOf(sidecar), { active: 0, idle: 0, draining: 1 });
  t.equal(sidecar.app.steering.evict({ destination: 'unknown', idleOnly: false }), null);
  b.send('/new');
  await until(() => origin.requests.length === 4);
  t.not(origin.requests[3]?.connection, active, 'a new request does not take the draining one');
  origin.requests[3]?.connection.write(ok('new'));
  active?.write(ok('done'));
  t.equal((await a.response()).body, 'done', 'what ran was not cut');
  t.equal((await b.response()).body, 'new');
  await active?.until(({ ended }) => ended);
  t.equal(await closedFor(sidecar, 'admin'), 2);
  t.match(statsOf(sidecar), { active: 0, idle: 1, draining: 0 });
});

t.test('draining connections do not count in maxConnections', async (t) => {
  const origin = await answeringOrigin(t, () => null);
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin], { pool: { maxConnections: 1 } })] });
  const [a, b] = [await appClient(t, sidecar), await appClient(t, sidecar)];
  a.send('/a');
  await until(() => origin.requests.length === 1);
  b.send('/b');
  await until(() => statsOf(sidecar).pending === 1);
  sidecar.app.steering.evict({ destination: null, idleOnly: false });
  await until(() => origin.requests.length === 2);
  t.equal(origin.requests[1]?.connection.index, 1, 'the waiting request got a new connection beside the draining one');
  origin.requests[1]?.connection.write(ok('b'));
  t.equal((await b.response()).body, 'b');
  origin.requests[0]?.connection.write(ok('a'));
  t.equal((await a.response()).body, 'a');
});
