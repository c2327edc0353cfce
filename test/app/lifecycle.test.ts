import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { call } from '../admin/call.ts';
import { type OriginConnection, rawClient, rawOrigin } from '../raw-origin.ts';
import { type Sidecar, startSidecar } from '../sidecar.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** An origin that answers every request, which must come whole in one read. */
const answering = (t: Test) =>
  rawOrigin(t, (connection) => {
    connection.socket.on('data', () => connection.write(OK));
  });

const request = (port: number, path = '/') =>
  `GET http://127.0.0.1:${port}${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`;

/** Sends a request on a connection of its own and returns the whole answer. */
async function served(t: Test, sidecar: Sidecar, origin: { port: number }): Promise<string> {
  const client = await rawClient(t, sidecar.port);
  client.write(request(origin.port));
  await leave(client);
  return client.received;
}

/** Reads to the end and closes. */
async function leave(client: OriginConnection): Promise<void> {
  await client.until(({ ended }) => ended);
  client.socket.end();
  await client.until(({ closed }) => closed);
}

/** Moves time until the stop is over, for closes of sockets are told between two looks; says how long it took. */
async function untilStopped(sidecar: Sidecar, stopped: Promise<void>): Promise<number> {
  for (let waited = 0; ; waited += 100) {
    if (await isDone(stopped)) return waited;
    sidecar.clock.advance(100);
  }
}

/** Whether `promise` has resolved when everything that is due now has run. */
async function isDone(promise: Promise<unknown>): Promise<boolean> {
  const no = Symbol('no');
  const first = await Promise.race([promise, new Promise((resolve) => setImmediate(resolve, no))]);
  return first !== no;
}

/** Sees that the connection is still open: bytes of a second one have gone all the way round meanwhile. */
async function stillOpen(t: Test, client: OriginConnection, sidecar: Sidecar): Promise<boolean> {
  const barrier = await rawClient(t, sidecar.port);
  barrier.write('no request\r\n\r\n');
  await barrier.untilReceived('400 Bad Request');
  return !client.ended;
}

t.test('after a stop began, connections old and new are served, and every answer says Connection: close', async (t) => {
  const origin = await answering(t);
  const sidecar = await startSidecar(t);
  const before = await rawClient(t, sidecar.port);
  before.write(request(origin.port));
  await before.untilReceived('ok');
  t.notMatch(before.received, /connection/i, 'nothing is said while it serves');
  const stopped = sidecar.app.stop();
  before.write(request(origin.port));
  await before.until(({ ended }) => ended);
  t.match(before.received, /ok.*\r\nconnection: close\r\n\r\nok$/is, 'a connection from before the stop');
  t.match(await served(t, sidecar, origin), /^HTTP\/1\.1 200 OK\r\n.*connection: close\r\n\r\nok$/is, 'a new one');
  await leave(before);
  await untilStopped(sidecar, stopped);
});

t.test(
  'an answer that was under way when the stop began is complete, and its connection closes after it',
  async (t) => {
    const origin = await rawOrigin(t);
    const sidecar = await startSidecar(t);
    const client = await rawClient(t, sidecar.port);
    client.write(request(origin.port));
    const upstream = await origin.connection(0);
    await upstream.untilReceived('\r\n\r\n');
    upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345');
    await client.untilReceived('12345');
    const stopped = sidecar.app.stop();
    sidecar.clock.advance(20_000);
    t.notOk(await isDone(stopped), 'an exchange runs, and the grace is not over');
    t.notOk(client.ended);
    upstream.write('67890');
    await leave(client);
    t.ok(client.received.endsWith('1234567890'));
    t.ok((await untilStopped(sidecar, stopped)) < 1000, 'then nothing is waited for');
  },
);

