import t from 'tap';
import { rawFrame } from '../http2/raw-frame.ts';
import type { ScriptedRequest, ServerConnection } from '../http2/scripted-server.ts';
import { startUpstream } from './http2-upstream-fixture.ts';

/** Flow control and settings in the middle of traffic (RFC 9113 sections 5.1.2, 5.2, 6.5, 6.9; rule 22). */

const PROTOCOL_ERROR = 1;
const FLOW_CONTROL_ERROR = 3;
const CANCEL = 8;

const MAX_CONCURRENT_STREAMS = 3;
const INITIAL_WINDOW_SIZE = 4;

const bytes = (length: number): string => 'abcdefghij'.repeat(Math.ceil(length / 10)).slice(0, length);
const upload = (length: number): [string, string] => [`Content-Length: ${length}\r\n`, bytes(length)];

// --- what the server lets us send

t.test('the first SETTINGS of the server hold for a request that goes before they are here', async (t) => {
  const upstream = await startUpstream(t, null);
  await upstream.ask('POST', '/up', ...upload(70_000));
  const connection = await upstream.server.connection(0);
  connection.settings();
  const request = await connection.request();
  await connection.until(() => request.body.length === 65_535);
  await connection.settled();
  t.equal(request.body.length, 65_535, 'without a word of the server a window is 65,535 bytes');
});

t.test('with windows of zero the head goes at once, and the body byte by byte as it is let out', async (t) => {
  const upstream = await startUpstream(t, [[INITIAL_WINDOW_SIZE, 0]]);
  await upstream.next(t);
  const asked = await upstream.ask('POST', '/up', ...upload(10));
  const { connection, request } = await upstream.server.arrived('/up');
  await connection.settled();
  t.equal(request.body.length, 0);
  for (let length = 1; length <= 10; length++) {
    connection.windowUpdate(request.stream, 1);
    await connection.settled();
    t.equal(request.body.toString(), bytes(10).slice(0, length));
  }
  t.ok(request.ended);
  connection.answer(request.stream, 'thanks');
  t.equal((await asked.answer()).body, 'thanks');
});

t.test('a request without a body needs no window, nor does END_STREAM', async (t) => {
  const upstream = await startUpstream(t, [[INITIAL_WINDOW_SIZE, 0]]);
  await upstream.next(t);
  await upstream.ask('POST', '/empty', 'Transfer-Encoding: chunked\r\n', '0\r\n\r\n');
  const { connection, request } = await upstream.server.arrived('/empty');
  await connection.until(() => request.ended);
  t.equal(request.body.length, 0);
});

t.test('the window of the connection holds for all streams together', async (t) => {
  const upstream = await startUpstream(t, [[INITIAL_WINDOW_SIZE, 1_000_000]], { pool: { maxConnections: 1 } });
  await upstream.next(t);
  await upstream.ask('POST', '/1', ...upload(50_000));
  await upstream.ask('POST', '/2', ...upload(50_000));
  const { connection, request: one } = await upstream.server.arrived('/1');
  const { request: two } = await upstream.server.arrived('/2');
  const both = (): number => one.body.length + two.body.length;
  await connection.until(() => both() === 65_535);
  await connection.settled();
  t.equal(both(), 65_535);
  connection.windowUpdate(0, 100_000);
  await connection.until(() => one.ended && two.ended);
  t.equal(both(), 100_000);
});

t.test('a stream that may not send holds up no other', async (t) => {
  const upstream = await startUpstream(t, [[INITIAL_WINDOW_SIZE, 0]], { pool: { maxConnections: 1 } });
  await upstream.next(t);
  await upstream.ask('POST', '/stuck', ...upload(50_000));
  const { connection, request: stuck } = await upstream.server.arrived('/stuck');
  await upstream.ask('POST', '/free', ...upload(50_000));
  const { request: free } = await upstream.server.arrived('/free');
  connection.windowUpdate(free.stream, 50_000);
  await connection.until(() => free.ended);
  t.equal(stuck.body.length, 0);
  t.equal(await upstream.next(t), connection);
});

