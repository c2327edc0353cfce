import t from 'tap';
import { rawFrame } from '../http2/raw-frame.ts';
import type { Fields } from '../http2/scripted-server.ts';
import { startUpstream } from './http2-upstream-fixture.ts';

/** How streams and connections end (RFC 9113 sections 5.4, 6.4, 6.7, 6.8, 8.7; rules 17, 18, 23). */

const NO_ERROR = 0;
const PROTOCOL_ERROR = 1;
const INTERNAL_ERROR = 2;
const REFUSED_STREAM = 7;
const CANCEL = 8;
const ENHANCE_YOUR_CALM = 11;
const LAST = 0x7fffffff;

const OK: Fields = [[':status', '200']];
const POST: [string, string] = ['Content-Length: 5\r\n', 'hello'];

// --- GOAWAY

t.test('GOAWAY: a request above its last stream is sent again, a POST too, on another connection', async (t) => {
  const upstream = await startUpstream(t);
  const asked = await upstream.ask('POST', '/order', ...POST);
  const first = await upstream.server.arrived('/order');
  first.connection.sendGoaway(0, NO_ERROR);
  const second = await upstream.server.arrived('/order', 1);
  t.not(second.connection, first.connection);
  await second.connection.until(() => second.request.ended);
  t.equal(second.request.body.toString(), 'hello');
  t.same(second.request.fields, first.request.fields);
  second.connection.answer(second.request.stream, 'once');
  t.equal((await asked.answer()).body, 'once');
});

t.test(
  'GOAWAY: a request up to its last stream finishes where it is, and the connection closes after it',
  async (t) => {
    const upstream = await startUpstream(t);
    const asked = await upstream.ask('POST', '/order', ...POST);
    const { connection, request } = await upstream.server.arrived('/order');
    connection.sendGoaway(request.stream, NO_ERROR);
    t.not(await upstream.next(t), connection, 'a new request goes elsewhere');
    connection.headers(request.stream, OK);
    connection.data(request.stream, 'done', true);
    t.equal((await asked.answer()).body, 'done');
    await connection.until(({ ended }) => ended);
  },
);

t.test('GOAWAY in two steps: the second takes back what the first let through', async (t) => {
  const upstream = await startUpstream(t, [], { pool: { maxConnections: 2 } });
  const kept = await upstream.ask('GET', '/kept');
  const one = await upstream.server.arrived('/kept');
  const back = await upstream.ask('POST', '/back', ...POST);
  const two = await upstream.server.arrived('/back');
  t.equal(one.connection, two.connection);
  one.connection.sendGoaway(LAST, NO_ERROR);
  await one.connection.settled();
  t.equal(upstream.server.connections.length, 1, 'the first step touches nothing that is open');
  one.connection.sendGoaway(one.request.stream, NO_ERROR);
  const again = await upstream.server.arrived('/back', 1);
  t.not(again.connection, one.connection);
  again.connection.answer(again.request.stream, 'second');
  t.equal((await back.answer()).body, 'second');
  one.connection.answer(one.request.stream, 'first');
  t.equal((await kept.answer()).body, 'first');
  await one.connection.until(({ ended }) => ended);
});

t.test('GOAWAY with an error leaves what is below its last stream to finish as well', async (t) => {
  const upstream = await startUpstream(t);
  const asked = await upstream.ask('GET', '/a');
  const { connection, request } = await upstream.server.arrived('/a');
  connection.sendGoaway(request.stream, INTERNAL_ERROR, 'out of luck');
  connection.answer(request.stream, 'still');
  t.equal((await asked.answer()).body, 'still');
});

t.test('GOAWAY on an idle connection closes it', async (t) => {
  const upstream = await startUpstream(t);
  const connection = await upstream.next(t);
  connection.sendGoaway(1, NO_ERROR);
  await connection.until(({ ended }) => ended);
  t.not(await upstream.next(t), connection);
});

