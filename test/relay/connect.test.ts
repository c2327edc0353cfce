import { once } from 'node:events';
import net from 'node:net';
import t, { type Test } from 'tap';
import type { OriginConnection } from '../raw-origin.ts';
import { checkError, eventually, type Relay, startRelay as startAny } from './relay-fixture.ts';

const ESTABLISHED = 'HTTP/1.1 200 Connection established\r\n\r\n';

/** Every port is one of TLS: what passes is opaque, and the upstream is dialled before the answer. */
const startRelay = (t: Test, settings: Record<string, unknown> = {}): Promise<Relay> =>
  startAny(t, { connect: { tlsPorts: ['1-65535'] }, ...settings });

async function tunnel(relay: Relay): Promise<{ client: OriginConnection; upstream: OriginConnection }> {
  const client = await relay.client();
  client.write(`CONNECT ${relay.target} HTTP/1.1\r\nHost: ${relay.target}\r\n\r\n`);
  const upstream = await relay.origin.connection(relay.origin.connections.length);
  await client.untilReceived(ESTABLISHED);
  return { client, upstream };
}

t.test('rule 11: CONNECT opens a tunnel in which bytes pass both ways as they are', async (t) => {
  const relay = await startRelay(t);
  const { client, upstream } = await tunnel(relay);
  t.equal(upstream.received, '', 'the upstream sees nothing of the CONNECT');
  const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * 13) % 256));
  client.write(bytes);
  await upstream.until(({ received }) => received.length === bytes.length);
  t.ok(upstream.received === bytes.toString('latin1'));
  upstream.write(bytes);
  await client.until(({ received }) => received.length === bytes.length + ESTABLISHED.length);
  t.ok(client.received === ESTABLISHED + bytes.toString('latin1'));
  t.equal(relay.app.process().tunnels, 1);
  t.equal(relay.app.process().upstreamConnections, 1, 'it counts in limits.maxConnections');
  t.equal(await relay.metric('requests_total', 'method_class="tunnel"', 'code_class="2xx"'), 1);
});

