import t from 'tap';
import { rawFrame, rawSettings, uint32 } from '../http2/raw-frame.ts';
import { type Fields, literals, type ServerConnection } from '../http2/scripted-server.ts';
import { startUpstream } from './http2-upstream-fixture.ts';

/** What a server does to the connection (RFC 9113 sections 3 to 6, RFC 7541): connection errors, and what is to be ignored. */

const PROTOCOL_ERROR = 1;
const FLOW_CONTROL_ERROR = 3;
const STREAM_CLOSED = 5;
const FRAME_SIZE_ERROR = 6;
const COMPRESSION_ERROR = 9;
const ENHANCE_YOUR_CALM = 11;

const OK: Fields = [[':status', '200']];
const OK_BLOCK = literals(OK);
const EIGHT = Buffer.alloc(8);

type Script = (connection: ServerConnection, stream: number) => void;

/** The server breaks a rule of the connection: GOAWAY with `code`, a 502 for who waits, and the next request goes elsewhere. */
function ends(sentence: string, code: number, script: Script): void {
  t.test(sentence, async (t) => {
    const upstream = await startUpstream(t);
    const asked = await upstream.ask('POST', '/broken', 'Content-Length: 2\r\n', 'hi');
    const { connection, request } = await upstream.server.arrived('/broken');
    script(connection, request.stream);
    t.equal((await connection.goaway()).code, code);
    await connection.until(({ ended }) => ended);
    const answer = await asked.answer();
    t.same([answer.status, answer.cut], [502, false]);
    t.equal(answer.code, 'UPSTREAM_PROTOCOL');
    t.not(await upstream.next(t), connection, 'nothing more is sent on that connection');
  });
}

const sends =
  (...frames: readonly Buffer[]): Script =>
  (connection) =>
    connection.send(...frames);

// --- frames (sections 4 and 6)

ends('a frame over 16384 bytes', FRAME_SIZE_ERROR, sends(rawFrame(0, 0, 1, Buffer.alloc(16_385))));
ends('DATA without a stream', PROTOCOL_ERROR, sends(rawFrame(0, 0, 0, 'x')));
ends('DATA on a stream that was never opened', PROTOCOL_ERROR, sends(rawFrame(0, 0, 99, 'x')));
ends('DATA with more padding than payload', PROTOCOL_ERROR, sends(rawFrame(0, 8, 1, '\x05abc')));
ends('HEADERS without a stream', PROTOCOL_ERROR, sends(rawFrame(1, 5, 0, OK_BLOCK)));
ends('HEADERS on a stream that was never opened', PROTOCOL_ERROR, sends(rawFrame(1, 5, 99, OK_BLOCK)));
ends('HEADERS on a stream of the server: none was promised', PROTOCOL_ERROR, sends(rawFrame(1, 5, 2, OK_BLOCK)));
ends('HEADERS with more padding than payload', PROTOCOL_ERROR, sends(rawFrame(1, 13, 1, '\xff\x88')));
ends('HEADERS that depend on themselves', PROTOCOL_ERROR, sends(rawFrame(1, 37, 1, '\0\0\0\x01\0\x88')));
ends('PRIORITY without a stream', PROTOCOL_ERROR, sends(rawFrame(2, 0, 0, '\0\0\0\x03\0')));
ends('RST_STREAM without a stream', PROTOCOL_ERROR, sends(rawFrame(3, 0, 0, uint32(8))));
ends('RST_STREAM on a stream that was never opened', PROTOCOL_ERROR, sends(rawFrame(3, 0, 99, uint32(8))));
ends('RST_STREAM of three bytes', FRAME_SIZE_ERROR, sends(rawFrame(3, 0, 1, '\0\0\0')));
ends('SETTINGS on a stream', PROTOCOL_ERROR, sends(rawFrame(4, 0, 1)));
ends('SETTINGS of five bytes', FRAME_SIZE_ERROR, sends(rawFrame(4, 0, 0, '\0\0\0\0\0')));
ends('an acknowledgement of SETTINGS with settings', FRAME_SIZE_ERROR, sends(rawFrame(4, 1, 0, rawSettings([[3, 1]]))));
ends('PUSH_PROMISE, for push is off', PROTOCOL_ERROR, sends(rawFrame(5, 4, 1, '\0\0\0\x02\x88')));
ends('PING on a stream', PROTOCOL_ERROR, sends(rawFrame(6, 0, 1, EIGHT)));
ends('PING of seven bytes', FRAME_SIZE_ERROR, sends(rawFrame(6, 0, 0, Buffer.alloc(7))));
ends('GOAWAY on a stream', PROTOCOL_ERROR, sends(rawFrame(7, 0, 1, EIGHT)));
ends('GOAWAY of seven bytes', FRAME_SIZE_ERROR, sends(rawFrame(7, 0, 0, Buffer.alloc(7))));
ends('WINDOW_UPDATE of five bytes', FRAME_SIZE_ERROR, sends(rawFrame(8, 0, 1, Buffer.alloc(5, 1))));
ends('WINDOW_UPDATE of zero for the connection', PROTOCOL_ERROR, sends(rawFrame(8, 0, 0, uint32(0))));
ends('WINDOW_UPDATE on a stream that was never opened', PROTOCOL_ERROR, sends(rawFrame(8, 0, 99, uint32(1))));
ends('CONTINUATION without HEADERS', PROTOCOL_ERROR, sends(rawFrame(9, 4, 1, OK_BLOCK)));

