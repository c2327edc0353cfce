import { readFileSync } from 'node:fs';
import t from 'tap';
import { answeringOrigin, appClient, ok, openIdle, statsOf, TARGET, toOrigins, until } from '../pool/origins.ts';
import { type OriginConnection, rawClient } from '../raw-origin.ts';
import { reload, type Sidecar, startSidecar } from '../sidecar.ts';

const events = (sidecar: Sidecar, type: string): number =>
  readFileSync(sidecar.logFile, 'utf8')
    .split('\n')
    .filter((line) => line.includes(type)).length;

t.test(
  'while a destination is paused new requests wait, running ones finish, and resume lets go who waits, in order',
  async (t) => {
    const origin = await answeringOrigin(t, ({ path }) => (path === '/running' ? null : ok(path)));
    const sidecar = await startSidecar(t, { destinations: [toOrigins([origin], { pool: { maxConnections: 1 } })] });
    const clients = await Promise.all([0, 1, 2, 3].map(() => appClient(t, sidecar)));
    clients[0]?.send('/running');
    await until(() => origin.requests.length === 1);
    t.equal(sidecar.app.steering.pause(TARGET), true);
    t.equal(sidecar.app.steering.pause(TARGET), false, 'it was paused before');
    t.equal(statsOf(sidecar).paused, true);
    for (const index of [1, 2, 3]) {
      clients[index]?.send(`/${index}`);
      await until(() => statsOf(sidecar).pending === index);
    }
    origin.requests[0]?.connection.write(ok('done'));
    t.equal((await clients[0]?.response())?.body, 'done');
    await until(() => statsOf(sidecar).idle === 1);
    t.equal(origin.requests.length, 1, 'its connection stays, and nobody gets it');
    t.equal(sidecar.app.steering.resume(TARGET), true);
    t.equal(sidecar.app.steering.resume(TARGET), false);
    for (const index of [1, 2, 3]) t.equal((await clients[index]?.response())?.body, `/${index}`);
    t.same(
      origin.requests.map(({ path }) => path),
      ['/running', '/1', '/2', '/3'],
    );
    t.equal(origin.connections.length, 1);
    t.match(statsOf(sidecar), { paused: false, pending: 0 });
    t.equal(events(sidecar, 'destination_paused') > 0 && events(sidecar, 'destination_resumed') > 0, true);
  },
);

t.test(
  'who waits for a connection when the pause begins waits for its end, before those that come later',
  async (t) => {
    const origin = await answeringOrigin(t, ({ path }) => (path === '/running' ? null : ok(path)));
    const sidecar = await startSidecar(t, { destinations: [toOrigins([origin], { pool: { maxConnections: 1 } })] });
    const clients = await Promise.all([0, 1, 2, 3].map(() => appClient(t, sidecar)));
    clients[0]?.send('/running');
    await until(() => origin.requests.length === 1);
    for (const index of [1, 2]) {
      clients[index]?.send(`/${index}`);
      await until(() => statsOf(sidecar).pending === index);
    }
    sidecar.app.steering.pause(TARGET);
    t.equal(statsOf(sidecar).pending, 2);
    clients[3]?.send('/3');
    await until(() => statsOf(sidecar).pending === 3);
    origin.requests[0]?.connection.write(ok('done'));
    await clients[0]?.response();
    // Longer than pool.acquireTimeout: it is not the pool that they wait for.
    sidecar.clock.advance(20_000);
    t.equal(origin.requests.length, 1);
    sidecar.app.steering.resume(TARGET);
    for (const index of [1, 2, 3]) t.equal((await clients[index]?.response())?.body, `/${index}`);
    t.same(
      origin.requests.map(({ path }) => path),
      ['/running', '/1', '/2', '/3'],
    );
  },
);

