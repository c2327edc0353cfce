import t, { type Test } from 'tap';
import { bodyOf, field, type RawAnswer, type RawApp } from '../http2/raw-app.ts';
import type { Arrived } from '../http2/scripted-server.ts';
import { type Behind, http1Answer, toHttp1, toHttp2 } from './http2-app-fixture.ts';
import { eventually } from './relay-fixture.ts';

const NO_ERROR = 0;
const INTERNAL_ERROR = 2;
const REFUSED_STREAM = 7;
const CANCEL = 8;
const ENHANCE_YOUR_CALM = 11;

const HEAD_200: readonly (readonly [string, string])[] = [[':status', '200']];

/** Answers a request that stands beside the one of the test. */
async function answerOther(t: Test, app: RawApp, stream: number, arrived: Promise<Arrived>): Promise<void> {
  const { connection, request } = await arrived;
  connection.answer(request.stream, 'other');
  t.equal(bodyOf(await app.answer(stream)), 'other', 'the other stream of the connection is answered');
  t.same(app.goaways, []);
}

// --- the app leaves

t.test('rule 18: a stream that the app resets is cancelled upstream, and its connection goes on', async (t) => {
  for (const when of ['before the head', 'in the body', 'in its own body'] as const) {
    const relay = await toHttp2(t);
    const app = await relay.client(t);
    const other = app.get('/other');
    const stream = when === 'in its own body' ? app.post('/left') : app.get('/left');
    if (when === 'in its own body') app.data(stream, 'x'.repeat(1000));
    const { connection, request } = await relay.server.arrived('/left');
    if (when === 'in the body') {
      connection.headers(request.stream, HEAD_200);
      connection.data(request.stream, 'a part');
      await app.until(() => app.answerOf(stream).bodyBytes > 0);
    }
    app.rstStream(stream, CANCEL);
    t.equal(await connection.reset(request.stream), CANCEL, when);
    await answerOther(t, app, other, relay.server.arrived('/other'));
    t.equal(await relay.metric('errors_total', 'code="DOWNSTREAM_ABORTED"'), 1);
    t.equal(relay.server.connections.length, 1);
    await relay.nothingLeft(t);
    t.equal(relay.stats().idle, 1, 'the connection is kept');
  }
});

t.test('rule 18: a stream that the app resets destroys its HTTP/1.1 connection, and no other', async (t) => {
  const relay = await toHttp1(t);
  const app = await relay.client(t);
  const left = app.get('/left');
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('/left');
  const other = app.get('/other');
  const second = await relay.origin.connection(1);
  await second.untilReceived('/other');
  app.rstStream(left, CANCEL);
  await upstream.until(({ ended }) => ended);
  second.write(http1Answer('other'));
  t.equal(bodyOf(await app.answer(other)), 'other');
  t.equal(await relay.metric('requests_total', 'code_class="none"'), 1, 'counted as one without an answer');
  t.equal(await relay.metric('pool_connections_closed_total', 'reason="aborted"'), 1);
  await relay.nothingLeft(t);
  t.equal(relay.stats().idle, 1);
});

t.test('rule 18: a stream that is reset while it waits for a connection leaves the queue', async (t) => {
  const relay = await toHttp1(t, { pool: { maxConnections: 1 } });
  const app = await relay.client(t);
  const first = app.get('/first');
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('/first');
  const waiting = app.post('/waiting');
  app.data(waiting, 'x'.repeat(5000));
  const last = app.get('/last');
  await eventually(() => relay.stats().pending === 2);
  app.rstStream(waiting, CANCEL);
  await eventually(() => relay.stats().pending === 1);
  upstream.write(http1Answer('first'));
  await upstream.untilReceived('/last');
  upstream.write(http1Answer('last'));
  t.equal(bodyOf(await app.answer(first)), 'first');
  t.equal(bodyOf(await app.answer(last)), 'last');
  t.notMatch(upstream.received, '/waiting');
  await relay.nothingLeft(t);
});

for (const [how, leave] of [
  ['FIN', (app: RawApp) => app.socket.end()],
  ['RST', (app: RawApp) => app.socket.resetAndDestroy()],
] as const) {
  t.test(`rule 18: an app that leaves by ${how} with streams open gives all of them back`, async (t) => {
    const two = await toHttp2(t);
    const app = await two.client(t);
    for (let index = 0; index < 5; index++) app.get(`/${index}`);
    const { connection } = await two.server.arrived('/4');
    leave(app);
    for (const { stream } of connection.requests) t.equal(await connection.reset(stream), CANCEL);
    await two.nothingLeft(t);
    await eventually(() => two.app.process().downstreamConnections === 0);
    const one = await toHttp1(t);
    const other = await one.client(t);
    for (let index = 0; index < 5; index++) other.get(`/${index}`);
    await one.origin.connection(4);
    leave(other);
    for (const each of one.origin.connections) await each.until(({ ended }) => ended);
    await one.nothingLeft(t);
    await eventually(() => one.app.process().downstreamConnections === 0);
  });
}

// --- the upstream leaves