ends('CONTINUATION of another stream', PROTOCOL_ERROR, sends(rawFrame(1, 0, 1), rawFrame(9, 4, 3, OK_BLOCK)));
ends('DATA inside of a field block', PROTOCOL_ERROR, sends(rawFrame(1, 0, 1, OK_BLOCK), rawFrame(0, 0, 1, 'x')));
ends('PING inside of a field block', PROTOCOL_ERROR, sends(rawFrame(1, 0, 1, OK_BLOCK), rawFrame(6, 0, 0, EIGHT)));
ends(
  'a frame of an unknown type inside of a field block',
  PROTOCOL_ERROR,
  sends(rawFrame(1, 0, 1), rawFrame(99, 0, 1)),
);

// --- settings (section 6.5.2)

const setting = (id: number, value: number): Script => sends(rawFrame(4, 0, 0, rawSettings([[id, value]])));
ends('SETTINGS_ENABLE_PUSH of 1 from a server', PROTOCOL_ERROR, setting(2, 1));
ends('SETTINGS_ENABLE_PUSH of 2', PROTOCOL_ERROR, setting(2, 2));
ends('SETTINGS_INITIAL_WINDOW_SIZE over 2^31-1', FLOW_CONTROL_ERROR, setting(4, 0x80000000));
ends('SETTINGS_MAX_FRAME_SIZE below 16384', PROTOCOL_ERROR, setting(5, 16_383));
ends('SETTINGS_MAX_FRAME_SIZE over 2^24-1', PROTOCOL_ERROR, setting(5, 1 << 24));

// --- field blocks (RFC 7541)

for (const [sentence, bytes] of [
  ['an index beyond both tables', '\xfe'],
  ['the index zero', '\x80'],
  ['a string beyond the end of the block', '\x00\x05ab'],
  ['an integer without end', '\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01'],
  ['Huffman padding that is no padding', '\x00\x01a\x81\x00'],
  ['Huffman padding of a byte', '\x00\x01a\x82\x1f\xff'],
  ['the Huffman symbol EOS', '\x00\x01a\x84\xff\xff\xff\xff'],
  ['a table larger than SETTINGS_HEADER_TABLE_SIZE allows', '\x3f\xe2\x1f\x88'],
  ['a change of the table’s size inside of a block', '\x88\x20'],
] as const)
  ends(`a field block with ${sentence}`, COMPRESSION_ERROR, sends(rawFrame(1, 5, 1, bytes)));

t.test('a field block of a stream that is gone still counts for the table', async (t) => {
  const upstream = await startUpstream(t);
  const { client } = await upstream.ask('GET', '/left');
  const { connection, request } = await upstream.server.arrived('/left');
  client.socket.resetAndDestroy();
  await connection.reset(request.stream);
  // Added to the table by a response that nobody wants, and by one that is malformed; referred to by a third.
  connection.send(rawFrame(1, 5, request.stream, '\x88\x40\x03x-a\x03one'));
  const malformed = await upstream.ask('GET', '/malformed');
  const second = await upstream.server.arrived('/malformed');
  t.equal(second.connection, connection);
  connection.send(rawFrame(1, 5, second.request.stream, '\x88\x00\x03X-B\x01v\x40\x03x-c\x05three'));
  t.equal((await malformed.answer()).status, 502);
  const good = await upstream.ask('GET', '/good');
  const third = await upstream.server.arrived('/good');
  connection.send(rawFrame(1, 5, third.request.stream, '\x88\xbf\xbe'));
  const { status, fields } = await good.answer();
  t.same([status, fields.get('x-a'), fields.get('x-c')], [200, 'one', 'three']);
});

