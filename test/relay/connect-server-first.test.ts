import { once } from 'node:events';
import net from 'node:net';
import t from 'tap';
import { PREFACE } from '../../src/protocol/http2/frame-types.ts';
import type { OriginConnection } from '../raw-origin.ts';
import { connected, connectHead, ESTABLISHED, inside, OK, refusing, settled } from './connect-fixture.ts';
import { eventually, type Relay, startRelay } from './relay-fixture.ts';

/** `connect.sniffTimeout` as it is by default (ms). */
const SNIFF_MS = 50;

/** A CONNECT in which the app has said nothing for so long that the upstream was dialled. */
async function silent(relay: Relay): Promise<{ client: OriginConnection; upstream: OriginConnection }> {
  const client = await connected(relay);
  relay.clock.advance(SNIFF_MS);
  const upstream = await relay.origin.connection(relay.origin.connections.length);
  await eventually(() => relay.app.process().upstreamConnections === relay.origin.connections.length);
  await settled(relay);
  return { client, upstream };
}

const request = (relay: Relay, path: string): string => `GET ${path} HTTP/1.1\r\nHost: ${relay.target}\r\n\r\n`;

for (const greeting of ['220 mail.example ESMTP\r\n', 'J\0\0\0\n8.0.36\0', '220 (vsFTPd 3.0.5)\r\n', 'SSH-2.0-x\r\n']) {
  t.test(`a server that speaks first is heard: ${JSON.stringify(greeting)}`, async (t) => {
    const relay = await startRelay(t, {}, (connection) => connection.write(greeting));
    const client = await connected(relay);
    t.equal(relay.origin.connections.length, 0, 'nothing is dialled at once');
    relay.clock.advance(SNIFF_MS - 1);
    await settled(relay);
    t.equal(relay.origin.connections.length, 0, 'nor before the silence has lasted');
    relay.clock.advance(1);
    await client.untilReceived(greeting);
    t.equal(inside(client), greeting);
    t.equal(relay.app.process().tunnels, 1);
    client.write('QUIT\r\n');
    await relay.origin.connections[0]?.untilReceived('QUIT\r\n');
    t.equal(relay.origin.connections[0]?.received, 'QUIT\r\n');
    t.equal(await relay.metric('requests_total', 'method_class="tunnel"', 'code_class="2xx"'), 1);
  });
}

for (const word of [
  '\x00\x00\x00\x08\x04\xd2\x16\x2f',
  '*1\r\n$4\r\nPING\r\n',
  'set /k 0 0 1\r\nx\r\n',
  '\x10\x0c\x00\x04MQTT',
]) {
  t.test(`an app that speaks first, but no HTTP, has its tunnel at once: ${JSON.stringify(word)}`, async (t) => {
    const relay = await startRelay(t);
    const client = await connected(relay, word.slice(0, 3));
    client.write(word.slice(3));
    const upstream = await relay.origin.connection(0);
    await upstream.until(({ received }) => received === word);
    upstream.write('+PONG\r\n');
    await client.untilReceived('+PONG\r\n');
    t.equal(inside(client), '+PONG\r\n');
    t.equal(relay.app.process().tunnels, 1);
  });
}

t.test('TLS at a port that is none of TLS is an opaque tunnel', async (t) => {
  const relay = await startRelay(t);
  const hello = Buffer.from([0x16, 0x03, 0x01, 0x00, 0x02, 0x01, 0x00]);
  const client = await connected(relay);
  client.write(hello);
  const upstream = await relay.origin.connection(0);
  await upstream.until(({ received }) => received.length === hello.length);
  t.equal(upstream.received, hello.toString('latin1'));
  await eventually(() => relay.app.process().tunnels === 1);
});

