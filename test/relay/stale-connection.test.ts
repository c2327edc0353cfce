import t from 'tap';
import { type OriginConnection, rawClient, rawOrigin } from '../raw-origin.ts';
import { startSidecar } from '../sidecar.ts';
import { checkError, eventually, type Relay, startRelay, useOnce } from './relay-fixture.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** Waits for one request on a connection of its own and answers it. */
async function answerOn(relay: Relay, index: number): Promise<OriginConnection> {
  const upstream = await relay.origin.connection(index);
  await upstream.untilReceived('\r\n\r\n');
  upstream.write(OK);
  return upstream;
}

for (const [what, act] of [
  ['a FIN', (upstream: OriginConnection) => upstream.socket.end()],
  ['a reset', (upstream: OriginConnection) => upstream.socket.resetAndDestroy()],
  [
    'bytes that nobody asked for',
    (upstream: OriginConnection) => upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL'),
  ],
  [
    'a 408 that nobody asked for',
    (upstream: OriginConnection) => upstream.write('HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n'),
  ],
] as const) {
  t.test(`rule 15: ${what} on an idle connection is seen at once, and the next request goes elsewhere`, async (t) => {
    const relay = await startRelay(t);
    const client = await relay.client();
    const first = await useOnce(relay, client);
    const before = client.received.length;
    act(first);
    await eventually(() => relay.stats().idle === 0);
    client.write(relay.head('POST', '/', 'Content-Length: 0\r\n'));
    const second = await answerOn(relay, 1);
    await client.untilReceived('ok');
    t.equal(client.received.slice(before), OK);
    t.notMatch(first.received, 'POST');
    t.match(second.received, 'POST / ');
    t.equal(await relay.metric('retries_total'), 0, 'nothing had to be retried');
  });
}

for (const [what, act] of [
  ['FIN', (upstream: OriginConnection) => upstream.socket.end()],
  ['RST', (upstream: OriginConnection) => upstream.socket.resetAndDestroy()],
] as const) {
  for (const [request, body, replayed] of [
    ['GET', '', true],
    ['HEAD', '', true],
    ['DELETE', '', true],
    ['OPTIONS', '', true],
    ['PUT', 'x'.repeat(1000), true],
    ['PUT', 'x'.repeat(2000), false],
    ['POST', '', false],
    ['POST', 'x', false],
    ['PATCH', 'x', false],
    ['QUERY', '', false],
  ] as const) {
    t.test(
      `rule 32: a used connection that ends by ${what} before its answer: ${request} with ${body.length} bytes is ${replayed ? 'sent again' : '502'}`,
      async (t) => {
        const relay = await startRelay(t, { defaults: { retry: { replayBytes: 1500 } } });
        const client = await relay.client();
        const first = await useOnce(relay, client);
        const before = client.received.length;
        client.write(relay.head(request, '/again', body === '' ? '' : `Content-Length: ${body.length}\r\n`) + body);
        await first.untilReceived('/again ');
        await first.until(({ received }) => received.endsWith(`\r\n\r\n${body}`));
        act(first);
        if (!replayed) {
          await client.untilReceived('}');
          const code = what === 'FIN' ? 'UPSTREAM_CLOSED' : 'UPSTREAM_RESET';
          checkError(t, client.received.slice(before), {
            status: 502,
            code,
            error: 'connection_terminated',
            close: false,
          });
          t.equal(relay.origin.connections.length, 1, 'it was sent once');
          t.equal(await relay.metric('retries_total', 'outcome="not_allowed"', `reason="${code.toLowerCase()}"`), 1);
          return;
        }
        const second = await relay.origin.connection(1);
        await second.until(({ received }) => received.endsWith(`\r\n\r\n${body}`));
        t.equal(
          second.received,
          first.received.slice(first.received.indexOf(request === 'GET' ? 'GET /again' : request)),
        );
        second.write(request === 'HEAD' ? 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n' : OK);
        await client.until(({ received }) => received.length > before);
        t.match(client.received.slice(before), /^HTTP\/1\.1 200 OK\r\n/);
        t.equal(await relay.metric('retries_total', 'outcome="success"'), 1);
        t.equal(await relay.metric('errors_total'), 0);
      },
    );
  }
}

t.test(
  'a chunked POST is kept in case the kernel refuses it, and is not sent again for any other reason',
  async (t) => {
    const relay = await startRelay(t);
    const client = await relay.client();
    const first = await useOnce(relay, client);
    client.write(`${relay.head('POST', '/pay', 'Transfer-Encoding: chunked\r\n')}3\r\nabc\r\n0\r\n\r\n`);
    await first.untilReceived('0\r\n\r\n');
    first.socket.end();
    await client.untilReceived('UPSTREAM_CLOSED');
    t.equal(relay.origin.connections.length, 1);
    t.equal(await relay.metric('retries_total', 'outcome="not_allowed"'), 1);
  },
);

t.test('a stale connection costs one try, a fresh one that ends another, and then that is the answer', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  const first = await useOnce(relay, client);
  client.write(relay.head('GET', '/again'));
  await first.untilReceived('/again ');
  first.socket.end();
  const second = await relay.origin.connection(1);
  await second.untilReceived('/again ');
  second.socket.end();
  const third = await relay.origin.connection(2);
  await third.untilReceived('/again ');
  third.socket.end();
  await client.untilReceived('UPSTREAM_CLOSED');
  t.equal(relay.origin.connections.length, 3);
  t.equal(await relay.metric('retries_total', 'outcome="failure"'), 2);
});

