import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import net, { type AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { WebSocketServer } from 'ws';
import { startSidecar } from '../sidecar.ts';
import { eventually } from './relay-fixture.ts';

function connect(t: Test, port: number): http2.ClientHttp2Session {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  t.teardown(() => session.destroy());
  return session;
}

/** A server that sends back what it gets, and ends when it is ended. */
async function startEcho(t: Test): Promise<{ port: number; sockets: net.Socket[] }> {
  const sockets: net.Socket[] = [];
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, sockets };
}

/** A frame of a WebSocket client with a short text, masked with zeros (RFC 6455 section 5.2). */
const textFrame = (text: string): Buffer =>
  Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)]);

async function startWebSockets(t: Test): Promise<{ port: number; upgrades: http.IncomingMessage[] }> {
  const upgrades: http.IncomingMessage[] = [];
  const server = http.createServer((_request, response) => response.writeHead(403).end('no'));
  const sockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    upgrades.push(request);
    if (request.url === '/refused') {
      socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno');
      return;
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on('message', (message) => webSocket.send(`echo ${String(message)}`));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    for (const client of sockets.clients) client.terminate();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, upgrades };
}

t.test('CONNECT by HTTP/2 opens a tunnel, whose ends pass on each way', async (t) => {
  const echo = await startEcho(t);
  const { port, app } = await startSidecar(t);
  const stream = connect(t, port).request(
    { ':method': 'CONNECT', ':authority': `127.0.0.1:${echo.port}` },
    { endStream: false },
  );
  const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
  t.equal(headers[':status'], 200);
  stream.write('hello');
  const [piece] = (await once(stream, 'data')) as [Buffer];
  t.equal(piece.toString(), 'hello');
  t.equal(app.process().tunnels, 1);
  let rest = '';
  stream.on('data', (each: Buffer) => {
    rest += each.toString();
  });
  stream.end(' and bye');
  await once(stream, 'end');
  t.equal(rest, ' and bye');
  await eventually(() => app.process().tunnels === 0 && app.process().upstreamConnections === 0);
});

t.test('a reset of the stream ends the tunnel with a reset', async (t) => {
  const echo = await startEcho(t);
  const { port, app } = await startSidecar(t);
  const stream = connect(t, port).request(
    { ':method': 'CONNECT', ':authority': `127.0.0.1:${echo.port}` },
    { endStream: false },
  );
  stream.on('error', () => {});
  await once(stream, 'response');
  await eventually(() => echo.sockets.length === 1);
  const [socket] = echo.sockets;
  const closed = once(socket ?? t, 'close');
  stream.close(http2.constants.NGHTTP2_CANCEL);
  await closed;
  await eventually(() => app.process().tunnels === 0 && app.process().bufferedBytes === 0);
});

t.test('CONNECT by HTTP/2 to what cannot be reached is answered with the error', async (t) => {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port: dead } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const { port } = await startSidecar(t);
  const stream = connect(t, port).request(
    { ':method': 'CONNECT', ':authority': `127.0.0.1:${dead}` },
    { endStream: false },
  );
  const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
  t.equal(headers[':status'], 502);
  t.match(headers['proxy-status'], /connection_refused/);
  stream.close();
});

t.test('megabytes pass through a tunnel by HTTP/2, and a reader that stands still holds them up', async (t) => {
  const echo = await startEcho(t);
  const { port, app } = await startSidecar(t);
  const stream = connect(t, port).request(
    { ':method': 'CONNECT', ':authority': `127.0.0.1:${echo.port}` },
    { endStream: false },
  );
  await once(stream, 'response');
  const sent = Buffer.alloc(8_000_000, 'x');
  stream.end(sent);
  await eventually(() => app.process().bufferedBytes > 0);
  t.ok(app.process().bufferedBytes < 2_500_000, 'what nobody reads is not gathered');
  let got = 0;
  stream.on('data', (piece: Buffer) => {
    got += piece.length;
  });
  await once(stream, 'end');
  t.equal(got, sent.length);
  await eventually(() => app.process().bufferedBytes === 0);
});

t.test('extended CONNECT opens a WebSocket at an HTTP/1.1 server (RFC 8441)', async (t) => {
  const origin = await startWebSockets(t);
  const { port, app } = await startSidecar(t, { http2: { webSocket: true } });
  const session = connect(t, port);
  await once(session, 'remoteSettings');
  t.equal(session.remoteSettings.enableConnectProtocol, true);
  const stream = session.request(
    {
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':path': '/chat?room=1',
      ':scheme': 'http',
      ':authority': `127.0.0.1:${origin.port}`,
      'sec-websocket-version': '13',
      'sec-websocket-protocol': 'chat',
    },
    { endStream: false },
  );
  const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
  t.equal(headers[':status'], 200);
  t.equal(headers['sec-websocket-accept'], undefined);
  t.equal(headers.upgrade, undefined);
  stream.write(textFrame('hi'));
  const [piece] = (await once(stream, 'data')) as [Buffer];
  t.equal(piece.subarray(2).toString(), 'echo hi');
  const [request] = origin.upgrades;
  t.match(request, { method: 'GET', url: '/chat?room=1' });
  t.equal(request?.headers['sec-websocket-protocol'], 'chat');
  t.equal(app.process().tunnels, 1);
  stream.close();
  await eventually(() => app.process().tunnels === 0);
});

t.test('what a server answers instead of a WebSocket passes on', async (t) => {
  const origin = await startWebSockets(t);
  const { port } = await startSidecar(t, { http2: { webSocket: true } });
  const session = connect(t, port);
  await once(session, 'remoteSettings');
  const stream = session.request(
    {
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':path': '/refused',
      ':scheme': 'http',
      ':authority': `127.0.0.1:${origin.port}`,
      'sec-websocket-version': '13',
    },
    { endStream: false },
  );
  const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
  t.equal(headers[':status'], 403);
  const [body] = (await once(stream, 'data')) as [Buffer];
  t.equal(body.toString(), 'no');
  stream.close();
});

t.test('a plain 200 instead of a WebSocket is no open WebSocket', async (t) => {
  const plain = http.createServer();
  plain.on('upgrade', (_request, socket) => {
    socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
  });
  plain.listen(0, '127.0.0.1');
  await once(plain, 'listening');
  t.teardown(() => plain.close());
  const { port: plainPort } = plain.address() as AddressInfo;
  const { port, app } = await startSidecar(t, { http2: { webSocket: true } });
  const session = connect(t, port);
  await once(session, 'remoteSettings');
  const stream = session.request(
    {
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':path': '/',
      ':scheme': 'http',
      ':authority': `127.0.0.1:${plainPort}`,
      'sec-websocket-version': '13',
    },
    { endStream: false },
  );
  const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
  t.equal(headers[':status'], 502);
  let body = '';
  stream.on('data', (piece: Buffer) => {
    body += piece.toString();
  });
  await once(stream, 'end');
  t.match(JSON.parse(body), { code: 'UPSTREAM_PROTOCOL' });
  stream.close();
  await eventually(() => app.process().exchanges === 0 && app.process().tunnels === 0);
});

t.test('without http2.webSocket the setting is not announced, and an extended CONNECT is refused', async (t) => {
  const { port } = await startSidecar(t);
  const session = connect(t, port);
  await once(session, 'remoteSettings');
  t.notOk(session.remoteSettings.enableConnectProtocol);
});
