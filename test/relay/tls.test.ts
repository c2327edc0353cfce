import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { CertificateAuthority, selfSigned } from '../certificate-authority.ts';
import { type OriginConnection, rawClient, rawOrigin } from '../raw-origin.ts';
import { checkError, ownAnswer } from './relay-fixture.ts';
import { API, answering, authority, isWhole, originWith, startTlsRelay, tlsOrigin } from './tls-fixture.ts';

const DAY = 86_400_000;

/** Checks an answer that tells of a failed handshake. @returns its hint and message */
function tlsFailed(t: Test, answer: string, error: string): { hint: string; message: string } {
  return checkError(t, answer, {
    status: 502,
    code: 'TLS_FAILED',
    error,
    close: false,
    destination: `https://${API}:443`,
  });
}

t.test(
  'GET https:// in absolute form goes by TLS to port 443, with the name of the host asked for and checked',
  async (t) => {
    const origin = await answering(t);
    const relay = await startTlsRelay(t, origin.port);
    t.match(await relay.fetch(`https://${API}/x?y`), /^HTTP\/1\.1 200 OK[\s\S]*connection 0$/);
    const [connection] = origin.connections;
    t.match(connection?.received, /^GET \/x\?y HTTP\/1\.1\r\nhost: api\.test\r\n\r\n$/i);
    t.equal(connection?.socket.servername, API);
    t.equal(connection?.socket.alpnProtocol, false, 'the origin offered nothing to agree on');
    t.match(
      await relay.fetch(`https://${API}:443/again`),
      /connection 0$/,
      'the connection is pooled, port 443 is the usual one',
    );
    t.same(
      relay.app.destinations().map(({ name }) => name),
      [`https://${API}:443`],
    );
  },
);

