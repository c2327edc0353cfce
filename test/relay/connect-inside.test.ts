import type net from 'node:net';
import t from 'tap';
import { PREFACE } from '../../src/protocol/http2/frame-types.ts';
import { connected, connectHead, ESTABLISHED, inside, OK, refusing, settled } from './connect-fixture.ts';
import { checkError, eventually, startRelay } from './relay-fixture.ts';

const answering = (connection: { socket: net.Socket; write(text: string): void }): void => {
  connection.socket.on('data', () => connection.write(OK));
};

t.test('HTTP/1.1 inside CONNECT is answered with 200 at once and pooled like any other', async (t) => {
  const relay = await startRelay(t, {}, answering);
  for (let round = 0; round < 5; round++) {
    const client = await connected(relay);
    t.equal(relay.origin.connections.length, round === 0 ? 0 : 1, 'nothing is dialled for the CONNECT');
    for (let each = 1; each <= 3; each++) {
      client.write(`GET /${round}/${each} HTTP/1.1\r\nHost: ${relay.target}\r\nX-A: 1\r\n\r\n`);
      await client.until(({ received }) => received.length === ESTABLISHED.length + each * OK.length);
    }
    t.equal(inside(client), OK + OK + OK);
    client.socket.destroy();
  }
  t.equal(relay.origin.connections.length, 1, 'one connection served them all');
  const first = relay.origin.connections[0]?.received.split('\r\n\r\n')[0];
  t.equal(first, `GET /0/1 HTTP/1.1\r\nhost: ${relay.target}\r\nX-A: 1`, 'the request passes as it was');
  await eventually(() => relay.app.process().downstreamConnections === 0);
  t.equal(relay.app.process().tunnels, 0);
  t.equal(await relay.metric('requests_total', 'method_class="read"', 'code_class="2xx"'), 15);
  t.equal(await relay.metric('requests_total', 'method_class="tunnel"'), 0, 'what is seen through is no tunnel');
  t.equal(await relay.metric('pool_requests_total', 'reused="true"'), 14);
});

t.test('requests inside CONNECT and in absolute form share one pool', async (t) => {
  const relay = await startRelay(t, {}, answering);
  const inner = await connected(relay, `GET /in HTTP/1.1\r\nHost: ${relay.target}\r\n\r\n`);
  await inner.untilReceived('ok');
  const plain = await relay.client();
  plain.write(relay.head('GET', '/out'));
  await plain.untilReceived('ok');
  t.equal(relay.origin.connections.length, 1);
});

t.test('the request line may come in parts, at any split, also behind the CONNECT itself', async (t) => {
  const relay = await startRelay(t, {}, answering);
  const request = `GET /x HTTP/1.1\r\nHost: ${relay.target}\r\n\r\n`;
  const head = connectHead(relay.target);
  const bytes = Buffer.from(head + request, 'latin1');
  for (let at = 1; at < bytes.length; at++) {
    const client = await relay.client();
    client.write(bytes.subarray(0, at));
    if (at >= head.length) await client.untilReceived(ESTABLISHED);
    else await new Promise<void>((resolve) => setImmediate(resolve));
    client.write(bytes.subarray(at));
    await client.untilReceived('ok');
    t.equal(client.received, ESTABLISHED + OK, `split at ${at}`);
    client.socket.destroy();
  }
  t.equal(relay.origin.connections.length, 1);
});

t.test('pipelined requests inside CONNECT are answered in order, bodies and all', async (t) => {
  const relay = await startRelay(t);
  const post = `POST /1 HTTP/1.1\r\nHost: ${relay.target}\r\nContent-Length: 4\r\n\r\nbody`;
  const client = await connected(relay, `${post}GET /2 HTTP/1.1\r\nHost: ${relay.target}\r\n\r\n`);
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('body');
  t.notMatch(upstream.received, '/2');
  upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1');
  await upstream.untilReceived('/2');
  upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2');
  await client.until(({ received }) => received.endsWith('2'));
  t.equal(inside(client).split('HTTP/1.1 200 OK').length, 3);
});