t.test(
  'GOAWAY and the end of the connection in one read: what was above is sent again, what was below failed',
  async (t) => {
    const upstream = await startUpstream(t);
    const below = await upstream.ask('POST', '/below', ...POST);
    const { connection, request } = await upstream.server.arrived('/below');
    const above = await upstream.ask('POST', '/above', ...POST);
    await upstream.server.arrived('/above');
    connection.sendGoaway(request.stream, NO_ERROR);
    connection.socket.end();
    t.equal((await below.answer()).status, 502);
    const again = await upstream.server.arrived('/above', 1);
    again.connection.answer(again.request.stream, 'again');
    t.equal((await above.answer()).body, 'again');
  },
);

t.test('a request that finds GOAWAY everywhere is given up after three attempts', async (t) => {
  const upstream = await startUpstream(t);
  const asked = await upstream.ask('POST', '/order', ...POST);
  for (let attempt = 0; attempt < 3; attempt++) {
    const { connection } = await upstream.server.arrived('/order', attempt);
    connection.sendGoaway(0, NO_ERROR);
  }
  const { status, code } = await asked.answer();
  t.same([status, code], [502, 'GOAWAY_UNPROCESSED']);
  t.equal(upstream.server.connections.length, 3);
});

t.test('8.7: GOAWAY after the head of the answer does not repeat the request', async (t) => {
  const upstream = await startUpstream(t);
  const asked = await upstream.ask('GET', '/a');
  const { connection, request } = await upstream.server.arrived('/a');
  connection.headers(request.stream, OK);
  connection.data(request.stream, 'half');
  await asked.client.untilReceived('half');
  connection.sendGoaway(0, NO_ERROR);
  t.ok((await asked.answer()).cut);
  t.equal(upstream.server.connections.length, 1);
});

// --- RST_STREAM

t.test('8.7: REFUSED_STREAM: the request is sent again, a POST too', async (t) => {
  const upstream = await startUpstream(t);
  const asked = await upstream.ask('POST', '/order', ...POST);
  const first = await upstream.server.arrived('/order');
  first.connection.rstStream(first.request.stream, REFUSED_STREAM);
  const second = await upstream.server.arrived('/order', 1);
  await second.connection.until(() => second.request.ended);
  t.equal(second.request.body.toString(), 'hello');
  second.connection.answer(second.request.stream, 'once');
  t.equal((await asked.answer()).body, 'once');
});

t.test('REFUSED_STREAM in the middle of an upload: what was sent is sent again, and the rest follows', async (t) => {
  const upstream = await startUpstream(t);
  const asked = await upstream.ask('POST', '/order', 'Content-Length: 10\r\n', 'hello');
  const first = await upstream.server.arrived('/order');
  await first.connection.until(() => first.request.body.length === 5);
  first.connection.rstStream(first.request.stream, REFUSED_STREAM);
  const second = await upstream.server.arrived('/order', 1);
  asked.client.write('world');
  await second.connection.until(() => second.request.ended);
  t.equal(second.request.body.toString(), 'helloworld');
  second.connection.answer(second.request.stream, 'once');
  t.equal((await asked.answer()).body, 'once');
});

for (const [name, code] of [
  ['CANCEL', CANCEL],
  ['INTERNAL_ERROR', INTERNAL_ERROR],
  ['PROTOCOL_ERROR', PROTOCOL_ERROR],
  ['ENHANCE_YOUR_CALM', ENHANCE_YOUR_CALM],
  ['NO_ERROR', NO_ERROR],
  ['a code that nobody knows', 0xabcdef],
] as const) {
  t.test(
    `a reset by ${name} before the head is a 502 to a POST and not repeated: the server may have acted on it`,
    async (t) => {
      const upstream = await startUpstream(t);
      await upstream.next(t);
      const asked = await upstream.ask('POST', '/a', ...POST);
      const { connection, request } = await upstream.server.arrived('/a');
      connection.rstStream(request.stream, code);
      const answer = await asked.answer();
      t.same([answer.status, answer.code], [502, 'UPSTREAM_RESET']);
      t.equal(await upstream.next(t), connection, 'the connection goes on');
      t.equal(upstream.server.connections.length, 1);
      t.equal(connection.frames.filter(({ type, stream }) => type === 3 && stream === request.stream).length, 0);
    },
  );
  t.test(`a reset by ${name} after the head cuts the answer where the app can see it`, async (t) => {
    const upstream = await startUpstream(t);
    const asked = await upstream.ask('GET', '/a');
    const { connection, request } = await upstream.server.arrived('/a');
    connection.headers(request.stream, OK);
    connection.data(request.stream, 'half');
    connection.rstStream(request.stream, code);
    const { status, body, cut } = await asked.answer();
    t.same([status, cut], [200, true]);
    t.ok('half'.startsWith(body));
    t.equal(await upstream.next(t), connection);
  });
}