t.test('a connect that is under way when the pause begins goes on for the pool, and its request waits', async (t) => {
  const origin = await answeringOrigin(t);
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin])] });
  const client = await appClient(t, sidecar);
  sidecar.app.steering.pause(TARGET);
  client.send('/first');
  await until(() => statsOf(sidecar).pending === 1);
  sidecar.app.steering.resume(TARGET);
  sidecar.app.steering.pause(TARGET);
  await until(() => statsOf(sidecar).idle === 1);
  t.equal(statsOf(sidecar).pending, 1);
  sidecar.clock.advance(50_000);
  t.equal(origin.requests.length, 0);
  sidecar.app.steering.resume(TARGET);
  t.equal((await client.response()).body, '/first');
});

t.test('a request waits for pool.pauseTimeout and gets 503 then; with 0 it gets that at once', async (t) => {
  const origin = await answeringOrigin(t);
  const sidecar = await startSidecar(t, {
    destinations: [
      toOrigins([origin], { pool: { pauseTimeout: '10s' } }),
      toOrigins([origin], { pool: { pauseTimeout: 0 } }, 'at-once:80'),
    ],
  });
  const [early, late] = [await appClient(t, sidecar), await appClient(t, sidecar)];
  sidecar.app.steering.pause(TARGET);
  early.send('/early');
  await until(() => statsOf(sidecar).pending === 1);
  sidecar.clock.advance(4000);
  late.send('/late');
  await until(() => statsOf(sidecar).pending === 2);
  sidecar.clock.advance(5999);
  t.equal(statsOf(sidecar).pending, 2);
  sidecar.clock.advance(1);
  const refused = await early.response();
  t.equal(refused.status, 503);
  t.match(refused.head, /\r\nretry-after: 5\r\n/i);
  t.match(JSON.parse(refused.body), { code: 'PAUSED', message: /10000 ms/, hint: /carpool resume/ });
  t.equal(statsOf(sidecar).pending, 1);
  sidecar.app.steering.resume(TARGET);
  t.equal((await late.response()).status, 200);
  sidecar.app.steering.pause('at-once:80');
  t.equal((await (await appClient(t, sidecar, 'at-once:80')).get('/')).status, 503);
});

t.test('at most pool.maxPending wait for the end of a pause, and an app that leaves makes room', async (t) => {
  const origin = await answeringOrigin(t);
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin], { pool: { maxPending: 2 } })] });
  const clients = await Promise.all([0, 1, 2, 3].map(() => appClient(t, sidecar)));
  sidecar.app.steering.pause(TARGET);
  for (const index of [0, 1]) {
    clients[index]?.send(`/${index}`);
    await until(() => statsOf(sidecar).pending === index + 1);
  }
  const refused = await clients[2]?.get('/2');
  t.equal(JSON.parse(refused?.body ?? '').code, 'POOL_PENDING_FULL');
  clients[0]?.connection.socket.resetAndDestroy();
  await until(() => statsOf(sidecar).pending === 1);
  clients[3]?.send('/3');
  await until(() => statsOf(sidecar).pending === 2);
  sidecar.app.steering.resume(TARGET);
  for (const index of [1, 3]) t.equal((await clients[index]?.response())?.body, `/${index}`);
  t.same(origin.requests.map(({ path }) => path).toSorted(), ['/1', '/3']);
});

t.test('a CONNECT waits as well', async (t) => {
  const origin = await answeringOrigin(t);
  const target = `127.0.0.1:${origin.port}`;
  const sidecar = await startSidecar(t, {
    connect: { tlsPorts: [origin.port] },
    security: { connectPorts: [origin.port] },
  });
  const client = await appClient(t, sidecar, target);
  await client.get('/known');
  sidecar.app.steering.pause(target);
  const tunnel: OriginConnection = await rawClient(t, sidecar.port);
  tunnel.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
  await until(() => statsOf(sidecar, target).pending === 1);
  t.equal(origin.connections.length, 1);
  sidecar.app.steering.resume(target);
  await tunnel.untilReceived('200');
  tunnel.write('GET /inside HTTP/1.1\r\nHost: inside\r\n\r\n');
  await tunnel.untilReceived('/inside');
});