t.test('Host stays as the request says it; HTTP/1.0 without one gets that of the CONNECT', async (t) => {
  const relay = await startRelay(t, {}, answering);
  const other = await connected(relay, 'GET /a HTTP/1.1\r\nHost: virtual.example\r\n\r\n');
  await other.untilReceived('ok');
  const old = await connected(relay, 'GET /b HTTP/1.0\r\n\r\n');
  await old.until(({ ended }) => ended);
  t.equal(
    relay.origin.connections[0]?.received,
    `GET /a HTTP/1.1\r\nhost: virtual.example\r\n\r\nGET /b HTTP/1.1\r\nhost: ${relay.target}\r\n\r\n`,
  );
});

t.test('absolute form inside CONNECT must name what the CONNECT named', async (t) => {
  const relay = await startRelay(t, {}, answering);
  const same = await connected(relay, relay.head('GET', '/same'));
  await same.untilReceived('ok');
  t.match(relay.origin.connections[0]?.received, /^GET \/same HTTP\/1\.1\r\n/);
  const port = relay.origin.port;
  for (const target of [`http://127.0.0.2:${port}`, 'http://127.0.0.1', `https://127.0.0.1:${port}`]) {
    const client = await connected(relay, `GET ${target}/ HTTP/1.1\r\nHost: x\r\n\r\n`);
    await client.untilReceived('}');
    checkError(t, inside(client), { status: 400, code: 'BAD_REQUEST', error: 'http_request_error' });
  }
});

t.test('CONNECT inside of CONNECT is 400, and closes', async (t) => {
  const relay = await startRelay(t);
  const client = await connected(relay, connectHead(relay.target));
  await client.until(({ ended }) => ended);
  const { message } = checkError(t, inside(client), {
    status: 400,
    code: 'BAD_REQUEST',
    error: 'http_request_error',
    close: true,
    destination: relay.target,
  });
  t.match(message, 'inside');
  t.equal(relay.origin.connections.length, 0);
});