t.test('8.1: RST_STREAM NO_ERROR behind a whole answer ends the upload and leaves the answer whole', async (t) => {
  const upstream = await startUpstream(t);
  const asked = await upstream.ask('POST', '/big', 'Content-Length: 1000\r\n', 'some');
  const { connection, request } = await upstream.server.arrived('/big');
  connection.answer(request.stream, 'too large', '413');
  connection.rstStream(request.stream, NO_ERROR);
  const { status, body, cut } = await asked.answer();
  t.same([status, body, cut], [413, 'too large', false]);
  asked.client.write('x'.repeat(900));
  await connection.settled();
  t.equal(request.body.length, 4, 'nothing more is sent on the stream');
  t.equal(await upstream.next(t), connection);
});

t.test('an answer before the end of the upload reaches the app, and the rest of the upload the server', async (t) => {
  const upstream = await startUpstream(t);
  const asked = await upstream.ask('POST', '/early', 'Content-Length: 10\r\n', 'hello');
  const { connection, request } = await upstream.server.arrived('/early');
  connection.answer(request.stream, 'thanks');
  t.equal((await asked.answer()).body, 'thanks');
  asked.client.write('world');
  await connection.until(() => request.ended || request.reset !== null);
  t.ok(request.reset !== null || request.body.toString() === 'helloworld');
  t.equal(await upstream.next(t), connection);
});

t.test('rule 18: the app leaves: RST_STREAM CANCEL, and the connection goes on', async (t) => {
  const upstream = await startUpstream(t);
  for (const path of ['/before', '/after']) {
    const { client } = await upstream.ask('GET', path);
    const { connection, request } = await upstream.server.arrived(path);
    if (path === '/after') {
      connection.headers(request.stream, OK);
      connection.data(request.stream, 'half');
      await client.untilReceived('half');
    }
    client.socket.resetAndDestroy();
    t.equal(await connection.reset(request.stream), CANCEL);
    t.equal(await upstream.next(t), connection);
  }
});

// --- the connection itself

t.test('a server that closes without a word before the head: 502 to a POST', async (t) => {
  const upstream = await startUpstream(t);
  const asked = await upstream.ask('POST', '/a', ...POST);
  const { connection } = await upstream.server.arrived('/a');
  connection.socket.end();
  const { status, code } = await asked.answer();
  t.same([status, code], [502, 'UPSTREAM_CLOSED']);
  t.not(await upstream.next(t), connection);
});

t.test('a server that closes a used connection under requests: GET is repeated once, POST never', async (t) => {
  const upstream = await startUpstream(t);
  const used = await upstream.next(t);
  const get = await upstream.ask('GET', '/get');
  const post = await upstream.ask('POST', '/post', ...POST);
  t.equal((await upstream.server.arrived('/get')).connection, used);
  t.equal((await upstream.server.arrived('/post')).connection, used);
  used.socket.resetAndDestroy();
  t.equal((await post.answer()).status, 502);
  const again = await upstream.server.arrived('/get', 1);
  again.connection.answer(again.request.stream, 'again');
  t.equal((await get.answer()).body, 'again');
});