t.test('the retry of a request takes a fresh connection, even where another one is idle', async (t) => {
  const relay = await startRelay(t);
  const [one, two] = [await relay.client(), await relay.client()];
  one.write(relay.head('GET', '/1'));
  two.write(relay.head('GET', '/2'));
  await Promise.all([answerOn(relay, 0), answerOn(relay, 1)]);
  await Promise.all([one.untilReceived('ok'), two.untilReceived('ok')]);
  t.equal(relay.stats().idle, 2);
  one.write(relay.head('GET', '/again'));
  await eventually(() => relay.origin.connections.some(({ received }) => received.includes('/again')));
  relay.origin.connections.find(({ received }) => received.includes('/again'))?.socket.end();
  const third = await relay.origin.connection(2);
  await third.untilReceived('/again ');
  t.pass();
});

t.test('a response that had begun is never sent for again', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  const first = await useOnce(relay, client);
  client.write(relay.head('GET', '/again'));
  await first.untilReceived('/again ');
  first.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n');
  await client.untilReceived('Content-Length: 10');
  first.socket.end();
  await client.until(({ closed }) => closed);
  t.equal(relay.origin.connections.length, 1);
});

t.test('an upload that goes on while its stale connection ends is sent again whole, trailers too', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  const first = await useOnce(relay, client);
  client.write(`${relay.head('PUT', '/up', 'Transfer-Encoding: chunked\r\n')}3\r\nabc\r\n`);
  await first.untilReceived('abc');
  first.socket.resetAndDestroy();
  const second = await relay.origin.connection(1);
  await second.untilReceived('3\r\nabc\r\n');
  client.write('3\r\ndef\r\n0\r\nX-T: 1\r\n\r\n');
  await second.untilReceived('X-T: 1\r\n\r\n');
  t.ok(second.received.endsWith('\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\nX-T: 1\r\n\r\n'));
  second.write(OK);
  await client.untilReceived('ok');
});

for (const [method, body] of [
  ['POST', ''],
  ['POST', 'x'.repeat(5000)],
  ['GET', ''],
] as const) {
  t.test(`rule 32: ${method} with ${body.length} bytes is sent again when the kernel refused all of it`, async (t) => {
    const relay = await startRelay(t);
    const client = await relay.client();
    const first = await useOnce(relay, client);
    // Both arrive in one turn of the loop, the request first: it is written into a connection that is reset already.
    client.write(relay.head(method, '/again', `Content-Length: ${body.length}\r\n`) + body);
    first.socket.resetAndDestroy();
    const second = await relay.origin.connection(1);
    await second.until(({ received }) => received.endsWith(`\r\n\r\n${body}`));
    t.match(second.received, new RegExp(`^${method} /again `));
    t.notMatch(first.received, '/again');
    second.write(OK);
    await client.untilReceived('ok');
    t.equal(relay.stats().idle, 1);
    t.equal(await relay.metric('errors_total'), 0);
  });
}

t.test('a connection that was opened ahead and has carried nothing yet is as doubtful as a used one', async (t) => {
  const origin = await rawOrigin(t);
  const target = `127.0.0.1:${origin.port}`;
  const sidecar = await startSidecar(t, { destinations: [{ match: target, pool: { minConnections: 1 } }] });
  sidecar.clock.advance(1000);
  const warm = await origin.connection(0);
  await eventually(() => sidecar.app.destinations()[0]?.idle === 1);
  const client = await rawClient(t, sidecar.port);
  client.write(`GET http://${target}/again HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
  await warm.untilReceived('/again ');
  warm.socket.end();
  const second = await origin.connection(1);
  await second.untilReceived('/again ');
  second.write(OK);
  await client.untilReceived('ok');
  t.equal(client.received, OK, 'it was sent again');
});