t.test('a dial failure is a 502 to the request inside, and the connection goes on', async (t) => {
  const relay = await startRelay(t);
  const target = await refusing();
  const client = await relay.client();
  client.write(connectHead(target));
  await client.untilReceived(ESTABLISHED);
  for (let each = 1; each <= 2; each++) {
    client.write(`GET / HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
    await client.until(({ received }) => received.split('CONNECT_FAILED').length > each);
  }
  const answer = `HTTP/1.1 502${inside(client).split('HTTP/1.1 502')[1]}`;
  checkError(t, answer, {
    status: 502,
    code: 'CONNECT_FAILED',
    error: 'connection_refused',
    close: false,
    destination: target,
  });
  t.equal(client.ended, false);
});

t.test('rule 26: an address that is refused is 403 to the CONNECT where it is known, and closes', async (t) => {
  const relay = await startRelay(t, { security: { allowAddresses: [] } });
  const client = await relay.client();
  client.write(connectHead(relay.target) + relay.head('GET', '/smuggled'));
  await client.until(({ ended }) => ended);
  checkError(t, client.received, {
    status: 403,
    code: 'DESTINATION_DENIED',
    error: 'destination_ip_prohibited',
    close: true,
    destination: relay.target,
  });
  t.equal(relay.origin.connections.length, 0);
});

t.test('rule 26: else it is 403 to the request inside', async (t) => {
  const relay = await startRelay(t, { security: { allowAddresses: [] } });
  const client = await relay.client();
  // A name whose address is not known at the time of the CONNECT.
  client.write(`${connectHead('localhost:8080')}GET / HTTP/1.1\r\nHost: localhost:8080\r\n\r\n`);
  await client.untilReceived('}');
  t.equal(client.received.slice(0, ESTABLISHED.length), ESTABLISHED);
  checkError(t, inside(client), {
    status: 403,
    code: 'DESTINATION_DENIED',
    error: 'destination_ip_prohibited',
    destination: 'localhost:8080',
  });
});

t.test('HTTP/2 inside CONNECT opens an HTTP/2 session, at any split', async (t) => {
  const relay = await startRelay(t);
  const hello = Buffer.concat([PREFACE, Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])]);
  for (let at = 0; at < hello.length; at++) {
    const client = await connected(relay, hello.toString('latin1', 0, at));
    client.write(hello.subarray(at));
    await client.until(({ received }) => received.length >= ESTABLISHED.length + 9);
    t.equal(inside(client).charCodeAt(3), 4, `SETTINGS, split at ${at}`);
    client.socket.destroy();
  }
  t.equal(relay.origin.connections.length, 0);
});

t.test('an Upgrade inside CONNECT becomes a tunnel on a connection of its own', async (t) => {
  const relay = await startRelay(t);
  const ask = `GET /ws HTTP/1.1\r\nHost: ${relay.target}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`;
  const client = await connected(relay, ask);
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  upstream.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello');
  await client.untilReceived('hello');
  client.write('GET / HTTP/1.1\r\n\r\n');
  await upstream.until(({ received }) => received.endsWith('\r\n\r\nGET / HTTP/1.1\r\n\r\n'));
  t.equal(relay.app.process().tunnels, 1);
});

t.test('an Upgrade inside CONNECT that the origin refuses is a plain answer, and the connection goes on', async (t) => {
  const relay = await startRelay(t);
  const ask = `GET /ws HTTP/1.1\r\nHost: ${relay.target}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`;
  const client = await connected(relay, ask);
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  upstream.write('HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno');
  await client.until(({ received }) => received.endsWith('no'));
  client.write(`GET /next HTTP/1.1\r\nHost: ${relay.target}\r\n\r\n`);
  await upstream.untilReceived('GET /next');
  upstream.write(OK);
  await client.untilReceived('ok');
  t.match(inside(client), /^HTTP\/1\.1 426 Upgrade Required\r\n/);
  t.ok(inside(client).endsWith(`no${OK}`));
  t.same([relay.app.process().tunnels, relay.origin.connections.length], [0, 1]);
});

t.test('an idle connection inside CONNECT stays, and a stop says so and closes it', async (t) => {
  const relay = await startRelay(t, { defaults: { pool: { idleTimeout: '24h', maxAge: 0 } } }, answering);
  const client = await connected(relay, `GET / HTTP/1.1\r\nHost: ${relay.target}\r\n\r\n`);
  await client.untilReceived('ok');
  relay.clock.advance(3_600_000);
  t.equal(client.ended, false);
  const idle = await connected(relay, `GET / HTTP/1.1\r\nHost: ${relay.target}\r\n\r\n`);
  await idle.untilReceived('ok');
  const stopped = relay.app.stop();
  client.write(`GET /last HTTP/1.1\r\nHost: ${relay.target}\r\n\r\n`);
  await client.until(({ ended }) => ended);
  t.match(inside(client).slice(OK.length), 'connection: close\r\n');
  relay.clock.advance(2000);
  await idle.until(({ ended }) => ended);
  client.socket.end();
  idle.socket.end();
  await eventually(() => relay.app.process().downstreamConnections === 0);
  relay.clock.advance(3000);
  await stopped;
});

t.test('listener.maxConnections counts connections whatever is spoken inside', async (t) => {
  const relay = await startRelay(t, { listener: { maxConnections: 2 } });
  await connected(relay);
  await connected(relay);
  const third = await relay.client();
  await third.until(({ ended }) => ended);
  checkError(t, third.received, { status: 503, code: 'OVERLOADED', error: 'connection_limit_reached', close: true });
});

t.test('rule 25: a slow head inside CONNECT times out once it is known to be HTTP', async (t) => {
  const relay = await startRelay(t);
  const client = await connected(relay, 'GET / HTTP/1.1\r\nHost: ');
  await settled(relay);
  relay.clock.advance(11_000);
  await client.until(({ ended }) => ended);
  checkError(t, inside(client), { status: 408, code: 'HEAD_TIMEOUT', error: 'http_request_error', close: true });
});

t.test('1,000 CONNECTs at a time share a few connections, and nothing is left of them', async (t) => {
  const relay = await startRelay(t, { defaults: { pool: { maxConnections: 8 } } }, answering);
  const first = await connected(relay, `GET / HTTP/1.1\r\nHost: ${relay.target}\r\n\r\n`);
  await first.untilReceived('ok');
  const timers = relay.clock.waiting;
  await Promise.all(
    Array.from({ length: 1000 }, async (_, index) => {
      const client = await connected(relay);
      client.write(`GET /${index} HTTP/1.1\r\nHost: ${relay.target}\r\n\r\n`);
      await client.untilReceived('ok');
      t.equal(inside(client), OK);
      client.socket.destroy();
    }),
  );
  t.ok(relay.origin.connections.length <= 8);
  await eventually(() => relay.app.process().downstreamConnections === 1);
  t.equal(relay.app.process().bufferedBytes, 0);
  t.equal(relay.clock.waiting, timers, 'no timer is left');
});