t.test('an app that speaks HTTP/1.1 after the silence is pooled, on the connection that was dialled', async (t) => {
  const relay = await startRelay(t);
  const { client, upstream } = await silent(relay);
  t.same([relay.app.process().tunnels, relay.stats().idle], [0, 0]);
  client.write(request(relay, '/1'));
  await upstream.untilReceived('\r\n\r\n');
  upstream.write(OK);
  await client.untilReceived('ok');
  t.same([relay.stats().idle, relay.stats().active, relay.app.process().tunnels], [1, 0, 0]);
  const other = await connected(relay, request(relay, '/2'));
  await upstream.untilReceived('/2');
  upstream.write(OK);
  await other.untilReceived('ok');
  t.equal(relay.origin.connections.length, 1, 'it serves others too');
  t.equal(relay.app.process().upstreamConnections, 1, 'and counts once');
  client.socket.destroy();
  upstream.socket.destroy();
  await eventually(() => relay.app.process().upstreamConnections === 0);
});

t.test('an app that speaks HTTP/2 after the silence has its session, and what was dialled closes', async (t) => {
  const relay = await startRelay(t);
  const { client, upstream } = await silent(relay);
  client.write(Buffer.concat([PREFACE, Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])]));
  await client.until(() => inside(client).length >= 9);
  t.equal(inside(client).charCodeAt(3), 4, 'SETTINGS');
  await upstream.until(({ ended }) => ended);
  t.equal(upstream.received, '');
  await eventually(() => relay.app.process().upstreamConnections === 0);
  t.equal(relay.app.process().tunnels, 0);
});

