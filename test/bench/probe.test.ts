import { once } from 'node:events';
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2';
import { createServer } from 'node:net';
import t, { type Test } from 'tap';
import { probe } from '../../bench/rig/probe.ts';
import { probeHttp2 } from '../../bench/rig/probe-http2.ts';

async function http2(t: Test, handler: (stream: ServerHttp2Stream) => void): Promise<number> {
  const server = createHttp2Server();
  server.on('stream', handler);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function hello(stream: ServerHttp2Stream): void {
  stream.respond({ ':status': 200 });
  stream.end('hello');
}

const get = { host: 'orders.shop', path: '/p', post: 0, grpc: false };

t.test('a look at an HTTP/2 answer is content with the right one alone', async (t) => {
  const port = await http2(t, hello);
  await t.resolves(probeHttp2({ ...get, port }, 5));
  await t.resolves(probeHttp2({ ...get, port, post: 10 }, 5));
  await t.rejects(probeHttp2({ ...get, port }, 6), /5 bytes of body, not 6/);
  await t.rejects(probeHttp2({ ...get, port, grpc: true }, 5), /grpc-status undefined/);
  const refusing = await http2(t, (stream) => stream.respond({ ':status': 502 }, { endStream: true }));
  await t.rejects(probeHttp2({ ...get, port: refusing }, 0), /status 502/);
});

t.test('a look at a gRPC-like answer wants its status in the trailers', async (t) => {
  const port = await http2(t, (stream) => {
    stream.respond({ ':status': 200 }, { waitForTrailers: true });
    stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end('hello');
  });
  await t.resolves(probeHttp2({ ...get, port, post: 10, grpc: true }, 5));
});

t.test('a look through a tunnel asks inside it, after the proxy has agreed', async (t) => {
  const asked: string[] = [];
  const server = createServer((socket) => {
    socket.on('data', (bytes) => {
      asked.push(bytes.toString('latin1'));
      if (asked.length === 1) socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  await probe({ port, method: 'GET', target: '/p', host: 'a:80', body: Buffer.alloc(0), tunnel: true }, 5);
  t.strictSame(asked, ['CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n', 'GET /p HTTP/1.1\r\nHost: a:80\r\n\r\n']);
});
