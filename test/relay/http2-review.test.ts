import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { field, type RawApp, rawApp } from '../http2/raw-app.ts';
import { rawFrame, rawSettings } from '../http2/raw-frame.ts';
import { scriptedServer } from '../http2/scripted-server.ts';
import { rawOrigin } from '../raw-origin.ts';
import { startSidecar } from '../sidecar.ts';
import { http1Answer, toHttp1 } from './http2-app-fixture.ts';
import { startUpstream } from './http2-upstream-fixture.ts';
import { eventually } from './relay-fixture.ts';

/** Faults that a review of HTTP/2 found: each test failed before its mend. */

const NO_ERROR = 0;
const FLOW_CONTROL_ERROR = 3;
const CANCEL = 8;
const INITIAL_WINDOW_SIZE = 4;

const CHALLENGE = 'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\nContent-Length: 2\r\n\r\nno';

for (const [what, fields, answer] of [
  ['a challenge', [], CHALLENGE],
  ['credentials', [['authorization', 'NTLM TlRMTVNTUAAB']], http1Answer('ok')],
] as const) {
  t.test(`an HTTP/1.1 connection that ${what} bound to a stream is given up with the stream`, async (t) => {
    const behind = await toHttp1(t);
    const app = await behind.client(t);
    const stream = app.get('/auth', fields);
    const upstream = await behind.origin.connection(0);
    await upstream.untilReceived('GET /auth ');
    upstream.write(answer);
    await app.answer(stream);
    await behind.nothingLeft(t);
    await upstream.until(({ ended }) => ended);
  });
}

for (const how of ['RST_STREAM', 'the end of the connection'] as const) {
  t.test(
    `an upload whose answer is complete goes on into the void at ${how}, and its app’s connection lives`,
    async (t) => {
      const upstream = await startUpstream(t);
      const asked = await upstream.ask('POST', '/upload', 'Content-Length: 200000\r\n');
      const { connection, request } = await upstream.server.arrived('/upload');
      asked.client.write('x'.repeat(150_000));
      await connection.until(() => request.body.length === 65_535);
      connection.answer(request.stream, 'enough');
      t.equal((await asked.answer()).body, 'enough');
      if (how === 'RST_STREAM') connection.rstStream(request.stream, NO_ERROR);
      else connection.socket.destroy();
      asked.client.write('x'.repeat(50_000));
      asked.client.write(`GET http://${upstream.authority}/after HTTP/1.1\r\nHost: ${upstream.authority}\r\n\r\n`);
      const after = await upstream.server.arrived('/after');
      after.connection.answer(after.request.stream, 'after it');
      await asked.client.untilReceived('after it');
    },
  );
}

t.test('an endpoint that answers the preface with SETTINGS that break a rule fails the connect at once', async (t) => {
  const server = await scriptedServer(t, [[INITIAL_WINDOW_SIZE, 0xffffffff]]);
  const authority = `orders.test:${server.port}`;
  const sidecar = await startSidecar(t, {
    destinations: [{ match: authority, endpoints: [`127.0.0.1:${server.port}`] }],
  });
  const app = await rawApp(t, sidecar.port, authority);
  const answer = await app.answer(app.get('/'));
  t.equal(answer.status, 502);
  t.equal((await (await server.connection(0)).goaway()).code, FLOW_CONTROL_ERROR);
});

/** An extended CONNECT for WebSocket. */
const webSocket = (authority: string, ...more: [string, string][]): [string, string][] => [
  [':method', 'CONNECT'],
  [':protocol', 'websocket'],
  [':scheme', 'http'],
  [':authority', authority],
  [':path', '/socket'],
  ...more,
];

t.test('the bytes of a WebSocket are no body: its Content-Length does not pass on', async (t) => {
  const behind = await toHttp1(t, {}, { http2: { webSocket: true } });
  const app = await behind.client(t);
  const stream = app.open(webSocket(behind.authority, ['content-length', '5'], ['sec-websocket-version', '13']), false);
  app.data(stream, 'hello', true);
  const upstream = await behind.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  t.notMatch(upstream.received.toLowerCase(), 'content-length');
  t.match(upstream.received.toLowerCase(), 'upgrade: websocket');
  upstream.write(http1Answer('no'));
  await app.answer(stream);
  await behind.nothingLeft(t);
  const next = app.get('/next');
  await upstream.untilReceived('GET /next ');
  t.notMatch(upstream.received, 'hello');
  upstream.write(http1Answer('next'));
  t.equal((await app.answer(next)).status, 200);
});

/** A server that takes connections and says nothing. */
async function startSilent(t: Test): Promise<{ port: number; sockets: net.Socket[] }> {
  const sockets: net.Socket[] = [];
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, sockets };
}

t.test('limits.tunnels holds for tunnels by HTTP/2, to any port', async (t) => {
  const silent = await startSilent(t);
  const sidecar = await startSidecar(t, { limits: { tunnels: 1 } });
  const app = await rawApp(t, sidecar.port, `127.0.0.1:${silent.port}`);
  const connect: [string, string][] = [
    [':method', 'CONNECT'],
    [':authority', app.authority],
  ];
  const first = app.open(connect, false);
  await app.until(() => app.answerOf(first).status === 200);
  const second = await app.answer(app.open(connect, true));
  t.equal(second.status, 503);
  t.match(field(second.fields, 'proxy-status'), /limits\.tunnels/);
  t.equal(sidecar.app.process().tunnels, 1);
});