t.test('SETTINGS that make a window negative stop the stream until it is positive again', async (t) => {
  const upstream = await startUpstream(t, [[INITIAL_WINDOW_SIZE, 1000]]);
  await upstream.next(t);
  await upstream.ask('POST', '/up', ...upload(3000));
  const { connection, request } = await upstream.server.arrived('/up');
  await connection.until(() => request.body.length === 1000);
  // 0 left, then -900.
  connection.settings([INITIAL_WINDOW_SIZE, 100]);
  connection.windowUpdate(request.stream, 900);
  await connection.settled();
  t.equal(request.body.length, 1000, 'at zero nothing may go');
  connection.windowUpdate(request.stream, 1);
  await connection.settled();
  t.equal(request.body.length, 1001);
  // And up again: 1,900 more.
  connection.settings([INITIAL_WINDOW_SIZE, 2000]);
  await connection.until(() => request.body.length === 2901);
  await connection.settled();
  t.equal(request.body.length, 2901);
  connection.windowUpdate(request.stream, 99);
  await connection.until(() => request.ended);
  t.equal(request.body.toString(), bytes(3000));
});

t.test('a larger first window lets streams go on that waited', async (t) => {
  const upstream = await startUpstream(t, [[INITIAL_WINDOW_SIZE, 10]]);
  await upstream.next(t);
  await upstream.ask('POST', '/up', ...upload(100));
  const { connection, request } = await upstream.server.arrived('/up');
  await connection.until(() => request.body.length === 10);
  connection.settings([INITIAL_WINDOW_SIZE, 100]);
  await connection.until(() => request.ended);
  t.equal(request.body.toString(), bytes(100));
});

t.test('SETTINGS do not touch the window of the connection', async (t) => {
  const upstream = await startUpstream(t, [[INITIAL_WINDOW_SIZE, 0]]);
  await upstream.next(t);
  await upstream.ask('POST', '/up', ...upload(70_000));
  const { connection, request } = await upstream.server.arrived('/up');
  connection.settings([INITIAL_WINDOW_SIZE, 0x7fffffff]);
  await connection.until(() => request.body.length === 65_535);
  await connection.settled();
  t.equal(request.body.length, 65_535);
});

t.test('no frame is over 16384 bytes, not even where the server allows it', async (t) => {
  const upstream = await startUpstream(t, [
    [5, 1_000_000],
    [INITIAL_WINDOW_SIZE, 1_000_000],
  ]);
  await upstream.next(t);
  const long = `X-Long: ${'v'.repeat(30_000)}\r\n`;
  const [length, body] = upload(60_000);
  await upstream.ask('POST', '/up', long + length, body);
  const { connection, request } = await upstream.server.arrived('/up');
  await connection.until(() => request.ended);
  t.ok(connection.frames.every(({ payload }) => payload.length <= 16_384));
  t.equal(request.fields.find(([name]) => name === 'x-long')?.[1].length, 30_000);
});

t.test('an increment of zero resets the stream, and a window over 2^31-1 too', async (t) => {
  for (const [increment, code] of [
    [0, PROTOCOL_ERROR],
    [0x7fffffff, FLOW_CONTROL_ERROR],
  ] as const) {
    const upstream = await startUpstream(t);
    const asked = await upstream.ask('POST', '/up', ...upload(10));
    const { connection, request } = await upstream.server.arrived('/up');
    connection.windowUpdate(request.stream, increment);
    t.equal(await connection.reset(request.stream), code);
    t.equal((await asked.answer()).status, 502);
    t.equal(await upstream.next(t), connection);
  }
});

t.test('a window of the connection over 2^31-1 ends it', async (t) => {
  const upstream = await startUpstream(t);
  await upstream.ask('GET', '/a');
  const { connection } = await upstream.server.arrived('/a');
  connection.windowUpdate(0, 0x7fffffff);
  t.equal((await connection.goaway()).code, FLOW_CONTROL_ERROR);
});

t.test('SETTINGS that make a stream’s window larger than 2^31-1 end the connection', async (t) => {
  const upstream = await startUpstream(t);
  await upstream.ask('POST', '/a', 'Content-Length: 10\r\n');
  const { connection, request } = await upstream.server.arrived('/a');
  connection.windowUpdate(request.stream, 1000);
  connection.settings([INITIAL_WINDOW_SIZE, 0x7fffffff]);
  t.equal((await connection.goaway()).code, FLOW_CONTROL_ERROR);
});

