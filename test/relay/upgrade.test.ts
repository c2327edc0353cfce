import t from 'tap';
import type { OriginConnection } from '../raw-origin.ts';
import { checkError, type Relay, startRelay } from './relay-fixture.ts';

const ASK = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n';
const SWITCH =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: y\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

async function upgraded(relay: Relay): Promise<{ client: OriginConnection; upstream: OriginConnection }> {
  const client = await relay.client();
  client.write(relay.head('GET', '/ws', ASK));
  const upstream = await relay.origin.connection(relay.origin.connections.length);
  await upstream.untilReceived('\r\n\r\n');
  upstream.write(SWITCH);
  await client.untilReceived('\r\n\r\n');
  return { client, upstream };
}

t.test('rule 10: a websocket upgrade passes, and after 101 bytes flow both ways', async (t) => {
  const relay = await startRelay(t);
  const { client, upstream } = await upgraded(relay);
  t.equal(
    upstream.received,
    `GET /ws HTTP/1.1\r\nHost: ${relay.target}\r\nSec-WebSocket-Key: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n`,
  );
  t.equal(
    client.received,
    'HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: y\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n',
  );
  client.write('GET / HTTP/1.1\r\n\r\n');
  await upstream.untilReceived('\r\n\r\nGET / HTTP/1.1\r\n\r\n');
  upstream.write('HTTP/1.1 bytes are bytes');
  await client.untilReceived('bytes are bytes');
  t.equal(relay.app.process().tunnels, 1);
  t.same([relay.stats().active, relay.stats().idle], [0, 0], 'it is no part of the pool');
  client.socket.end();
  await upstream.until(({ ended }) => ended);
  upstream.socket.end();
  await client.until(({ closed }) => closed);
  t.equal(relay.app.process().tunnels, 0);
});

t.test('rule 10: bytes sent before 101, and bytes behind it, are not lost', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(`${relay.head('GET', '/ws', ASK)}early frame, `);
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  client.write('another, ');
  const barrier = await relay.client();
  barrier.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await barrier.untilReceived('400');
  t.notMatch(upstream.received, 'early', 'nothing before the upstream agrees');
  upstream.write(`${SWITCH}first from the server`);
  await client.untilReceived('first from the server');
  client.write('late');
  await upstream.untilReceived('early frame, another, late');
  t.pass();
});

t.test('rule 10: an app that has sent all before 101 and closed its side: the end comes through too', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(`${relay.head('GET', '/ws', ASK)}all of it`);
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  client.socket.end();
  const barrier = await relay.client();
  barrier.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await barrier.untilReceived('400');
  upstream.write(SWITCH);
  await upstream.until(({ ended }) => ended);
  t.ok(upstream.received.endsWith('all of it'));
  upstream.write('answer');
  upstream.socket.end();
  await client.until(({ ended }) => ended);
  t.ok(client.received.endsWith('answer'));
});

t.test('rule 10: a refused upgrade is an answer like any other', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(relay.head('GET', '/ws', ASK));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  upstream.write('HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno');
  await client.untilReceived('no');
  t.equal(relay.stats().idle, 1);
  client.write(relay.head('GET', '/plain'));
  await upstream.untilReceived('GET /plain ');
  upstream.write(OK);
  await client.untilReceived('ok');
});

for (const [what, fields, body] of [
  ['h2c', 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n', ''],
  ['a list', 'Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n', ''],
  ['websocket not named by Connection', 'Upgrade: websocket\r\n', ''],
  ['websocket with a body', `${ASK}Content-Length: 2\r\n`, 'xy'],
  ['two Upgrade fields', 'Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: websocket\r\n', ''],
] as const) {
  t.test(`rule 10: an upgrade that may not pass is taken off and the request goes on: ${what}`, async (t) => {
    const relay = await startRelay(t);
    const client = await relay.client();
    client.write(relay.head('GET', '/', fields) + body);
    const upstream = await relay.origin.connection(0);
    await upstream.untilReceived(`\r\n\r\n${body}`);
    t.notMatch(upstream.received, /upgrade|http2-settings|connection/i);
    upstream.write(OK);
    await client.untilReceived('ok');
    t.equal(client.received, OK);
    client.write(relay.head('GET', '/next'));
    await upstream.untilReceived('GET /next ');
  });
}

t.test('rule 10: 101 that nobody asked for is 502, and the connection is gone', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(relay.head('GET', '/', 'Connection: upgrade\r\nUpgrade: h2c\r\n'));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  upstream.write(`${SWITCH}bytes`);
  await client.untilReceived('UPSTREAM_PROTOCOL');
  checkError(t, client.received, { status: 502, code: 'UPSTREAM_PROTOCOL', error: 'http_protocol_error' });
  await upstream.until(({ ended }) => ended);
  t.equal(relay.app.process().tunnels, 0);
});

t.test('limits.tunnels holds for upgrades: one too many is refused, and plain requests go on', async (t) => {
  const relay = await startRelay(t, { limits: { tunnels: 1 } });
  await upgraded(relay);
  const client = await relay.client();
  client.write(relay.head('GET', '/ws', ASK));
  await client.untilReceived('OVERLOADED');
  checkError(t, client.received, { status: 503, code: 'OVERLOADED', error: 'proxy_internal_response', close: false });
  client.write(relay.head('GET', '/plain'));
  const plain = await relay.origin.connection(1);
  await plain.untilReceived('GET /plain ');
});

t.test('an upgraded connection closes after timeouts.streamIdle of silence, and not before', async (t) => {
  const relay = await startRelay(t, { defaults: { timeouts: { streamIdle: '10s', bodyIdle: '1s', response: '1s' } } });
  const { client, upstream } = await upgraded(relay);
  relay.clock.advance(9000);
  upstream.write('still here');
  await client.untilReceived('still here');
  relay.clock.advance(9000);
  client.write('and here');
  await upstream.untilReceived('and here');
  relay.clock.advance(14_000);
  await client.until(({ closed, ended }) => closed || ended);
  await upstream.until(({ ended }) => ended);
  t.equal(relay.app.process().tunnels, 0);
});
