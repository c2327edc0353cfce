import t from 'tap';
import type { OriginConnection } from '../raw-origin.ts';
import { eventually, type Relay, startRelay, useOnce } from './relay-fixture.ts';

const HOWS = ['FIN', 'RST'] as const;

/** Leaves; a FIN takes effect when the app has shown for a while that it does not wait for an answer. */
async function leave(relay: Relay, client: OriginConnection, how: (typeof HOWS)[number]): Promise<void> {
  const { exchanges } = relay.app.process();
  if (how === 'RST') client.socket.resetAndDestroy();
  else client.socket.end();
  await eventually(() => {
    if (how === 'FIN') relay.clock.advance(25);
    return relay.app.process().exchanges < exchanges;
  });
}

async function nothingLeft(t: Parameters<typeof startRelay>[0], relay: Relay, aborted: number): Promise<void> {
  await eventually(() => relay.app.process().exchanges === 0 && relay.stats().active === 0);
  t.same([relay.stats().active, relay.stats().draining, relay.stats().pending], [0, 0, 0]);
  t.equal(relay.app.process().bufferedBytes, 0);
  t.equal(await relay.metric('errors_total', 'code="DOWNSTREAM_ABORTED"'), aborted);
}

for (const how of HOWS) {
  t.test(`rule 18: the app leaves by ${how} while its request waits for a connection`, async (t) => {
    const relay = await startRelay(t, { defaults: { pool: { maxConnections: 1 } } });
    const first = await relay.client();
    first.write(relay.head('GET', '/1'));
    const upstream = await relay.origin.connection(0);
    await upstream.untilReceived('GET /1 ');
    const client = await relay.client();
    client.write(`${relay.head('POST', '/2', 'Content-Length: 5\r\n')}12345`);
    await eventually(() => relay.stats().pending === 1);
    await leave(relay, client, how);
    await eventually(() => relay.stats().pending === 0);
    upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none');
    await first.untilReceived('one');
    await nothingLeft(t, relay, 1);
    t.equal(relay.stats().idle, 1);
    t.notMatch(upstream.received, '/2');
  });

  t.test(`rule 18: the app leaves by ${how} while its connection is dialled`, async (t) => {
    const relay = await startRelay(t);
    const client = await relay.client();
    client.write(relay.head('GET', '/'));
    await eventually(() => relay.stats().connecting === 1);
    await leave(relay, client, how);
    await eventually(() => relay.app.process().downstreamConnections === 0);
    await nothingLeft(t, relay, 1);
  });

  t.test(`rule 18: the app leaves by ${how} while it waits for the response`, async (t) => {
    const relay = await startRelay(t);
    const client = await relay.client();
    const upstream = await useOnce(relay, client);
    client.write(relay.head('POST', '/', 'Content-Length: 0\r\n'));
    await upstream.untilReceived('POST / ');
    await leave(relay, client, how);
    await upstream.until(({ ended }) => ended);
    await nothingLeft(t, relay, 1);
    t.equal(relay.stats().idle, 0);
    t.equal(await relay.metric('pool_connections_closed_total', 'reason="aborted"'), 1);
  });

  t.test(`rule 18: the app leaves by ${how} inside its upload`, async (t) => {
    for (const framing of ['Content-Length: 100\r\n', 'Transfer-Encoding: chunked\r\n']) {
      const relay = await startRelay(t);
      const client = await relay.client();
      client.write(`${relay.head('PUT', '/', framing)}3\r\nabc\r\n`);
      const upstream = await relay.origin.connection(0);
      await upstream.untilReceived('abc');
      if (how === 'RST') client.socket.resetAndDestroy();
      else client.socket.end();
      await upstream.until(({ ended }) => ended);
      t.notMatch(upstream.received, '\r\n0\r\n', 'nothing says that the upload is whole');
      await nothingLeft(t, relay, 1);
      t.equal(relay.stats().idle, 0);
    }
  });

  t.test(`rule 18: the app leaves by ${how} in an upload whose response has come`, async (t) => {
    const relay = await startRelay(t);
    const client = await relay.client();
    client.write(`${relay.head('PUT', '/', 'Content-Length: 100\r\n')}abc`);
    const upstream = await relay.origin.connection(0);
    await upstream.untilReceived('abc');
    upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone');
    await client.untilReceived('done');
    if (how === 'RST') client.socket.resetAndDestroy();
    else client.socket.end();
    await upstream.until(({ ended }) => ended);
    await nothingLeft(t, relay, 0);
  });
}

t.test('rule 18: the app leaves inside the body of the response', async (t) => {
  for (const framing of ['Content-Length: 1000\r\n', 'Transfer-Encoding: chunked\r\n', '']) {
    const relay = await startRelay(t);
    const client = await relay.client();
    client.write(relay.head('GET', '/'));
    const upstream = await relay.origin.connection(0);
    await upstream.untilReceived('\r\n\r\n');
    upstream.write(`HTTP/1.1 200 OK\r\n${framing}\r\n3\r\nabc\r\n`);
    await client.untilReceived('abc');
    client.socket.resetAndDestroy();
    await upstream.until(({ ended }) => ended);
    await nothingLeft(t, relay, 1);
  }
});

t.test('an app that has closed its sending side still gets an answer that has begun, to its end', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(relay.head('GET', '/'));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234');
  await client.untilReceived('01234');
  const timers = relay.clock.waiting;
  client.socket.end();
  await eventually(() => relay.clock.waiting > timers);
  relay.clock.advance(1000);
  upstream.write('56789');
  await client.until(({ ended }) => ended);
  t.ok(client.received.endsWith('0123456789'));
  await nothingLeft(t, relay, 0);
});

t.test('an app that has closed its sending side gets an answer that comes at once', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(relay.head('GET', '/'));
  client.socket.end();
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  await client.until(({ ended }) => ended);
  t.ok(client.received.endsWith('ok'));
  await nothingLeft(t, relay, 0);
});

t.test('an idle app that leaves is forgotten, and so is one inside a head', async (t) => {
  const relay = await startRelay(t);
  const [idle, inside] = [await relay.client(), await relay.client()];
  inside.write('GET http://');
  await eventually(() => relay.app.process().bufferedBytes > 0);
  idle.socket.end();
  inside.socket.end();
  await eventually(() => relay.app.process().downstreamConnections === 0);
  await nothingLeft(t, relay, 0);
});