t.test('a server that never opens its window is given up by timeouts.write', async (t) => {
  const upstream = await startUpstream(t, [[INITIAL_WINDOW_SIZE, 0]], { timeouts: { write: '20s' } });
  await upstream.next(t);
  const asked = await upstream.ask('POST', '/up', ...upload(200_000));
  const { connection, request } = await upstream.server.arrived('/up');
  await connection.settled();
  for (let second = 0; second < 25; second++) upstream.clock.advance(1000);
  const { status, code } = await asked.answer();
  t.same([status, code], [504, 'BODY_TIMEOUT']);
  t.equal(await connection.reset(request.stream), CANCEL);
  t.equal(request.body.length, 0);
});

// --- how many streams the server lets us open

t.test('MAX_CONCURRENT_STREAMS is kept, and what is over it waits for its turn', async (t) => {
  const upstream = await startUpstream(t, [[MAX_CONCURRENT_STREAMS, 2]], { pool: { maxConnections: 1 } });
  await upstream.next(t);
  const asked = await Promise.all(['/1', '/2', '/3'].map((path) => upstream.ask('GET', path)));
  const connection = await upstream.server.connection(0);
  await connection.until(({ requests }) => requests.length === 3);
  await connection.settled();
  t.equal(connection.requests.length, 3, 'the first one, and two of the three');
  const open = (): ScriptedRequest[] => connection.requests.slice(1);
  connection.answer(open()[0]?.stream ?? 0, 'a');
  await connection.until(({ requests }) => requests.length === 4);
  for (const { stream } of open().slice(1)) connection.answer(stream, 'b');
  t.same(
    (await Promise.all(asked.map((one) => one.answer()))).map(({ status }) => status),
    [200, 200, 200],
  );
  t.equal(upstream.server.connections.length, 1);
});

t.test('MAX_CONCURRENT_STREAMS of zero stops new streams, not those that are open, until it is raised', async (t) => {
  const upstream = await startUpstream(t, [], { pool: { maxConnections: 1 } });
  const first = await upstream.ask('GET', '/1');
  const { connection, request } = await upstream.server.arrived('/1');
  connection.settings([MAX_CONCURRENT_STREAMS, 0]);
  await connection.settled();
  const second = await upstream.ask('GET', '/2');
  connection.answer(request.stream, 'first');
  t.equal((await first.answer()).body, 'first');
  await connection.settled();
  t.equal(connection.requests.length, 1);
  connection.settings([MAX_CONCURRENT_STREAMS, 1]);
  const next = await connection.request(1);
  connection.answer(next.stream, 'second');
  t.equal((await second.answer()).body, 'second');
});

t.test('streams over a lowered MAX_CONCURRENT_STREAMS finish', async (t) => {
  const upstream = await startUpstream(t, [], { pool: { maxConnections: 1 } });
  const asked = [await upstream.ask('GET', '/1'), await upstream.ask('GET', '/2')];
  const { connection, request: one } = await upstream.server.arrived('/1');
  const { request: two } = await upstream.server.arrived('/2');
  connection.settings([MAX_CONCURRENT_STREAMS, 1]);
  connection.answer(one.stream, 'x');
  connection.answer(two.stream, 'x');
  for (const { answer } of asked) t.equal((await answer()).status, 200);
});

t.test('SETTINGS are acknowledged, each frame once', async (t) => {
  const upstream = await startUpstream(t);
  await upstream.next(t);
  const connection = await upstream.server.connection(0);
  connection.settings();
  connection.settings([INITIAL_WINDOW_SIZE, 5], [INITIAL_WINDOW_SIZE, 65_535]);
  await connection.settled();
  const acks = connection.frames.filter(({ type, flags }) => type === 4 && flags === 1);
  t.equal(acks.length, 3);
  t.ok(acks.every(({ stream, payload }) => stream === 0 && payload.length === 0));
});

// --- what we let the server send

/** Sends as the windows allow: waits for WINDOW_UPDATE where they are used up. */
async function sendPolitely(
  connection: ServerConnection,
  stream: number,
  frames: readonly { readonly flags: number; readonly payload: Buffer }[],
): Promise<void> {
  const credit = (of: number): number =>
    connection.frames
      .filter((frame) => frame.type === 8 && frame.stream === of)
      .reduce((sum, { payload }) => sum + payload.readUInt32BE(0), 0);
  const windows = connection.frames.find(({ type, flags }) => type === 4 && flags === 0)?.payload ?? Buffer.alloc(0);
  let first = 65_535;
  for (let at = 0; at < windows.length; at += 6)
    if (windows.readUInt16BE(at) === INITIAL_WINDOW_SIZE) first = windows.readUInt32BE(at + 2);
  let sent = 0;
  for (const { flags, payload } of frames) {
    sent += payload.length;
    await connection.until(() => sent <= first + credit(stream) && sent <= 65_535 + credit(0));
    connection.send(rawFrame(0, flags, stream, payload));
  }
}

