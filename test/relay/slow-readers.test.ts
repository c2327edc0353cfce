import type net from 'node:net';
import t from 'tap';
import type { OriginConnection } from '../raw-origin.ts';
import { eventually, type Relay, startRelay } from './relay-fixture.ts';

/** Answers each GET with the bytes that `answer` makes for its path, on whatever connection it comes. */
function answering(answer: (path: string) => Buffer): (connection: OriginConnection) => void {
  return ({ socket }) => {
    let text = '';
    socket.removeAllListeners('data');
    socket.on('data', (bytes: Buffer) => {
      text += bytes.toString('latin1');
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        const path = text.split(' ')[1] ?? '';
        text = text.slice(end + 4);
        socket.write(answer(path));
      }
    });
  };
}

/** Bytes that tell where they belong: no four of them are the same in two bodies. */
function body(seed: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE(((seed << 24) ^ at) >>> 0, at);
  return bytes;
}

const response = (bytes: Buffer, fields = ''): Buffer =>
  Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\n${fields}Content-Length: ${bytes.length}\r\n\r\n`), bytes]);

/** Keeps what arrives from now on, without the cost of a text. */
function collect(socket: net.Socket): {
  readonly bytes: () => Buffer;
  readonly tail: () => Buffer;
  readonly length: () => number;
} {
  const pieces: Buffer[] = [];
  let length = 0;
  socket.removeAllListeners('data');
  socket.on('data', (piece: Buffer) => {
    pieces.push(piece);
    length += piece.length;
  });
  socket.pause();
  return { bytes: () => Buffer.concat(pieces), tail: () => Buffer.concat(pieces.slice(-2)), length: () => length };
}

/** Many turns of the event loop in which nothing changes. */
async function quiet(value: () => number): Promise<void> {
  let last = -1;
  let turns = 0;
  await eventually(() => {
    const now = value();
    turns = now === last ? turns + 1 : 0;
    last = now;
    return turns > 100;
  });
}

async function passOther(relay: Relay, path: string): Promise<void> {
  const other = await relay.client();
  const { length } = collect(other.socket);
  other.socket.resume();
  other.write(relay.head('GET', path));
  await eventually(() => length() > 60_000);
}

const SMALL = 30_000;

/** How many answers of `/small` a reader that reads nothing is sent before carpool stops. */
async function filledBy(relay: Relay, answered: () => number): Promise<number> {
  const client = await relay.client();
  client.socket.pause();
  let sent = 0;
  for (; sent < 2000 && relay.app.process().bufferedBytes === 0; sent++) {
    const before = answered();
    client.write(relay.head('GET', '/small'));
    await eventually(() => answered() > before && relay.stats().active === 0);
  }
  client.socket.resetAndDestroy();
  await eventually(() => relay.app.process().bufferedBytes === 0);
  return sent;
}

for (const [what, version, large] of [
  ['the first read of a large answer', '1.1', (bytes: Buffer) => response(bytes)],
  [
    'a chunk towards HTTP/1.0',
    '1.0',
    (bytes: Buffer) =>
      Buffer.concat([
        Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd6d8\r\n'),
        bytes.subarray(0, 55_000),
        Buffer.from('\r\n0\r\n\r\n'),
      ]),
  ],
] as const) {
  t.test(`rule 31: ${what} that waits for a slow reader is not written over by what is read for others`, async (t) => {
    let answered = 0;
    const relay = await startRelay(
      t,
      {},
      answering((path) => {
        answered++;
        if (path === '/small') return response(Buffer.alloc(SMALL, 's'));
        if (path === '/own') return response(Buffer.alloc(200_000, 'w'));
        if (path === '/other') return response(Buffer.alloc(60_001, 'o'));
        return large(body(Number(path.slice(1)), 140_000));
      }),
    );
    const fills = await filledBy(relay, () => answered);
    const readers: { socket: net.Socket; collected: ReturnType<typeof collect>; expected: number }[] = [];
    for (let reader = 0; reader < 10; reader++) {
      const client = await relay.client();
      const smalls = Math.max(0, fills - 8 + reader);
      const collected = collect(client.socket);
      for (let each = 0; each < smalls; each++) client.write(relay.head('GET', '/small'));
      await quiet(() => answered);
      if (version === '1.0') await passOther(relay, '/own');
      client.write(relay.head('GET', `/${reader}`).replace('HTTP/1.1', `HTTP/${version}`));
      await quiet(() => answered);
      readers.push({ socket: client.socket, collected, expected: version === '1.0' ? 55_000 : 140_000 });
      for (let each = 0; each < 3; each++) await passOther(relay, '/other');
    }
    for (const [index, { socket, collected, expected }] of readers.entries()) {
      socket.resume();
      const wanted = body(index, 140_000).subarray(0, expected);
      // The whole comes to its end with the last four of its bytes.
      await eventually(() => collected.tail().includes(wanted.subarray(-4)));
      const { bytes } = collected;
      t.ok(bytes().subarray(-expected).equals(wanted), `reader ${index} got its own bytes`);
    }
    await eventually(() => relay.app.process().bufferedBytes === 0);
  });
}

t.test('rule 31: an app that sends requests ahead and reads no answer is not read on', async (t) => {
  let answered = 0;
  const relay = await startRelay(
    t,
    {},
    answering(() => {
      answered++;
      return response(Buffer.alloc(20_000, 'x'));
    }),
  );
  const client = await relay.client();
  const { length } = collect(client.socket);
  const count = 2000;
  for (let each = 0; each < count; each++) client.write(relay.head('GET', `/${each}`));
  await quiet(() => answered);
  t.ok(answered < count, `${answered} of ${count} were sent on`);
  t.ok(relay.app.process().bufferedBytes < 512 * 1024, `${relay.app.process().bufferedBytes} bytes wait`);
  client.socket.resume();
  await eventually(() => answered === count);
  await eventually(() => length() >= count * 20_000);
  await eventually(() => relay.app.process().bufferedBytes === 0);
});

for (const half of [false, true]) {
  t.test(
    `an app that reads slowly gets the whole of an answer that closes the connection${half ? ', also when it has sent FIN' : ''}`,
    async (t) => {
      let answered = 0;
      const relay = await startRelay(
        t,
        {},
        answering(() => {
          answered++;
          return response(Buffer.alloc(SMALL, 's'));
        }),
      );
      const fills = await filledBy(relay, () => answered);
      const before = answered;
      // One of them has its last answer wait inside of carpool.
      const readers = await Promise.all(
        Array.from({ length: 4 }, async (_, index) => {
          const client = await relay.client();
          const collected = collect(client.socket);
          const count = Math.max(1, fills - 3 + index);
          for (let each = 1; each < count; each++) client.write(relay.head('GET', '/'));
          client.write(relay.head('GET', '/', 'Connection: close\r\n'));
          return { client, collected, count };
        }),
      );
      await quiet(() => answered);
      t.ok(answered > before);
      t.ok(relay.app.process().bufferedBytes > 0, 'a part waits inside');
      if (half) for (const { client } of readers) client.socket.end();
      for (let second = 0; second < 5; second++) {
        relay.clock.advance(1000);
        await quiet(() => relay.app.process().bufferedBytes);
      }
      for (const { client } of readers) client.socket.resume();
      for (const { client, collected, count } of readers) {
        await client.until(({ ended }) => ended);
        const bytes = collected.bytes();
        t.equal(bytes.subarray(-SMALL).toString('latin1').replaceAll('s', ''), '', 'the last answer is whole');
        t.ok(bytes.length > count * SMALL, `${bytes.length} bytes of ${count} answers`);
      }
    },
  );
}

t.test(
  'rule 17a: a pinned connection whose answer had to wait for a slow reader serves the next request',
  async (t) => {
    const relay = await startRelay(
      t,
      {},
      answering((path) =>
        path === '/auth'
          ? Buffer.from('HTTP/1.1 401 No\r\nWWW-Authenticate: NTLM\r\nContent-Length: 2\r\n\r\nno')
          : path === '/large'
            ? response(Buffer.alloc(8_000_000, 'x'))
            : response(Buffer.from('next')),
      ),
    );
    const client = await relay.client();
    const { length } = collect(client.socket);
    client.socket.resume();
    client.write(relay.head('GET', '/auth'));
    await eventually(() => length() > 0);
    client.socket.pause();
    for (let each = 0; each < 40; each++) client.write(relay.head('GET', `/large`));
    client.write(relay.head('GET', '/next'));
    while (length() < 40 * 8_000_000) {
      await quiet(length);
      client.socket.resume();
      const before = length();
      await eventually(() => length() > before);
      client.socket.pause();
    }
    client.socket.resume();
    await eventually(() => length() > 40 * 8_000_000 + 4);
    t.pass('all came');
  },
);
