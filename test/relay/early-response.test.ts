import t from 'tap';
import { startRelay, useOnce } from './relay-fixture.ts';

const DONE = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone';

t.test(
  'rule 16: an early response is relayed while the upload goes on; the connection is pooled when both have ended',
  async (t) => {
    const relay = await startRelay(t);
    const client = await relay.client();
    client.write(`${relay.head('PUT', '/up', 'Content-Length: 10\r\n')}01234`);
    const upstream = await relay.origin.connection(0);
    await upstream.untilReceived('01234');
    upstream.write(DONE);
    await client.untilReceived('done');
    t.equal(relay.stats().active, 1, 'the request has not ended');
    client.write('56789');
    await upstream.untilReceived('0123456789');
    t.equal(relay.stats().idle, 1);
    client.write(relay.head('GET', '/next'));
    await upstream.untilReceived('GET /next ');
    upstream.write(DONE);
    await client.until(({ received }) => received === DONE + DONE);
    t.equal(relay.origin.connections.length, 1);
  },
);

t.test('rule 16: a chunked upload goes on after its response, and what follows it is the next request', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(`${relay.head('PUT', '/up', 'Transfer-Encoding: chunked\r\n')}3\r\nabc\r\n`);
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('abc');
  upstream.write(DONE);
  await client.untilReceived('done');
  client.write(`3\r\ndef\r\n0\r\nX-T: 1\r\n\r\n${relay.head('GET', '/next')}`);
  await upstream.untilReceived('GET /next ');
  t.match(upstream.received, '3\r\nabc\r\n3\r\ndef\r\n0\r\nX-T: 1\r\n\r\nGET /next HTTP/1.1');
});

t.test(
  'rule 16: an upload that has too much left after its response is stopped, and no byte of it becomes a request',
  async (t) => {
    const relay = await startRelay(t);
    const client = await relay.client();
    client.write(`${relay.head('PUT', '/up', 'Content-Length: 1000000\r\n')}01234`);
    const upstream = await relay.origin.connection(0);
    await upstream.untilReceived('01234');
    upstream.write(DONE);
    await client.until(({ ended }) => ended);
    t.equal(client.received, DONE);
    await upstream.until(({ ended }) => ended);
    client.write(relay.head('GET', '/body'));
    await client.until(({ closed }) => closed || client.socket.writableLength === 0);
    t.equal(relay.origin.connections.length, 1);
    t.notMatch(upstream.received, '/body');
    t.equal(relay.stats().active + relay.stats().idle, 0);
  },
);

t.test('rule 16: an endless chunked upload is stopped after a bounded number of bytes', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(`${relay.head('PUT', '/up', 'Transfer-Encoding: chunked\r\n')}5\r\n01234\r\n`);
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('01234');
  upstream.write(DONE);
  await client.untilReceived('done');
  const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
  const sent = upstream.received.length;
  for (let count = 0; count < 6; count++) client.write(chunk);
  await upstream.until(({ ended }) => ended);
  t.ok(upstream.received.length - sent <= 320 * 1024, `${upstream.received.length - sent} bytes`);
  await client.until(({ ended }) => ended);
  t.equal(client.received, DONE);
});

t.test('rule 16: an upload that stands still after its response is given up after 5 s', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(`${relay.head('PUT', '/up', 'Content-Length: 10\r\n')}01234`);
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('01234');
  upstream.write(DONE);
  await client.untilReceived('done');
  relay.clock.advance(4000);
  t.equal(relay.stats().active, 1);
  relay.clock.advance(3000);
  await client.until(({ ended }) => ended);
  await upstream.until(({ ended }) => ended);
  t.equal(relay.stats().active, 0);
});

t.test('rule 16: an upstream that answers early and closes leaves the app its answer', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(`${relay.head('PUT', '/up', 'Content-Length: 10\r\n')}01234`);
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('01234');
  upstream.write('HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 4\r\n\r\ndone');
  upstream.socket.end();
  await client.untilReceived('done');
  client.write('56789');
  await useOnce(relay, client);
  t.ok(client.received.startsWith('HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\ndone'));
  t.equal(relay.stats().idle, 1);
  t.equal(relay.origin.connections.length, 2);
});

t.test('a body that breaks its framing after the response began is cut, and before it answered with 400', async (t) => {
  for (const close of ['', 'Connection: close\r\n']) {
    const relay = await startRelay(t);
    const client = await relay.client();
    client.write(`${relay.head('PUT', '/up', `${close}Transfer-Encoding: chunked\r\n`)}3\r\nabc\r\n`);
    const upstream = await relay.origin.connection(0);
    await upstream.untilReceived('abc');
    client.write('zz\r\n');
    await client.until(({ ended }) => ended);
    t.match(client.received, /^HTTP\/1\.1 400 /, `with "${close.trim()}"`);
    t.match(client.received, `"destination":"${relay.target}"`);
    await upstream.until(({ ended }) => ended);
    t.equal(relay.stats().active, 0);
  }
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(`${relay.head('PUT', '/up', 'Transfer-Encoding: chunked\r\n')}3\r\nabc\r\n`);
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('abc');
  upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
  await client.untilReceived('half');
  let reset = false;
  client.socket.on('error', () => {
    reset = true;
  });
  client.write('zz\r\n');
  await client.until(({ closed }) => closed);
  t.ok(reset, 'the app sees a reset');
  await upstream.until(({ ended }) => ended);
  t.equal(relay.stats().active, 0);
});