t.test('rule 11: a port that the list does not have is refused with 403, and the connection closes', async (t) => {
  const relay = await startRelay(t);
  for (const port of [22, 25, 1023]) {
    const client = await relay.client();
    client.write(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\nEHLO`);
    await client.until(({ ended }) => ended);
    const { hint } = checkError(t, client.received, {
      status: 403,
      code: 'PORT_DENIED',
      error: 'destination_ip_prohibited',
      close: true,
      destination: `127.0.0.1:${port}`,
    });
    t.match(hint, 'security.connectPorts');
  }
  t.equal(await relay.metric('errors_total', 'code="PORT_DENIED"'), 3);
});

t.test('rule 26: CONNECT to loopback is denied unless the address is allowed', async (t) => {
  const relay = await startRelay(t, { security: { allowAddresses: [] } });
  const client = await relay.client();
  client.write(`CONNECT ${relay.target} HTTP/1.1\r\nHost: ${relay.target}\r\n\r\n`);
  await client.until(({ ended }) => ended);
  const { hint } = checkError(t, client.received, {
    status: 403,
    code: 'DESTINATION_DENIED',
    error: 'destination_ip_prohibited',
    close: true,
    destination: relay.target,
  });
  t.match(hint, /NO_PROXY.*security\.allowLoopback/);
  t.equal(relay.origin.connections.length, 0);
});

t.test('rule 11: bytes pipelined behind CONNECT are the tunnel’s, and none leaves before it is open', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(`CONNECT ${relay.target} HTTP/1.1\r\nHost: ${relay.target}\r\n\r\nhello `);
  const upstream = await relay.origin.connection(0);
  await client.untilReceived(ESTABLISHED);
  client.write('world');
  await upstream.untilReceived('hello world');
  t.equal(upstream.received, 'hello world');
});

t.test('rule 11: a refused CONNECT closes: what comes behind it is never a request', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(`CONNECT 127.0.0.1:25 HTTP/1.1\r\nHost: x:25\r\n\r\n${relay.head('GET', '/smuggled')}`);
  await client.until(({ ended }) => ended);
  t.equal(client.received.split('HTTP/1.1 ').length, 2);
  t.equal(relay.origin.connections.length, 0);
});

t.test('rule 11: CONNECT wants host:port', async (t) => {
  const relay = await startRelay(t);
  for (const target of ['/path', 'http://a.example/', 'a.example', 'user@a.example:443', 'a.example:0', ':443']) {
    const client = await relay.client();
    client.write(`CONNECT ${target} HTTP/1.1\r\nHost: a.example\r\n\r\n`);
    await client.until(({ ended }) => ended);
    checkError(t, client.received, { status: 400, code: 'BAD_REQUEST', error: 'http_request_error', close: true });
  }
});

t.test('a CONNECT that cannot be dialled is 502, and closes', async (t) => {
  const closed = net.createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const address = closed.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  closed.close();
  await once(closed, 'close');
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
  await client.until(({ ended }) => ended);
  const { message } = checkError(t, client.received, {
    status: 502,
    code: 'CONNECT_FAILED',
    error: 'connection_refused',
    close: true,
    destination: `127.0.0.1:${port}`,
  });
  t.match(message, 'ECONNREFUSED');
  t.equal(relay.app.process().upstreamConnections, 0);
});

t.test('each half of a tunnel closes on its own', async (t) => {
  const relay = await startRelay(t);
  const up = await tunnel(relay);
  up.client.write('question');
  up.client.socket.end();
  await up.upstream.until(({ ended }) => ended);
  t.equal(up.upstream.received, 'question');
  up.upstream.write('answer after FIN');
  await up.client.untilReceived('answer after FIN');
  up.upstream.socket.end();
  await up.client.until(({ ended }) => ended);
  const down = await tunnel(relay);
  down.upstream.write('goodbye');
  down.upstream.socket.end();
  await down.client.until(({ ended }) => ended);
  t.ok(down.client.received.endsWith('goodbye'));
  down.client.write('last word');
  await down.upstream.untilReceived('last word');
  down.client.socket.end();
  await down.upstream.until(({ ended }) => ended);
  await eventually(() => relay.app.process().tunnels === 0);
  t.equal(relay.app.process().upstreamConnections, 0);
});

t.test('an app that closes its side before the tunnel is open: the end comes through', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(`CONNECT ${relay.target} HTTP/1.1\r\nHost: ${relay.target}\r\n\r\nall`);
  client.socket.end();
  const upstream = await relay.origin.connection(0);
  await upstream.until(({ ended }) => ended);
  t.equal(upstream.received, 'all');
  upstream.write('answer');
  upstream.socket.end();
  await client.until(({ ended }) => ended);
  t.equal(client.received, `${ESTABLISHED}answer`);
});

t.test('a reset passes through a tunnel as a reset, each way', async (t) => {
  const relay = await startRelay(t);
  for (const side of ['client', 'upstream'] as const) {
    const pair = await tunnel(relay);
    const other = side === 'client' ? pair.upstream : pair.client;
    const seen = once(other.socket, 'error');
    pair[side].socket.resetAndDestroy();
    const [error] = await seen;
    t.match(error, { code: 'ECONNRESET' });
    await eventually(() => relay.app.process().tunnels === 0);
  }
  t.equal(relay.app.process().upstreamConnections, 0);
});

t.test('a tunnel closes after timeouts.streamIdle of silence, and not before', async (t) => {
  const relay = await startRelay(t, { defaults: { timeouts: { streamIdle: '10s' } } });
  const { client, upstream } = await tunnel(relay);
  relay.clock.advance(9000);
  client.write('x');
  await upstream.untilReceived('x');
  relay.clock.advance(9000);
  t.equal(relay.app.process().tunnels, 1);
  relay.clock.advance(4000);
  await client.until(({ ended }) => ended);
  await upstream.until(({ ended }) => ended);
  t.same([relay.app.process().tunnels, relay.app.process().upstreamConnections], [0, 0]);
});

t.test('limits.tunnels: one too many is refused, and there is room again when one closes', async (t) => {
  const relay = await startRelay(t, { limits: { tunnels: 1 } });
  const { client: first, upstream } = await tunnel(relay);
  const refused = await relay.client();
  refused.write(`CONNECT ${relay.target} HTTP/1.1\r\nHost: ${relay.target}\r\n\r\n`);
  await refused.until(({ ended }) => ended);
  const { message } = checkError(t, refused.received, {
    status: 503,
    code: 'OVERLOADED',
    error: 'proxy_internal_response',
    close: true,
  });
  t.match(message, 'limits.tunnels');
  first.socket.end();
  upstream.socket.end();
  await eventually(() => relay.app.process().tunnels === 0);
  await tunnel(relay);
  t.equal(relay.app.process().tunnels, 1);
});

t.test('rule 18: an app that leaves while its tunnel is dialled takes nothing with it', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(`CONNECT ${relay.target} HTTP/1.1\r\nHost: ${relay.target}\r\n\r\n`);
  client.socket.resetAndDestroy();
  const next = await relay.client();
  next.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await next.untilReceived('400');
  await eventually(() => relay.app.process().downstreamConnections === 1);
  await eventually(() => relay.app.process().tunnels === 0 && relay.stats().pending === 0);
  t.same([relay.stats().active, relay.stats().connecting], [0, 0]);
});

for (const tlsPorts of [['1-65535'], [443]]) {
  t.test(
    `rule 18: an app that leaves while its CONNECT waits for room gives up its turn (connect.tlsPorts ${tlsPorts})`,
    async (t) => {
      const relay = await startRelay(t, { limits: { maxConnections: 1 }, connect: { tlsPorts } });
      const holder = await relay.client();
      holder.write(relay.head('GET', '/slow'));
      const upstream = await relay.origin.connection(0);
      await upstream.untilReceived('\r\n\r\n');
      const client = await relay.client();
      // What is no HTTP wants a tunnel at any port.
      client.write(`CONNECT ${relay.target} HTTP/1.1\r\nHost: ${relay.target}\r\n\r\n\0`);
      await eventually(() => relay.stats().pending === 1);
      t.equal(relay.app.process().exchanges, 2);
      client.socket.resetAndDestroy();
      await eventually(() => relay.app.process().downstreamConnections === 1);
      t.equal(relay.stats().pending, 0);
      upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      await holder.untilReceived('ok');
      t.same([relay.origin.connections.length, relay.app.process().tunnels], [1, 0]);
    },
  );
}

t.test('rule 31: a tunnel holds back the faster side', async (t) => {
  const relay = await startRelay(t);
  const { client, upstream } = await tunnel(relay);
  client.socket.pause();
  const block = Buffer.alloc(256 * 1024, 120);
  let sent = 0;
  while (sent < 64 * 1024 * 1024 && upstream.socket.writableLength < 1024 * 1024) {
    upstream.write(block);
    sent += block.length;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  t.ok(sent < 64 * 1024 * 1024, `the origin could not write on after ${sent} bytes`);
  client.socket.resume();
  await client.until(({ received }) => received.length === ESTABLISHED.length + sent);
  t.pass('and all of it arrives');
});
