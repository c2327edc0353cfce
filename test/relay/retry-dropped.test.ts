import t, { type Test } from 'tap';
import { CANCEL, INTERNAL_ERROR } from '../../src/protocol/http2/frame-types.ts';
import { bodyOf } from '../http2/raw-app.ts';
import type { OriginConnection } from '../raw-origin.ts';
import { toHttp1, toHttp2 } from './http2-app-fixture.ts';
import { startUpstream } from './http2-upstream-fixture.ts';
import { eventually, type Relay, startRelay, useOnce } from './relay-fixture.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const RETRY = { attempts: 3, backoffBase: '10s', statusCodes: [503] };

type Case = { readonly relay: Relay; readonly client: OriginConnection; readonly upstream: OriginConnection };

/** A GET at the origin, which is about to answer it with a 503. */
async function asked(t: Test, fields = ''): Promise<Case> {
  const relay = await startRelay(t, { defaults: { retry: RETRY } });
  const client = await relay.client();
  client.write(relay.head('GET', '/a', fields));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  return { relay, client, upstream };
}

/** The wait ends: the second try comes on connection number `index`, and its answer is all that the app sees. */
async function secondTry({ relay, client }: Case, index: number): Promise<void> {
  relay.clock.advance(10_000);
  const upstream = await relay.origin.connection(index);
  await upstream.until(({ received }) => received.split('GET /a ').length === (index === 0 ? 3 : 2));
  upstream.write(OK);
  await client.until(({ received }) => received !== '');
  await client.untilReceived('ok');
  t.equal(client.received, OK);
}

t.test('a body with trailers is read to its end, and dropped with them', async (t) => {
  const at = await asked(t);
  at.upstream.write('HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n');
  t.equal(at.relay.stats().active, 1);
  at.upstream.write('0\r\nX-T: 1\r\n\r\n');
  await eventually(() => at.relay.stats().idle === 1);
  await secondTry(at, 0);
});

t.test('a body that has not ended when the wait has is given up with its connection', async (t) => {
  const at = await asked(t);
  at.upstream.write('HTTP/1.1 503 No\r\nContent-Length: 3\r\n\r\nn');
  // What came first has been read when a later request has had its answer.
  const other = await at.relay.client();
  await useOnce(at.relay, other);
  t.equal(at.relay.stats().active, 1, 'it is still being read');
  at.relay.clock.advance(10_000);
  await at.upstream.until(({ ended }) => ended);
  const second = await at.relay.origin.connection(1);
  await second.untilReceived('GET /a ');
  second.write(OK);
  await at.client.untilReceived('ok');
  t.equal(at.client.received, OK);
});

t.test('a body that says to be over 64 KiB is not read', async (t) => {
  const at = await asked(t);
  at.upstream.write(`HTTP/1.1 503 No\r\nContent-Length: 65537\r\n\r\nno`);
  await at.upstream.until(({ ended }) => ended);
  t.equal(at.relay.stats().active, 0, 'nothing is held during the wait');
  await secondTry(at, 1);
});

t.test('nor one that ends with its connection', async (t) => {
  const at = await asked(t);
  at.upstream.write('HTTP/1.1 503 No\r\n\r\nno');
  await at.upstream.until(({ ended }) => ended);
  await secondTry(at, 1);
});