t.test('rule 17: a server that closes in the middle of answers cuts each of them', async (t) => {
  const upstream = await startUpstream(t, [], { pool: { maxConnections: 1 } });
  const asked = [await upstream.ask('GET', '/1'), await upstream.ask('GET', '/2')];
  const { connection, request } = await upstream.server.arrived('/1');
  const { request: other } = await upstream.server.arrived('/2');
  for (const { stream } of [request, other]) {
    connection.headers(stream, [...OK, ['content-length', '100']]);
    connection.data(stream, 'half');
  }
  for (const { client } of asked) await client.untilReceived('half');
  connection.socket.end();
  for (const { answer } of asked) t.match(await answer(), { status: 200, cut: true, body: 'half' });
  t.not(await upstream.next(t), connection);
});

t.test('a server that closes inside of a frame cuts the answer', async (t) => {
  const upstream = await startUpstream(t);
  const asked = await upstream.ask('GET', '/1');
  const { connection, request } = await upstream.server.arrived('/1');
  connection.headers(request.stream, OK);
  connection.send(rawFrame(0, 1, request.stream, 'whole').subarray(0, 12));
  connection.socket.end();
  const { cut, body } = await asked.answer();
  t.ok(cut);
  t.ok('who'.startsWith(body));
});

t.test('an idle connection that the server closes is not used again', async (t) => {
  const upstream = await startUpstream(t);
  const connection = await upstream.next(t);
  connection.socket.end();
  await connection.until(({ ended }) => ended);
  t.not(await upstream.next(t), connection);
});

t.test('a server that answers the preface with HTTP/1.1 is a 502, for HTTP/2 is configured', async (t) => {
  const upstream = await startUpstream(t, null);
  const asked = await upstream.ask('POST', '/a', ...POST);
  const connection = await upstream.server.connection(0);
  connection.socket.write('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
  t.equal((await asked.answer()).status, 502);
  t.notMatch(asked.client.received, /400/);
});

t.test('a server whose first frame is not SETTINGS is refused with PROTOCOL_ERROR', async (t) => {
  const upstream = await startUpstream(t, null);
  const asked = await upstream.ask('GET', '/a');
  const connection = await upstream.server.connection(0);
  connection.send(rawFrame(6, 0, 0, Buffer.alloc(8)));
  t.equal((await connection.goaway()).code, PROTOCOL_ERROR);
  t.equal((await asked.answer()).status, 502);
});

// --- PING

t.test('6.7: a PING is answered with its own eight bytes, and an answer nobody asked for is ignored', async (t) => {
  const upstream = await startUpstream(t);
  const connection = await upstream.next(t);
  connection.send(rawFrame(6, 1, 0, 'unasked!'), rawFrame(6, 0, 0, '\x00\xff\x01\xfe1234'));
  const { payload, stream } = await connection.frame(({ type, flags }) => type === 6 && flags === 1);
  t.same([payload.toString('latin1'), stream], ['\x00\xff\x01\xfe1234', 0]);
  t.equal(await upstream.next(t), connection);
});

t.test('rule 23: silence with a stream open is asked by PING; no answer within 10 s ends the connection', async (t) => {
  const upstream = await startUpstream(t);
  const connection = await upstream.next(t);
  const pings = (): number => connection.frames.filter(({ type, flags }) => type === 6 && flags === 0).length;
  const seconds = (count: number): void => {
    for (let second = 0; second < count; second++) upstream.clock.advance(1000);
  };
  seconds(40);
  const asked = await upstream.ask('GET', '/slow');
  t.equal((await upstream.server.arrived('/slow')).connection, connection);
  await connection.settled();
  t.equal(pings(), 1, 'none without a stream, one beside the first request after a long silence');
  connection.answersPings = false;
  seconds(31);
  await connection.until(() => pings() === 2);
  seconds(11);
  const again = await upstream.server.arrived('/slow', 1);
  again.connection.answer(again.request.stream, 'again');
  t.equal((await asked.answer()).body, 'again');
});