t.test('a long answer comes whole through windows that the server respects', async (t) => {
  const upstream = await startUpstream(t);
  const asked = await upstream.ask('GET', '/long');
  const { connection, request } = await upstream.server.arrived('/long');
  connection.headers(request.stream, [[':status', '200']]);
  const payload = Buffer.from(bytes(16_000));
  const frames = Array.from({ length: 200 }, (_, index) => ({ flags: index === 199 ? 1 : 0, payload }));
  await sendPolitely(connection, request.stream, frames);
  const { body, cut } = await asked.answer();
  t.equal(body.length, 3_200_000);
  t.notOk(cut);
});

t.test('padding is given back to the windows as well', async (t) => {
  const upstream = await startUpstream(t);
  const asked = await upstream.ask('GET', '/padded');
  const { connection, request } = await upstream.server.arrived('/padded');
  connection.headers(request.stream, [[':status', '200']]);
  const payload = Buffer.concat([Buffer.from([255]), Buffer.from('x'), Buffer.alloc(255)]);
  const frames = Array.from({ length: 1000 }, (_, index) => ({ flags: index === 999 ? 9 : 8, payload }));
  await sendPolitely(connection, request.stream, frames);
  t.equal((await asked.answer()).body, 'x'.repeat(1000));
});

t.test('the window of the connection is given back for streams that are gone', async (t) => {
  const upstream = await startUpstream(t);
  const { client } = await upstream.ask('GET', '/left');
  const { connection, request } = await upstream.server.arrived('/left');
  client.socket.resetAndDestroy();
  await connection.reset(request.stream);
  const asked = await upstream.ask('GET', '/long');
  const { request: long } = await upstream.server.arrived('/long');
  // What was on its way when the stream was reset: nearly the whole window.
  for (let count = 0; count < 4; count++) connection.data(request.stream, Buffer.alloc(16_000));
  connection.headers(long.stream, [[':status', '200']]);
  const payload = Buffer.from(bytes(16_000));
  await connection.settled();
  const credit = connection.frames.filter(({ type, stream }) => type === 8 && stream === 0);
  t.ok(credit.reduce((sum, frame) => sum + frame.payload.readUInt32BE(0), 0) >= 32_000);
  connection.data(long.stream, payload, true);
  t.equal((await asked.answer()).body, bytes(16_000));
});

t.test('an app that does not read stops its own stream: the server gets no more credit for it', async (t) => {
  const upstream = await startUpstream(t, [], { pool: { maxConnections: 1 } });
  const { client } = await upstream.ask('GET', '/stalled');
  const { connection, request } = await upstream.server.arrived('/stalled');
  client.socket.pause();
  connection.headers(request.stream, [[':status', '200']]);
  const payload = Buffer.alloc(16_000, 97);
  let stalled = false;
  const pouring = sendPolitely(
    connection,
    request.stream,
    Array.from({ length: 4000 }, () => ({ flags: 0, payload })),
  ).then(() => {
    stalled = true;
  });
  // The app's stream stands still by now or soon; others run on beside it.
  for (let count = 0; count < 50; count++) t.equal(await upstream.next(t), connection);
  t.notOk(stalled, '64 MB were not taken in');
  client.socket.resetAndDestroy();
  t.equal(await connection.reset(request.stream), CANCEL);
  void pouring;
});

t.test('a server that sends more than a stream’s window is refused with FLOW_CONTROL_ERROR', async (t) => {
  const upstream = await startUpstream(t);
  const { client } = await upstream.ask('GET', '/flood');
  const { connection, request } = await upstream.server.arrived('/flood');
  client.socket.pause();
  connection.headers(request.stream, [[':status', '200']]);
  const frame = rawFrame(0, 0, request.stream, Buffer.alloc(16_000));
  for (let count = 0; count < 2000; count++) connection.send(frame);
  const { type, payload } = await connection.frame(({ type }) => type === 3 || type === 7);
  t.equal(payload.readUInt32BE(type === 3 ? 0 : 4), FLOW_CONTROL_ERROR);
  client.socket.resume();
  await client.until(({ ended }) => ended);
});
