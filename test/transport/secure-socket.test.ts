import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import t, { type Test } from 'tap';
import { type ByteHandler, ByteSocket, queuedBytes } from '../../src/transport/byte-socket.ts';
import { readTlsContext } from '../../src/transport/tls-files.ts';
import { CertificateAuthority } from '../certificate-authority.ts';

const authority = await CertificateAuthority.create('test CA');
const own = await authority.issue('server', { names: ['api.test'] });

async function listen(t: Test, server: net.Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** A socket by TLS to `port`, as soon as it stands. */
function connected(t: Test, port: number, handler: Partial<ByteHandler> = {}): Promise<ByteSocket> {
  const ca = `${t.testdir({ 'ca.pem': authority.cert })}/ca.pem`;
  const secure = {
    context: readTlsContext({ ca, cert: null, key: null, minVersion: 'TLSv1.2' }),
    serverName: 'api.test',
    alpn: Buffer.from('\x08http/1.1'),
    session: null,
    keepSession: () => {},
  };
  const whole: ByteHandler = { onBytes() {}, onEnd() {}, onDrain() {}, onClose() {}, ...handler };
  return new Promise((resolve) => {
    const target = { address: '127.0.0.1', port, keepAliveMs: 0, secure };
    const socket = ByteSocket.connect(target, whole, () => resolve(socket));
    t.teardown(() => socket.destroy());
  });
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

t.test('bytes that wait for their turn are not those that are written over meanwhile', async (t) => {
  let received = '';
  const server = tls.createServer(own, (socket) => {
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
    });
    t.teardown(() => socket.destroy());
  });
  const socket = await connected(t, await listen(t, server));
  const memory = Buffer.alloc(1000);
  for (const letter of 'abcdef') {
    memory.fill(letter);
    t.equal(socket.send(memory, 0, memory.length), false, 'the memory is free again');
  }
  memory.fill('x');
  t.ok(socket.queued > 0, 'what was sent in one turn waits for its end');
  socket.end();
  while (received.length < 6000) await turn();
  t.equal(received, [...'abcdef'].map((letter) => letter.repeat(1000)).join(''));
  socket.settle();
  t.equal(socket.queued, 0);
  t.equal(queuedBytes.total, 0);
});

/**
 * A port that hands on to `port`, but what comes back after the first bytes of a `request` all at once, when it is over.
 */
function gathering(port: number): net.Server {
  return net.createServer({ allowHalfOpen: true }, (front) => {
    const back = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    let gathers = false;
    const gathered: Buffer[] = [];
    for (const each of [front, back]) each.on('error', () => {});
    let handshakeReads = 0;
    front.on('data', (chunk: Buffer) => {
      // The hello is the first, the end of the handshake the second; the request is behind it.
      if (++handshakeReads > 2) gathers = true;
      back.write(chunk);
    });
    back.on('data', (chunk: Buffer) => {
      if (gathers) gathered.push(chunk);
      else front.write(chunk);
    });
    back.on('end', () => front.end(Buffer.concat(gathered)));
    front.on('end', () => back.end());
  });
}

t.test('an end by close_notify that is read while the socket is paused is no cut', async (t) => {
  const size = 40_000;
  const server = tls.createServer({ ...own, maxVersion: 'TLSv1.2' }, (socket) => {
    socket.once('data', () => socket.end(Buffer.alloc(size, 'x')));
    t.teardown(() => socket.destroy());
  });
  const front = await listen(t, gathering(await listen(t, server)));
  let got = 0;
  const told: string[] = [];
  const socket = await connected(t, front, {
    onBytes: (_buffer, length) => {
      if (got === 0) {
        socket.pause();
        told.push('paused');
      }
      got += length;
    },
    onEnd: () => told.push('end'),
    onClose: (error) => told.push(`closed ${error?.message ?? ''}`),
  });
  const request = Buffer.from('request');
  socket.send(request, 0, request.length);
  while (!told.includes('paused')) await turn();
  t.equal(got, size, 'what was read already comes to its end');
  socket.resume();
  while (told.length < 2) await turn();
  t.same(told.slice(0, 2), ['paused', 'end']);
});