t.test('a connection of the app to an IPv6 address is seen through too', async (t) => {
  const relay = await startRelay(t, { security: { allowAddresses: ['::1/128'] } });
  const server = net.createServer((socket) => socket.once('data', () => socket.end(OK))).listen(0, '::1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const address = server.address();
  const target = `[::1]:${typeof address === 'object' && address !== null ? address.port : 0}`;
  const client = await relay.client();
  client.write(`${connectHead(target)}GET http://${target}/ HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
  await client.untilReceived('ok');
  t.equal(inside(client), OK);
});

t.test('pool.enabled: false: the connection that was dialled is of no use to the pool', async (t) => {
  const relay = await startRelay(t, { defaults: { pool: { enabled: false } } });
  const { client, upstream } = await silent(relay);
  client.write(request(relay, '/1'));
  await upstream.until(({ ended }) => ended);
  const second = await relay.origin.connection(1);
  await second.untilReceived('\r\n\r\n');
  second.write(OK);
  await client.untilReceived('ok');
  t.equal(upstream.received, '');
});

t.test('an app that sends one byte and waits: the server that speaks first decides', async (t) => {
  const relay = await startRelay(t, {}, (connection) => connection.write('220 ready\r\n'));
  const client = await connected(relay, 'E');
  await settled(relay);
  relay.clock.advance(SNIFF_MS);
  await client.untilReceived('220 ready\r\n');
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('E');
  client.write('HLO\r\n');
  await upstream.until(({ received }) => received === 'EHLO\r\n');
  t.equal(relay.app.process().tunnels, 1);
});

t.test('an app that sends a byte and waits for its answer gets a tunnel when both are silent', async (t) => {
  const relay = await startRelay(t);
  const client = await connected(relay, 'A');
  await settled(relay);
  relay.clock.advance(SNIFF_MS);
  const upstream = await relay.origin.connection(0);
  await eventually(() => relay.clock.waiting > 0 && relay.app.process().upstreamConnections === 1);
  await settled(relay);
  t.equal(upstream.received, '');
  relay.clock.advance(SNIFF_MS);
  await upstream.until(({ received }) => received === 'A');
  upstream.write('B');
  await client.untilReceived('B');
  t.equal(inside(client), 'B');
});

t.test('a request line that dribbles in is HTTP as long as no pause is over the silence', async (t) => {
  const relay = await startRelay(t);
  const client = await connected(relay);
  for (const byte of 'GET / HTTP/1') {
    client.write(byte);
    await settled(relay);
    relay.clock.advance(SNIFF_MS - 1);
    t.equal(relay.origin.connections.length, 0);
  }
  client.write(`.1\r\nHost: ${relay.target}\r\n\r\n`);
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  upstream.write(OK);
  await client.untilReceived('ok');
  t.equal(relay.app.process().tunnels, 0);
});

t.test('one that dribbles in still more slowly arrives all the same', async (t) => {
  const relay = await startRelay(t);
  const client = await connected(relay, 'GET ');
  await settled(relay);
  relay.clock.advance(SNIFF_MS);
  const upstream = await relay.origin.connection(0);
  await settled(relay);
  relay.clock.advance(SNIFF_MS);
  client.write('/x HTTP/1.1\r\nHost: a\r\n\r\n');
  await upstream.untilReceived('\r\n\r\n');
  t.equal(upstream.received, 'GET /x HTTP/1.1\r\nHost: a\r\n\r\n');
  upstream.write(OK);
  await client.untilReceived('ok');
  t.equal(inside(client), OK);
});

t.test('a pre-opened connection that stays silent is left alone, and closes with its server', async (t) => {
  const relay = await startRelay(t, { defaults: { timeouts: { streamIdle: '2h' } } });
  const { client, upstream } = await silent(relay);
  relay.clock.advance(3_600_000);
  t.equal(client.ended, false);
  t.equal(upstream.ended, false);
  upstream.socket.end();
  await client.until(({ ended }) => ended);
  t.equal(inside(client), '');
  client.write('late');
  client.socket.end();
  await upstream.until(({ ended }) => ended);
  t.equal(upstream.received, 'late', 'the other half stays open');
  await eventually(() => relay.app.process().upstreamConnections === 0);
});

t.test('two sides that stay silent close after timeouts.streamIdle', async (t) => {
  const relay = await startRelay(t, { defaults: { timeouts: { streamIdle: '10s' } } });
  const { client, upstream } = await silent(relay);
  relay.clock.advance(9000);
  await settled(relay);
  t.equal(client.ended, false);
  relay.clock.advance(2000);
  await client.until(({ ended }) => ended);
  await upstream.until(({ ended }) => ended);
  await eventually(() => relay.app.process().upstreamConnections === 0);
});

t.test('an app that closes its side without a word: its end comes through, and the answer back', async (t) => {
  const relay = await startRelay(t);
  const client = await connected(relay);
  client.socket.end();
  const upstream = await relay.origin.connection(0);
  await upstream.until(({ ended }) => ended);
  upstream.write('Sat Nov 21 06:00:00 2026\r\n');
  upstream.socket.end();
  await client.until(({ ended }) => ended);
  t.equal(inside(client), 'Sat Nov 21 06:00:00 2026\r\n');
  await eventually(() => relay.app.process().tunnels === 0);
});

t.test('an app that closes its side in the middle of a request line: what it said comes through', async (t) => {
  const relay = await startRelay(t);
  const client = await connected(relay, 'GET /fing');
  client.socket.end();
  const upstream = await relay.origin.connection(0);
  await upstream.until(({ ended }) => ended);
  t.equal(upstream.received, 'GET /fing');
});

t.test('rule 18: an app that leaves takes the dial, and the connection that was dialled, with it', async (t) => {
  const relay = await startRelay(t);
  const { client, upstream } = await silent(relay);
  client.socket.resetAndDestroy();
  await upstream.until(({ ended }) => ended);
  await eventually(() => relay.app.process().upstreamConnections === 0);
  const early = await connected(relay, '\0');
  early.socket.resetAndDestroy();
  await eventually(() => relay.app.process().downstreamConnections === 0);
  await eventually(() => relay.app.process().upstreamConnections === 0 && relay.app.process().tunnels === 0);
  t.equal(relay.stats().pending, 0);
  t.equal(relay.app.process().bufferedBytes, 0);
});

t.test('rule 18: an app that leaves before it has said anything dials nothing', async (t) => {
  const relay = await startRelay(t);
  const timers = relay.clock.waiting;
  const client = await connected(relay);
  client.socket.resetAndDestroy();
  await eventually(() => relay.app.process().downstreamConnections === 0);
  relay.clock.advance(SNIFF_MS);
  await settled(relay);
  t.equal(relay.origin.connections.length, 0);
  t.ok(relay.clock.waiting <= timers + 2, 'what waits is not of the connection');
});

t.test('what is opaque is reset when its server cannot be dialled', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  const lost = once(client.socket, 'error');
  client.write(`${connectHead(await refusing())}\0binary`);
  const [error] = await lost;
  t.match(error, { code: 'ECONNRESET' });
  t.equal(await relay.metric('errors_total', 'code="CONNECT_FAILED"'), 1);
  t.equal(await relay.metric('requests_total', 'method_class="tunnel"', 'code_class="5xx"'), 1);
  t.same([relay.app.process().upstreamConnections, relay.app.process().downstreamConnections], [0, 0]);
});

t.test('an app that was silent while the dial failed may still ask, and gets its 502; else it is reset', async (t) => {
  const relay = await startRelay(t);
  const target = await refusing();
  const failed = (): number => relay.app.destinations().find(({ name }) => name === target)?.connecting ?? 1;
  for (const asks of [true, false]) {
    const client = await relay.client();
    client.write(connectHead(target));
    await client.untilReceived(ESTABLISHED);
    relay.clock.advance(SNIFF_MS);
    await eventually(() => failed() === 0);
    await settled(relay);
    relay.clock.advance(900);
    if (asks) {
      client.write(`GET / HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
      await client.untilReceived('CONNECT_FAILED');
      t.match(inside(client), /^HTTP\/1\.1 502 /);
    } else {
      t.equal(client.ended, false);
      relay.clock.advance(200);
      await client.until(({ closed }) => closed);
      t.equal(inside(client), '');
    }
  }
});