t.test('a body in chunks is read as far as 64 KiB', async (t) => {
  const at = await asked(t);
  at.upstream.write('HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n');
  const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`;
  for (let each = 0; each < 4; each++) at.upstream.write(chunk);
  const other = await at.relay.client();
  await useOnce(at.relay, other);
  t.notOk(at.upstream.ended, '64 KiB');
  t.equal(at.relay.stats().active, 1);
  at.upstream.write('1\r\nx\r\n');
  await at.upstream.until(({ ended }) => ended);
  await eventually(() => at.relay.stats().active === 0);
  t.pass('and a byte more');
});

t.test('a connection that is lost while its answer is dropped changes nothing', async (t) => {
  const at = await asked(t);
  at.upstream.write('HTTP/1.1 503 No\r\nContent-Length: 3\r\n\r\nn');
  at.upstream.socket.end();
  await eventually(() => at.relay.stats().active === 0);
  await secondTry(at, 1);
  t.equal(await at.relay.metric('errors_total'), 0);
});

t.test('Connection: close closes it, and the next try takes another', async (t) => {
  const at = await asked(t);
  at.upstream.write('HTTP/1.1 503 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno');
  await at.upstream.until(({ ended }) => ended);
  await secondTry(at, 1);
});

t.test('interim responses before it have been passed on, and more of them follow', async (t) => {
  const at = await asked(t);
  const hints = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n';
  at.upstream.write(`${hints}HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n`);
  await eventually(() => at.relay.stats().idle === 1);
  at.relay.clock.advance(10_000);
  await at.upstream.until(({ received }) => received.split('GET /a ').length === 3);
  at.upstream.write(`${hints}${OK}`);
  await at.client.untilReceived('ok');
  t.equal(at.client.received, `${hints}${hints}${OK}`);
});

t.test('rule 17a: on a pinned connection every answer is the app’s', async (t) => {
  const at = await asked(t, 'Authorization: NTLM TlRMTVNTUAAB\r\n');
  at.upstream.write('HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno');
  await at.client.untilReceived('\r\n\r\nno');
  t.match(at.client.received, /^HTTP\/1\.1 503 /);
});

t.test('an app that speaks HTTP/2 sees the last answer alone', async (t) => {
  const behind = await toHttp1(t, { retry: RETRY });
  const app = await behind.client(t);
  const stream = app.get('/a');
  const upstream = await behind.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  upstream.write('HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\nX-T: 1\r\n\r\n');
  await eventually(() => behind.stats().idle === 1);
  behind.clock.advance(10_000);
  await upstream.until(({ received }) => received.split('GET /a ').length === 3);
  upstream.write(OK);
  const answer = await app.answer(stream);
  t.same([answer.status, bodyOf(answer), answer.trailers], [200, 'ok', null]);
  await behind.nothingLeft(t);
});

t.test('an app that resets its stream during the wait ends it', async (t) => {
  const behind = await toHttp2(t, { retry: RETRY });
  const app = await behind.client(t);
  const stream = app.get('/a');
  const { connection, request } = await behind.server.arrived('/a');
  connection.answer(request.stream, 'no', '503');
  await eventually(() => behind.stats().active === 0);
  app.rstStream(stream, CANCEL);
  await behind.nothingLeft(t);
  behind.clock.advance(10_000);
  t.equal(behind.stats().active, 0);
  t.equal(connection.requests.length, 1);
});

t.test('upstream HTTP/2: a long answer costs its stream alone', async (t) => {
  const upstream = await startUpstream(t, [], { retry: RETRY });
  for (const [path, fields] of [
    ['/length', [['content-length', '65537']]],
    ['/much', []],
  ] as const) {
    const asked = await upstream.ask('GET', path);
    const { connection, request } = await upstream.server.arrived(path);
    connection.headers(request.stream, [[':status', '503'], ...fields]);
    if (path === '/much') for (let each = 0; each < 5; each++) connection.data(request.stream, 'x'.repeat(16_000));
    t.equal(await connection.reset(request.stream), CANCEL);
    upstream.clock.advance(10_000);
    const again = await upstream.server.arrived(path, 1);
    t.equal(again.connection, connection);
    again.connection.answer(again.request.stream, 'ok');
    t.match(await asked.answer(), { status: 200, body: 'ok' });
    await upstream.next(t);
  }
});

t.test('upstream HTTP/2: a stream that is reset costs GET another, at once, on the same connection', async (t) => {
  const upstream = await startUpstream(t);
  await upstream.next(t);
  const asked = await upstream.ask('GET', '/a');
  const { connection, request } = await upstream.server.arrived('/a');
  connection.rstStream(request.stream, INTERNAL_ERROR);
  const again = await upstream.server.arrived('/a', 1);
  t.equal(again.connection, connection);
  again.connection.answer(again.request.stream, 'ok');
  t.match(await asked.answer(), { status: 200, body: 'ok' });
});
