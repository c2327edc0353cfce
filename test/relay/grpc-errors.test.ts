import http2 from 'node:http2';
import net from 'node:net';
import t, { type Test } from 'tap';
import { startOrigin } from '../http2/origins.ts';
import { startSidecar } from '../sidecar.ts';
import { eventually } from './relay-fixture.ts';

type Call = { status: number; headers: http2.IncomingHttpHeaders; ended: boolean; trailers: Record<string, unknown> };

function connect(t: Test, port: number): http2.ClientHttp2Session {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  t.teardown(() => session.destroy());
  return session;
}

/** A unary call as gRPC makes it; resolves when the stream is closed. */
function call(
  session: http2.ClientHttp2Session,
  authority: string,
  fields: Record<string, string> = {},
): Promise<Call> {
  return new Promise((resolve) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/shop.Orders/Get',
      ':authority': authority,
      'content-type': 'application/grpc+proto',
      te: 'trailers',
      ...fields,
    });
    const result: Call = { status: 0, headers: {}, ended: false, trailers: {} };
    stream.on('response', (headers, flags) => {
      result.headers = headers;
      result.status = Number(headers[':status']);
      result.ended = (flags & http2.constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    });
    stream.on('trailers', (trailers) => {
      result.trailers = { ...trailers };
    });
    stream.on('error', () => {});
    stream.on('close', () => resolve(result));
    stream.resume();
    stream.end(Buffer.from([0, 0, 0, 0, 2, 1, 2]));
  });
}

/** A port that nobody listens on. */
async function closedPort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

t.test(
  'rule 24: a gRPC call that finds no connection gets trailers alone, with UNAVAILABLE and what to do',
  async (t) => {
    const dead = await closedPort();
    const authority = `orders.test:${dead}`;
    const { port } = await startSidecar(t, { destinations: [{ match: authority, endpoints: [`127.0.0.1:${dead}`] }] });
    const answer = await call(connect(t, port), authority);
    t.equal(answer.status, 200);
    t.ok(answer.ended, 'the head ends the stream');
    t.equal(answer.headers['content-type'], 'application/grpc');
    t.equal(answer.headers['grpc-status'], '14');
    t.match(decodeURIComponent(String(answer.headers['grpc-message'])), /CONNECT_FAILED.*127\.0\.0\.1/);
    t.match(answer.headers['proxy-status'], /^carpool; error=connection_refused/);
  },
);

t.test('a destination that is not allowed is PERMISSION_DENIED to gRPC', async (t) => {
  const { port } = await startSidecar(t, { security: { allowAddresses: [] } });
  const answer = await call(connect(t, port), '127.0.0.1:9');
  t.equal(answer.headers['grpc-status'], '7');
});

t.test('rule 24: grpc-timeout ends a call whose answer does not come, with DEADLINE_EXCEEDED', async (t) => {
  let reset = 0;
  const origin = await startOrigin(t, 'http2', () => ({}));
  const silent = http2.createServer();
  silent.on('stream', (stream) => {
    stream.on('error', () => {});
    stream.on('aborted', () => reset++);
    stream.resume();
  });
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', () => resolve()));
  t.teardown(() => silent.close());
  const address = silent.address();
  const silentPort = typeof address === 'object' && address !== null ? address.port : 0;
  const authority = `orders.test:${silentPort}`;
  const { port, clock, app } = await startSidecar(t, {
    destinations: [{ match: authority, protocol: 'http2', endpoints: [`127.0.0.1:${silentPort}`] }],
  });
  const session = connect(t, port);
  const pending = call(session, authority, { 'grpc-timeout': '250m' });
  await eventually(() => app.destinations()[0]?.active === 1);
  clock.advance(249);
  t.equal(app.process().exchanges, 1);
  clock.advance(1);
  const answer = await pending;
  t.equal(answer.headers['grpc-status'], '4');
  t.equal(answer.ended, true);
  await eventually(() => reset === 1);
  t.equal(origin.requests.length, 0);
});

t.test('a plain request by HTTP/2 gets an answer with status, Proxy-Status and a JSON body', async (t) => {
  const dead = await closedPort();
  const authority = `orders.test:${dead}`;
  const { port } = await startSidecar(t, { destinations: [{ match: authority, endpoints: [`127.0.0.1:${dead}`] }] });
  const session = connect(t, port);
  const stream = session.request({ ':path': '/', ':authority': authority });
  const [status, body] = await new Promise<[number, string]>((resolve) => {
    let text = '';
    let code = 0;
    stream.on('response', (headers) => {
      code = Number(headers[':status']);
      t.match(headers['proxy-status'], /^carpool; error=connection_refused/);
      t.equal(headers['content-type'], 'application/json');
    });
    stream.on('data', (piece: Buffer) => {
      text += piece.toString();
    });
    stream.on('close', () => resolve([code, text]));
  });
  t.equal(status, 502);
  t.match(JSON.parse(body), { code: 'CONNECT_FAILED', destination: authority, hint: String });
});

t.test('rule 24: trailers-only answers of the upstream pass as they are', async (t) => {
  const origin = http2.createServer();
  origin.on('stream', (stream: http2.ServerHttp2Stream) => {
    stream.on('error', () => {});
    stream.respond(
      { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '5', 'grpc-message': 'none' },
      { endStream: true },
    );
  });
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', () => resolve()));
  t.teardown(() => origin.close());
  const address = origin.address();
  const originPort = typeof address === 'object' && address !== null ? address.port : 0;
  const authority = `orders.test:${originPort}`;
  const { port, app } = await startSidecar(t, {
    destinations: [{ match: authority, protocol: 'http2', endpoints: [`127.0.0.1:${originPort}`] }],
  });
  const answer = await call(connect(t, port), authority);
  t.equal(answer.ended, true, 'in one frame');
  t.equal(answer.headers['grpc-status'], '5');
  t.equal(answer.headers['grpc-message'], 'none');
  await eventually(() => app.process().exchanges === 0);
});
