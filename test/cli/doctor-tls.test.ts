import { once } from 'node:events';
import { createServer } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { type Test, test } from 'tap';
import { checkDestination, readDestination } from '../../src/cli/doctor-destination.ts';
import { portOf } from '../admin/port-of.ts';
import { CertificateAuthority, type Wanted } from '../certificate-authority.ts';
import { TestClock } from '../test-clock.ts';
import { doctorContext, findingsOf, inShort, temporaryFile } from './doctor-fixture.ts';

const authority = await CertificateAuthority.create('test CA');
/** The clock of these tests stands at the beginning of 2026, OpenSSL's does not. */
const LONG = { notBefore: new Date('2020-01-01'), notAfter: new Date('2099-06-01') };

type Setup = {
  readonly wanted?: Wanted;
  readonly options?: TlsOptions;
  readonly entry?: Record<string, unknown>;
  readonly clock?: TestClock;
};

/** What doctor finds about a TLS server as `api.test:443`. */
async function look(t: Test, { wanted = {}, options = {}, entry = {}, clock = new TestClock() }: Setup) {
  return lookAt(t, await secureServer(t, wanted, options), entry, clock);
}

/** A TLS server with a certificate of the test's CA. */
async function secureServer(t: Test, wanted: Wanted = {}, options: TlsOptions = {}): Promise<number> {
  const { cert, key } = await authority.issue('server', { names: ['api.test'], ...LONG, ...wanted });
  const server = createTlsServer({ cert, key, ...options }, (socket) => socket.on('error', () => {}).resume());
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return portOf(server);
}

async function lookAt(t: Test, port: number, entry: Record<string, unknown> = {}, clock = new TestClock()) {
  const tls = { originate: true, ca: temporaryFile(t, 'ca.pem', authority.cert) };
  const destinations = [{ match: 'api.test:443', endpoints: [`127.0.0.1:${port}`], tls, ...entry }];
  const context = doctorContext(t, { destinations }, { clock });
  const findings = await findingsOf(clock, (sink, stopped) =>
    checkDestination(context, readDestination('api.test:443'), sink, stopped),
  );
  t.equal(clock.waiting, 0, 'no timer is left');
  return findings;
}

test('the handshake of a destination with TLS tells version, protocol and certificate', async (t) => {
  const findings = await look(t, { options: { ALPNProtocols: ['h2', 'http/1.1'] } });
  t.match(inShort(findings), [
    /^ok endpoints of the configuration: 1 of 1/,
    /^ok TLS: TLSv1\.3, speaks h2; certificate for DNS:api\.test, issued by CN=test CA, valid until Jun {2}1 .* 2099 GMT$/,
  ]);
});

test('without originate nothing is said of TLS', async (t) => {
  const findings = await look(t, { entry: { tls: { originate: false } } });
  t.match(inShort(findings), [/^ok endpoints/]);
  t.equal(findings.length, 1);
});

test('a certificate that ends within two weeks is a warning', async (t) => {
  const clock = new TestClock();
  clock.jumpWall(LONG.notAfter.getTime() - clock.wall() - 13 * 86_400_000);
  t.match(await look(t, { clock }), [{}, { status: 'warn', message: /^TLS: /, remedy: /^Renew/ }]);
  const earlier = new TestClock();
  earlier.jumpWall(LONG.notAfter.getTime() - earlier.wall() - 15 * 86_400_000);
  t.match(await look(t, { clock: earlier }), [{}, { status: 'ok' }]);
});

test('a certificate for another name, and one of nobody who is trusted, are failures that say so', async (t) => {
  t.match(await look(t, { wanted: { names: ['other.test'] } }), [
    {},
    {
      status: 'fail',
      message: /^TLS: the server’s certificate is for another name \(.*DNS:other\.test/,
      remedy: /tls\.serverName/,
    },
  ]);
  const other = await CertificateAuthority.create('other CA');
  const tls = { originate: true, ca: temporaryFile(t, 'other.pem', other.cert) };
  t.match(await look(t, { entry: { tls } }), [
    {},
    { status: 'fail', message: /from no CA that is trusted/, remedy: /tls\.ca/ },
  ]);
});

test('a server that agrees on no HTTP/2 where it is wanted is a failure', async (t) => {
  const entry = { protocol: 'http2' };
  const options = { ALPNProtocols: ['h2'] };
  t.match(inShort(await look(t, { entry, options })), [/^ok/, /^ok TLS: .*speaks h2/]);
  t.match(await look(t, { entry }), [
    {},
    { status: 'fail', message: /no protocol agreed on/, remedy: /protocol is http2/ },
  ]);
});

test('a port that does not speak TLS is told', async (t) => {
  const server = createServer((socket) => socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  t.match(await lookAt(t, portOf(server)), [
    {},
    { status: 'fail', message: /does not speak TLS/, remedy: /http:\/\// },
  ]);
});

test('a server that is silent in the handshake is given up after three seconds of the clock', async (t) => {
  const accepted: unknown[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => {});
    accepted.push(socket);
    t.teardown(() => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const clock = new TestClock();
  const running = lookAt(t, portOf(server), {}, clock);
  // The first connection only looks whether there is one.
  while (accepted.length < 2) await new Promise((resolve) => setImmediate(resolve));
  clock.advance(3000);
  t.match(await running, [{}, { status: 'fail', message: 'TLS: no handshake within 3 s' }]);
});

test('where requests go elsewhere that place is looked at, under the name of the destination', async (t) => {
  const port = await secureServer(t);
  const findings = await lookAt(t, port, { endpoints: null, to: `127.0.0.1:${port}` });
  t.match(inShort(findings), [
    new RegExp(`^ok requests go to 127\\.0\\.0\\.1:${port} instead \\(weight \\d+\\)$`),
    /^ok .*1 of 1 endpoint takes connections/,
    /^ok TLS: .*DNS:api\.test/,
  ]);
});
