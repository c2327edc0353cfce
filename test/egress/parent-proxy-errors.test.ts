import t, { type Test } from 'tap';
import { DnsFixture } from '../discovery/dns-fixture.ts';
import { NXDOMAIN } from '../discovery/dns-server.ts';
import { type OriginConnection, rawOrigin } from '../raw-origin.ts';
import { refusing } from '../relay/connect-fixture.ts';
import { checkError, eventually } from '../relay/relay-fixture.ts';
import { logOf } from './egress-fixture.ts';
import { type Behind, parentProxy, startBehind } from './parent-proxy-fixture.ts';

const API = 'api.test';

type Expected = { status: number; code: string; error: string };
const FAILED = { status: 502, code: 'CONNECT_FAILED', error: 'http_request_denied' };

/** What the app hears for `GET url`. */
async function refused(t: Test, sidecar: Behind, url: string, expected: Expected) {
  return checkError(t, await sidecar.get(url), { close: true, ...expected });
}

/** What the app hears for a CONNECT. */
async function refusedConnect(t: Test, sidecar: Behind, target: string, expected: Expected) {
  const app = await sidecar.client();
  app.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
  await app.until(({ ended }) => ended);
  return checkError(t, app.received, { close: true, ...expected });
}

t.test('407 is carpool’s matter: the app is told what to set, and never asked for credentials', async (t) => {
  const proxy = await parentProxy(t, {});
  proxy.wants = 'Basic nobody';
  const sidecar = await startBehind(t, proxy.url);
  for (const url of [`http://${API}/`, `https://${API}/`]) {
    const { message, hint } = await refused(t, sidecar, url, FAILED);
    t.match(
      message,
      /the parent proxy http:\/\/127\.0\.0\.1:\d+ answered .* for api\.test:\d+ with 407: it wants credentials/,
    );
    t.match(hint, /egress\.parentProxy\.credentialsFile/);
  }
  await refusedConnect(t, sidecar, `${API}:443`, FAILED);
  t.equal(proxy.seen.length, 3, 'nothing is tried again in vain');
  const known = await startBehind(t, proxy.url, { credentialsFile: '$D/key' }, {}, { key: 'a:b' });
  for (const url of [`http://${API}/`, `https://${API}/`]) {
    const { message, hint } = await refused(t, known, url, FAILED);
    t.match(message, /it wants other credentials/);
    t.match(hint, /[Cc]orrect .*egress\.parentProxy\.credentialsFile/);
  }
  const none = await startBehind(t, proxy.url, { credentialsFile: '$D/none' });
  await refused(t, none, `http://${API}/`, FAILED);
  t.match(logOf(none), /"event":"secret_file_refused","destination":"parent proxy".*ENOENT/);
});

t.test('a tunnel that the proxy’s rules forbid, and one that it cannot make, are two errors', async (t) => {
  const proxy = await parentProxy(t, {});
  const sidecar = await startBehind(t, proxy.url);
  proxy.refuses = 403;
  t.match((await refused(t, sidecar, `https://${API}/`, FAILED)).hint, /rules of the parent proxy .*noProxy/);
  proxy.refuses = 503;
  const failed = { ...FAILED, error: 'destination_unavailable' };
  t.match(await refusedConnect(t, sidecar, `${API}:443`, failed), {
    message: /with 503/,
    hint: /could not reach the host/,
  });
  t.equal(proxy.seen.length, 2);
  const page = await (await fetch(`http://127.0.0.1:${sidecar.operatorPort}/metrics`)).text();
  t.match(page, /errno="PROXY_DENIED"|code="PROXY_DENIED"|PROXY_DENIED/);
  t.match(page, 'PROXY_FAILED');
});

t.test('what the proxy itself answers to a whole URL passes, for it cannot be told from the origin’s', async (t) => {
  const proxy = await parentProxy(t, {});
  proxy.refuses = 403;
  const sidecar = await startBehind(t, proxy.url);
  t.match(await sidecar.get(`http://${API}/`), /^HTTP\/1\.1 403 .*the proxy$/s);
});

t.test('a request whose credentials are refused is not sent again, not even a GET', async (t) => {
  const proxy = await rawOrigin(t, (connection) => {
    connection.socket.on('data', () => connection.write('HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n'));
  });
  const sidecar = await startBehind(t, `http://127.0.0.1:${proxy.port}`, {}, { defaults: { retry: { attempts: 5 } } });
  await refused(t, sidecar, `http://${API}/`, FAILED);
  t.equal(proxy.connections.length, 1);
  await proxy.connections[0]?.until(({ ended }) => ended);
});

/** A proxy that answers CONNECT with these bytes. */
const saying = (t: Test, bytes: string, then: (connection: OriginConnection) => void = () => {}) =>
  rawOrigin(t, (connection) => {
    connection.socket.once('data', () => {
      connection.write(bytes);
      then(connection);
    });
  });

