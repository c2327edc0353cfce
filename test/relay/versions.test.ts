import t from 'tap';
import { startRelay, useOnce } from './relay-fixture.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

t.test('an HTTP/1.0 request goes up as HTTP/1.1 with a Host, and its connection closes after the answer', async (t) => {
  const { origin, client: connect, target, stats } = await startRelay(t);
  const client = await connect();
  client.write(`GET http://${target}/old HTTP/1.0\r\n\r\n`);
  const upstream = await origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  t.equal(upstream.received, `GET /old HTTP/1.1\r\nhost: ${target}\r\n\r\n`);
  upstream.write(OK);
  await client.until(({ ended }) => ended);
  t.equal(client.received, 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nconnection: close\r\n\r\nok');
  t.equal(stats().idle, 1, 'the upstream connection is kept all the same');
});

t.test('an HTTP/1.0 request with keep-alive keeps its connection and is told so', async (t) => {
  const { origin, client: connect, target } = await startRelay(t);
  const client = await connect();
  client.write(`GET http://${target}/1 HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n`);
  const upstream = await origin.connection(0);
  await upstream.untilReceived('GET /1 ');
  upstream.write(OK);
  await client.untilReceived('ok');
  t.equal(client.received, 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nconnection: keep-alive\r\n\r\nok');
  client.write(`GET http://${target}/2 HTTP/1.0\r\n\r\n`);
  await upstream.untilReceived('GET /2 ');
  upstream.write(OK);
  await client.until(({ ended }) => ended);
  t.match(client.received, /connection: close\r\n\r\nok$/);
});

t.test('HTTP/1.0 keep-alive ends where the body has no length: close is its end', async (t) => {
  const { origin, client: connect, target } = await startRelay(t);
  const client = await connect();
  client.write(`GET http://${target}/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`);
  const upstream = await origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  upstream.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n');
  await client.until(({ ended }) => ended);
  t.equal(
    client.received,
    'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabcde',
    'no chunks, no trailers, no keep-alive',
  );
});

t.test('Connection: close of the app ends its connection alone', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(relay.head('GET', '/', 'Connection: close\r\n'));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  t.notMatch(upstream.received, /connection/i, 'it concerns this hop only');
  upstream.write(OK);
  await client.until(({ ended }) => ended);
  t.match(client.received, /\r\nconnection: close\r\n/);
  t.equal(relay.stats().idle, 1);
});

t.test('Connection: close of the upstream ends its connection alone', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(relay.head('GET', '/one'));
  const first = await relay.origin.connection(0);
  await first.untilReceived('\r\n\r\n');
  first.write('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok');
  await client.untilReceived('ok');
  t.equal(client.received, OK);
  client.write(relay.head('GET', '/two'));
  const second = await relay.origin.connection(1);
  await second.untilReceived('GET /two ');
  second.write(OK);
  await client.until(({ received }) => received === OK + OK);
});

t.test('an HTTP/1.0 upstream is pooled only when it says keep-alive', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(relay.head('GET', '/'));
  const first = await relay.origin.connection(0);
  await first.untilReceived('\r\n\r\n');
  first.write('HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok');
  await client.untilReceived('ok');
  t.match(client.received, /^HTTP\/1\.1 200 OK\r\n/, 'carpool speaks its own version');
  t.equal(relay.stats().idle, 0);
  client.write(relay.head('GET', '/'));
  const second = await relay.origin.connection(1);
  await second.untilReceived('\r\n\r\n');
  second.write('HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nok2');
  await client.untilReceived('ok2');
  t.equal(relay.stats().idle, 1);
});

t.test('with pool.enabled false each request has a connection of its own, and says so upstream', async (t) => {
  const relay = await startRelay(t, { defaults: { pool: { enabled: false } } });
  const client = await relay.client();
  const upstream = await useOnce(relay, client);
  t.match(upstream.received, /\r\nconnection: close\r\n/);
  await upstream.until(({ ended }) => ended);
  const second = await useOnce(relay, client);
  t.not(second, upstream);
  t.notMatch(client.received, /connection: close/);
});

t.test('one empty line before a request is skipped, two are not', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write('\r\n');
  client.write(relay.head('GET', '/'));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('GET / ');
  upstream.write(OK);
  await client.untilReceived('ok');
  client.write('\r\n\r\n');
  await client.until(({ ended }) => ended);
  t.match(client.received.slice(OK.length), /^HTTP\/1\.1 400 /);
});

t.test('rule 6: the target wins over Host, and Host is written from it', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(`GET http://${relay.target}/p?q=1 HTTP/1.1\r\nX-A: 1\r\nHost: elsewhere.example\r\nX-B: 2\r\n\r\n`);
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  t.equal(upstream.received, `GET /p?q=1 HTTP/1.1\r\nhost: ${relay.target}\r\nX-A: 1\r\nX-B: 2\r\n\r\n`);
});

t.test('a target without a path gets one, and OPTIONS without one asks about the server', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(`GET http://${relay.target} HTTP/1.1\r\nHost: ${relay.target}\r\n\r\n`);
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  t.match(upstream.received, /^GET \/ HTTP\/1\.1\r\n/);
  upstream.write(OK);
  client.write(`GET http://${relay.target}?a=b HTTP/1.1\r\nHost: ${relay.target}\r\n\r\n`);
  await upstream.untilReceived('GET /?a=b HTTP/1.1\r\n');
  upstream.write(OK);
  client.write(`OPTIONS http://${relay.target} HTTP/1.1\r\nHost: ${relay.target}\r\n\r\n`);
  await upstream.untilReceived('OPTIONS * HTTP/1.1\r\n');
  t.pass();
});
