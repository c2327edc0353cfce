import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import {
  createServer as createHttp2Server,
  createSecureServer,
  type Http2Server,
  type ServerHttp2Stream,
} from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { portOf } from '../admin/port-of.ts';
import { selfSigned } from '../certificate-authority.ts';
import { rawOrigin } from '../raw-origin.ts';
import { API, authority, tlsOrigin } from '../relay/tls-fixture.ts';
import { HealthFixture, outcome } from './health-fixture.ts';

const directory = mkdtempSync(join(tmpdir(), 'carpool-test-'));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));
const ca = join(directory, 'ca.pem');
writeFileSync(ca, authority.cert);
const secure = { secure: true, host: API, tls: { originate: true, ca } } as const;

t.test('over TLS the handshake is part of the check, by the destination’s own trust', async (t) => {
  const good = await tlsOrigin(t);
  t.equal(await outcome(t, good.port, secure), null);
  t.equal(await outcome(t, good.port, { ...secure, tls: { ...secure.tls, serverName: API }, host: 'other' }), null);
  t.match(
    await outcome(t, good.port, { ...secure, host: 'other.test' }),
    'the server’s certificate is for another name',
  );
  const selfMade = await tlsOrigin(t, await selfSigned('server', { names: [API] }));
  t.match(await outcome(t, selfMade.port, secure), 'the server’s certificate is self-signed');
  const past = { notBefore: new Date('2020-01-01'), notAfter: new Date('2020-02-01') };
  const expired = await tlsOrigin(t, await authority.issue('server', { names: [API], ...past }));
  t.match(await outcome(t, expired.port, secure), 'has expired');
  const clear = await rawOrigin(t, ({ socket }) =>
    socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
  );
  t.match(await outcome(t, clear.port, secure), 'what answers at this port does not speak TLS');
});

t.test('the server sees the destination’s client certificate', async (t) => {
  const own = await authority.issue('sidecar', { names: ['sidecar'] });
  const [cert, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')];
  writeFileSync(cert, own.cert);
  writeFileSync(key, own.key);
  const origin = await tlsOrigin(t, { requestCert: true, rejectUnauthorized: true, ca: authority.cert });
  t.equal(await outcome(t, origin.port, { ...secure, tls: { ...secure.tls, cert, key } }), null);
  const { socket } = await origin.connection(0);
  // The server’s socket must not be destroyed in the event that ends its handshake: Node 26.10 crashes then.
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(socket.getPeerCertificate().subject.CN, 'sidecar');
});

t.test('a CA file that cannot be read fails the checks, with its setting', async (t) => {
  const origin = await tlsOrigin(t);
  const missing = join(directory, 'missing.pem');
  t.match(await outcome(t, origin.port, { ...secure, tls: { originate: true, ca: missing } }), `tls.ca: ${missing}`);
  t.equal(origin.accepted, 0);
});

t.test('TLS that hangs in the handshake times out there', async (t) => {
  const origin = await rawOrigin(t);
  const fixture = new HealthFixture(t, [origin.port], { ...secure, check: { threshold: 1 } });
  fixture.tick();
  fixture.context.clock.advance(500);
  const connection = await origin.connection(0);
  await connection.until(({ received }) => received !== '');
  fixture.context.clock.advance(5000);
  t.match(fixture.reasons[0], 'timed out after 5000 ms, in the TLS handshake');
  await connection.until(({ ended }) => ended);
});

/** A server of HTTP/2 alone, which answers each request with its status. */
async function http2Origin(t: Test, server: Http2Server, status: number) {
  const seen: string[] = [];
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    seen.push(`${headers[':method']} ${headers[':scheme']}://${headers[':authority']}${headers[':path']}`);
    stream.respond({ ':status': status });
    stream.end(status === 204 ? undefined : 'body');
  });
  server.on('session', (session) => t.teardown(() => session.destroy()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return { port: portOf(server), seen };
}

t.test('kind http over TLS speaks what ALPN says', async (t) => {
  const check = { kind: 'http', path: '/well' } as const;
  const own = await authority.issue('server', { names: [API] });
  const two = await http2Origin(t, createSecureServer(own), 200);
  t.equal(await outcome(t, two.port, { ...secure, check }), null);
  t.strictSame(two.seen, [`GET https://${API}/well`]);
  const broken = await http2Origin(t, createSecureServer(own), 500);
  t.match(await outcome(t, broken.port, { ...secure, check }), 'status 500');
  const one = await tlsOrigin(t, { ALPNProtocols: ['http/1.1'] }, (connection) => {
    connection.socket.once('data', () => connection.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'));
  });
  t.equal(await outcome(t, one.port, { ...secure, check }), null);
  t.match((await one.connection(0)).received, /^GET \/well HTTP\/1\.1\r\nhost: api\.test\r\n/);
  const must = { ...secure, protocol: 'http2', check } as const;
  t.match(await outcome(t, one.port, must), /TLS|ALPN/);
});

t.test('kind http speaks HTTP/2 in clear where `protocol` says so', async (t) => {
  const origin = await http2Origin(t, createHttp2Server(), 204);
  t.equal(await outcome(t, origin.port, { protocol: 'http2', check: { kind: 'http' } }), null);
  t.strictSame(origin.seen, ['GET http://orders.shop:8080/']);
});
