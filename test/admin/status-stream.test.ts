import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import t, { type Test } from 'tap';
import { namedOrigin } from '../app/traffic.ts';
import { eventually } from '../relay/relay-fixture.ts';
import { reload, startSidecar } from '../sidecar.ts';
import { seen } from '../status/seen.ts';
import { call } from './call.ts';
import { openStream } from './event-stream.ts';
import { makeOperator } from './operator-fixture.ts';

/** A sidecar whose destination `name` has had three requests, and a way to ask again, there or at another origin. */
async function busy(t: Test) {
  const origin = await namedOrigin(t, 'origin');
  const sidecar = await startSidecar(t);
  const ask = async (port = origin.port): Promise<void> => {
    const host = `127.0.0.1:${port}`;
    await call({ port: sidecar.port }, `http://${host}/`, { headers: { host } });
  };
  for (let request = 0; request < 3; request++) await ask();
  return { ...sidecar, origin, name: `127.0.0.1:${origin.port}`, ask };
}

t.test('a stream begins with the whole of what /status says', async (t) => {
  const { operatorPort, name } = await busy(t);
  const stream = await openStream(t, operatorPort);
  t.equal(stream.response.statusCode, 200);
  t.match(stream.response.headers['content-type'], /^text\/event-stream/);
  t.equal(stream.response.headers['cache-control'], 'no-store');
  const snapshot = await stream.snapshot();
  t.match(stream.text, /^retry: 2000\n\n/);
  t.notMatch(stream.text, /^id:/m);
  const status = JSON.parse((await call({ port: operatorPort }, '/status')).body);
  t.same(snapshot.destinations, status.destinations);
  t.same(snapshot.events, status.events);
  t.same(Object.keys(snapshot).toSorted(), Object.keys(status).toSorted());
  t.match(snapshot.destinations, [{ name, idle: 1 }]);
  t.equal(snapshot.detail, null);
});

t.test('where nothing happens an update holds the time and the sidecar', async (t) => {
  const { operatorPort, clock } = await busy(t);
  // The first minute over, the figures of the last one stand still.
  clock.advance(70_000);
  const stream = await openStream(t, operatorPort);
  await stream.snapshot();
  clock.advance(1000);
  const update = await stream.update();
  t.same(Object.keys(update).toSorted(), ['sidecar', 'time']);
  t.equal(update.time, clock.wall());
  t.equal(update.sidecar.state, 'ready');
});

t.test('an update holds the rows that have changed, and a name that is new', async (t) => {
  const { operatorPort, clock, name, ask } = await busy(t);
  clock.advance(70_000);
  const stream = await openStream(t, operatorPort);
  await stream.snapshot();
  const other = await namedOrigin(t, 'other');
  await ask(other.port);
  clock.advance(1000);
  const update = await stream.update();
  t.same(
    update.destinations?.map((row) => [row.name, row.idle]),
    [[`127.0.0.1:${other.port}`, 1]],
    `${name} is as it was`,
  );
  t.same(
    update.events?.map(({ type }) => type),
    ['endpoint_added', 'destination_added'],
    'the newest first',
  );
  t.notOk('detail' in update);
  clock.advance(1000);
  t.notOk('events' in (await stream.update()), 'an event is told once');
});

t.test('points of the history come as they end, one of each destination', async (t) => {
  const { operatorPort, clock, name } = await busy(t);
  const stream = await openStream(t, operatorPort);
  t.same((await stream.snapshot()).history[name], { intervalMs: 5000, points: [] });
  for (let second = 1; second <= 11; second++) {
    clock.advance(1000);
    const { points } = await stream.update();
    if (second === 5) t.match(points, { [name]: { requests: 3, failed: 0, pending: 0 } });
    else if (second === 10) t.match(points, { [name]: { requests: 0 } });
    else t.equal(points, undefined, `second ${second}`);
  }
});

t.test('a name that is dropped is told as gone', async (t) => {
  const { operatorPort, clock, name } = await busy(t);
  clock.advance(890_000);
  const stream = await openStream(t, operatorPort);
  t.match((await stream.snapshot()).destinations, [{ name }]);
  for (;;) {
    clock.advance(1000);
    const { removed } = await stream.update();
    if (removed === undefined) continue;
    t.same(removed, [name]);
    break;
  }
});