t.test('a field block that is broken ends the connection even where its stream is gone', async (t) => {
  const upstream = await startUpstream(t);
  const { client } = await upstream.ask('GET', '/left');
  const { connection, request } = await upstream.server.arrived('/left');
  client.socket.resetAndDestroy();
  await connection.reset(request.stream);
  connection.send(rawFrame(1, 5, request.stream, '\xfe'));
  t.equal((await connection.goaway()).code, COMPRESSION_ERROR);
});

// --- floods (rule 21)

const repeated = (frame: Buffer, count: number): Buffer => Buffer.concat(Array.from({ length: count }, () => frame));
ends('CONTINUATION frames without end', ENHANCE_YOUR_CALM, sends(rawFrame(1, 0, 1), repeated(rawFrame(9, 0, 1), 40)));
ends(
  'a field block over 256 KiB',
  ENHANCE_YOUR_CALM,
  sends(rawFrame(1, 0, 1), repeated(rawFrame(9, 0, 1, Buffer.alloc(16_384)), 17)),
);
ends('PINGs without end', ENHANCE_YOUR_CALM, sends(repeated(rawFrame(6, 0, 0, EIGHT), 1100)));
ends('SETTINGS without end', ENHANCE_YOUR_CALM, sends(repeated(rawFrame(4, 0, 0), 1100)));
ends('PRIORITY without end', ENHANCE_YOUR_CALM, sends(repeated(rawFrame(2, 0, 3, '\0\0\0\0\0'), 1100)));
ends('unknown frames without end', ENHANCE_YOUR_CALM, sends(repeated(rawFrame(77, 0, 1), 1100)));
ends('WINDOW_UPDATE without end', ENHANCE_YOUR_CALM, sends(repeated(rawFrame(8, 0, 0, uint32(1)), 2000)));

t.test('empty DATA without end', async (t) => {
  const upstream = await startUpstream(t);
  const asked = await upstream.ask('GET', '/empty');
  const { connection, request } = await upstream.server.arrived('/empty');
  connection.headers(request.stream, OK);
  connection.send(repeated(rawFrame(0, 0, request.stream), 1000));
  t.equal((await connection.goaway()).code, ENHANCE_YOUR_CALM);
  t.ok((await asked.answer()).cut);
});

t.test('DATA of nothing but padding without end', async (t) => {
  const upstream = await startUpstream(t);
  const asked = await upstream.ask('GET', '/empty');
  const { connection, request } = await upstream.server.arrived('/empty');
  connection.headers(request.stream, OK);
  connection.send(repeated(rawFrame(0, 8, request.stream, '\0'), 1000));
  t.equal((await connection.goaway()).code, ENHANCE_YOUR_CALM);
  t.ok((await asked.answer()).cut);
});

// --- frames of a stream (section 5.1)

for (const [sentence, script] of [
  ['DATA', (connection, stream) => connection.data(stream, 'late')],
  ['HEADERS', (connection, stream) => connection.headers(stream, [['x-late', '1']], true)],
] as const satisfies readonly (readonly [string, Script])[]) {
  t.test(`${sentence} after END_STREAM is an error of the closed stream, and the answer stays whole`, async (t) => {
    const upstream = await startUpstream(t);
    const asked = await upstream.ask('GET', '/done');
    const { connection, request } = await upstream.server.arrived('/done');
    connection.answer(request.stream, 'whole');
    t.equal((await asked.answer()).body, 'whole');
    script(connection, request.stream);
    const { type, payload } = await connection.frame(({ type }) => type === 3 || type === 7);
    t.equal(payload.readUInt32BE(type === 3 ? 0 : 4), STREAM_CLOSED);
    t.match(await upstream.next(t), {});
  });
  t.test(`${sentence} after END_STREAM while the upload goes on is STREAM_CLOSED too`, async (t) => {
    const upstream = await startUpstream(t);
    const asked = await upstream.ask('POST', '/early', 'Content-Length: 100\r\n', 'some');
    const { connection, request } = await upstream.server.arrived('/early');
    connection.answer(request.stream, 'whole');
    t.equal((await asked.answer()).body, 'whole');
    script(connection, request.stream);
    const { type, payload } = await connection.frame(({ type }) => type === 3 || type === 7);
    t.ok([STREAM_CLOSED, 0, 8].includes(payload.readUInt32BE(type === 3 ? 0 : 4)));
  });
}

t.test('RST_STREAM, WINDOW_UPDATE and PRIORITY of a stream that has ended are ignored', async (t) => {
  const upstream = await startUpstream(t);
  const asked = await upstream.ask('GET', '/done');
  const { connection, request } = await upstream.server.arrived('/done');
  connection.answer(request.stream, 'whole');
  t.equal((await asked.answer()).body, 'whole');
  connection.rstStream(request.stream, 0);
  connection.windowUpdate(request.stream, 100);
  connection.send(rawFrame(2, 0, request.stream, '\0\0\0\0\0'));
  t.equal(await upstream.next(t), connection);
});

