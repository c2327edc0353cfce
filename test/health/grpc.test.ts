import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { type handleUnaryCall, Server, ServerCredentials } from '@grpc/grpc-js';
import t, { type Test } from 'tap';
import { grpcFailure, grpcRequest } from '../../src/health/grpc-health.ts';
import { portOf } from '../admin/port-of.ts';
import { rawOrigin } from '../raw-origin.ts';
import { HealthFixture, outcome } from './health-fixture.ts';

const GRPC = { kind: 'grpc' } as const;

/** A frame of gRPC around the bytes of a message. */
const framed = (...bytes: number[]): Buffer => Buffer.from([0, 0, 0, 0, bytes.length, ...bytes]);

type Answer = {
  readonly status?: number;
  readonly body?: Buffer;
  readonly trailers?: Record<string, string>;
  /** Everything in the head ("Trailers-Only"). */
  readonly head?: Record<string, string>;
};

/** A server that speaks HTTP/2 in clear and answers each request so. */
async function answering(t: Test, { status = 200, body, trailers, head = {} }: Answer) {
  const seen: { readonly headers: IncomingHttpHeaders; readonly body: Buffer }[] = [];
  const server = createServer();
  server.on('session', (session) => t.teardown(() => session.destroy()));
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      seen.push({ headers, body: Buffer.concat(chunks) });
      const fields = { ':status': status, 'content-type': 'application/grpc', ...head };
      if (trailers === undefined) {
        stream.respond(fields, { endStream: body === undefined });
        if (body !== undefined) stream.end(body);
        return;
      }
      stream.respond(fields, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers(trailers));
      stream.end(body);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return { port: portOf(server), seen };
}

const OK = { 'grpc-status': '0' };

t.test('SERVING passes; the request is Check of grpc.health.v1 about the service', async (t) => {
  const origin = await answering(t, { body: framed(8, 1), trailers: OK });
  t.equal(await outcome(t, origin.port, { check: GRPC }), null);
  t.equal(await outcome(t, origin.port, { check: { ...GRPC, service: 'shop.Orders' } }), null);
  const [whole, one] = origin.seen;
  t.match(whole?.headers, {
    ':method': 'POST',
    ':path': '/grpc.health.v1.Health/Check',
    ':authority': 'orders.shop:8080',
    'content-type': 'application/grpc',
    te: 'trailers',
    'user-agent': 'carpool-health-check',
  });
  t.same(whole?.body, framed());
  t.same(one?.body, framed(10, 11, ...Buffer.from('shop.Orders')));
});

for (const [words, answer] of [
  ['NOT_SERVING', { body: framed(8, 2), trailers: OK }],
  ['UNKNOWN', { body: framed(), trailers: OK }],
  ['SERVICE_UNKNOWN', { body: framed(8, 3), trailers: OK }],
  ['gRPC status UNIMPLEMENTED: the server has no grpc.health.v1.Health', { head: { 'grpc-status': '12' } }],
  ['gRPC status NOT_FOUND: the server does not know the service', { head: { 'grpc-status': '5' } }],
  ['gRPC status UNAVAILABLE (going ?away)', { trailers: { 'grpc-status': '14', 'grpc-message': 'going \taway' } }],
  ['an answer of status 200 without grpc-status', { body: framed(8, 1) }],
  ['status 404', { status: 404, body: framed() }],
  ['an answer that is no HealthCheckResponse', { body: Buffer.from('<html>'), trailers: OK }],
] as const)
  t.test(`${words} fails`, async (t) => {
    const origin = await answering(t, answer);
    const reason = await outcome(t, origin.port, { check: GRPC });
    t.ok(reason?.startsWith(words), String(reason));
  });

t.test('a server of the gRPC library', async (t) => {
  const server = new Server();
  t.teardown(() => server.forceShutdown());
  const asked: string[] = [];
  const path = '/grpc.health.v1.Health/Check';
  const service = {
    Check: {
      path,
      requestStream: false,
      responseStream: false,
      requestSerialize: (value: Buffer) => value,
      requestDeserialize: (bytes: Buffer) => bytes,
      responseSerialize: (value: Buffer) => value,
      responseDeserialize: (bytes: Buffer) => bytes,
    },
  };
  const check: handleUnaryCall<Buffer, Buffer> = (call, reply) => {
    asked.push(call.request.subarray(2).toString());
    reply(null, Buffer.from([8, call.request.includes('down') ? 2 : 1]));
  };
  server.addService(service, { Check: check });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  t.equal(await outcome(t, port, { check: { ...GRPC, service: 'up' } }), null);
  t.match(await outcome(t, port, { check: { ...GRPC, service: 'down' } }), 'NOT_SERVING');
  t.strictSame(asked, ['up', 'down']);
});

t.test('a server that speaks no HTTP/2 fails, one that is silent too', async (t) => {
  const http1 = await rawOrigin(t, ({ socket }) =>
    socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
  );
  t.match(await outcome(t, http1.port, { check: GRPC }), /does not speak HTTP\/2, which gRPC needs/);
  const silent = await rawOrigin(t);
  const fixture = new HealthFixture(t, [silent.port], { check: { ...GRPC, threshold: 1 } });
  fixture.tick();
  fixture.context.clock.advance(500);
  await (await silent.connection(0)).untilReceived('PRI * HTTP/2.0');
  fixture.context.clock.advance(5000);
  t.match(fixture.reasons[0], 'timed out after 5000 ms, waiting for the response');
  await (await silent.connection(0)).until(({ ended, closed }) => ended || closed);
});

t.test('messages: lengths beyond a byte, fields that are not known, and nonsense', (t) => {
  const { body } = grpcRequest('a', 'x'.repeat(300), 'agent');
  t.same(body?.subarray(0, 8), Buffer.from([0, 0, 0, 1, 47, 10, 0xac, 2]));
  const failure = (...bytes: number[]): string | null =>
    grpcFailure({ status: 200, headers: {}, body: framed(...bytes), cut: false, trailers: OK });
  t.equal(failure(8, 1), null);
  t.equal(failure(8, 0x81, 0), null, 'a number in more bytes than it needs');
  t.equal(failure(8, 2, 8, 1), null, 'the last one counts');
  t.equal(failure(0x12, 2, 1, 2, 8, 1), null, 'bytes');
  t.equal(failure(0x10, 0xff, 1, 8, 1), null, 'a number');
  t.equal(failure(0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0x1d, 0, 0, 0, 0, 8, 1), null, 'numbers of fixed size');
  for (const bytes of [[8], [8, 0x80], [0x12, 5, 1], [0x13, 1], [0x11, 0], [...Array(11).fill(0xff)]])
    t.equal(failure(...bytes), 'an answer that is no HealthCheckResponse', bytes.join());
  t.equal(failure(8, 9), 'status 9');
  const compressed = framed(8, 1);
  compressed[0] = 1;
  t.not(grpcFailure({ status: 200, headers: {}, body: compressed, cut: false, trailers: OK }), null);
  t.equal(
    grpcFailure({ status: 200, headers: {}, body: framed(8, 1), cut: true, trailers: {} }),
    'the answer is too long',
  );
  t.end();
});
