import t from 'tap';
import type { OriginConnection } from '../raw-origin.ts';
import { checkError, startRelay, useOnce } from './relay-fixture.ts';

const HOWS = ['FIN', 'RST'] as const;
/** What another try does about it is told in retry-failures.test.ts. */
const ONE_TRY = { defaults: { retry: { attempts: 1 } } };

function die(upstream: OriginConnection, how: (typeof HOWS)[number]): void {
  if (how === 'FIN') upstream.socket.end();
  else upstream.socket.resetAndDestroy();
}

/** Whether the app was told by a reset that what it read is not whole. */
async function cut(client: OriginConnection): Promise<boolean> {
  let reset = false;
  client.socket.on('error', (error: NodeJS.ErrnoException) => {
    reset = error.code === 'ECONNRESET';
  });
  await client.until(({ closed }) => closed);
  return reset;
}

for (const how of HOWS) {
  const code = how === 'FIN' ? 'UPSTREAM_CLOSED' : 'UPSTREAM_RESET';
  const expected = { status: 502, code, error: 'connection_terminated', close: false } as const;

  t.test(`rule 32: the upstream dies by ${how} before the head of its response`, async (t) => {
    const relay = await startRelay(t, ONE_TRY);
    const client = await relay.client();
    client.write(relay.head('GET', '/'));
    const upstream = await relay.origin.connection(0);
    await upstream.untilReceived('\r\n\r\n');
    die(upstream, how);
    await client.untilReceived('}');
    checkError(t, client.received, { ...expected, destination: relay.target });
    t.equal(relay.stats().active, 0);
    t.equal(await relay.metric('errors_total', `code="${code}"`), 1);
    await useOnce(relay, client);
  });

  t.test(`rule 32: the upstream dies by ${how} inside the head`, async (t) => {
    const relay = await startRelay(t, ONE_TRY);
    const client = await relay.client();
    client.write(relay.head('GET', '/'));
    const upstream = await relay.origin.connection(0);
    await upstream.untilReceived('\r\n\r\n');
    upstream.socket.write('HTTP/1.1 200 OK\r\nContent-', () => die(upstream, how));
    await client.untilReceived('}');
    checkError(t, client.received, expected);
    t.equal(relay.stats().active, 0);
  });

  t.test(`rule 32: the upstream dies by ${how} after an interim response`, async (t) => {
    const relay = await startRelay(t, ONE_TRY);
    const client = await relay.client();
    client.write(relay.head('GET', '/'));
    const upstream = await relay.origin.connection(0);
    await upstream.untilReceived('\r\n\r\n');
    upstream.write('HTTP/1.1 103 Early Hints\r\n\r\n');
    await client.untilReceived('103');
    die(upstream, how);
    await client.untilReceived('}');
    checkError(t, client.received.slice('HTTP/1.1 103 Early Hints\r\n\r\n'.length), expected);
  });

  for (const [framing, fields] of [
    ['with a length', 'Content-Length: 100\r\n'],
    ['in chunks', 'Transfer-Encoding: chunked\r\n'],
  ] as const) {
    t.test(`rule 17: the upstream dies by ${how} inside a body ${framing}: the app sees the cut`, async (t) => {
      for (const version of ['1.1', '1.0']) {
        const relay = await startRelay(t);
        const client = await relay.client();
        client.write(`GET http://${relay.target}/ HTTP/${version}\r\nHost: ${relay.target}\r\n\r\n`);
        const upstream = await relay.origin.connection(0);
        await upstream.untilReceived('\r\n\r\n');
        upstream.write(`HTTP/1.1 200 OK\r\n${fields}\r\n3\r\nabc\r\n`);
        await client.untilReceived('abc');
        die(upstream, how);
        t.ok(await cut(client), `HTTP/${version}: a reset`);
        t.notMatch(client.received, '\r\n0\r\n');
        t.same([relay.stats().active, relay.stats().idle], [0, 0]);
        t.equal(await relay.metric('errors_total', `code="${code}"`), 1);
      }
    });
  }
}

t.test('rule 17: a reset inside a close-delimited body is a cut; a FIN is its end', async (t) => {
  for (const version of ['1.1', '1.0']) {
    const relay = await startRelay(t);
    const client = await relay.client();
    client.write(`GET http://${relay.target}/ HTTP/${version}\r\nHost: ${relay.target}\r\n\r\n`);
    const upstream = await relay.origin.connection(0);
    await upstream.untilReceived('\r\n\r\n');
    upstream.write('HTTP/1.1 200 OK\r\n\r\nabc');
    await client.untilReceived('abc');
    upstream.socket.resetAndDestroy();
    t.ok(await cut(client), `HTTP/${version}: a reset`);
    t.notMatch(client.received, '\r\n0\r\n');
  }
});

t.test('rule 14: a body that breaks its framing is cut, and its connection gone', async (t) => {
  for (const rest of ['zz\r\n', '3\r\nabcX', '0\r\nBad Trailer: 1\r\n\r\n']) {
    const relay = await startRelay(t);
    const client = await relay.client();
    client.write(relay.head('GET', '/'));
    const upstream = await relay.origin.connection(0);
    await upstream.untilReceived('\r\n\r\n');
    upstream.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n');
    await client.untilReceived('abc');
    upstream.write(rest);
    t.ok(await cut(client), rest.trim());
    t.notMatch(client.received, '\r\n0\r\n');
    await upstream.until(({ ended }) => ended);
    t.equal(relay.stats().active, 0);
  }
});

t.test('the upstream dies inside an upload: the app has its answer, and what was body is no request', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(`${relay.head('PUT', '/', 'Content-Length: 100\r\n')}abc`);
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('abc');
  upstream.socket.resetAndDestroy();
  await client.until(({ ended }) => ended);
  checkError(t, client.received, { status: 502, code: 'UPSTREAM_RESET', error: 'connection_terminated', close: true });
  client.write(relay.head('GET', '/smuggled'));
  t.equal(relay.origin.connections.length, 1);
  t.equal(relay.stats().active, 0);
});
