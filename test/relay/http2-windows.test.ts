import t, { type Test } from 'tap';
import { startOrigin } from '../http2/origins.ts';
import { bodyOf, field, type RawApp } from '../http2/raw-app.ts';
import type { ServerConnection } from '../http2/scripted-server.ts';
import { WindowSender } from '../http2/window-sender.ts';
import { rawClient } from '../raw-origin.ts';
import { type Behind, http1Answer, startBehind, toHttp1, toHttp2 } from './http2-app-fixture.ts';
import { eventually } from './relay-fixture.ts';

const INITIAL_WINDOW_SIZE = 4;
const CANCEL = 8;

/** What a stream that stands still may cost: its window at the time, what a read event brings, and a socket's queue. */
const ONE_STREAM_BYTES = 300_000;

/** What open streams cost by themselves. */
const STREAM_ITSELF_BYTES = 8192;

const held = (relay: Behind): number => relay.app.process().bufferedBytes;

/** Asks for `path` and has it answered by the scripted server with a body of so many bytes, which must come whole. */
async function passes(
  t: Test,
  app: RawApp,
  server: ServerConnection,
  sender: WindowSender,
  bytes: number,
): Promise<void> {
  const before = server.requests.length;
  const stream = app.get('/passes');
  const request = await server.request(before);
  server.headers(request.stream, [[':status', '200']]);
  sender.body(request.stream, bytes);
  const answer = await app.answer(stream);
  t.same([answer.bodyBytes, answer.ended], [bytes, true], 'another stream of the same connections passes whole');
}

// --- responses that nobody reads

t.test('rule 22: from HTTP/2 to HTTP/2, a response that the app does not take holds up no other', async (t) => {
  const relay = await toHttp2(t);
  let stuck = -1;
  let released = false;
  const app = await relay.client(t, { credits: (stream) => released || stream !== stuck });
  stuck = app.get('/stuck');
  const { connection, request } = await relay.server.arrived('/stuck');
  const sender = new WindowSender(connection);
  connection.headers(request.stream, [[':status', '200']]);
  sender.body(request.stream, 3_000_000);
  await app.until(() => app.answerOf(stuck).bodyBytes === 65_535);
  for (let round = 0; round < 3; round++) await passes(t, app, connection, sender, 1_000_000);
  const sent = sender.sent(request.stream);
  t.ok(sent < 65_535 + ONE_STREAM_BYTES, `the upstream was let send ${sent} bytes of it`);
  const charged = held(relay);
  t.ok(charged >= sent - 65_535 && charged <= sent - 65_535 + STREAM_ITSELF_BYTES, 'what is held for it is charged');
  t.equal(relay.server.connections.length, 1);
  released = true;
  app.windowUpdate(stuck, 1_000_000);
  const answer = await app.answer(stuck);
  t.same([answer.bodyBytes, answer.ended], [3_000_000, true], 'it goes on when it is read');
  await relay.nothingLeft(t);
});

