import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import t, { type Test } from 'tap';
import { Dial } from '../../src/connection/dial.ts';
import type { DialFailure } from '../../src/connection/dial-failure.ts';
import { TlsIdentity } from '../../src/connection/tls-identity.ts';
import type { ByteSocket } from '../../src/transport/byte-socket.ts';
import { CertificateAuthority } from '../certificate-authority.ts';
import { TestClock } from '../test-clock.ts';

const authority = await CertificateAuthority.create('test CA');
const own = await authority.issue('server', { names: ['api.test'] });

async function listen(t: Test, server: net.Server, host: string, port = 0): Promise<number> {
  server.listen(port, host);
  await once(server, 'listening');
  t.teardown(() => server.close());
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** A dial of `api.test` at these addresses by TLS, and how it ends. */
function dial(t: Test, clock: TestClock, port: number, addresses: readonly string[]) {
  const policy = { originate: true, cert: null, key: null, serverName: null, minVersion: 'TLSv1.2' } as const;
  const ca = `${t.testdir({ 'ca.pem': authority.cert })}/ca.pem`;
  const identity = new TlsIdentity('api.test:443', 'api.test', { ...policy, ca }, clock, { emit: () => {} });
  const options = { connectMs: 10_000, attemptMs: 1000, keepAliveMs: 0, secure: identity.lane('http1') };
  return new Promise<{ socket: ByteSocket; address: string } | DialFailure>((resolve) => {
    new Dial({ addresses, port }, options, clock, {
      dialed: (socket, _ms, address) => {
        socket.setHandler({ onBytes() {}, onEnd() {}, onDrain() {}, onClose() {} });
        t.teardown(() => socket.destroy());
        resolve({ socket, address });
      },
      dialFailed: resolve,
      dialSlow: () => {},
    });
  });
}

/** A server that takes connections and says nothing. */
function silent(t: Test): { server: net.Server; greeted: Promise<net.Socket> } {
  let greet: (socket: net.Socket) => void = () => {};
  const greeted = new Promise<net.Socket>((resolve) => {
    greet = resolve;
  });
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => greet(socket));
    t.teardown(() => socket.destroy());
  });
  return { server, greeted };
}

t.test('where one address takes the connection and not the handshake, the other is tried beside it', async (t) => {
  const clock = new TestClock();
  const { server, greeted } = silent(t);
  const port = await listen(t, server, '127.0.0.1');
  await listen(t, tls.createServer(own), '127.0.0.2', port);
  const ended = dial(t, clock, port, ['127.0.0.1', '127.0.0.2']);
  const socket = await greeted;
  clock.advance(250);
  t.match(await ended, { address: '127.0.0.2' });
  if (!socket.closed) await once(socket, 'close');
  t.equal(clock.waiting, 0, 'nothing goes on');
});

t.test('where the handshake fails at one address, the other one decides', async (t) => {
  const clock = new TestClock();
  const stranger = await authority.issue('stranger', { names: ['other.test'] });
  const port = await listen(t, tls.createServer(stranger), '127.0.0.1');
  await listen(t, tls.createServer(own), '127.0.0.2', port);
  t.match(await dial(t, clock, port, ['127.0.0.1', '127.0.0.2']), { address: '127.0.0.2' });
});

t.test('time that runs out in a handshake is told as that', async (t) => {
  const clock = new TestClock();
  const { server, greeted } = silent(t);
  const port = await listen(t, server, '127.0.0.1');
  const ended = dial(t, clock, port, ['127.0.0.1']);
  await greeted;
  clock.advance(10_000);
  t.match(await ended, {
    errno: 'ETIMEDOUT',
    timedOut: true,
    tls: null,
    message: /accepted the connection, but did not finish the TLS handshake within 10000 ms/,
  });
});