for (const [what, bytes, words] of [
  ['no HTTP', 'SSH-2.0-x\r\n\r\n', /not HTTP\/1\.1/],
  ['a head without end', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(17_000)}`, /not HTTP\/1\.1/],
  ['101', 'HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n', /switched protocols/],
  ['a bare LF', 'HTTP/1.1 200 OK\nX: y\r\n\r\n', /not HTTP\/1\.1/],
] as const)
  t.test(`an answer to CONNECT that is ${what} is refused`, async (t) => {
    const proxy = await saying(t, bytes);
    const sidecar = await startBehind(t, `http://127.0.0.1:${proxy.port}`);
    const expected = { ...FAILED, error: 'http_protocol_error' };
    t.match((await refusedConnect(t, sidecar, `${API}:443`, expected)).message, words);
    await proxy.connections[0]?.until(({ ended }) => ended);
  });

t.test('an answer in pieces, after interim ones, is read as one; what comes behind it is the tunnel’s', async (t) => {
  const proxy = await rawOrigin(t);
  const sidecar = await startBehind(t, `http://127.0.0.1:${proxy.port}`);
  const app = await sidecar.client();
  app.write(`CONNECT ${API}:443 HTTP/1.1\r\nHost: ${API}:443\r\n\r\n`);
  const connection = await proxy.connection(0);
  await connection.untilReceived('\r\n\r\n');
  const all = 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 201 Made\r\nContent-Length: 5\r\n\r\nbehind';
  for (const byte of all) {
    connection.write(byte);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  await app.untilReceived('behind');
  t.equal(app.received, 'HTTP/1.1 200 Connection established\r\n\r\nbehind');
});

t.test('bytes behind the answer where TLS is to begin are refused: a server does not speak first', async (t) => {
  const proxy = await saying(t, 'HTTP/1.1 200 OK\r\n\r\nnonsense');
  const sidecar = await startBehind(t, `http://127.0.0.1:${proxy.port}`);
  const expected = { ...FAILED, error: 'http_protocol_error' };
  t.match((await refused(t, sidecar, `https://${API}/`, expected)).message, /before TLS had begun/);
});

t.test('a proxy that does not answer CONNECT costs timeouts.connect, and the error says so', async (t) => {
  const proxy = await rawOrigin(t);
  const sidecar = await startBehind(t, `http://127.0.0.1:${proxy.port}`);
  const app = await sidecar.client();
  app.write(`CONNECT ${API}:443 HTTP/1.1\r\nHost: ${API}:443\r\n\r\n`);
  await (await proxy.connection(0)).untilReceived('\r\n\r\n');
  sidecar.clock.advance(10_000);
  await app.until(({ ended }) => ended);
  const expected = { status: 504, code: 'CONNECT_TIMEOUT', error: 'connection_timeout' };
  const { message, hint } = checkError(t, app.received, { close: true, ...expected });
  t.match(message, /parent proxy .* did not answer CONNECT within 10000 ms/);
  t.match(hint, /^The parent proxy .*timeouts\.connect/);
  await proxy.connections[0]?.until(({ ended }) => ended);
});

t.test('a proxy that closes or resets in place of an answer is told of as such', async (t) => {
  for (const end of ['end', 'resetAndDestroy'] as const) {
    const proxy = await saying(t, '', ({ socket }) => socket[end]());
    const sidecar = await startBehind(t, `http://127.0.0.1:${proxy.port}`);
    const expected = { status: 502, code: 'CONNECT_FAILED', error: 'connection_refused' };
    t.match((await refusedConnect(t, sidecar, `${API}:443`, expected)).message, /parent proxy .*ECONNRESET/);
  }
});

t.test('a proxy that is down is named in the error', async (t) => {
  const where = await refusing();
  const sidecar = await startBehind(t, `http://${where}`);
  const expected = { status: 502, code: 'CONNECT_FAILED', error: 'connection_refused' };
  t.match((await refused(t, sidecar, `http://${API}/`, expected)).message, `the parent proxy http://${where}`);
});

t.test('an app that leaves while the proxy is asked frees the connection', async (t) => {
  const proxy = await rawOrigin(t);
  const sidecar = await startBehind(t, `http://127.0.0.1:${proxy.port}`);
  const app = await sidecar.client();
  app.write(`CONNECT ${API}:443 HTTP/1.1\r\nHost: ${API}:443\r\n\r\n`);
  const connection = await proxy.connection(0);
  await connection.untilReceived('\r\n\r\n');
  app.socket.resetAndDestroy();
  await connection.until(({ ended }) => ended);
  await eventually(() => sidecar.app.process().upstreamConnections === 0);
  t.pass();
});

t.test('TLS that fails inside of the tunnel is the server’s; TLS to the proxy is the proxy’s', async (t) => {
  const server = await rawOrigin(t, (connection) => connection.socket.once('data', () => connection.socket.destroy()));
  const proxy = await parentProxy(t, { [API]: server.port });
  const sidecar = await startBehind(t, proxy.url);
  const inside = { status: 502, code: 'TLS_FAILED', error: 'tls_protocol_error' };
  t.match((await refused(t, sidecar, `https://${API}/`, inside)).message, /closed the connection in the TLS handshake/);
  const secure = await parentProxy(t, {}, true);
  const untrusted = await startBehind(t, secure.url);
  const wrong = { status: 502, code: 'TLS_FAILED', error: 'tls_certificate_error' };
  for (const url of [`http://${API}/`, `https://${API}/`]) {
    const { message, hint } = await refused(t, untrusted, url, wrong);
    t.match(
      message,
      /no connection to the parent proxy .*: TLS to the parent proxy: the server’s certificate is from no CA/,
    );
    t.match(hint, /egress\.parentProxy\.ca/);
  }
  const missing = await startBehind(t, secure.url, { ca: '$D/none.pem' });
  const files = { status: 502, code: 'TLS_FAILED', error: 'proxy_configuration_error' };
  t.match((await refused(t, missing, `https://${API}/`, files)).message, 'none.pem');
  t.match((await refused(t, missing, `http://${API}/`, files)).message, 'none.pem');
});

t.test('a host behind the proxy that speaks no TLS is named, and not the proxy', async (t) => {
  const server = await rawOrigin(t, (connection) =>
    connection.socket.once('data', () => connection.write('HTTP/1.1 400 Bad Request\r\n\r\n')),
  );
  const proxy = await parentProxy(t, { [API]: server.port });
  const sidecar = await startBehind(t, proxy.url);
  const inside = { status: 502, code: 'TLS_FAILED', error: 'tls_protocol_error' };
  const { message, hint } = await refused(t, sidecar, `https://${API}/`, inside);
  t.match(
    message,
    /no connection to api\.test:443 by the parent proxy http:\/\/127\.0\.0\.1:\d+: what answers at this port does not speak TLS/,
  );
  t.notMatch(message, /no connection to the parent proxy/);
  t.match(hint, /speaks plain HTTP/);
});

t.test('a host behind the proxy that hangs in the TLS handshake is named, and not the proxy', async (t) => {
  const server = await rawOrigin(t);
  const proxy = await parentProxy(t, { [API]: server.port });
  const sidecar = await startBehind(t, proxy.url);
  const app = await sidecar.client();
  app.write(`GET https://${API}/ HTTP/1.1\r\nHost: ${API}\r\nConnection: close\r\n\r\n`);
  await eventually(() => (server.connections[0]?.received.length ?? 0) > 0);
  sidecar.clock.advance(10_000);
  await app.until(({ ended }) => ended);
  const expected = { status: 504, code: 'CONNECT_TIMEOUT', error: 'connection_timeout' };
  const { message } = checkError(t, app.received, { close: true, ...expected });
  t.match(message, /api\.test:443, reached by the parent proxy .*, did not finish the TLS handshake/);
});

t.test('a reset in the middle of TLS inside of the tunnel leaves nothing behind', async (t) => {
  const proxy = await saying(t, 'HTTP/1.1 200 OK\r\n\r\n', ({ socket }) =>
    socket.once('data', () => socket.resetAndDestroy()),
  );
  const sidecar = await startBehind(t, `http://127.0.0.1:${proxy.port}`);
  t.match(await sidecar.get(`https://${API}/`), /^HTTP\/1\.1 502 .*"code":"TLS_FAILED"/s);
  await eventually(() => sidecar.app.process().upstreamConnections === 0);
});

t.test('rule 26 holds for addresses that the app names, by the proxy too', async (t) => {
  const proxy = await parentProxy(t, {});
  const settings = { security: { allowAddresses: [] } };
  const sidecar = await startBehind(t, proxy.url, { noProxy: [] }, settings);
  const denied = { status: 403, code: 'DESTINATION_DENIED', error: 'destination_ip_prohibited' };
  for (const host of ['169.254.169.254', '127.0.0.1', '[::ffff:169.254.169.254]', '0.0.0.0', '[fd00:ec2::254]'])
    await refused(t, sidecar, `http://${host}/latest/meta-data`, denied);
  await refusedConnect(t, sidecar, '169.254.169.254:443', denied);
  for (const host of ['127.1', '0x7f.0.0.1', '169.254.43518', '0251.0376.0251.0376'])
    t.match(await sidecar.get(`http://${host}/`), /^HTTP\/1\.1 (403|502|400) /, host);
  t.same(proxy.seen, [], 'the proxy was asked for none of it');
  t.match(
    await sidecar.get('http://203.0.113.7/'),
    /^HTTP\/1\.1 502 .*the proxy$/s,
    'any other address is the proxy’s',
  );
  t.equal(proxy.seen[0]?.line, 'GET http://203.0.113.7/');
});

t.test('where the proxy’s own name is not found, the error says whose name it is', async (t) => {
  const dns = await DnsFixture.start(t, () => NXDOMAIN);
  const { hostsFile, resolvConf } = dns;
  const settings = { discovery: { dns: { hostsFile, resolvConf } } };
  const sidecar = await startBehind(t, 'http://nowhere.invalid:3128', {}, settings);
  const expected = { status: 502, code: 'NO_ROUTE', error: 'dns_error' };
  const { message, hint } = await refused(t, sidecar, `http://${API}/`, expected);
  t.match(message, /^the parent proxy http:\/\/nowhere\.invalid:3128 is not found: /);
  t.match(hint, /egress\.parentProxy\.url/);
});
