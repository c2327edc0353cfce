import { once } from 'node:events';
import net from 'node:net';
import t from 'tap';
import { DnsFixture } from '../discovery/dns-fixture.ts';
import { NXDOMAIN, type Script, SILENCE, zone } from '../discovery/dns-server.ts';
import { checkError, eventually, ownAnswer, proxyStatus, type Relay, startRelay, useOnce } from './relay-fixture.ts';

/** A port of 127.0.0.1 that nobody listens on. */
async function deadPort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function withDns(t: Parameters<typeof startRelay>[0], script: Script): Promise<Relay> {
  const { hostsFile, resolvConf } = await DnsFixture.start(t, script);
  return startRelay(t, { discovery: { dns: { hostsFile, resolvConf } } });
}

t.test('NO_ROUTE: the name is nowhere', async (t) => {
  const relay = await withDns(t, () => NXDOMAIN);
  const client = await relay.client();
  client.write('GET http://nowhere.example.:8080/ HTTP/1.1\r\nHost: nowhere.example.:8080\r\n\r\n');
  await client.untilReceived('}');
  checkError(t, client.received, {
    status: 502,
    code: 'NO_ROUTE',
    error: 'dns_error',
    close: false,
    destination: 'nowhere.example.:8080',
  });
  t.equal(await relay.metric('errors_total', 'code="NO_ROUTE"'), 1);
});

t.test('DNS_TIMEOUT: no nameserver answers within timeouts.connect', async (t) => {
  const relay = await withDns(t, () => SILENCE);
  const client = await relay.client();
  client.write('GET http://slow.example.:8080/ HTTP/1.1\r\nHost: slow.example.:8080\r\n\r\n');
  await eventually(() => relay.app.destinations()[0]?.pending === 1);
  relay.clock.advance(10_000);
  await client.untilReceived('}');
  checkError(t, client.received, { status: 504, code: 'DNS_TIMEOUT', error: 'dns_timeout', close: false });
});

t.test(
  'with security.allowLoopback the app’s own calls to loopback go through, and none that DNS leads there',
  async (t) => {
    const { hostsFile, resolvConf } = await DnsFixture.start(t, zone({ 'rebound.example': ['127.0.0.1'] }));
    const security = { allowAddresses: [], allowLoopback: true };
    const relay = await startRelay(t, { security, discovery: { dns: { hostsFile, resolvConf } } }, (connection) => {
      connection.socket.on('data', () => connection.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'));
    });
    const port = relay.origin.port;
    const status = async (host: string): Promise<string | undefined> => {
      const client = await relay.client();
      client.write(`GET http://${host}:${port}/ HTTP/1.1\r\nHost: ${host}:${port}\r\n\r\n`);
      await client.untilReceived('\r\n\r\n');
      return /^HTTP\/1.1 (\d+)/.exec(client.received)?.[1];
    };
    t.equal(await status('127.0.0.1'), '200');
    t.equal(await status('localhost'), '200');
    t.equal(await status('rebound.example'), '403', 'DNS led there');
  },
);

t.test('DESTINATION_DENIED: a loopback address that is not allowed', async (t) => {
  const relay = await startRelay(t, { security: { allowAddresses: [] } });
  const client = await relay.client();
  client.write(relay.head('GET', '/'));
  await client.untilReceived('}');
  checkError(t, client.received, {
    status: 403,
    code: 'DESTINATION_DENIED',
    error: 'destination_ip_prohibited',
    close: false,
    destination: relay.target,
  });
});

t.test('LOOP: a request to one of carpool’s own listeners, by any of its names', async (t) => {
  const relay = await startRelay(t);
  for (const [host, port] of [
    ['127.0.0.1', relay.port],
    ['[::ffff:127.0.0.1]', relay.port],
    ['127.0.0.1', relay.operatorPort],
  ] as const) {
    const client = await relay.client();
    client.write(`GET http://${host}:${port}/ HTTP/1.1\r\nHost: x\r\n\r\n`);
    await client.untilReceived('}');
    checkError(t, client.received, { status: 508, code: 'LOOP', error: 'proxy_loop_detected' });
  }
});

t.test('POOL_PENDING_FULL and ACQUIRE_TIMEOUT: a limit keeps the request from a connection', async (t) => {
  const relay = await startRelay(t, { defaults: { pool: { maxConnections: 1, maxPending: 1, acquireTimeout: '2s' } } });
  const [first, second, third] = [await relay.client(), await relay.client(), await relay.client()];
  first.write(relay.head('GET', '/1'));
  await (await relay.origin.connection(0)).untilReceived('GET /1 ');
  second.write(relay.head('GET', '/2'));
  await eventually(() => relay.stats().pending === 1);
  third.write(relay.head('POST', '/3', 'Content-Length: 0\r\n'));
  await third.untilReceived('}');
  const full = checkError(t, third.received, {
    status: 503,
    code: 'POOL_PENDING_FULL',
    error: 'connection_limit_reached',
    close: false,
    destination: relay.target,
  });
  t.match(full.message, /1 connections \(limit 1\), 1 active, 0 idle.*1 requests waiting/);
  relay.clock.advance(2000);
  await second.untilReceived('}');
  const late = checkError(t, second.received, {
    status: 504,
    code: 'ACQUIRE_TIMEOUT',
    error: 'connection_limit_reached',
    close: false,
    destination: relay.target,
  });
  t.match(late.message, /waited 2000 ms.*limit 1\), 1 active/);
  t.equal(relay.stats().pending, 0);
});

