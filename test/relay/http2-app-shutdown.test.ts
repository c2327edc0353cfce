import t from 'tap';
import { bodyOf, type RawApp } from '../http2/raw-app.ts';
import { rawFrame } from '../http2/raw-frame.ts';
import { toHttp2 } from './http2-app-fixture.ts';
import { eventually } from './relay-fixture.ts';

const NO_ERROR = 0;
const EVERY_STREAM = 0x7fffffff;

/** Moves the clock until the app has been told so many times that the connection goes away. */
async function untilGoaways(app: RawApp, advance: (ms: number) => void, count: number): Promise<void> {
  while (app.goaways.length < count && !app.ended) {
    advance(100);
    await app.settled();
  }
}

t.test('rule 23: a stop announces itself, serves what is on its way, and says which streams were taken', async (t) => {
  const relay = await toHttp2(t);
  const app = await relay.client(t);
  const long = app.get('/long');
  await relay.server.arrived('/long');
  const stopped = relay.app.stop();
  await untilGoaways(app, (ms) => relay.clock.advance(ms), 1);
  t.match(app.goaways, [{ lastStream: EVERY_STREAM, code: NO_ERROR }], 'first: streams on their way are still taken');
  const between = app.get('/between');
  const { connection, request } = await relay.server.arrived('/between');
  connection.answer(request.stream, 'between');
  t.equal(bodyOf(await app.answer(between)), 'between');
  await untilGoaways(app, (ms) => relay.clock.advance(ms), 2);
  t.match(app.goaways[1], { lastStream: between, code: NO_ERROR });
  t.equal(app.ended, false, 'what runs finishes');
  const { request: first } = await relay.server.arrived('/long');
  connection.answer(first.stream, 'long');
  t.equal(bodyOf(await app.answer(long)), 'long');
  await app.until(({ ended }) => ended);
  relay.clock.advance(3000);
  await stopped;
});

t.test('rule 23: a stream that crosses the second GOAWAY is left alone, and those that run finish', async (t) => {
  const relay = await toHttp2(t);
  const app = await relay.client(t);
  const long = app.get('/long');
  const { connection, request } = await relay.server.arrived('/long');
  void relay.app.stop();
  await untilGoaways(app, (ms) => relay.clock.advance(ms), 2);
  t.equal(app.goaways[1]?.lastStream, long);
  // RFC 9113 section 6.8: frames of streams above the last one are ignored; the app sends them again elsewhere.
  const crossed = app.post('/crossed', [['x-id', '1']]);
  app.data(crossed, 'body');
  app.send(rawFrame(8, 0, crossed, Buffer.from([0, 0, 1, 0])));
  app.data(crossed, 'more', true);
  app.rstStream(app.post('/another'), 8);
  await app.settled();
  t.equal(app.ended, false, 'the connection goes on');
  connection.answer(request.stream, 'long');
  const answer = await app.answer(long);
  t.same([answer.ended, bodyOf(answer)], [true, 'long']);
  t.equal(app.goaways.length, 2, 'and no error is told');
  t.equal(connection.requests.length, 1);
});

t.test('a request of the last second of the grace is refused with 503, and one before it is not', async (t) => {
  const relay = await toHttp2(t, {}, { shutdown: { grace: '10s' } });
  const app = await relay.client(t);
  const stopped = relay.app.stop();
  // A connection that comes during the stop is served by the same steps.
  relay.clock.advance(8500);
  const late = await relay.client(t);
  const served = late.get('/served');
  const { connection, request } = await relay.server.arrived('/served');
  connection.answer(request.stream, 'served');
  t.equal(bodyOf(await late.answer(served)), 'served');
  relay.clock.advance(500);
  const last = await relay.client(t);
  const answer = await last.answer(last.get('/refused'));
  t.equal(answer.status, 503);
  t.match(JSON.parse(bodyOf(answer)), { code: 'SHUTTING_DOWN' });
  relay.clock.advance(3000);
  await stopped;
  await app.until(({ ended }) => ended);
});

t.test('a connection that is idle when the stop begins is told in both steps before it closes', async (t) => {
  const relay = await toHttp2(t);
  const app = await relay.client(t);
  await app.settled();
  const stopped = relay.app.stop();
  await untilGoaways(app, (ms) => relay.clock.advance(ms), 2);
  await app.until(({ ended }) => ended);
  t.match(app.goaways, [{ lastStream: EVERY_STREAM }, { lastStream: 0 }]);
  relay.clock.advance(3000);
  await stopped;
});