t.test('the detail of the destination that is asked for comes along, where it has changed', async (t) => {
  const { operatorPort, clock, name, ask } = await busy(t);
  const stream = await openStream(t, operatorPort, `?destination=${name}`);
  const { detail } = await stream.snapshot();
  t.match(detail, { name, endpoints: [{ id: name, idle: 1 }], connections: [{ requests: 3, ageMs: 0 }] });
  clock.advance(1000);
  t.match(await stream.update(), { detail: { connections: [{ requests: 3, ageMs: 1000, idleMs: 1000 }] } });
  await ask();
  clock.advance(1000);
  t.match(await stream.update(), { detail: { connections: [{ requests: 4 }] } });
});

t.test('a destination that is not there yet has no detail until its first request', async (t) => {
  const { operatorPort, clock, ask } = await busy(t);
  const later = await namedOrigin(t, 'later');
  const stream = await openStream(t, operatorPort, `?destination=127.0.0.1:${later.port}`);
  t.equal(stream.response.statusCode, 200);
  t.equal((await stream.snapshot()).detail, null);
  clock.advance(1000);
  t.notOk('detail' in (await stream.update()), 'null it was');
  await ask(later.port);
  clock.advance(1000);
  t.match(await stream.update(), { detail: { name: `127.0.0.1:${later.port}`, connectionsTotal: 1 } });
});

t.test('all readers go on from the same moment, whenever they came', async (t) => {
  const { operatorPort, clock, ask } = await busy(t);
  const first = await openStream(t, operatorPort);
  const before = (await first.snapshot()).events.map(({ sequence }) => sequence);
  const other = await namedOrigin(t, 'other');
  await ask(other.port);
  const second = await openStream(t, operatorPort);
  const seen = (await second.snapshot()).events.map(({ sequence }) => sequence);
  const told = (await first.update()).events?.map(({ sequence }) => sequence) ?? [];
  t.same([...told, ...before], seen);
  clock.advance(1000);
  t.notOk('events' in (await first.update()));
  t.notOk('events' in (await second.update()), 'its snapshot had them');
});

t.test('one timer serves all readers, and none runs when they have left', async (t) => {
  const { operatorPort, clock } = await busy(t);
  const before = clock.waiting;
  const streams = [await openStream(t, operatorPort), await openStream(t, operatorPort)];
  for (const stream of streams) await stream.snapshot();
  t.equal(clock.waiting, before + 1);
  streams[0]?.leave();
  streams[1]?.leave();
  await eventually(() => clock.waiting === before);
});

t.test('the eleventh reader is refused, until one leaves', async (t) => {
  const { operator, clock } = makeOperator(t);
  const { port } = await operator.start();
  const streams = [];
  for (let reader = 0; reader < 10; reader++) streams.push(await openStream(t, port));
  const refused = await call({ port }, '/status/stream');
  t.equal(refused.status, 503);
  t.match(JSON.parse(refused.body), { code: 'BUSY', message: /10 readers/ });
  t.equal((await call({ port }, '/stats')).status, 200, 'streams take no place of an answer');
  const last = await openStream(t, port);
  t.equal(last.response.statusCode, 503);
  streams[0]?.leave();
  for (;;) {
    const again = await openStream(t, port);
    if (again.response.statusCode === 503) continue;
    await again.snapshot();
    break;
  }
  clock.advance(1000);
  await streams[1]?.snapshot();
});