t.test('CONNECT_FAILED: nobody listens', async (t) => {
  const relay = await startRelay(t);
  const port = await deadPort();
  const client = await relay.client();
  client.write(`GET http://127.0.0.1:${port}/ HTTP/1.1\r\nHost: x\r\n\r\n`);
  await client.untilReceived('}');
  const { message } = checkError(t, client.received, {
    status: 502,
    code: 'CONNECT_FAILED',
    error: 'connection_refused',
    close: false,
    destination: `127.0.0.1:${port}`,
  });
  t.match(message, `127.0.0.1:${port}: ECONNREFUSED`);
});

t.test('CONNECT_TIMEOUT: no connection within timeouts.connect', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(relay.head('GET', '/'));
  // Time is moved in the very turn in which the connect began, before its outcome can be read.
  await eventually(() => relay.stats().connecting === 1);
  relay.clock.advance(10_000);
  await client.untilReceived('}');
  checkError(t, client.received, {
    status: 504,
    code: 'CONNECT_TIMEOUT',
    error: 'connection_timeout',
    close: false,
    destination: relay.target,
  });
});

t.test('UPSTREAM_CLOSED and UPSTREAM_RESET: the upstream goes before it answers', async (t) => {
  const relay = await startRelay(t, { defaults: { retry: { attempts: 1 } } });
  const client = await relay.client();
  client.write(relay.head('GET', '/'));
  const first = await relay.origin.connection(0);
  await first.untilReceived('\r\n\r\n');
  first.socket.end();
  await client.untilReceived('}');
  const expected = { status: 502, error: 'connection_terminated', close: false, destination: relay.target };
  checkError(t, client.received, { ...expected, code: 'UPSTREAM_CLOSED' });
  const before = client.received.length;
  client.write(relay.head('GET', '/'));
  const second = await relay.origin.connection(1);
  await second.untilReceived('\r\n\r\n');
  second.socket.resetAndDestroy();
  await client.untilReceived('UPSTREAM_RESET');
  checkError(t, client.received.slice(before), { ...expected, code: 'UPSTREAM_RESET' });
});

t.test('UPSTREAM_PROTOCOL: a response that cannot be read without doubt', async (t) => {
  const relay = await startRelay(t);
  for (const answer of [
    'HTTP/2.0 200 OK\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
    'SSH-2.0\r\n',
  ]) {
    const client = await relay.client();
    client.write(relay.head('GET', '/'));
    const upstream = await relay.origin.connection(relay.origin.connections.length);
    await upstream.untilReceived('\r\n\r\n');
    upstream.write(answer);
    await client.untilReceived('}');
    checkError(t, client.received, {
      status: 502,
      code: 'UPSTREAM_PROTOCOL',
      error: 'http_protocol_error',
      close: false,
      destination: relay.target,
    });
    await upstream.until(({ ended }) => ended);
  }
});