// --- what is to be ignored

t.test('unknown frames, flags, settings and the reserved bit change nothing', async (t) => {
  const upstream = await startUpstream(t, [
    [0xf0f0, 7],
    [10, 0xffffffff],
  ]);
  const asked = await upstream.ask('GET', '/odd');
  const { connection, request } = await upstream.server.arrived('/odd');
  const reserved = 0x80000000 + request.stream;
  connection.send(
    rawFrame(0x42, 0xff, request.stream, 'x'.repeat(5000)),
    rawFrame(10, 0, 0, 'altsvc'),
    rawFrame(2, 0xff, request.stream, '\0\0\0\0\xff'),
    rawFrame(1, 0xd6, reserved, OK_BLOCK),
    rawFrame(0xee, 0, 0),
    rawFrame(0, 0xf6, reserved, 'he'),
    rawFrame(6, 1, 0, 'unasked!'),
    rawFrame(4, 1, 0),
    rawFrame(0, 0xf7, reserved, 'llo'),
  );
  const { status, body, cut } = await asked.answer();
  t.same([status, body, cut], [200, 'hello', false]);
  t.equal(await upstream.next(t), connection);
});

t.test('padding and priority of an answer are no part of it', async (t) => {
  const upstream = await startUpstream(t);
  const asked = await upstream.ask('GET', '/padded');
  const { connection, request } = await upstream.server.arrived('/padded');
  const padded = Buffer.concat([Buffer.from([3, 0, 0, 0, 0, 16]), OK_BLOCK, Buffer.from('pad')]);
  connection.send(
    rawFrame(1, 4 + 8 + 32, request.stream, padded),
    rawFrame(0, 8, request.stream, '\x04hellpads'),
    rawFrame(0, 9, request.stream, '\x02o\0\0'),
  );
  const { status, body, cut } = await asked.answer();
  t.same([status, body, cut], [200, 'hello', false]);
});

t.test('a head in several frames, empty ones among them, is one head', async (t) => {
  const upstream = await startUpstream(t);
  const asked = await upstream.ask('GET', '/pieces');
  const { connection, request } = await upstream.server.arrived('/pieces');
  const block = literals([...OK, ['x-long', 'v'.repeat(20_000)], ['x-last', 'yes']]);
  connection.send(
    rawFrame(1, 1, request.stream, block.subarray(0, 3)),
    rawFrame(9, 0, request.stream),
    rawFrame(9, 0, request.stream, block.subarray(3, 16_000)),
    rawFrame(9, 4, request.stream, block.subarray(16_000)),
  );
  const { status, body, fields } = await asked.answer();
  t.same([status, body, fields.get('x-long')?.length, fields.get('x-last')], [200, '', 20_000, 'yes']);
});

t.test('an answer that comes byte by byte is the same', async (t) => {
  const upstream = await startUpstream(t);
  const asked = await upstream.ask('GET', '/slow');
  const { connection, request } = await upstream.server.arrived('/slow');
  const bytes = Buffer.concat([
    rawFrame(1, 4, request.stream, OK_BLOCK),
    rawFrame(0, 8, request.stream, '\x01hello\0'),
    rawFrame(1, 5, request.stream, literals([['x-sum', '1']])),
  ]);
  for (const byte of bytes) {
    connection.send(Buffer.from([byte]));
    // Each byte a segment, and a read, of its own.
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  const { status, body, trailers } = await asked.answer();
  t.same([status, body, trailers.get('x-sum')], [200, 'hello', '1']);
});

t.test('an error on a stream leaves the others alone', async (t) => {
  const upstream = await startUpstream(t, [], { pool: { maxConnections: 1 } });
  const [first, second] = [await upstream.ask('GET', '/1'), await upstream.ask('GET', '/2')];
  const one = await upstream.server.arrived('/1');
  const two = await upstream.server.arrived('/2');
  t.equal(one.connection, two.connection);
  one.connection.headers(two.request.stream, OK);
  one.connection.data(two.request.stream, 'he');
  one.connection.send(rawFrame(8, 0, one.request.stream, uint32(0)));
  t.equal((await first.answer()).status, 502);
  t.equal(await one.connection.reset(one.request.stream), PROTOCOL_ERROR);
  one.connection.data(two.request.stream, 'llo', true);
  t.equal((await second.answer()).body, 'hello');
});