t.test('a destination of the configuration can be paused before its first request, by name or label', async (t) => {
  const origin = await answeringOrigin(t);
  const sidecar = await startSidecar(t, {
    destinations: [
      toOrigins([origin], { name: 'orders' }),
      toOrigins([origin], {}, 'other:80'),
      { match: '*.wild:80' },
    ],
  });
  t.equal(sidecar.app.steering.pause('orders'), true);
  t.equal(sidecar.app.steering.pause('other:80'), true);
  t.equal(sidecar.app.steering.pause('a.wild:80'), null, 'what a star stands for is not known');
  t.equal(sidecar.app.steering.pause('nobody:80'), null);
  const client = await appClient(t, sidecar);
  client.send('/first');
  await until(() => statsOf(sidecar).pending === 1);
  t.equal(origin.requests.length, 0);
  sidecar.app.steering.resume('orders');
  t.equal((await client.response()).status, 200);
});

t.test('what is paused is not dropped for being idle, nor for the sake of another', async (t) => {
  const origin = await answeringOrigin(t);
  const target = `127.0.0.1:${origin.port}`;
  const sidecar = await startSidecar(t, { limits: { destinations: 1 } });
  const client = await appClient(t, sidecar, target);
  await client.get('/first');
  sidecar.app.steering.pause(target);
  sidecar.clock.advance(2_000_000);
  t.equal(statsOf(sidecar, target).paused, true);
  const other = await appClient(t, sidecar, '127.0.0.2:80');
  t.equal(JSON.parse((await other.get('/')).body).code, 'OVERLOADED');
  sidecar.app.steering.resume(target);
  t.not((await other.get('/')).status, 503, 'it makes room again');
});

t.test(
  'a reload that makes a destination anew keeps it paused, and resume frees those of the old one too',
  async (t) => {
    const before = await answeringOrigin(t);
    const after = await answeringOrigin(t);
    const sidecar = await startSidecar(t, { destinations: [toOrigins([before], { name: 'one' })] });
    const [old, young] = [await appClient(t, sidecar), await appClient(t, sidecar)];
    sidecar.app.steering.pause(TARGET);
    old.send('/old');
    await until(() => statsOf(sidecar).pending === 1);
    await reload(sidecar, { destinations: [toOrigins([after], { name: 'two' })] });
    t.same(
      sidecar.app.destinations().map(({ label, paused }) => [label, paused]),
      [
        ['two', true],
        ['one', true],
      ],
    );
    young.send('/young');
    await until(() => statsOf(sidecar).pending === 1);
    sidecar.clock.advance(5000);
    t.equal(before.requests.length + after.requests.length, 0);
    t.equal(sidecar.app.steering.resume(TARGET), true);
    t.equal((await old.response()).body, '/old');
    t.equal((await young.response()).body, '/young');
    t.equal(before.requests.length, 1);
    t.equal(after.requests.length, 1);
    sidecar.clock.advance(2000);
    t.equal(sidecar.app.destinations().length, 1, 'the old one is gone');
    await reload(sidecar, { destinations: [toOrigins([before], { name: 'three' })] });
    t.equal(statsOf(sidecar).paused, false);
  },
);

t.test('a reload that changes the policy alone leaves the pause and those who wait as they are', async (t) => {
  const origin = await answeringOrigin(t);
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin])] });
  const client = await appClient(t, sidecar);
  sidecar.app.steering.pause(TARGET);
  client.send('/waits');
  await until(() => statsOf(sidecar).pending === 1);
  await reload(sidecar, { destinations: [toOrigins([origin], { pool: { pauseTimeout: '5s' } })] });
  t.match(statsOf(sidecar), { paused: true, pending: 1 });
  sidecar.clock.advance(5000);
  t.equal((await client.response()).status, 503, 'the new time holds for it');
});

