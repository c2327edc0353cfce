import t from 'tap';
import { checkError, ownAnswer, startRelay } from './relay-fixture.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

t.test('rule 7: hop-by-hop fields and those that Connection names are removed from a request', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(
    relay.head(
      'GET',
      '/',
      'Connection: keep-alive, X-Mine, x-other\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic c2VjcmV0\r\nX-MINE: 1\r\nX-Stays: 2\r\nx-other: 3\r\nAuthorization: Bearer t\r\nTE: gzip\r\n',
    ),
  );
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  t.equal(
    upstream.received,
    `GET / HTTP/1.1\r\nHost: ${relay.target}\r\nX-Stays: 2\r\nAuthorization: Bearer t\r\n\r\n`,
  );
});

t.test('rule 7: hop-by-hop fields and those that Connection names are removed from a response', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(relay.head('GET', '/'));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  upstream.write(
    'HTTP/1.1 200 Fine\r\nConnection: X-Mine\r\nX-Mine: 1\r\nKeep-Alive: timeout=60\r\nProxy-Connection: close\r\nUpgrade: h2c\r\nX-Stays: \xe9\r\nConnection: x-second\r\nX-Second: 2\r\nContent-Length: 2\r\n\r\nok',
  );
  await client.untilReceived('ok');
  t.equal(client.received, 'HTTP/1.1 200 Fine\r\nX-Stays: \xe9\r\nContent-Length: 2\r\n\r\nok');
});

t.test('rule 7: TE passes as trailers alone', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(relay.head('GET', '/', 'Connection: TE\r\nTE: gzip;q=0.5, trailers\r\n'));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  t.equal(upstream.received, `GET / HTTP/1.1\r\nHost: ${relay.target}\r\nte: trailers\r\nconnection: te\r\n\r\n`);
});

t.test('rule 7: a Connection field that names an end-to-end field is refused, both ways', async (t) => {
  for (const name of [
    'Host',
    'content-length',
    'Transfer-Encoding',
    'AUTHORIZATION',
    'Via',
    'Cookie',
    'Content-Type',
    'Expect',
  ]) {
    const relay = await startRelay(t);
    const client = await relay.client();
    client.write(relay.head('GET', '/', `Connection: close, ${name}\r\n`));
    await client.until(({ ended }) => ended);
    checkError(t, client.received, { status: 400, code: 'BAD_REQUEST', error: 'http_request_error', close: true });
    t.equal(relay.origin.connections.length, 0, name);
  }
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(relay.head('GET', '/'));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  upstream.write('HTTP/1.1 200 OK\r\nConnection: Set-Cookie\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\nok');
  await client.untilReceived('UPSTREAM_PROTOCOL');
  checkError(t, client.received, { status: 502, code: 'UPSTREAM_PROTOCOL', error: 'http_protocol_error' });
  await upstream.until(({ ended }) => ended);
});

for (const [mode, onRequest, onResponse] of [
  ['off', false, false],
  ['request', true, false],
  ['response', false, true],
  ['both', true, true],
] as const) {
  t.test(`rule 13: via ${mode}`, async (t) => {
    const relay = await startRelay(t, { via: mode });
    const client = await relay.client();
    client.write(`GET http://${relay.target}/ HTTP/1.0\r\nConnection: keep-alive\r\nVia: 1.1 before\r\n\r\n`);
    const upstream = await relay.origin.connection(0);
    await upstream.untilReceived('\r\n\r\n');
    t.match(upstream.received, '\r\nVia: 1.1 before\r\n', 'what stands there stays');
    t.equal(/\r\nvia: 1\.0 carpool-[0-9a-f]+\r\n\r\n$/.test(upstream.received), onRequest);
    upstream.write(OK);
    await client.untilReceived('ok');
    t.equal(/\r\nvia: 1\.1 carpool-[0-9a-f]+\r\n\r\nok$/.test(client.received), onResponse);
  });
}

t.test('rule 13: with Via on requests, one that has passed here via.maxSelf times is a loop', async (t) => {
  const relay = await startRelay(t, { via: { mode: 'request', maxSelf: 2 } });
  const client = await relay.client();
  client.write(relay.head('GET', '/'));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  const own = /via: (1\.1 carpool-[0-9a-f]+)/.exec(upstream.received)?.[1] ?? 'none';
  upstream.write(OK);
  await client.untilReceived('ok');
  client.write(relay.head('GET', '/second', `Via: ${own}, 1.1 other\r\nVia: ${own}\r\n`));
  await upstream.untilReceived('GET /second ');
  upstream.write(OK);
  await client.until(({ received }) => received === OK + OK);
  client.write(relay.head('GET', '/third', `Via: ${own}, 1.1 other, ${own}\r\nVia: ${own}\r\n`));
  await client.untilReceived('LOOP');
  checkError(t, client.received.slice(2 * OK.length), {
    status: 508,
    code: 'LOOP',
    error: 'proxy_loop_detected',
    destination: relay.target,
  });
  t.notMatch(upstream.received, '/third');
});

t.test('rule 13: Max-Forwards: 0 on OPTIONS and TRACE is answered here', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(relay.head('OPTIONS', '/x', 'Max-Forwards: 0\r\n'));
  await client.untilReceived('\r\n\r\n');
  const options = ownAnswer(client.received);
  t.equal(options.status, 200);
  t.match(options.fields.get('allow'), /GET.*CONNECT/);
  const before = client.received.length;
  client.write(
    relay.head(
      'TRACE',
      '/x',
      'Max-Forwards: 0\r\nX-Mine: 1\r\nAuthorization: secret\r\nCookie: secret\r\nProxy-Authorization: secret\r\n',
    ),
  );
  await client.untilReceived('X-Mine: 1\r\n');
  const trace = ownAnswer(client.received.slice(before));
  t.equal(trace.fields.get('content-type'), 'message/http');
  t.equal(Number(trace.fields.get('content-length')), trace.body.length);
  t.equal(
    trace.body,
    `TRACE http://${relay.target}/x HTTP/1.1\r\nHost: ${relay.target}\r\nMax-Forwards: 0\r\nX-Mine: 1\r\n`,
  );
  t.equal(relay.origin.connections.length, 0);
});

t.test('rule 13: Max-Forwards above 0 goes on less one, on a fresh connection and on a used one', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(relay.head('OPTIONS', '/1', 'Max-Forwards: 10\r\nX-A: 1\r\n'));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  t.same(upstream.received.match(/max-forwards: .*/gi), ['max-forwards: 9']);
  t.match(upstream.received, '\r\nX-A: 1\r\n');
  upstream.write(OK);
  await client.untilReceived('ok');
  const before = upstream.received.length;
  client.write(relay.head('TRACE', '/2', 'Max-Forwards: 1\r\n'));
  await upstream.untilReceived('TRACE /2 ');
  t.same(upstream.received.slice(before).match(/max-forwards: .*/gi), ['max-forwards: 0']);
  upstream.write(OK);
  client.write(relay.head('GET', '/3', 'Max-Forwards: 0\r\n'));
  await upstream.untilReceived('GET /3 ');
  t.match(upstream.received, 'Max-Forwards: 0\r\n', 'it says nothing to other methods');
});
