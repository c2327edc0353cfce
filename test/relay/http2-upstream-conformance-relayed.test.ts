import http2 from 'node:http2';
import t, { type Test } from 'tap';
import type { Fields } from '../http2/scripted-server.ts';
import { startUpstream, type Upstream } from './http2-upstream-fixture.ts';

/** What a server does, right or wrong, as an app sees it that speaks HTTP/2 too. */

const NO_ERROR = 0;
const PROTOCOL_ERROR = 1;
const INTERNAL_ERROR = 2;
const REFUSED_STREAM = 7;
const CANCEL = 8;
const ENHANCE_YOUR_CALM = 11;

const OK: Fields = [[':status', '200']];

/** One stream of the app, with all that comes on it. */
class AppStream {
  readonly stream: http2.ClientHttp2Stream;
  status = 0;
  headers: http2.IncomingHttpHeaders = {};
  headEndsStream = false;
  body = '';
  trailers: Record<string, unknown> = {};
  ended = false;
  #waiters: (() => void)[] = [];

  constructor(stream: http2.ClientHttp2Stream) {
    this.stream = stream;
    stream.on('error', () => {});
    stream.on('response', (headers, flags) => {
      this.status = Number(headers[':status']);
      this.headers = headers;
      this.headEndsStream = (flags & 1) !== 0;
      this.#wake();
    });
    stream.on('data', (bytes: Buffer) => {
      this.body += bytes.toString('latin1');
      this.#wake();
    });
    stream.on('trailers', (fields: Record<string, unknown>) => {
      this.trailers = { ...fields };
    });
    stream.on('end', () => {
      this.ended = true;
      this.#wake();
    });
    stream.on('close', () => this.#wake());
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
  }

  async until(done: (stream: AppStream) => boolean): Promise<void> {
    while (!done(this)) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  /** The code that the stream was closed with. */
  async closed(): Promise<number> {
    await this.until(({ stream }) => stream.closed && stream.destroyed);
    return this.stream.rstCode;
  }
}

/** An app with one HTTP/2 connection to the sidecar. */
function startApp(t: Test, upstream: Upstream) {
  const session = http2.connect(`http://127.0.0.1:${upstream.port}`);
  session.on('error', () => {});
  t.teardown(() => session.destroy());
  return (path: string, headers: http2.OutgoingHttpHeaders = {}, body: string | null = null): AppStream => {
    const fields = { ':authority': upstream.authority, ':path': path, ...headers };
    const stream = session.request(fields, { endStream: body === null });
    if (body !== null) stream.write(body);
    return new AppStream(stream);
  };
}

const POST = { ':method': 'POST', 'content-length': '1000' };

for (const code of [CANCEL, INTERNAL_ERROR, ENHANCE_YOUR_CALM, 0xabcdef]) {
  t.test(`a reset after the head passes on with its code: ${code}`, async (t) => {
    const upstream = await startUpstream(t);
    const asked = startApp(t, upstream)('/a');
    const { connection, request } = await upstream.server.arrived('/a');
    connection.headers(request.stream, OK);
    connection.data(request.stream, 'half');
    await asked.until(({ body }) => body === 'half');
    connection.rstStream(request.stream, code);
    t.equal(await asked.closed(), code);
  });
}

t.test('a reset before the head is an answer of carpool’s own', async (t) => {
  const upstream = await startUpstream(t, [], { retry: { attempts: 1 } });
  const asked = startApp(t, upstream)('/a');
  const { connection, request } = await upstream.server.arrived('/a');
  connection.rstStream(request.stream, CANCEL);
  await asked.until(({ ended }) => ended);
  t.equal(asked.status, 502);
  t.match(asked.headers['proxy-status'], /^carpool; error=connection_terminated/);
  t.match(JSON.parse(asked.body), { code: 'UPSTREAM_RESET' });
});

t.test('a malformed head is a 502, and what breaks the rules behind a good head is INTERNAL_ERROR', async (t) => {
  const upstream = await startUpstream(t);
  const ask = startApp(t, upstream);
  const before = ask('/before');
  const one = await upstream.server.arrived('/before');
  one.connection.headers(one.request.stream, [...OK, ['connection', 'close']], true);
  await before.until(({ ended }) => ended);
  t.same([before.status, JSON.parse(before.body).code], [502, 'UPSTREAM_PROTOCOL']);
  t.equal(await one.connection.reset(one.request.stream), PROTOCOL_ERROR);

  const after = ask('/after');
  const two = await upstream.server.arrived('/after');
  two.connection.headers(two.request.stream, [...OK, ['content-length', '10']]);
  two.connection.data(two.request.stream, 'short');
  await after.until(({ body }) => body === 'short');
  two.connection.data(two.request.stream, '', true);
  t.equal(await after.closed(), INTERNAL_ERROR);
  t.equal(await two.connection.reset(two.request.stream), PROTOCOL_ERROR);
});

t.test('one stream that fails leaves the other streams of the app alone', async (t) => {
  const upstream = await startUpstream(t, [], { pool: { maxConnections: 1 } });
  const ask = startApp(t, upstream);
  const [bad, good] = [ask('/bad'), ask('/good')];
  const { connection, request } = await upstream.server.arrived('/bad');
  const { request: other } = await upstream.server.arrived('/good');
  connection.headers(other.stream, OK);
  connection.data(other.stream, 'he');
  connection.data(request.stream, 'no head');
  await bad.until(({ ended }) => ended);
  t.equal(bad.status, 502);
  connection.data(other.stream, 'llo', true);
  await good.until(({ ended }) => ended);
  t.equal(good.body, 'hello');
});

t.test('a connection that dies fails each stream on its own, and the app’s connection stays', async (t) => {
  const upstream = await startUpstream(t, [], { pool: { maxConnections: 1 } });
  const ask = startApp(t, upstream);
  const [waiting, reading] = [ask('/waiting', POST, 'some'), ask('/reading')];
  const { connection } = await upstream.server.arrived('/waiting');
  const { request } = await upstream.server.arrived('/reading');
  connection.headers(request.stream, OK);
  connection.data(request.stream, 'half');
  await reading.until(({ body }) => body === 'half');
  connection.socket.resetAndDestroy();
  t.equal(await reading.closed(), INTERNAL_ERROR);
  await waiting.until(({ status }) => status !== 0);
  t.equal(waiting.status, 502);
  const next = ask('/next');
  const again = await upstream.server.arrived('/next');
  again.connection.answer(again.request.stream, 'here');
  await next.until(({ ended }) => ended);
  t.equal(next.body, 'here');
});

t.test('REFUSED_STREAM and GOAWAY: a POST is sent again, body and all', async (t) => {
  const upstream = await startUpstream(t);
  const asked = startApp(t, upstream)('/order', { ':method': 'POST' }, 'hello');
  asked.stream.end();
  const first = await upstream.server.arrived('/order');
  await first.connection.until(() => first.request.ended);
  first.connection.rstStream(first.request.stream, REFUSED_STREAM);
  const second = await upstream.server.arrived('/order', 1);
  second.connection.sendGoaway(second.request.stream - 2, NO_ERROR);
  const third = await upstream.server.arrived('/order', 2);
  t.not(third.connection, second.connection);
  await third.connection.until(() => third.request.ended);
  t.equal(third.request.body.toString(), 'hello');
  third.connection.answer(third.request.stream, 'once');
  await asked.until(({ ended }) => ended);
  t.equal(asked.body, 'once');
});

t.test('the app cancels: RST_STREAM CANCEL goes on, and the connection too', async (t) => {
  const upstream = await startUpstream(t);
  const asked = startApp(t, upstream)('/a', POST, 'some');
  const { connection, request } = await upstream.server.arrived('/a');
  asked.stream.close(CANCEL);
  t.equal(await connection.reset(request.stream), CANCEL);
  t.equal(await upstream.next(t), connection);
});

t.test('an answer that is a head alone stays one, as gRPC’s trailers-only answers are', async (t) => {
  const upstream = await startUpstream(t);
  const asked = startApp(t, upstream)('/a', { 'content-type': 'application/grpc', te: 'trailers' });
  const { connection, request } = await upstream.server.arrived('/a');
  connection.headers(request.stream, [...OK, ['content-type', 'application/grpc'], ['grpc-status', '5']], true);
  await asked.until(({ ended }) => ended);
  t.ok(asked.headEndsStream);
  t.equal(asked.headers['grpc-status'], '5');
});

t.test('trailers pass in both directions', async (t) => {
  const upstream = await startUpstream(t);
  const session = http2.connect(`http://127.0.0.1:${upstream.port}`);
  t.teardown(() => session.destroy());
  const fields = { ':authority': upstream.authority, ':path': '/a', ':method': 'POST', te: 'trailers' };
  const stream = session.request(fields, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': 'up' }));
  stream.end('hello');
  const asked = new AppStream(stream);
  const { connection, request } = await upstream.server.arrived('/a');
  await connection.until(() => request.ended);
  t.same([request.body.toString(), request.trailers], ['hello', [['x-sum', 'up']]]);
  connection.headers(request.stream, OK);
  connection.data(request.stream, 'world');
  connection.headers(request.stream, [['x-sum', 'down']], true);
  await asked.until(({ ended }) => ended);
  t.same([asked.body, asked.trailers['x-sum']], ['world', 'down']);
});

t.test(
  '8.1: a whole answer and RST_STREAM NO_ERROR behind it: the app has the answer, and may stop its upload',
  async (t) => {
    const upstream = await startUpstream(t);
    const asked = startApp(t, upstream)('/big', POST, 'some');
    const { connection, request } = await upstream.server.arrived('/big');
    connection.answer(request.stream, 'too large', '413');
    connection.rstStream(request.stream, NO_ERROR);
    await asked.until(({ ended }) => ended);
    t.same([asked.status, asked.body], [413, 'too large']);
    t.equal(await upstream.next(t), connection);
  },
);

t.test('5.2: a server that does not open its window stops the app’s stream alone', async (t) => {
  const upstream = await startUpstream(t, [[4, 0]], { pool: { maxConnections: 1 } });
  await upstream.next(t);
  const ask = startApp(t, upstream);
  const stuck = ask('/stuck', { ':method': 'POST' }, 'x'.repeat(8_000_000));
  const { connection, request } = await upstream.server.arrived('/stuck');
  for (let count = 0; count < 20; count++) t.equal(await upstream.next(t), connection);
  const free = ask('/free');
  const { request: other } = await upstream.server.arrived('/free');
  connection.answer(other.stream, 'beside it');
  await free.until(({ ended }) => ended);
  t.equal(free.body, 'beside it');
  t.equal(request.body.length, 0);
  t.ok(upstream.app.process().bufferedBytes <= 1_200_000, 'what is held of it is a window at most');
  connection.windowUpdate(request.stream, 10_000_000);
  connection.windowUpdate(0, 10_000_000);
  stuck.stream.end();
  await connection.until(() => request.ended);
  t.equal(request.body.length, 8_000_000);
});
