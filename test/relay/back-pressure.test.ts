import net from 'node:net';
import t from 'tap';
import type { OriginConnection } from '../raw-origin.ts';
import { eventually, startRelay, useOnce } from './relay-fixture.ts';

const SIZE = 48 * 1024 * 1024;
/** What the kernel may hold on the way from socket to socket, and again from carpool on. */
const KERNEL_BYTES = 32 * 1024 * 1024;

/** Bytes that wait in the queues of sockets that are not the test's own: carpool's, whose process this is. */
function queues(own: readonly OriginConnection[]): number {
  const mine = own.map(({ socket }) => socket);
  const list: unknown = Reflect.get(process, '_getActiveHandles').call(process);
  if (!Array.isArray(list)) throw new Error('this Node does not tell its handles');
  let most = 0;
  for (const each of list) {
    if (!(each instanceof net.Socket) || mine.includes(each)) continue;
    // What was written past the stream waits in the handle alone.
    const waiting: unknown = Reflect.get(Reflect.get(each, '_handle') ?? {}, 'writeQueueSize');
    most = Math.max(most, each.writableLength, typeof waiting === 'number' ? waiting : 0);
  }
  return most;
}

/** Resolves when `socket` can write nothing more for many turns; every byte that could move has moved. */
async function stuck(socket: net.Socket): Promise<void> {
  let left = -1;
  let quiet = 0;
  await eventually(() => {
    quiet = left === socket.writableLength ? quiet + 1 : 0;
    left = socket.writableLength;
    return quiet > 300;
  });
}

const pattern = (length: number): Buffer => {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += 4) bytes.writeUInt32LE((at * 2_654_435_761) % 2 ** 32, at);
  return bytes;
};

/** Counts and compares what arrives instead of keeping it. */
function compareWith(socket: net.Socket, expected: Buffer, skip: () => number): { matched: () => number } {
  let matched = 0;
  socket.removeAllListeners('data');
  socket.on('data', (bytes: Buffer) => {
    const piece = bytes.subarray(skip());
    if (expected.compare(piece, 0, piece.length, matched, matched + piece.length) !== 0)
      throw new Error(`other bytes at ${matched}`);
    matched += piece.length;
  });
  return { matched: () => matched };
}

for (const [framing, fields] of [
  ['with a length', `Content-Length: ${SIZE}\r\n`],
  ['until close', ''],
] as const) {
  t.test(
    `rule 31: a stalled reader of a large body ${framing} costs no more than a buffer, and gets it all in the end`,
    async (t) => {
      const relay = await startRelay(t);
      const client = await relay.client();
      client.write(`GET http://${relay.target}/ HTTP/1.0\r\n\r\n`);
      const upstream = await relay.origin.connection(0);
      await upstream.untilReceived('\r\n\r\n');
      upstream.write(`HTTP/1.1 200 OK\r\n${fields}\r\n`);
      await client.untilReceived('\r\n\r\n');
      client.socket.pause();
      const body = pattern(SIZE);
      upstream.write(body);
      if (fields === '') upstream.socket.end();
      await stuck(upstream.socket);
      t.ok(
        upstream.socket.writableLength > SIZE - KERNEL_BYTES,
        `the origin could not write on: ${upstream.socket.writableLength} left`,
      );
      t.ok(queues([client, upstream]) <= 256 * 1024, `${queues([client, upstream])} bytes are queued`);
      t.ok(relay.app.process().bufferedBytes <= 128 * 1024, 'what is queued is counted, and is no more than two reads');
      const { matched } = compareWith(client.socket, body, () => 0);
      client.socket.resume();
      await client.until(({ ended }) => ended);
      t.equal(matched(), SIZE);
    },
  );
}

