import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import t from 'tap';
import { ClientHelloReader } from '../../src/protocol/client-hello.ts';
import { connected, settled } from './connect-fixture.ts';
import { eventually, startRelay } from './relay-fixture.ts';

/** The first bytes of a real TLS client. */
async function clientHello(servername: string | null): Promise<Buffer> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const came = once(server, 'connection');
  const client = tls.connect({ host: '127.0.0.1', port, ...(servername === null ? {} : { servername }) });
  client.on('error', () => {});
  const [socket] = await came;
  if (!(socket instanceof net.Socket)) throw new Error('no socket');
  const [bytes] = await once(socket, 'data');
  client.destroy();
  socket.destroy();
  server.close();
  if (!Buffer.isBuffer(bytes)) throw new Error('no bytes');
  return bytes;
}

/** The same message cut into records of `size` bytes. */
function inRecords(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size);
    records.push(Buffer.from([0x16, 0x03, 0x01, part.length >> 8, part.length & 255]), part);
  }
  return Buffer.concat(records);
}

function read(bytes: Buffer, splitAt: number): ClientHelloReader {
  const reader = new ClientHelloReader();
  reader.read(bytes.subarray(0, splitAt), splitAt);
  reader.read(bytes.subarray(splitAt), bytes.length - splitAt);
  return reader;
}

t.test('the server name of a ClientHello is read at every split, and in many records', async (t) => {
  const hello = await clientHello('api.example.com');
  const wrong: number[] = [];
  for (let at = 0; at <= hello.length; at++) {
    const { done, serverName } = read(hello, at);
    if (!done || serverName !== 'api.example.com') wrong.push(at);
  }
  t.same(wrong, []);
  for (const size of [1, 3, 50]) {
    const cut = inRecords(hello, size);
    t.equal(read(cut, cut.length >> 1).serverName, 'api.example.com', `records of ${size}`);
  }
});

t.test('a ClientHello without a name, and what is none, have none', async (t) => {
  const hello = await clientHello(null);
  t.same([read(hello, 10).done, read(hello, 10).serverName], [true, null]);
  for (const text of ['GET / HTTP/1.1\r\n', '\x16\x02\x01\0\x05', '\x16\x03\x01\0\x04\x02\0\0\0', 'SSH-2.0']) {
    const bytes = Buffer.from(text, 'latin1');
    const reader = new ClientHelloReader();
    t.equal(reader.read(bytes, bytes.length), true, JSON.stringify(text));
    t.equal(reader.serverName, null);
  }
});

t.test('a name that is none of DNS is not told', async (t) => {
  const hello = await clientHello('api.example.com');
  const at = hello.indexOf('api.example.com');
  for (const byte of [0, 10, 32, 34, 200]) {
    const forged = Buffer.from(hello);
    forged[at + 3] = byte;
    t.same([read(forged, 20).done, read(forged, 20).serverName], [true, null]);
  }
});

t.test('whatever is changed in a ClientHello, it is read to an end, from 8 KiB at most', async (t) => {
  const hello = await clientHello('api.example.com');
  const junk = Buffer.alloc(16 * 1024, 0x16);
  for (let at = 0; at < Math.min(hello.length, 700); at++) {
    const forged = Buffer.from(hello);
    for (const byte of [0, 1, 127, 255]) {
      forged[at] = byte;
      const reader = new ClientHelloReader();
      reader.read(forged, forged.length);
      reader.read(junk, junk.length);
      if (!reader.done) t.fail(`byte ${at} as ${byte} leaves it waiting`);
    }
  }
  // One extension that says to be longer than what is read.
  const start = Buffer.from([0x16, 3, 1, 0x40, 0, 1, 0, 0x40, 0]);
  const extension = Buffer.from([0, 0, 0, 0, 0x3f, 0, 0x12, 0x34, 0x3e, 0]);
  const endless = Buffer.concat([start, Buffer.alloc(34), extension, Buffer.alloc(9000)]);
  const reader = new ClientHelloReader();
  t.equal(reader.read(endless, 8191), false);
  t.equal(reader.read(endless, 1), true);
  t.pass();
});

t.test('the log tells the server name at level debug, and no byte is changed or kept for it', async (t) => {
  const hello = await clientHello('api.example.com');
  for (const level of ['debug', 'info']) {
    const relay = await startRelay(t, { telemetry: { logLevel: level } });
    const client = await connected(relay);
    for (const byte of hello.subarray(0, 20)) {
      client.write(Buffer.from([byte]));
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    client.write(hello.subarray(20));
    const upstream = await relay.origin.connection(0);
    await upstream.until(({ received }) => received.length === hello.length);
    t.equal(upstream.received, hello.toString('latin1'));
    client.write('more');
    await upstream.untilReceived('more');
    await settled(relay);
    await eventually(() => relay.app.process().tunnels === 1);
    const lines = readFileSync(relay.logFile, 'utf8').split('\n');
    const told = lines.filter((line) => line.includes('"serverName":"api.example.com"'));
    t.equal(told.length, level === 'debug' ? 1 : 0);
    if (level === 'debug') t.match(told[0], relay.target);
  }
});