t.test('a tunnel whose app takes nothing has timeouts.streamIdle, and ends at both of its sides', async (t) => {
  const silent = await startSilent(t);
  const sidecar = await startSidecar(t, { defaults: { timeouts: { write: '5s', streamIdle: '60s' } } });
  const app = await rawApp(t, sidecar.port, `127.0.0.1:${silent.port}`);
  const stream = app.open(
    [
      [':method', 'CONNECT'],
      [':authority', app.authority],
    ],
    false,
  );
  await app.until(() => app.answerOf(stream).status === 200);
  await eventually(() => silent.sockets.length === 1);
  silent.sockets[0]?.write(Buffer.alloc(1_000_000));
  await eventually(() => sidecar.app.process().bufferedBytes > 0 && app.answerOf(stream).bodyBytes === 65_535);
  for (let second = 0; second < 30; second++) sidecar.clock.advance(1000);
  await app.settled();
  t.equal(app.answerOf(stream).reset, null);
  t.equal(sidecar.app.process().tunnels, 1);
  for (let second = 0; second < 60; second++) sidecar.clock.advance(1000);
  t.equal(await app.reset(stream), CANCEL);
  t.equal(sidecar.app.process().tunnels, 0);
  await eventually(() => silent.sockets[0]?.destroyed === true);
});

void rawFrame;
void rawSettings;
void rawOrigin;

for (const [method, status] of [
  ['HEAD', '200'],
  ['GET', '204'],
  ['GET', '304'],
] as const) {
  t.test(`the answer ${status} to ${method}, which has no body, may end with an empty DATA frame`, async (t) => {
    const upstream = await startUpstream(t);
    const asked = await upstream.ask(method, '/a', 'Connection: close\r\n');
    const { connection, request } = await upstream.server.arrived('/a');
    connection.headers(request.stream, [
      [':status', status],
      ['etag', '"1"'],
    ]);
    connection.data(request.stream, '', true);
    const answer = await asked.answer();
    t.same([answer.status, answer.cut], [Number(status), false]);
    await asked.client.until(({ ended }) => ended);
    t.equal(await upstream.next(t), connection);
    t.notOk(connection.frames.some(({ type }) => type === 3));
  });
}

/** Sends as much as the windows let, in frames of 16 KiB, until no credit has come for a while that `settled` tells. */
async function sendAll(app: RawApp, stream: number): Promise<void> {
  let sent = 0;
  for (;;) {
    const credit = (id: number): number =>
      app.frames.reduce((sum, f) => (f.type === 8 && f.stream === id ? sum + f.payload.readUInt32BE(0) : sum), 65_535);
    const left = Math.min(credit(0), credit(stream)) - sent;
    if (left < 16_384) {
      await app.settled();
      if (Math.min(credit(0), credit(stream)) - sent < 16_384) return;
      continue;
    }
    app.data(stream, Buffer.alloc(16_384));
    sent += 16_384;
  }
}

t.test(
  'a tunnel whose ends are both said, and whose server takes nothing more, ends with the time of a silent one',
  async (t) => {
    const sockets: net.Socket[] = [];
    const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      sockets.push(socket);
      socket.on('error', () => {});
      socket.end('bye');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.teardown(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const sidecar = await startSidecar(t, { defaults: { timeouts: { streamIdle: '10s' } } });
    const app = await rawApp(t, sidecar.port, `127.0.0.1:${(server.address() as AddressInfo).port}`);
    const stream = app.open(
      [
        [':method', 'CONNECT'],
        [':authority', app.authority],
      ],
      false,
    );
    await app.until(() => app.answerOf(stream).ended);
    await sendAll(app, stream);
    app.data(stream, '', true);
    await app.settled();
    t.ok(sidecar.app.process().bufferedBytes > 0, 'the server has not taken all');
    for (let second = 0; second < 15; second++) sidecar.clock.advance(1000);
    await eventually(() => {
      sidecar.clock.advance(1000);
      return sidecar.app.process().bufferedBytes === 0;
    });
    t.equal(sidecar.app.process().tunnels, 0);
  },
);

t.test('a server that answers uploads early and wants no more of them is no flood', async (t) => {
  const server = await scriptedServer(t, []);
  const authority = `orders.test:${server.port}`;
  const sidecar = await startSidecar(t, {
    destinations: [{ match: authority, protocol: 'http2', endpoints: [`127.0.0.1:${server.port}`] }],
  });
  const app = await rawApp(t, sidecar.port, authority);
  for (let index = 0; index < 600; index++) {
    const stream = app.post(`/${index}`);
    const { connection, request } = await server.arrived(`/${index}`);
    connection.headers(request.stream, [[':status', '413']], true);
    connection.rstStream(request.stream, NO_ERROR);
    await app.until(() => app.answerOf(stream).status === 413);
    app.data(stream, 'rest', true);
  }
  await app.settled();
  t.equal(server.connections.length, 1);
  t.notOk(server.connections[0]?.ended);
});

t.test('the cookies of a WebSocket by HTTP/2 are one field for the server (RFC 9113 section 8.2.3)', async (t) => {
  const behind = await toHttp1(t, {}, { http2: { webSocket: true } });
  const app = await behind.client(t);
  app.open(webSocket(behind.authority, ['cookie', 'a=1'], ['sec-websocket-version', '13'], ['cookie', 'b=2']), false);
  const upstream = await behind.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  t.same(upstream.received.toLowerCase().match(/^cookie: .*$/gm), ['cookie: a=1; b=2']);
});