for (const code of [CANCEL, ENHANCE_YOUR_CALM, INTERNAL_ERROR]) {
  t.test(
    `rule 17: an upstream that resets with ${code} after the head: the app sees that code, and the rest goes on`,
    async (t) => {
      const relay = await toHttp2(t);
      const app = await relay.client(t);
      const other = app.get('/other');
      const cut = app.get('/cut');
      const { connection, request } = await relay.server.arrived('/cut');
      connection.headers(request.stream, HEAD_200);
      connection.data(request.stream, 'a part');
      await app.until(() => app.answerOf(cut).bodyBytes === 6);
      connection.rstStream(request.stream, code);
      t.equal(await app.reset(cut), code);
      await answerOther(t, app, other, relay.server.arrived('/other'));
      await relay.nothingLeft(t);
    },
  );
}

for (const code of [NO_ERROR, REFUSED_STREAM]) {
  t.test(
    `rule 17: a body that an upstream cuts with code ${code} is visibly cut, and does not look unprocessed`,
    async (t) => {
      const relay = await toHttp2(t);
      const app = await relay.client(t);
      const cut = app.post('/cut');
      app.data(cut, 'x', true);
      const { connection, request } = await relay.server.arrived('/cut');
      connection.headers(request.stream, HEAD_200);
      connection.data(request.stream, 'a part');
      await app.until(() => app.answerOf(cut).bodyBytes === 6);
      connection.rstStream(request.stream, code);
      t.not(await app.reset(cut), code, 'clients take the one for a whole answer, and send again after the other');
      await relay.nothingLeft(t);
    },
  );
}

t.test('rule 17: an HTTP/1.1 answer that breaks off resets its stream alone', async (t) => {
  const relay = await toHttp1(t);
  const app = await relay.client(t);
  const cut = app.get('/cut');
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('/cut');
  upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\na part');
  await app.until(() => app.answerOf(cut).bodyBytes === 6);
  upstream.socket.end();
  t.equal(await app.reset(cut), INTERNAL_ERROR);
  const next = app.get('/next');
  const second = await relay.origin.connection(1);
  await second.untilReceived('/next');
  second.write(http1Answer('next'));
  t.equal(bodyOf(await app.answer(next)), 'next');
  await relay.nothingLeft(t);
});

// --- answers before the end of the request

t.test('rule 16: an answer before the end of the request passes at once, and the upload goes on', async (t) => {
  const two = await toHttp2(t);
  const app = await two.client(t);
  const stream = app.post('/up');
  app.data(stream, '01234');
  const { connection, request } = await two.server.arrived('/up');
  connection.answer(request.stream, 'early');
  t.equal(bodyOf(await app.answer(stream)), 'early');
  t.equal(two.app.process().exchanges, 1, 'the request has not ended');
  app.data(stream, '56789', true);
  await connection.until(() => request.ended);
  t.equal(request.body.toString(), '0123456789');
  await two.nothingLeft(t);
  t.equal(app.answerOf(stream).reset, null);
  const one = await toHttp1(t);
  const other = await one.client(t);
  const second = other.post('/up', [['content-length', '10']]);
  other.data(second, '01234');
  const upstream = await one.origin.connection(0);
  await upstream.untilReceived('01234');
  upstream.write(http1Answer('early'));
  t.equal(bodyOf(await other.answer(second)), 'early');
  other.data(second, '56789', true);
  await upstream.untilReceived('0123456789');
  await one.nothingLeft(t);
  t.equal(one.stats().idle, 1, 'the connection is pooled when both have ended');
});

t.test('rule 16: an upload that goes on too long after its answer is stopped, by bytes and by time', async (t) => {
  for (const by of ['bytes', 'time', 'length'] as const) {
    const relay = await toHttp2(t);
    const app = await relay.client(t);
    const stream = app.post('/up', by === 'length' ? [['content-length', '1000000']] : []);
    const { connection, request } = await relay.server.arrived('/up');
    connection.answer(request.stream, 'early');
    const answer = await app.answer(stream);
    t.equal(bodyOf(answer), 'early', by);
    if (by === 'time') relay.clock.advance(7000);
    // The server lets none of it through, and yet the app may send up to the bound.
    if (by === 'bytes') await upload(app, stream, answer, connection);
    t.equal(await app.reset(stream), NO_ERROR, 'the app may keep the answer');
    t.equal(await connection.reset(request.stream), CANCEL);
    await relay.nothingLeft(t);
  }
});

/** Sends as much as the windows let, until the stream is reset. */
async function upload(app: RawApp, stream: number, answer: RawAnswer, server: Arrived['connection']): Promise<void> {
  let granted = 65_535;
  let seen = 0;
  server.windowUpdate(0, 10_000_000);
  server.windowUpdate(server.requests[0]?.stream ?? 1, 10_000_000);
  for (let sent = 0; answer.reset === null && sent < 1_000_000; ) {
    for (; sent + 10_000 <= granted; sent += 10_000) app.data(stream, Buffer.alloc(10_000));
    await app.until(() => app.frames.length > seen || answer.reset !== null);
    for (; seen < app.frames.length; seen++) {
      const frame = app.frames[seen];
      if (frame?.type === 8 && frame.stream === stream) granted += frame.payload.readUInt32BE(0);
    }
  }
}