for (const [code, status, request] of [
  ['BAD_REQUEST', 400, 'GET / HTTP/1.1\r\nHost : x\r\n\r\n'],
  ['HEAD_TOO_LARGE', 431, `GET / HTTP/1.1\r\nHost: x\r\n${'X: 1\r\n'.repeat(200)}\r\n`],
  ['HEAD_TOO_LARGE', 431, `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(70_000)}\r\n\r\n`],
  ['URI_TOO_LONG', 414, `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`],
  ['EXPECTATION_FAILED', 417, 'GET / HTTP/1.1\r\nHost: x\r\nExpect: more\r\n\r\n'],
  ['TRANSFER_CODING', 501, 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n'],
] as const) {
  t.test(`${code}: ${request.slice(0, 60).replaceAll('\r\n', ' ')}`, async (t) => {
    const relay = await startRelay(t);
    const client = await relay.client();
    client.write(request);
    await client.until(({ ended }) => ended);
    checkError(t, client.received, { status, code, error: 'http_request_error', close: true, destination: null });
    t.equal(await relay.metric('errors_total', `code="${code}"`), 1);
  });
}

t.test('OVERLOADED: limits.bufferBytes is used up by requests that wait', async (t) => {
  const relay = await startRelay(t, { defaults: { pool: { maxConnections: 1 } }, limits: { bufferBytes: '1MiB' } });
  const first = await relay.client();
  const upstream = await useOnce(relay, first);
  first.write(relay.head('GET', '/1'));
  await upstream.untilReceived('GET /1 ');
  const body = Buffer.alloc(100_000, 120);
  let waiting = 0;
  while (relay.app.process().bufferedBytes < 1024 * 1024) {
    const client = await relay.client();
    client.write(relay.head('POST', '/wait', 'Content-Length: 100000\r\n'));
    client.write(body);
    waiting++;
    await eventually(
      () => relay.stats().pending === waiting && relay.app.process().bufferedBytes >= waiting * 128 * 1024,
    );
  }
  t.ok(waiting <= 8, 'what waits is counted');
  const last = await relay.client();
  last.write(relay.head('GET', '/last'));
  await last.untilReceived('}');
  const { message } = checkError(t, last.received, {
    status: 503,
    code: 'OVERLOADED',
    error: 'proxy_internal_response',
    close: false,
    destination: relay.target,
  });
  t.match(message, 'limits.bufferBytes');
  upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfree');
  await upstream.untilReceived('POST /wait ');
  t.pass('and what waited goes on');
});

t.test('SHUTTING_DOWN: in the last second of a stop', async (t) => {
  const relay = await startRelay(t, { shutdown: { grace: '10s' } });
  const busy = await relay.client();
  busy.write(relay.head('GET', '/'));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  const stopped = relay.app.stop();
  relay.clock.advance(9200);
  const client = await relay.client();
  client.write(relay.head('GET', '/late'));
  await client.until(({ ended }) => ended);
  checkError(t, client.received, {
    status: 503,
    code: 'SHUTTING_DOWN',
    error: 'proxy_internal_response',
    close: true,
    destination: relay.target,
  });
  relay.clock.advance(2000);
  await stopped;
});

t.test('a local answer to HEAD has no content, whatever went wrong', async (t) => {
  const relay = await startRelay(t);
  for (const [head, status, close] of [
    ['HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n', 400, false],
    [`HEAD http://127.0.0.1:${await deadPort()}/ HTTP/1.1\r\nHost: x\r\n\r\n`, 502, false],
    ['HEAD http://a.example/ HTTP/1.1\r\nHost: x\r\nExpect: more\r\n\r\n', 417, true],
    ['HEAD http://a.example/ HTTP/1.1\r\nHost: x\r\nBad Name: x\r\n\r\n', 400, true],
  ] as const) {
    const client = await relay.client();
    client.write(head);
    if (!close) client.write('GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    await client.until(({ ended }) => ended);
    const answer = ownAnswer(client.received);
    t.equal(answer.status, status);
    t.ok(Number(answer.fields.get('content-length')) > 50, 'the length is that of a GET');
    proxyStatus(answer.fields.get('proxy-status'));
    t.match(answer.body, close ? /^$/ : /^HTTP\/1\.1 400 /);
  }
});

t.test('the details of Proxy-Status are a whole sf-string, whatever was quoted and however long', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  for (const length of [1, 300, 396, 397, 398, 399, 400, 600]) {
    const before = client.received.length;
    client.write(`GET http://_${'x'.repeat(length - 1)}/ HTTP/1.1\r\nHost: x\r\n\r\n`);
    await client.until(({ received }) => received.slice(before).includes('}'));
    const { message, answer } = checkError(t, client.received.slice(before), {
      status: 502,
      code: 'NO_ROUTE',
      error: 'dns_error',
      close: false,
    });
    const { details } = proxyStatus(answer.fields.get('proxy-status'));
    t.equal(details, message.slice(0, 400));
  }
});

t.test('a refused request has an answer with content, also behind a HEAD', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write('HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n');
  await client.untilReceived('\r\n\r\n');
  const before = client.received.length;
  client.write('\x01 / HTTP/1.1\r\n\r\n');
  await client.until(({ ended }) => ended);
  checkError(t, client.received.slice(before), {
    status: 400,
    code: 'BAD_REQUEST',
    error: 'http_request_error',
    close: true,
  });
});

t.test('an answer to HTTP/1.0 keeps or closes the connection as it was asked', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write('GET /x HTTP/1.0\r\nConnection: keep-alive\r\nHost: x\r\n\r\n');
  await client.untilReceived('}');
  t.equal(ownAnswer(client.received).fields.get('connection'), 'keep-alive');
  client.write('GET /x HTTP/1.0\r\nHost: x\r\n\r\n');
  await client.until(({ ended }) => ended);
  t.match(client.received, /connection: close\r\n\r\n\{[^}]*\}\n$/);
});