t.test('rule 22: from HTTP/2 to HTTP/1.1, a response that the app does not take holds up no other', async (t) => {
  const big = Buffer.alloc(8_000_000, 'x');
  const relay = await toHttp1(t, {}, {}, (connection) => {
    void connection.untilReceived('\r\n\r\n').then(() => {
      connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${big.length}\r\n\r\n`);
      connection.write(big);
    });
  });
  let stuck = -1;
  let released = false;
  const app = await relay.client(t, { credits: (stream) => released || stream !== stuck });
  stuck = app.get('/stuck');
  await app.until(() => app.answerOf(stuck).bodyBytes === 65_535);
  const answer = await app.answer(app.get('/passes'));
  t.equal(answer.bodyBytes, big.length);
  t.ok(held(relay) > 0 && held(relay) < ONE_STREAM_BYTES, `${held(relay)} bytes are held for it`);
  released = true;
  app.windowUpdate(stuck, 1_000_000);
  t.equal((await app.answer(stuck)).bodyBytes, big.length);
  await relay.nothingLeft(t);
});

t.test('rule 22: from HTTP/1.1 to HTTP/2, a response that the app does not take holds up no other', async (t) => {
  const relay = await toHttp2(t);
  const stuck = await rawClient(t, relay.port);
  const ask = (path: string) => `GET http://${relay.authority}${path} HTTP/1.1\r\nHost: ${relay.authority}\r\n\r\n`;
  stuck.socket.pause();
  stuck.write(ask('/stuck'));
  const { connection, request } = await relay.server.arrived('/stuck');
  const sender = new WindowSender(connection);
  connection.headers(request.stream, [
    [':status', '200'],
    ['content-length', '60000000'],
  ]);
  sender.body(request.stream, 60_000_000);
  await eventually(() => held(relay) > 0);
  for (let round = 0; round < 3; round++) {
    const other = await rawClient(t, relay.port);
    const before = connection.requests.length;
    other.write(ask('/passes'));
    const { stream } = await connection.request(before);
    connection.headers(stream, [
      [':status', '200'],
      ['content-length', '1000000'],
    ]);
    sender.body(stream, 1_000_000);
    await other.until(({ received }) => received.length > 1_000_000);
    other.socket.destroy();
  }
  await connection.settled();
  t.ok(sender.sent(request.stream) < 30_000_000, 'the upstream was stopped');
  // The window has grown to its largest while the kernel took what came.
  t.ok(held(relay) < 1_500_000, `${held(relay)} bytes are held for it`);
  stuck.socket.resetAndDestroy();
  t.equal(await connection.reset(request.stream), CANCEL);
  await relay.nothingLeft(t);
});

// --- requests that nobody reads

t.test(
  'rule 22: a request that its HTTP/2 upstream does not take holds up no other, and meets timeouts.write',
  async (t) => {
    const relay = await toHttp2(t, { timeouts: { write: '20s' } });
    const app = await relay.client(t);
    const sender = new WindowSender(app);
    const stuck = app.post('/stuck');
    sender.body(stuck, 3_000_000);
    const { connection, request } = await relay.server.arrived('/stuck');
    connection.windowUpdate(0, 100_000_000);
    await connection.until(() => request.body.length === 65_535);
    for (let round = 0; round < 3; round++) {
      const stream = app.post(`/passes-${round}`);
      sender.body(stream, 300_000);
      const { request: other } = await relay.server.arrived(`/passes-${round}`);
      connection.windowUpdate(other.stream, 1_000_000);
      await connection.until(() => other.ended);
      t.equal(other.body.length, 300_000);
      connection.answer(other.stream, 'thanks');
      t.equal(bodyOf(await app.answer(stream)), 'thanks');
    }
    t.equal(relay.server.connections.length, 1);
    const sent = sender.sent(stuck);
    t.ok(sent < 65_535 + ONE_STREAM_BYTES, `the app was let send ${sent} bytes of it`);
    t.ok(held(relay) >= sent - 65_535, 'what is held for it is charged');
    for (let second = 0; second < 25; second++) {
      relay.clock.advance(1000);
      await connection.settled();
    }
    const answer = await app.answer(stuck);
    t.equal(answer.status, 504);
    t.match(bodyOf(answer), /"code":"BODY_TIMEOUT".*the upstream read nothing for 20000 ms/);
    t.equal(await connection.reset(request.stream), CANCEL);
    const next = app.get('/next');
    const arrived = await relay.server.arrived('/next');
    arrived.connection.answer(arrived.request.stream, 'next');
    t.equal(bodyOf(await app.answer(next)), 'next');
    app.rstStream(stuck, CANCEL);
    await relay.nothingLeft(t);
  },
);

t.test('rule 22: a request that its HTTP/1.1 upstream does not take holds up no other of its app', async (t) => {
  const relay = await toHttp1(t, {}, {}, (connection) => {
    if (connection.index === 0) connection.socket.pause();
    else
      connection.socket.on('data', () => {
        if (connection.received.endsWith('0\r\n\r\n'))
          connection.write(http1Answer(String(connection.received.length)));
      });
  });
  const app = await relay.client(t);
  const sender = new WindowSender(app);
  const stuck = app.post('/stuck');
  sender.body(stuck, 60_000_000);
  await relay.origin.connection(0);
  await eventually(() => held(relay) > 0);
  for (let round = 0; round < 3; round++) {
    const stream = app.post('/passes');
    sender.body(stream, 300_000);
    t.ok(Number(bodyOf(await app.answer(stream))) > 300_000);
  }
  t.ok(sender.sent(stuck) < 30_000_000, 'the app was stopped');
  t.ok(held(relay) < 1_500_000, `${held(relay)} bytes are held for it`);
  app.rstStream(stuck, CANCEL);
  await relay.nothingLeft(t);
});

t.test(
  'rule 22: twenty uploads of 3 MB at once over one connection arrive whole, by HTTP/2 and by HTTP/1.1',
  async (t) => {
    for (const spoken of ['http2', 'http1'] as const) {
      const origin = await startOrigin(t, spoken, ({ bodyBytes }) => ({ body: `${bodyBytes}` }));
      const relay = await startBehind(t, origin.port, spoken);
      const app = await relay.client(t);
      const sender = new WindowSender(app);
      const streams = Array.from({ length: 20 }, () => app.post('/up'));
      for (const stream of streams) sender.body(stream, 3_000_000);
      for (const stream of streams) t.equal(bodyOf(await app.answer(stream)), '3000000', spoken);
      t.equal(origin.requests.length, 20);
      await relay.nothingLeft(t);
    }
  },
);

// --- windows that change under way

t.test(
  'rule 22: an app that lowers its first window while bodies come gets no byte before its windows are positive again',
  async (t) => {
    const relay = await toHttp2(t);
    const app = await relay.client(t);
    app.windowUpdate(0, 10_000_000);
    const stream = app.get('/down');
    const { connection, request } = await relay.server.arrived('/down');
    const sender = new WindowSender(connection);
    connection.headers(request.stream, [[':status', '200']]);
    sender.body(request.stream, 200_000);
    const answer = app.answerOf(stream);
    await app.until(() => answer.bodyBytes === 65_535);
    app.settings([INITIAL_WINDOW_SIZE, 1000]);
    await app.settled();
    // The window stands at 1000 - 65535.
    app.windowUpdate(stream, 64_535);
    await app.settled();
    t.equal(answer.bodyBytes, 65_535, 'zero is not positive');
    for (let one = 1; one <= 5; one++) {
      app.windowUpdate(stream, 1);
      await app.settled();
      t.equal(answer.bodyBytes, 65_535 + one, 'one byte of credit is one byte');
    }
    const small = app.get('/small');
    const other = await relay.server.arrived('/small');
    connection.answer(other.request.stream, 'y'.repeat(3000));
    await app.until(() => app.answerOf(small).bodyBytes === 1000);
    await app.settled();
    t.equal(app.answerOf(small).bodyBytes, 1000, 'a new stream begins with the new window');
    app.settings([INITIAL_WINDOW_SIZE, 1_000_000]);
    t.equal((await app.answer(small)).bodyBytes, 3000);
    t.equal((await app.answer(stream)).bodyBytes, 200_000);
    await relay.nothingLeft(t);
  },
);

t.test(
  'rule 22: an app that gives credit byte by byte gets its bytes in order, and its answer’s trailers last',
  async (t) => {
    const relay = await toHttp2(t);
    const app = await relay.client(t, { settings: [[INITIAL_WINDOW_SIZE, 0]] });
    const stream = app.get('/slowly');
    const { connection, request } = await relay.server.arrived('/slowly');
    connection.headers(request.stream, [[':status', '200']]);
    const text = 'the quick brown fox jumps over the lazy dog';
    connection.data(request.stream, text);
    connection.headers(request.stream, [['x-sum', 'abc']], true);
    const answer = app.answerOf(stream);
    await app.until(() => answer.status === 200);
    for (let length = 1; length <= text.length; length++) {
      t.equal(answer.ended, false);
      app.windowUpdate(stream, 1);
      await app.settled();
      t.equal(bodyOf(answer), text.slice(0, length));
    }
    await app.answer(stream);
    t.equal(field(answer.trailers, 'x-sum'), 'abc');
    await relay.nothingLeft(t);
  },
);

t.test('rule 22: an upload that is still queued when its answer is complete is not held for ever', async (t) => {
  const relay = await toHttp2(t, { timeouts: { write: '20s' } }, {}, [[INITIAL_WINDOW_SIZE, 0]]);
  const app = await relay.client(t);
  const first = app.get('/first');
  const arrived = await relay.server.arrived('/first');
  arrived.connection.answer(arrived.request.stream, 'first');
  await app.answer(first);
  const stream = app.post('/up');
  app.data(stream, 'x'.repeat(15_000), true);
  const { connection, request } = await relay.server.arrived('/up');
  await app.settled();
  connection.answer(request.stream, 'early');
  t.equal(bodyOf(await app.answer(stream)), 'early');
  for (let second = 0; second < 30; second++) {
    relay.clock.advance(1000);
    await connection.settled();
  }
  t.not(request.reset, null, 'the rest of it is given up');
  await relay.nothingLeft(t);
});