t.test('an idle connection of the app is closed one second after the stop began, not before', async (t) => {
  const sidecar = await startSidecar(t);
  const client = await rawClient(t, sidecar.port);
  t.ok(await stillOpen(t, client, sidecar));
  const stopped = sidecar.app.stop();
  sidecar.clock.advance(999);
  t.ok(await stillOpen(t, client, sidecar), 'after 999 ms');
  sidecar.clock.advance(1);
  await client.until(({ ended }) => ended);
  t.equal(client.received, '', 'a plain end: there was no request to answer');
  await leave(client);
  await untilStopped(sidecar, stopped);
});

t.test('a connection that comes late in a stop has its own second for its request', async (t) => {
  const origin = await answering(t);
  const sidecar = await startSidecar(t);
  const stopped = sidecar.app.stop();
  sidecar.clock.advance(1500);
  const client = await rawClient(t, sidecar.port);
  t.ok(await stillOpen(t, client, sidecar));
  sidecar.clock.advance(100);
  t.ok(await stillOpen(t, client, sidecar), 'the next look at idle connections leaves it alone');
  client.write(request(origin.port));
  await client.untilReceived('ok');
  const silent = await rawClient(t, sidecar.port);
  t.ok(await stillOpen(t, silent, sidecar));
  sidecar.clock.advance(1100);
  await silent.until(({ ended }) => ended);
  await untilStopped(sidecar, stopped);
});

t.test('with a short shutdown.quiet it ends when no connection is left', async (t) => {
  const origin = await answering(t);
  const sidecar = await startSidecar(t, { shutdown: { quiet: '200ms' } });
  const client = await rawClient(t, sidecar.port);
  client.write(request(origin.port));
  await client.until(({ received }) => received.endsWith('ok'));
  const stopped = sidecar.app.stop();
  sidecar.clock.advance(500);
  t.notOk(await isDone(stopped), 'the app holds a connection');
  client.socket.end();
  await client.until(({ closed }) => closed);
  t.ok((await untilStopped(sidecar, stopped)) <= 500);
});

t.test('it ends when no connection is left and no request has come for two seconds', async (t) => {
  const origin = await answering(t);
  const sidecar = await startSidecar(t);
  const stopped = sidecar.app.stop();
  sidecar.clock.advance(1900);
  t.match(await served(t, sidecar, origin), '200 OK', 'after 1.9 s it still serves');
  sidecar.clock.advance(1900);
  t.match(await served(t, sidecar, origin), '200 OK', '1.9 s after that request it still serves');
  sidecar.clock.advance(1900);
  t.notOk(await isDone(stopped));
  t.ok((await untilStopped(sidecar, stopped)) <= 500);
  await t.rejects(rawClient(t, sidecar.port), { code: 'ECONNREFUSED' }, 'nothing listens any more');
  await t.rejects(call({ port: sidecar.operatorPort }, '/livez'), { code: 'ECONNREFUSED' }, 'nor the operator port');
});

t.test('shutdown.grace is the most that a stop takes: what still runs is cut, and the log says so', async (t) => {
  const origin = await rawOrigin(t);
  const sidecar = await startSidecar(t, { shutdown: { grace: '10s' } });
  const client = await rawClient(t, sidecar.port);
  client.write(request(origin.port));
  await (await origin.connection(0)).untilReceived('\r\n\r\n');
  const stopped = sidecar.app.stop();
  sidecar.clock.advance(9900);
  t.notOk(await isDone(stopped));
  sidecar.clock.advance(100);
  await stopped;
  await client.until(({ ended }) => ended);
  t.notMatch(client.received, '200', 'no answer was made up');
  t.match(readFileSync(sidecar.logFile, 'utf8'), /"cut":1,.*the grace is over/);
});