t.test('who waits for a first address when the pause begins waits on after the address has come', async (t) => {
  const origin = await answeringOrigin(t);
  const sidecar = await startSidecar(t, {});
  const target = `localhost:${origin.port}`;
  const client = await appClient(t, sidecar, target);
  client.send('/early');
  await until(() => statsOf(sidecar, target).pending === 1);
  sidecar.app.steering.pause(target);
  await until(() => statsOf(sidecar, target).endpoints.length > 0);
  t.match(statsOf(sidecar, target), { pending: 1, paused: true });
  sidecar.app.steering.resume(target);
  t.equal((await client.response()).body, '/early');
});

t.test('what waited for resume gets its turns by the rate limit, also where that refuses others', async (t) => {
  const origin = await answeringOrigin(t);
  const rateLimit = { requestsPerMinute: 60, burst: 1, maxWait: '2s' };
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin], { rateLimit })] });
  const clients = await Promise.all([0, 1, 2, 3].map(() => appClient(t, sidecar)));
  sidecar.app.steering.pause(TARGET);
  for (const [index, client] of clients.entries()) {
    client.send(`/${index}`);
    await until(() => statsOf(sidecar).pending === index + 1);
  }
  sidecar.app.steering.resume(TARGET);
  t.equal((await clients[0]?.response())?.body, '/0');
  t.equal((await clients[3]?.response())?.status, 429, 'its turn is too far away');
  for (const index of [1, 2]) {
    t.equal((await (await appClient(t, sidecar)).get('/new')).status, 429);
    sidecar.clock.advance(1000);
    t.equal((await clients[index]?.response())?.body, `/${index}`);
  }
});

t.test(
  'who had its token before the pause needs no other after it, and goes before those that wait for one',
  async (t) => {
    const origin = await answeringOrigin(t, ({ path }) => (path === '/running' ? null : ok(path)));
    const rateLimit = { requestsPerMinute: 60, burst: 2, exceeded: 'queue' };
    const sidecar = await startSidecar(t, {
      destinations: [toOrigins([origin], { rateLimit, pool: { maxConnections: 1 } })],
    });
    const clients = await Promise.all([0, 1, 2].map(() => appClient(t, sidecar)));
    clients[0]?.send('/running');
    await until(() => origin.requests.length === 1);
    for (const index of [1, 2]) {
      clients[index]?.send(`/${index}`);
      await until(() => statsOf(sidecar).pending === index);
    }
    sidecar.app.steering.pause(TARGET);
    origin.requests[0]?.connection.write(ok('done'));
    await clients[0]?.response();
    sidecar.app.steering.resume(TARGET);
    t.equal((await clients[1]?.response())?.body, '/1');
    t.equal(statsOf(sidecar).pending, 1);
    sidecar.clock.advance(1000);
    t.equal((await clients[2]?.response())?.body, '/2');
  },
);

t.test('reconnect replaces all connections, and no request fails', async (t) => {
  const origin = await answeringOrigin(t, ({ path }) =>
    path.startsWith('/open') || path === '/running' ? null : ok(path),
  );
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin], { pool: { minConnections: 2 } })] });
  const clients = await Promise.all([0, 1, 2].map(() => appClient(t, sidecar)));
  await openIdle(clients, origin);
  clients[0]?.send('/running');
  await until(() => origin.requests.length === 4);
  const open = statsOf(sidecar).active + statsOf(sidecar).idle;
  const before = origin.connections.length;
  t.equal(sidecar.app.steering.reconnect(TARGET), open);
  await until(() => origin.connections.filter(({ ended }) => ended).length === before - 1);
  t.equal((await clients[1]?.get('/new'))?.status, 200);
  t.equal(origin.connections.length, before + 1, 'by a new connection');
  origin.requests[3]?.connection.write(ok('done'));
  t.equal((await clients[0]?.response())?.body, 'done', 'what ran was not cut');
  await until(() => origin.connections.slice(0, before).every(({ ended }) => ended));
  sidecar.clock.advance(3000);
  await until(() => statsOf(sidecar).idle === 2);
  t.equal(events(sidecar, 'destination_reconnected') > 0, true);
  t.equal(sidecar.app.steering.reconnect('nobody:80'), null);
});