t.test(
  'rule 31: what the app says before its tunnel is open is kept within bounds, and all of it arrives',
  async (t) => {
    const relay = await startRelay(t);
    const client = await connected(relay);
    const junk = Buffer.alloc(4 * 1024 * 1024, 0);
    client.write(junk);
    const upstream = await relay.origin.connection(0);
    await upstream.until(({ received }) => received.length === junk.length);
    t.equal(relay.app.process().tunnels, 1);
    client.socket.end();
    await upstream.until(({ ended }) => ended);
    upstream.socket.end();
    await eventually(() => relay.app.process().tunnels === 0);
    t.equal(relay.app.process().bufferedBytes, 0);
  },
);

t.test('a reset of the server before anybody has spoken is a reset to the app', async (t) => {
  const relay = await startRelay(t);
  const { client, upstream } = await silent(relay);
  const seen = once(client.socket, 'error');
  upstream.socket.resetAndDestroy();
  const [error] = await seen;
  t.match(error, { code: 'ECONNRESET' });
  await eventually(() => relay.app.process().upstreamConnections === 0);
});

t.test('limits.tunnels: what would be one too many is reset, and HTTP goes on', async (t) => {
  const relay = await startRelay(t, { limits: { tunnels: 1 } });
  const first = await connected(relay, '\0');
  await eventually(() => relay.app.process().tunnels === 1);
  const second = await relay.client();
  const lost = once(second.socket, 'error');
  second.write(`${connectHead(relay.target)}\0`);
  await lost;
  t.equal(await relay.metric('errors_total', 'code="OVERLOADED"'), 1);
  const http = await connected(relay, request(relay, '/'));
  const upstream = await relay.origin.connection(1);
  await upstream.untilReceived('\r\n\r\n');
  upstream.write(OK);
  await http.untilReceived('ok');
  t.equal(first.ended, false);
});

t.test('connect.sniffTimeout: 0 dials at once', async (t) => {
  const relay = await startRelay(t, { connect: { sniffTimeout: 0 } }, (connection) => connection.write('hello'));
  const client = await connected(relay);
  await client.untilReceived('hello');
  t.equal(relay.app.process().tunnels, 1);
});

t.test('a stop closes a silent CONNECT, and what was dialled for it', async (t) => {
  const relay = await startRelay(t);
  const { client, upstream } = await silent(relay);
  const stopped = relay.app.stop();
  relay.clock.advance(1100);
  await client.until(({ ended }) => ended);
  await upstream.until(({ ended }) => ended);
  await eventually(() => relay.app.process().downstreamConnections === 0);
  t.same([relay.app.process().upstreamConnections, relay.app.process().tunnels], [0, 0]);
  relay.clock.advance(2100);
  await stopped;
});