t.test('only in the last second of the grace are new requests refused, with 503 SHUTTING_DOWN', async (t) => {
  const origin = await rawOrigin(t);
  const sidecar = await startSidecar(t, { shutdown: { grace: '10s' } });
  const running = await rawClient(t, sidecar.port);
  running.write(request(origin.port, '/running'));
  const upstream = await origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  const stopped = sidecar.app.stop();
  sidecar.clock.advance(8900);
  const early = await rawClient(t, sidecar.port);
  early.write(request(origin.port, '/early'));
  const second = await origin.connection(1);
  await second.untilReceived('/early');
  second.write(OK);
  await early.untilReceived('ok');
  sidecar.clock.advance(100);
  const late = await rawClient(t, sidecar.port);
  late.write(request(origin.port, '/late'));
  await late.until(({ ended }) => ended);
  t.match(late.received, /^HTTP\/1\.1 503 Service Unavailable\r\n/);
  t.match(late.received, /\r\nproxy-status: carpool; error=proxy_internal_response;/);
  t.match(late.received, /\r\nconnection: close\r\n/);
  t.match(late.received, '"code":"SHUTTING_DOWN"');
  upstream.write(OK);
  await running.untilReceived('ok');
  t.notMatch(upstream.received + second.received, '/late');
  sidecar.clock.advance(1000);
  await stopped;
});

t.test('stopping again changes nothing: both calls end together, and nothing is cut', async (t) => {
  const origin = await rawOrigin(t);
  const sidecar = await startSidecar(t);
  const client = await rawClient(t, sidecar.port);
  client.write(request(origin.port));
  const upstream = await origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  const stopped = sidecar.app.stop();
  sidecar.clock.advance(5000);
  const again = sidecar.app.stop();
  t.notOk(await isDone(again), 'the second call waits for the first');
  upstream.write(OK);
  await leave(client);
  t.ok(client.received.endsWith('ok'));
  await untilStopped(sidecar, stopped);
  await again;
  const lines = readFileSync(sidecar.logFile, 'utf8').split('\n');
  t.equal(lines.filter((line) => line.includes('stopping:')).length, 1);
});

t.test('a tunnel keeps the stop waiting, up to the grace', async (t) => {
  const origin = await rawOrigin(t);
  const sidecar = await startSidecar(t, { shutdown: { grace: '10s' }, connect: { tlsPorts: ['1-65535'] } });
  const client = await rawClient(t, sidecar.port);
  client.write(`CONNECT 127.0.0.1:${origin.port} HTTP/1.1\r\nHost: 127.0.0.1:${origin.port}\r\n\r\n`);
  await client.untilReceived('200');
  const upstream = await origin.connection(0);
  const stopped = sidecar.app.stop();
  sidecar.clock.advance(9000);
  client.write('ping');
  await upstream.untilReceived('ping');
  upstream.write('pong');
  await client.untilReceived('pong');
  t.notOk(await isDone(stopped));
  sidecar.clock.advance(1000);
  await stopped;
  await client.until(({ ended }) => ended);
});

t.test('while it stops /readyz says so with 503, /livez stays 200 and the metrics stay', async (t) => {
  const sidecar = await startSidecar(t);
  const where = { port: sidecar.operatorPort };
  t.match(await call(where, '/readyz'), { status: 200, body: 'ready\n' });
  const stopped = sidecar.app.stop();
  t.match(await call(where, '/readyz'), { status: 503, body: 'draining\n' });
  t.match(await call(where, '/livez'), { status: 200 });
  t.match((await call(where, '/metrics')).body, 'carpool_build_info');
  await untilStopped(sidecar, stopped);
});

t.test('a stop at once (grace 0) ends with the next look', async (t) => {
  const sidecar = await startSidecar(t, { shutdown: { grace: 0 } });
  const stopped = sidecar.app.stop();
  sidecar.clock.advance(100);
  await stopped;
});

t.test('a stop leaves no timer behind', async (t) => {
  const origin = await answering(t);
  const sidecar = await startSidecar(t, { defaults: { pool: { minConnections: 2 } } });
  const client = await rawClient(t, sidecar.port);
  client.write(request(origin.port));
  await client.untilReceived('ok');
  const stopped = sidecar.app.stop();
  await untilStopped(sidecar, stopped);
  t.equal(sidecar.clock.waiting, 0);
});
