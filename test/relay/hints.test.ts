import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { CertificateAuthority } from '../certificate-authority.ts';
import { field, rawApp } from '../http2/raw-app.ts';
import { type OriginConnection, rawClient, rawOrigin } from '../raw-origin.ts';
import { startSidecar } from '../sidecar.ts';
import { checkError, eventually, ownAnswer, proxyStatus, startRelay, useOnce } from './relay-fixture.ts';
import { API, answering, isWhole, originWith, startTlsRelay, tlsOrigin } from './tls-fixture.ts';

const ORIGINATE = 'tls.originate';

/** The error that a POST to an origin gets which ends the connection in this way. */
async function errorAfter(
  t: Test,
  ends: (connection: OriginConnection) => void,
): Promise<{ code: string; message: string; hint: string }> {
  const relay = await startRelay(t, {}, (connection) => {
    connection.socket.on('data', () => ends(connection));
  });
  const client = await relay.client();
  client.write(relay.head('POST', '/', 'Content-Length: 0\r\n'));
  await client.until(({ received }) => isWhole(received));
  return JSON.parse(ownAnswer(client.received).body);
}

t.test('a new connection in clear that ends before an answer: the port may speak TLS', async (t) => {
  const closed = await errorAfter(t, ({ socket }) => socket.end());
  t.match(closed, { code: 'UPSTREAM_CLOSED', hint: ORIGINATE });
  const reset = await errorAfter(t, ({ socket }) => socket.resetAndDestroy());
  t.match(reset, { code: 'UPSTREAM_RESET', hint: ORIGINATE });
  t.match(reset.hint, /^The upstream reset the connection/, 'what else it may be is said first');
});

t.test('one that carried a response before speaks no TLS', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  const upstream = await useOnce(relay, client);
  client.write(relay.head('POST', '/second', 'Content-Length: 0\r\n'));
  await upstream.untilReceived('/second');
  const before = client.received.length;
  upstream.socket.resetAndDestroy();
  await client.until(({ received }) => isWhole(received.slice(before)));
  const { code, hint } = JSON.parse(ownAnswer(client.received.slice(before)).body);
  t.equal(code, 'UPSTREAM_RESET');
  t.notMatch(hint, ORIGINATE);
});

t.test('an alert of TLS in place of a response is told as that', async (t) => {
  const { code, message } = await errorAfter(t, ({ socket }) => socket.end(Buffer.from([0x15, 3, 1, 0, 2, 2, 70])));
  t.equal(code, 'UPSTREAM_PROTOCOL');
  t.match(message, /the upstream speaks TLS .*tls\.originate/);
});

t.test('whatever a real server of TLS does with a request in clear, the answer says what to set', async (t) => {
  const origin = await tlsOrigin(t);
  const sidecar = await startSidecar(t, {
    destinations: [{ match: 'orders.shop:8080', endpoints: [`127.0.0.1:${origin.port}`] }],
  });
  const client = await rawClient(t, sidecar.port);
  client.write('GET http://orders.shop:8080/ HTTP/1.1\r\nHost: orders.shop:8080\r\n\r\n');
  await client.until(({ received }) => isWhole(received));
  t.match(ownAnswer(client.received).body, ORIGINATE);
});

t.test('a server of TLS that ends a new connection before an answer may want a client certificate', async (t) => {
  const leaves = await tlsOrigin(t, { maxVersion: 'TLSv1.3' }, ({ socket }) =>
    socket.on('data', () => socket.destroy()),
  );
  const relay = await startTlsRelay(t, leaves.port);
  const { hint } = JSON.parse(ownAnswer(await relay.fetch(`https://${API}/`)).body);
  t.match(hint, /mTLS.*tls\.cert and tls\.key/);
  t.notMatch(hint, ORIGINATE);
  const alice = await (await CertificateAuthority.create('clients CA')).issue('alice');
  const shown = await startTlsRelay(
    t,
    leaves.port,
    { cert: '$D/cert.pem', key: '$D/key.pem' },
    { files: { 'cert.pem': alice.cert, 'key.pem': alice.key } },
  );
  t.notMatch(JSON.parse(ownAnswer(await shown.fetch(`https://${API}/`)).body).hint, 'mTLS', 'it shows one already');
});

t.test('a connect that times out says what it waited for', async (t) => {
  const origin = await rawOrigin(t);
  const relay = await startTlsRelay(t, origin.port, {}, { entry: { timeouts: { connect: '3s' } } });
  const client = await relay.client();
  client.write(`GET https://${API}/ HTTP/1.1\r\nHost: ${API}\r\n\r\n`);
  await (await origin.connection(0)).until(({ received }) => received.length > 5);
  relay.clock.advance(3000);
  await client.until(({ received }) => isWhole(received));
  const { code, message } = JSON.parse(ownAnswer(client.received).body);
  t.equal(code, 'CONNECT_TIMEOUT');
  t.match(message, /no connection within 3000 ms .*accepted the connection, but did not finish the TLS handshake/);
});

t.test('who calls the proxy as if it were the upstream is told how to name that', async (t) => {
  const sidecar = await startSidecar(t);
  const app = await rawApp(t, sidecar.port, `127.0.0.1:${sidecar.port}`);
  const answer = await app.answer(app.get('/'));
  t.equal(answer.status, 508);
  const { code, hint } = JSON.parse(Buffer.concat(answer.pieces).toString());
  t.equal(code, 'LOOP');
  for (const words of ['HTTP_PROXY', 'localPort', ':authority']) t.match(hint, words);
  t.equal(proxyStatus(field(answer.fields, 'proxy-status')).error, 'proxy_loop_detected');
});

t.test('an apostrophe in the words of an error is one in Proxy-Status too', async (t) => {
  const origin = await originWith(t, { names: ['elsewhere.test'] });
  const relay = await startTlsRelay(t, origin.port);
  const answer = ownAnswer(await relay.fetch(`https://${API}/`));
  t.match(JSON.parse(Buffer.from(answer.body, 'latin1').toString()).message, 'the server’s certificate');
  t.match(proxyStatus(answer.fields.get('proxy-status')).details, "the server's certificate");
});

t.test('the access log says why a request went nowhere', async (t) => {
  const origin = await answering(t);
  const sidecar = await startSidecar(t, {
    destinations: [{ match: 'orders.shop:8080', localPort: 0, endpoints: [`127.0.0.1:${origin.port}`] }],
    telemetry: { accessLog: 'errors' },
  });
  const client = await rawClient(t, sidecar.localPorts[0]?.port ?? 0);
  client.write(Buffer.from([0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0]));
  await client.until(({ received }) => isWhole(received));
  checkError(t, client.received, { status: 400, code: 'BAD_REQUEST', error: 'http_request_error' });
  await sidecar.app.close();
  await eventually(() => readFileSync(sidecar.logFile, 'utf8').includes('"msg":"access"'));
  const line = readFileSync(sidecar.logFile, 'utf8')
    .split('\n')
    .find((each) => each.includes('"msg":"access"'));
  const { error, reason } = JSON.parse(line ?? '{}');
  t.equal(error, 'BAD_REQUEST');
  t.match(reason, /this is a TLS handshake, and this port speaks plain HTTP: .*base URL of a local port/);
});