t.test('listener.idleTimeout closes by the same two steps, and only what is idle', async (t) => {
  const relay = await toHttp2(t, {}, { listener: { idleTimeout: '60s' } });
  const idle = await relay.client(t);
  const busy = await relay.client(t);
  await idle.settled();
  const stream = busy.get('/busy');
  const { connection, request } = await relay.server.arrived('/busy');
  for (let second = 0; second < 59; second++) {
    relay.clock.advance(1000);
    await idle.settled();
  }
  t.equal(idle.goaways.length, 0);
  relay.clock.advance(2000);
  await untilGoaways(idle, () => relay.clock.advance(1000), 2);
  await idle.until(({ ended }) => ended);
  t.match(idle.goaways, [{ lastStream: EVERY_STREAM }, { lastStream: 0 }]);
  connection.answer(request.stream, 'busy');
  t.equal(bodyOf(await busy.answer(stream)), 'busy');
  t.same(busy.goaways, []);
  await relay.nothingLeft(t);
});

t.test('streams that carpool had to reset may have a lot on its way: the connection goes on', async (t) => {
  const relay = await toHttp2(t, {}, { http2: { maxStreams: 100 } });
  const app = await relay.client(t);
  const uploads = Array.from({ length: 100 }, (_, index) => app.post(`/${index}`));
  const { connection } = await relay.server.arrived('/99');
  for (const { stream } of connection.requests) {
    connection.headers(stream, [[':status', '200']]);
    connection.data(stream, 'x');
  }
  await app.until(() => uploads.every((stream) => app.answerOf(stream).bodyBytes === 1));
  connection.socket.resetAndDestroy();
  await app.until(({ over }) => over === 100);
  // What a busy app had written before it read the resets: messages, and the end of each stream.
  for (const stream of uploads) {
    for (let message = 0; message < 20; message++) app.data(stream, 'message');
    app.headers(stream, [['x-t', '1']], true);
  }
  await app.settled();
  t.same(app.goaways, []);
  const next = app.get('/next');
  const { connection: fresh, request } = await relay.server.arrived('/next');
  fresh.answer(request.stream, 'next');
  t.equal(bodyOf(await app.answer(next)), 'next');
  await relay.nothingLeft(t);
});

t.test('an answer that the app never reads meets timeouts.write, also where it has come whole', async (t) => {
  for (const bytes of [1, 16_000]) {
    const relay = await toHttp2(t, { timeouts: { write: '20s' } }, {}, [[4, 1_000_000]]);
    const app = await relay.client(t, { settings: [[4, 0]] });
    const stuck = app.get('/stuck');
    const { connection, request } = await relay.server.arrived('/stuck');
    connection.answer(request.stream, 'x'.repeat(bytes));
    await app.until(() => app.answerOf(stuck).status === 200);
    await eventually(() => relay.app.process().bufferedBytes >= bytes);
    for (let second = 0; second < 10; second++) relay.clock.advance(1000);
    await app.settled();
    t.equal(app.answerOf(stuck).reset, null);
    for (let second = 0; second < 30; second++) relay.clock.advance(1000);
    await app.settled();
    t.not(app.answerOf(stuck).reset, null, 'it is given up');
    t.same(app.goaways, []);
    await relay.nothingLeft(t);
  }
});

t.test('an app that leaves without reading what waits for it holds nothing for long', async (t) => {
  const relay = await toHttp2(t);
  const app = await relay.client(t, { settings: [[4, 0x7fffffff]] });
  app.windowUpdate(0, 0x7fff0000 - 65_535);
  app.socket.pause();
  const streams = Array.from({ length: 20 }, (_, index) => app.get(`/${index}`));
  t.equal(streams.length, 20);
  const { connection } = await relay.server.arrived('/19');
  for (const { stream } of connection.requests) connection.headers(stream, [[':status', '200']]);
  for (const { stream } of connection.requests)
    connection.send(...Array.from({ length: 3 }, () => rawFrame(0, 0, stream, Buffer.alloc(16_384))));
  await eventually(() => relay.app.process().bufferedBytes > 0 || connection.frames.some(({ type }) => type === 8));
  app.socket.end();
  for (const { stream } of connection.requests) await connection.reset(stream);
  for (let second = 0; second < 60; second++) relay.clock.advance(1000);
  await relay.nothingLeft(t);
});