t.test('rule 31: a stalled upstream stops the app’s upload, and takes it all in the end', async (t) => {
  const relay = await startRelay(t, {}, ({ socket }) => socket.pause());
  const client = await relay.client();
  const body = pattern(SIZE);
  client.write(relay.head('PUT', '/', `Content-Length: ${SIZE}\r\n`));
  client.write(body);
  const upstream = await relay.origin.connection(0);
  await stuck(client.socket);
  t.ok(
    client.socket.writableLength > SIZE - KERNEL_BYTES,
    `the app could not write on: ${client.socket.writableLength} left`,
  );
  t.ok(queues([client, upstream]) <= 256 * 1024, `${queues([client, upstream])} bytes are queued`);
  t.ok(relay.app.process().bufferedBytes <= 256 * 1024);
  let head = Buffer.alloc(0);
  let headEnd = -1;
  upstream.socket.removeAllListeners('data');
  let matched = 0;
  upstream.socket.on('data', (bytes: Buffer) => {
    let piece = bytes;
    if (headEnd < 0) {
      head = Buffer.concat([head, bytes]);
      headEnd = head.indexOf('\r\n\r\n');
      if (headEnd < 0) return;
      piece = head.subarray(headEnd + 4);
    }
    if (body.compare(piece, 0, piece.length, matched, matched + piece.length) !== 0)
      throw new Error(`other bytes at ${matched}`);
    matched += piece.length;
  });
  upstream.socket.resume();
  await eventually(() => matched === SIZE);
  upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  await client.untilReceived('ok');
  t.equal(relay.stats().idle, 1);
});

t.test(
  'rule 16: an upload that its upstream does not take just then goes on after the response, and arrives whole',
  async (t) => {
    const relay = await startRelay(t, {}, ({ socket }) => socket.pause());
    const client = await relay.client();
    client.write(relay.head('PUT', '/', 'Transfer-Encoding: chunked\r\n'));
    const upstream = await relay.origin.connection(0);
    let chunks = 0;
    const chunk = (): string => `4000\r\n${String(chunks++).padEnd(0x4000, 'x')}\r\n`;
    while (queues([client, upstream]) < 32 * 1024) {
      client.write(chunk());
      await eventually(() => client.socket.writableLength === 0);
      for (let turn = 0; turn < 3; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
    }
    upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone');
    await client.untilReceived('done');
    for (let more = 0; more < 6; more++) client.write(chunk());
    client.write('0\r\n\r\n');
    upstream.socket.resume();
    await upstream.until(({ received }) => received.endsWith('\r\n0\r\n\r\n'));
    const body = upstream.received
      .slice(upstream.received.indexOf('\r\n\r\n') + 4)
      .replace(/(?:^|\r\n)[0-9a-f]+\r\n/g, '');
    t.ok(body === `${Array.from({ length: chunks }, (_, index) => String(index).padEnd(0x4000, 'x')).join('')}\r\n`);
    await eventually(() => relay.stats().idle === 1);
    client.write(relay.head('GET', '/next'));
    await upstream.untilReceived('GET /next ');
  },
);

t.test('rule 31: one stalled reader does not hold others back', async (t) => {
  const relay = await startRelay(t);
  const slow = await relay.client();
  slow.write(relay.head('GET', '/slow'));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  slow.socket.pause();
  upstream.write(`HTTP/1.1 200 OK\r\nContent-Length: ${SIZE}\r\n\r\n`);
  upstream.write(Buffer.alloc(SIZE, 120));
  await stuck(upstream.socket);
  await useOnce(relay, await relay.client());
  slow.socket.resetAndDestroy();
  // It is not read from while it is stalled: the reset shows when carpool writes.
  await upstream.until(({ ended }) => ended);
  t.equal(relay.stats().active, 0);
});

t.test('rule 31: a stalled reader of many small pieces costs what they measure, not a slab each', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(relay.head('GET', '/events'));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  client.socket.pause();
  upstream.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n');
  const event = Buffer.alloc(512, 120);
  const before = process.memoryUsage().arrayBuffers;
  let turns = 0;
  // Each in a turn of its own, until carpool reads no more.
  while (upstream.socket.writableLength === 0 && turns++ < 60_000) {
    upstream.write(event);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  t.ok(queues([client, upstream]) >= 16 * 1024, `${queues([client, upstream])} bytes are queued`);
  const grown = process.memoryUsage().arrayBuffers - before;
  t.ok(grown < 4 * 1024 * 1024, `${grown} bytes of memory for them`);
});