t.test('a local port of a destination by TLS needs no port, and Host is the bare name', async (t) => {
  const origin = await answering(t);
  const relay = await startTlsRelay(t, origin.port, { originate: true }, { entry: { localPort: 0, basePath: '/v1' } });
  const client = await rawClient(t, relay.localPorts[0]?.port ?? 0);
  client.write('GET /models HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
  await client.until(({ received }) => isWhole(received));
  t.match(origin.connections[0]?.received, /^GET \/v1\/models HTTP\/1\.1\r\nhost: api\.test\r\n\r\n$/i);
  t.same(
    relay.localPorts.map(({ destination }) => destination),
    [`${API}:443`],
  );
});

t.test('a destination that opens TLS anyhow is one for http:// and https://', async (t) => {
  const origin = await answering(t);
  const relay = await startTlsRelay(t, origin.port, { originate: true });
  t.match(await relay.fetch(`http://${API}:443/`), /connection 0$/);
  t.match(await relay.fetch(`https://${API}/`), /connection 0$/);
  t.match(await relay.fetch(`http://${API}/`), /connection 1$/, 'port 80 is another destination, by TLS too');
  t.same(
    relay.app.destinations().map(({ name }) => name),
    [`${API}:443`, `${API}:80`],
  );
});

t.test('http:// and https:// of the same host and port share no connection', async (t) => {
  const origin = await rawOrigin(t);
  const relay = await startTlsRelay(t, origin.port);
  const client = await relay.client();
  client.write(`GET http://${API}:443/plain HTTP/1.1\r\nHost: ${API}:443\r\n\r\n`);
  const plain = await origin.connection(0);
  await plain.untilReceived('/plain');
  plain.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  await client.untilReceived('ok');
  client.write(`GET https://${API}:443/secret HTTP/1.1\r\nHost: ${API}:443\r\n\r\n`);
  const secure = await origin.connection(1);
  await secure.until(({ received }) => received.length > 5);
  t.match(secure.received, /^\x16\x03/, 'a handshake, on a connection of its own');
  client.write('');
  t.notMatch(plain.received, 'secret');
  t.notMatch(secure.received, 'secret');
});

t.test('a request of a destination by TLS is not sent in clear when it was remembered in clear', async (t) => {
  const origin = await rawOrigin(t);
  const relay = await startTlsRelay(t, origin.port);
  const client = await relay.client();
  for (const index of [0, 1]) {
    client.write(`GET http://${API}/${index} HTTP/1.1\r\nHost: ${API}\r\n\r\n`);
    const plain = await origin.connection(0);
    await plain.untilReceived(`/${index}`);
    plain.write(`HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain`);
    await client.until(({ received }) => received.split('plain').length === index + 2);
  }
  client.write(`GET https://${API}/ HTTP/1.1\r\nHost: ${API}\r\n\r\n`);
  const secure = await origin.connection(1);
  await secure.until(({ received }) => received.length > 5);
  t.match(secure.received, /^\x16\x03/);
});

t.test('a certificate that is self-signed is refused, once, with what to set', async (t) => {
  const origin = await answering(t, await selfSigned('lonely', { names: [API] }));
  const relay = await startTlsRelay(t, origin.port);
  const { hint, message } = tlsFailed(t, await relay.fetch(`https://${API}/`), 'tls_certificate_error');
  t.match(
    message,
    /no connection to 127\.0\.0\.1:\d+: the server’s certificate is self-signed \(CN=lonely, for DNS:api\.test, issued by CN=lonely, valid /,
  );
  t.match(hint, 'tls.ca');
  t.equal(origin.accepted, 1, 'another try would tell the same');
  t.equal(origin.connections[0]?.received ?? '', '', 'the request was not sent');
});

t.test('a certificate of an unknown CA is refused, with the CA that issued it', async (t) => {
  const stranger = await CertificateAuthority.create('stranger');
  const origin = await answering(t, await stranger.issue('server', { names: [API] }));
  const relay = await startTlsRelay(t, origin.port);
  const { hint, message } = tlsFailed(t, await relay.fetch(`https://${API}/`), 'tls_certificate_error');
  t.match(message, /is from no CA that is trusted \(.*issued by CN=stranger/);
  t.match(hint, 'tls.ca');
});

t.test('without tls.ca the CAs of Node are trusted, and ours is none of them', async (t) => {
  const origin = await answering(t);
  const relay = await startTlsRelay(t, origin.port, { ca: null });
  t.match(tlsFailed(t, await relay.fetch(`https://${API}/`), 'tls_certificate_error').message, /no CA that is trusted/);
});

t.test('NODE_TLS_REJECT_UNAUTHORIZED switches no check off', async (t) => {
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
  t.teardown(() => {
    delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
  });
  const origin = await answering(t, await selfSigned('lonely', { names: [API] }));
  const relay = await startTlsRelay(t, origin.port);
  tlsFailed(t, await relay.fetch(`https://${API}/`), 'tls_certificate_error');
});

t.test('a certificate for another name is refused, with its names, unless tls.serverName is one of them', async (t) => {
  const origin = await originWith(t, { names: ['other.test', '*.more.test'] });
  const relay = await startTlsRelay(t, origin.port);
  const { hint, message } = tlsFailed(t, await relay.fetch(`https://${API}/`), 'tls_certificate_error');
  t.match(message, /is for another name \(.*DNS:other\.test, DNS:\*\.more\.test/);
  t.match(hint, 'tls.serverName');
  t.test('with the right name', async (t) => {
    const named = await startTlsRelay(t, origin.port, { serverName: 'a.more.test' });
    t.match(await named.fetch(`https://${API}/`), /200 OK/);
    t.equal(origin.connections.at(-1)?.socket.servername, 'a.more.test', 'it is asked for, too');
  });
});

t.test('an address is checked as one, and not asked for by name', async (t) => {
  const origin = await originWith(t, { addresses: ['127.0.0.1'] });
  const relay = await startTlsRelay(t, origin.port, {}, { entry: { match: '127.0.0.1' } });
  t.match(await relay.fetch(`https://127.0.0.1:${origin.port}/`), /200 OK/);
  t.equal(origin.connections[0]?.socket.servername, false);
  t.test('a certificate without it is refused', async (t) => {
    const other = await originWith(t, { names: ['127.0.0.1'] });
    const second = await startTlsRelay(t, other.port, {}, { entry: { match: '127.0.0.1' } });
    t.match(await second.fetch(`https://127.0.0.1:${other.port}/`), /tls_certificate_error[\s\S]*another name/);
  });
});

t.test('tls.serverName may be an address other than that which is dialled', async (t) => {
  const origin = await originWith(t, { addresses: ['192.0.2.7'] });
  const relay = await startTlsRelay(t, origin.port, { serverName: '192.0.2.7' });
  t.match(await relay.fetch(`https://${API}/`), /200 OK/);
  t.equal(origin.connections[0]?.socket.servername, false);
});

t.test('a name that is absolute is asked for, and checked, without its dot', async (t) => {
  const origin = await answering(t);
  const relay = await startTlsRelay(t, origin.port, {}, { entry: { match: '*.test' } });
  t.match(await relay.fetch(`https://${API}./`), /200 OK/);
  t.equal(origin.connections[0]?.socket.servername, API);
});

t.test('a certificate out of its time is refused, with its dates', async (t) => {
  const now = Date.now();
  const cases = [
    { notBefore: new Date(now - 9 * DAY), notAfter: new Date(now - DAY), told: /has expired \(.*valid .* to / },
    { notBefore: new Date(now + DAY), notAfter: new Date(now + 9 * DAY), told: /is not valid yet \(.*valid .* to / },
  ];
  for (const { told, ...dates } of cases) {
    await t.test(String(told), async (t) => {
      const origin = await originWith(t, { names: [API], ...dates });
      const relay = await startTlsRelay(t, origin.port);
      t.match(tlsFailed(t, await relay.fetch(`https://${API}/`), 'tls_certificate_error').message, told);
    });
  }
});

t.test('a server below tls.minVersion is refused, and tells so by its alert', async (t) => {
  const origin = await answering(t, { maxVersion: 'TLSv1.2' });
  const relay = await startTlsRelay(t, origin.port, { minVersion: 'TLSv1.3' });
  const { hint, message } = tlsFailed(t, await relay.fetch(`https://${API}/`), 'tls_alert_received');
  t.match(message, /alert protocol version \(alert 70\)/);
  t.match(hint, 'tls.minVersion');
  t.test('TLS 1.2 is enough where nothing is said', async (t) => {
    const usual = await startTlsRelay(t, origin.port);
    t.match(await usual.fetch(`https://${API}/`), /200 OK/);
    t.equal(origin.connections[0]?.socket.getProtocol(), 'TLSv1.2');
  });
});

t.test('a port at which nothing listens has nothing to do with TLS', async (t) => {
  const relay = await startTlsRelay(t, 1);
  checkError(t, await relay.fetch(`https://${API}/`), {
    status: 502,
    code: 'CONNECT_FAILED',
    error: 'connection_refused',
  });
});

t.test('a server that does not speak TLS is told as that', async (t) => {
  const origin = await rawOrigin(t, (connection) => {
    connection.socket.on('data', () => connection.socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n'));
  });
  const relay = await startTlsRelay(t, origin.port);
  const { hint, message } = tlsFailed(t, await relay.fetch(`https://${API}/`), 'tls_protocol_error');
  t.match(message, /does not speak TLS/);
  t.match(hint, 'http://');
});

t.test('a server that closes in the handshake is told as that', async (t) => {
  for (const how of ['end', 'resetAndDestroy'] as const) {
    await t.test(how, async (t) => {
      const origin = await rawOrigin(t, (connection) => {
        connection.socket.on('data', () => connection.socket[how]());
      });
      const relay = await startTlsRelay(t, origin.port);
      const { message } = tlsFailed(t, await relay.fetch(`https://${API}/`), 'tls_protocol_error');
      t.match(message, /closed the connection in the TLS handshake/);
    });
  }
});

t.test('a server that takes the connection and stays silent is given up at timeouts.connect', async (t) => {
  const origin = await rawOrigin(t);
  const relay = await startTlsRelay(t, origin.port, {}, { entry: { timeouts: { connect: '3s' } } });
  const client = await relay.client();
  client.write(`GET https://${API}/ HTTP/1.1\r\nHost: ${API}\r\n\r\n`);
  const silent = await origin.connection(0);
  await silent.until(({ received }) => received.length > 5);
  relay.clock.advance(2999);
  t.equal(client.received, '');
  relay.clock.advance(1);
  await client.until(({ received }) => isWhole(received));
  const { body, status } = ownAnswer(client.received);
  t.equal(status, 504);
  t.match(JSON.parse(body), { code: 'CONNECT_TIMEOUT', message: /no connection within 3000 ms/ });
  await silent.until(({ ended }) => ended);
});

t.test('a server that stays silent in its handshake is passed by after timeouts.connectAttempt', async (t) => {
  const silent = await rawOrigin(t);
  const origin = await answering(t);
  const endpoints = [`127.0.0.1:${silent.port}`, `127.0.0.1:${origin.port}`];
  const relay = await startTlsRelay(t, 0, {}, { entry: { endpoints, balancer: 'round_robin' } });
  const clients: OriginConnection[] = [];
  for (const _ of endpoints) {
    const client = await relay.client();
    clients.push(client);
    client.write(`GET https://${API}/ HTTP/1.1\r\nHost: ${API}\r\n\r\n`);
  }
  await (await silent.connection(0)).until(({ received }) => received.length > 5);
  relay.clock.advance(1000);
  for (const client of clients) await client.untilReceived('200 OK');
});

t.test('of several endpoints each is tried once where its certificate is refused', async (t) => {
  const bad = await Promise.all([1, 2].map(async () => answering(t, await selfSigned('lonely', { names: [API] }))));
  const endpoints = bad.map(({ port }) => `127.0.0.1:${port}`);
  const relay = await startTlsRelay(t, 0, {}, { entry: { endpoints } });
  tlsFailed(t, await relay.fetch(`https://${API}/`), 'tls_certificate_error');
  t.same(
    bad.map(({ accepted }) => accepted),
    [1, 1],
  );
  t.test('and one that is in order serves', async (t) => {
    const good = await answering(t);
    const mixed = [...endpoints, `127.0.0.1:${good.port}`];
    const second = await startTlsRelay(t, 0, {}, { entry: { endpoints: mixed } });
    for (let index = 0; index < 6; index++) t.match(await second.fetch(`https://${API}/`), /200 OK/);
  });
});

t.test('a failed handshake is counted by its code, and its key material is in no log', async (t) => {
  const origin = await answering(t, await selfSigned('lonely', { names: [API] }));
  const own = await authority.issue('client');
  const files = { 'cert.pem': own.cert, 'key.pem': own.key };
  const settings = { telemetry: { logLevel: 'trace' } };
  const relay = await startTlsRelay(t, origin.port, { cert: '$D/cert.pem', key: '$D/key.pem' }, { files, settings });
  await relay.fetch(`https://${API}/`);
  const operator = async (path: string) => (await fetch(`http://127.0.0.1:${relay.operatorPort}${path}`)).text();
  t.match(await operator('/metrics'), /pool_connect_errors_total\{[^}]*code="DEPTH_ZERO_SELF_SIGNED_CERT"[^}]*\} 1/);
  const shown = (await operator('/debug/config')) + (await operator('/stats')) + readFileSync(relay.logFile, 'utf8');
  t.match(shown, 'key.pem', 'the path is no secret');
  for (const line of own.key.split('\n').slice(1, -2)) t.notMatch(shown, line);
  t.notMatch(shown, 'PRIVATE KEY');
});

t.test('a server that wants HTTP/2 alone is told where HTTP/1.1 is a must, and the other way round', async (t) => {
  const h2 = await tlsOrigin(t, { ALPNProtocols: ['h2'] });
  const relay = await startTlsRelay(t, h2.port);
  t.match(
    tlsFailed(t, await relay.fetch(`https://${API}/`), 'tls_alert_received').message,
    /no application protocol \(alert 120\)/,
  );
  t.test('a server without ALPN speaks no HTTP/2', async (t) => {
    const origin = await answering(t);
    const second = await startTlsRelay(t, origin.port, {}, { entry: { protocol: 'http2' } });
    const { hint, message } = tlsFailed(t, await second.fetch(`https://${API}/`), 'tls_protocol_error');
    t.match(message, /agreed on no protocol \(ALPN\), where h2 is a must/);
    t.match(hint, 'auto');
  });
  t.test('auto goes by what is agreed on', async (t) => {
    const origin = await answering(t, { ALPNProtocols: ['http/1.1'] });
    const third = await startTlsRelay(t, origin.port, {}, { entry: { protocol: 'auto' } });
    t.match(await third.fetch(`https://${API}/`), /200 OK/);
    t.equal(origin.connections[0]?.socket.alpnProtocol, 'http/1.1');
  });
});
