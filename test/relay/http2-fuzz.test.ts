import { once } from 'node:events';
import net from 'node:net';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { rawFrame, rawSettings, uint32 } from '../http2/raw-frame.ts';
import { type Fields, literals } from '../http2/scripted-server.ts';
import { rawClient } from '../raw-origin.ts';
import { type Sidecar, startSidecar } from '../sidecar.ts';
import { eventually } from './relay-fixture.ts';

/**
 * Frames in any order, some with a wrong byte, from an app and from its server at once: whatever comes, nothing is thrown (that would end the
 * run), nothing is left when both have gone, and requests of others are served.
 */

const RUNS = 200;
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

type Make = (stream: number) => Buffer;

type Step = {
  /** It opens the next stream; else `make` is for one that is open, `back` streams ago. */
  readonly opens: boolean;
  readonly make: Make;
  readonly back: number;
  /** Half a second passes behind it. */
  readonly waits: boolean;
  /** Which byte is wrong, and how; null: none. */
  readonly spoil: number | null;
};

const fields = fc.array(
  fc.constantFrom<Fields[number]>(
    ['x-a', '1'],
    ['cookie', 'a=b'],
    ['te', 'trailers'],
    ['expect', '100-continue'],
    ['content-type', 'application/grpc'],
    ['authorization', 'NTLM x'],
    ['www-authenticate', 'Negotiate'],
    ['content-length', '5'],
    ['x-long', 'y'.repeat(300)],
  ),
  { maxLength: 3 },
);
const end = fc.constantFrom(0, 1);
const head = (flags: number, pseudo: Fields, more: Fields): Make => {
  const block = literals([...pseudo, ...more]);
  return (stream) => rawFrame(1, 4 + flags, stream, block);
};
const authority = fc.constantFrom('two.test', 'auto.test', 'few.test', 'one.test');

const request = fc
  .tuple(fc.constantFrom('GET', 'POST', 'HEAD', 'OPTIONS', 'PUT'), authority, fields, end)
  .map(([method, host, more, flags]) =>
    head(
      flags,
      [
        [':method', method],
        [':scheme', 'http'],
        [':authority', host],
        [':path', '/'],
      ],
      more,
    ),
  );
const webSocket = fc.tuple(authority, fields, end).map(([host, more, flags]) =>
  head(
    flags,
    [
      [':method', 'CONNECT'],
      [':protocol', 'websocket'],
      [':scheme', 'http'],
      [':authority', host],
      [':path', '/'],
    ],
    more,
  ),
);
const response = fc
  .tuple(fc.constantFrom('200', '200', '204', '304', '404', '503', '100', '103', '101'), fields, end)
  .map(([status, more, flags]) => head(flags, [[':status', status]], more));
const anybody = fc.oneof(
  fc.tuple(fc.constantFrom(0, 1, 5, 1000, 16_384), end).map(
    ([bytes, flags]): Make =>
      (stream) =>
        rawFrame(0, flags, stream, Buffer.alloc(bytes, 'x')),
  ),
  fc.nat(13).map(
    (code): Make =>
      (stream) =>
        rawFrame(3, 0, stream, uint32(code)),
  ),
  fc.tuple(fc.boolean(), fc.constantFrom(1, 1000, 0x7fff_ffff)).map(
    ([all, by]): Make =>
      (stream) =>
        rawFrame(8, 0, all ? 0 : stream, uint32(by)),
  ),
  fc.tuple(fc.constantFrom(3, 4), fc.constantFrom(0, 1, 100, 65_535)).map(
    (pair): Make =>
      () =>
        rawFrame(4, 0, 0, rawSettings([pair])),
  ),
  fc.constant<Make>((stream) => rawFrame(1, 5, stream, literals([['x-trailer', 'y']]))),
  fc.constant<Make>(() => rawFrame(6, 0, 0, 'fuzzfuzz')),
);
const goaway = fc.constant<Make>((stream) => rawFrame(7, 0, 0, Buffer.concat([uint32(stream), uint32(0)])));

const step = (opens: boolean, make: fc.Arbitrary<Make>): fc.Arbitrary<Step> =>
  fc.record({
    opens: fc.constant(opens),
    make,
    back: fc.nat(3),
    waits: fc.nat(9).map((tenth) => tenth === 0),
    spoil: fc.nat(60 * 256).map((byte) => (byte < 256 ? byte : null)),
  });