t.test(
  'rule 16: an early answer larger than the app’s window arrives whole, though its upload is given up',
  async (t) => {
    const body = 'e'.repeat(150_000);
    for (const lengthKnown of [true, false]) {
      const relay = await toHttp1(t);
      const app = await relay.client(t);
      const stream = app.post('/up', lengthKnown ? [['content-length', '10000000']] : []);
      app.data(stream, '01234');
      const upstream = await relay.origin.connection(0);
      await upstream.untilReceived('01234');
      upstream.write(`HTTP/1.1 413 Too Large\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      await app.until(() => app.answerOf(stream).bodyBytes === 65_535);
      await app.settled();
      app.windowUpdate(0, 1_000_000);
      app.windowUpdate(stream, 1_000_000);
      const answer = await app.answer(stream);
      t.equal(answer.status, 413);
      t.equal(answer.bodyBytes, body.length, lengthKnown ? 'its length is known' : 'it has no length');
      t.equal(answer.ended, true);
      if (answer.reset === null) app.rstStream(stream, CANCEL);
      await relay.nothingLeft(t);
    }
  },
);

// --- an upstream connection that was idle for too long

for (const [method, again] of [
  ['GET', true],
  ['POST', false],
] as const) {
  t.test(
    `a used HTTP/1.1 connection that ends before its answer: ${method} of HTTP/2 is ${again ? 'sent again' : '502'}`,
    async (t) => {
      const relay = await toHttp1(t);
      const app = await relay.client(t);
      const first = app.get('/first');
      const upstream = await relay.origin.connection(0);
      await upstream.untilReceived('/first');
      upstream.write(http1Answer('first'));
      await app.answer(first);
      const stream = app.open(app.requestFields(method, '/stale'), method === 'GET');
      if (method === 'POST') app.data(stream, 'body', true);
      await upstream.untilReceived(method === 'GET' ? '/stale' : '0\r\n\r\n');
      upstream.socket.end();
      if (again) {
        const second = await relay.origin.connection(1);
        await second.untilReceived('GET /stale');
        second.write(http1Answer('fresh'));
      }
      const answer = await app.answer(stream);
      t.same([answer.status, again ? bodyOf(answer) : ''], [again ? 200 : 502, again ? 'fresh' : '']);
      t.equal(relay.origin.connections.length, again ? 2 : 1);
      t.equal(await relay.metric('retries_total', again ? 'outcome="success"' : 'outcome="not_allowed"'), 1);
      await relay.nothingLeft(t);
    },
  );
}

// --- what the upstream says it has not acted on

/** A POST whose first attempt the upstream refuses in one of two ways. */
async function refusedPost(
  t: Test,
  how: 'GOAWAY' | 'REFUSED_STREAM',
  body: string,
): Promise<{ relay: Behind & { server: Awaited<ReturnType<typeof toHttp2>>['server'] }; app: RawApp; stream: number }> {
  const relay = await toHttp2(t, { retry: { replayBytes: 1500 } });
  const app = await relay.client(t);
  // A request that waits for its connection is kept whatever its length; this one finds one open.
  const first = app.get('/first');
  const arrived = await relay.server.arrived('/first');
  arrived.connection.answer(arrived.request.stream, 'first');
  await app.answer(first);
  const stream = app.post('/refused', [['x-id', '1']]);
  app.data(stream, body, true);
  const { connection, request } = await relay.server.arrived('/refused');
  await connection.until(() => request.ended);
  if (how === 'GOAWAY') connection.sendGoaway(1, NO_ERROR);
  else connection.rstStream(request.stream, REFUSED_STREAM);
  return { relay, app, stream };
}

for (const how of ['GOAWAY', 'REFUSED_STREAM'] as const) {
  t.test(`rule 23: a POST that ${how} says was not processed is sent again with its body`, async (t) => {
    const body = 'b'.repeat(1500);
    const { relay, app, stream } = await refusedPost(t, how, body);
    const { connection, request } = await relay.server.arrived('/refused', 1);
    await connection.until(() => request.ended);
    t.equal(request.body.toString(), body);
    t.equal(field(request.fields, 'x-id'), '1');
    connection.answer(request.stream, 'done');
    t.equal(bodyOf(await app.answer(stream)), 'done');
    t.equal(await relay.metric('retries_total', 'outcome="success"'), 1);
    await relay.nothingLeft(t);
  });

  t.test(`rule 23: a POST of more than retry.replayBytes after ${how} is an error that says so`, async (t) => {
    const { relay, app, stream } = await refusedPost(t, how, 'b'.repeat(1501));
    const answer = await app.answer(stream);
    t.equal(answer.status, 502);
    const code = how === 'GOAWAY' ? 'GOAWAY_UNPROCESSED' : 'STREAM_REFUSED';
    t.match(JSON.parse(bodyOf(answer)), { code });
    t.match(bodyOf(answer), 'retry.replayBytes', 'what would have made the difference is named');
    t.equal(await relay.metric('retries_total', 'outcome="not_allowed"'), 1);
    await relay.nothingLeft(t);
  });
}