/** Sends requests in one go on a connection of their own. @returns what has come, and whether the connection has ended */
function pipelined(t: Test, port: number, ...paths: readonly string[]) {
  const seen = { text: '', ended: false };
  const socket = connect(port, '127.0.0.1', () => {
    socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`).join(''));
  });
  socket.on('data', (chunk) => {
    seen.text += String(chunk);
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    seen.ended = true;
  });
  t.teardown(() => socket.destroy());
  return seen;
}

t.test('a stream has its connection for itself: who sends more behind it is cut, and holds no place', async (t) => {
  const { operator, clock } = makeOperator(t);
  const { port } = await operator.start();
  const before = clock.waiting;
  const streams = pipelined(t, port, ...Array.from({ length: 12 }, () => '/status/stream'));
  await eventually(() => streams.ended);
  const stats = pipelined(t, port, '/status/stream', ...Array.from({ length: 30 }, () => '/stats'));
  await eventually(() => stats.ended);
  t.equal(clock.waiting, before, 'no reader is left');
  const next = await openStream(t, port);
  t.equal(next.response.statusCode, 200);
});

t.test('a stream is not begun behind an answer that is still being sent on its connection', async (t) => {
  const { operator, clock } = makeOperator(t);
  const { port } = await operator.start();
  const before = clock.waiting;
  const both = pipelined(t, port, '/stats', '/status/stream');
  await eventually(() => both.text.includes('"BAD_REQUEST"'));
  t.match(both.text, /^HTTP\/1\.1 200 .*HTTP\/1\.1 400 .*connection: close/is);
  await eventually(() => both.ended);
  t.equal(clock.waiting, before);
});

t.test('HEAD says what a stream is and opens none', async (t) => {
  const { operator, clock } = makeOperator(t);
  const where = await operator.start();
  const before = clock.waiting;
  const head = await call(where, '/status/stream', { method: 'HEAD' });
  t.equal(head.status, 200);
  t.match(head.headers['content-type'], 'text/event-stream');
  t.equal(clock.waiting, before);
});

/** An operator port with so many destinations that a few messages fill all buffers between it and its reader. */
async function wide(t: Test) {
  const { clock, status, operator } = makeOperator(t);
  const destinations = Array.from({ length: 3000 }, (_, index) => seen(`${index}-${'x'.repeat(230)}:80`));
  status.destinations.push(...destinations);
  const { port } = await operator.start();
  const quiet = clock.waiting;
  return {
    clock,
    port,
    /** All rows are others, and a second passes; the update is made in slices, and then waits for its next time if there is a reader. */
    async second(): Promise<void> {
      for (const destination of destinations) destination.pending++;
      clock.advance(1000);
      for (let turn = 0; turn < 5 || (clock.waiting === quiet && turn < 5000); turn++)
        await new Promise<void>((resolve) => setImmediate(resolve));
    },
  };
}

t.test('a reader that does not read is cut after a quarter of a minute', async (t) => {
  const { clock, port, second } = await wide(t);
  const before = clock.waiting;
  const deaf = connect(port, '127.0.0.1');
  t.teardown(() => deaf.destroy());
  deaf.pause();
  deaf.write('GET /status/stream HTTP/1.1\r\nHost: x\r\n\r\n');
  await eventually(() => clock.waiting > before);
  let seconds = 0;
  while (clock.waiting > before && seconds < 60) {
    await second();
    seconds++;
  }
  t.ok(seconds > 15 && seconds < 40, `${seconds}`);
});

t.test('a reader that is slow misses updates, and gets a snapshot when it has caught up', async (t) => {
  const { clock, port, second } = await wide(t);
  const stream = await openStream(t, port);
  await stream.snapshot();
  stream.response.pause();
  for (let passed = 0; passed < 12; passed++) await second();
  const resumedAt = clock.wall();
  stream.response.resume();
  let updates = 0;
  for (;;) {
    await second();
    const { event, data } = await stream.next();
    if (event === 'update') {
      updates++;
      continue;
    }
    t.ok(updates < 12, `${updates} came through`);
    t.ok(data.time >= resumedAt, 'it is of now');
    t.equal(data.destinations.length, 3000);
    break;
  }
});

t.test('a stop ends the streams within a second', async (t) => {
  const { app, operatorPort } = await busy(t);
  const stream = await openStream(t, operatorPort);
  await stream.snapshot();
  const closed = app.close();
  await stream.end();
  await closed;
  t.ok(stream.ended, 'without the clock having moved');
});

t.test('a refused configuration is a finding until the one in force is back in its file', async (t) => {
  const sidecar = await busy(t);
  const text = readFileSync(sidecar.configFile, 'utf8');
  const codes = async (): Promise<string[]> => {
    const { body } = await call({ port: sidecar.operatorPort }, '/status');
    return JSON.parse(body).findings.map(({ code }: { code: string }) => code);
  };
  writeFileSync(sidecar.configFile, 'listener: [');
  await sidecar.app.steering.reload();
  t.same(await codes(), ['reload_refused']);
  writeFileSync(sidecar.configFile, text);
  t.match(await sidecar.app.steering.reload(), { applied: true, lines: ['no setting changed'] });
  t.same(await codes(), []);
});

t.test('a reload is an event of the stream', async (t) => {
  const sidecar = await busy(t);
  const stream = await openStream(t, sidecar.operatorPort);
  await stream.snapshot();
  await reload(sidecar, { defaults: { pool: { maxConnections: 5 } } });
  sidecar.clock.advance(1000);
  t.match(await stream.update(), {
    sidecar: { reloads: { applied: 1 } },
    events: [{ type: 'config_applied', text: /defaults\.pool\.maxConnections: 1024 → 5\.$/ }],
    destinations: [{ maxConnections: 5 }],
  });
});