const ofApp = fc.array(fc.oneof(step(true, fc.oneof(request, request, webSocket)), step(false, anybody)), {
  maxLength: 30,
});
const ofServer = fc.array(
  fc.oneof(
    { arbitrary: step(false, response), weight: 10 },
    { arbitrary: step(false, anybody), weight: 10 },
    { arbitrary: step(false, goaway), weight: 1 },
  ),
  { maxLength: 40 },
);

function bytesOf({ make, spoil }: Step, stream: number): Buffer {
  const bytes = make(stream);
  if (spoil !== null) bytes[spoil % bytes.length] = spoil;
  return bytes;
}

/** A server that answers what it gets with the next steps of its plan, on streams that it has seen. */
async function startServer(t: Test): Promise<{ port: number; follow(plan: readonly Step[]): void; drop(): void }> {
  let plan: readonly Step[] = [];
  let next = 0;
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.write(rawFrame(4, 0, 0));
    let rest: Buffer = Buffer.alloc(0);
    let begun = false;
    let last = 1;
    socket.on('data', (bytes: Buffer) => {
      rest = Buffer.concat([rest, bytes]);
      if (!begun && rest.length < PREFACE.length) return;
      if (!begun) rest = rest.subarray(PREFACE.length);
      begun = true;
      while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
        const stream = rest.readUInt32BE(5);
        if (rest[3] === 1) last = Math.max(last, stream);
        if (rest[3] === 4 && rest[4] === 0) socket.write(rawFrame(4, 1, 0));
        rest = rest.subarray(9 + rest.readUIntBE(0, 3));
        for (let count = 0; count < 3 && socket.writable; count++) {
          const step = plan[next++];
          if (step !== undefined) socket.write(bytesOf(step, Math.max(1, last - 2 * step.back)));
        }
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    follow(another) {
      plan = another;
      next = 0;
    },
    drop() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** An app that plays its steps, and leaves. */
async function play({ port, clock }: Sidecar, plan: readonly Step[]): Promise<void> {
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
  socket.on('error', () => {});
  socket.resume();
  await once(socket, 'connect');
  socket.write(Buffer.concat([PREFACE, rawFrame(4, 0, 0)]));
  let last = -1;
  for (const step of plan) {
    if (step.opens) last += 2;
    if (socket.writable) socket.write(bytesOf(step, Math.max(1, step.opens ? last : last - 2 * step.back)));
    await new Promise((resolve) => setImmediate(resolve));
    if (step.waits) clock.advance(500);
  }
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  socket.destroy();
}

t.test(
  'whatever frames an app and its server send, nothing is thrown, nothing is left, and others are served',
  async (t) => {
    const server = await startServer(t);
    const origin = net.createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
    });
    origin.listen(0, '127.0.0.1');
    await once(origin, 'listening');
    t.teardown(() => origin.close());
    const address = origin.address();
    const http1 = `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
    const endpoints = [`127.0.0.1:${server.port}`];
    const breaker = { failures: 1_000_000 };
    const sidecar = await startSidecar(t, {
      http2: { webSocket: true },
      destinations: [
        { match: 'two.test:80', protocol: 'http2', endpoints, breaker },
        { match: 'auto.test:80', endpoints, breaker },
        { match: 'few.test:80', protocol: 'http2', endpoints, breaker, pool: { maxConnections: 1, maxStreams: 2 } },
        { match: 'one.test:80', endpoints: [http1], breaker },
      ],
    });
    const left = (): number =>
      sidecar.app
        .destinations()
        .reduce(
          (sum, { pending, endpoints }) =>
            sum + pending + endpoints.reduce((all, each) => all + each.outstanding + each.connections.length, 0),
          0,
        );
    await fc.assert(
      fc.asyncProperty(ofApp, ofServer, async (app, plan) => {
        server.follow(plan);
        await play(sidecar, app);
        await eventually(
          () => sidecar.app.process().downstreamConnections === 0 && sidecar.app.process().exchanges === 0,
        );
        server.drop();
        const other = await rawClient(t, sidecar.port);
        other.write(`GET http://${http1}/ HTTP/1.1\r\nHost: ${http1}\r\nConnection: close\r\n\r\n`);
        await other.until(({ ended }) => ended);
        other.socket.destroy();
        if (!other.received.endsWith('\r\n\r\nok')) throw new Error(`another app got ${other.received}`);
      }),
      { numRuns: RUNS },
    );
    await eventually(() => {
      sidecar.clock.advance(1000);
      return left() === 0 && sidecar.app.process().bufferedBytes === 0;
    });
    t.equal(sidecar.app.process().tunnels, 0);
  },
);
