import t from 'tap';
import { rawClient, rawOrigin } from '../raw-origin.ts';
import { startSidecar } from '../sidecar.ts';
import { checkError, startRelay } from './relay-fixture.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

async function localPort(t: Parameters<typeof startSidecar>[0], entry: Record<string, unknown> = {}) {
  const origin = await rawOrigin(t);
  const sidecar = await startSidecar(t, {
    destinations: [{ match: 'orders.shop:8080', localPort: 0, endpoints: [`127.0.0.1:${origin.port}`], ...entry }],
    security: { allowAddresses: [] },
  });
  const port = sidecar.localPorts[0]?.port ?? 0;
  return { origin, sidecar, port };
}

t.test('a local port serves its destination: Host is written anew, the rest passes', async (t) => {
  const { origin, port } = await localPort(t);
  const client = await rawClient(t, port);
  client.write(`GET /items?id=1 HTTP/1.1\r\nX-A: 1\r\nHost: 127.0.0.1:${port}\r\nX-B: 2\r\n\r\n`);
  const upstream = await origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  t.equal(upstream.received, 'GET /items?id=1 HTTP/1.1\r\nhost: orders.shop:8080\r\nX-A: 1\r\nX-B: 2\r\n\r\n');
  const answer =
    'HTTP/1.1 302 Found\r\nLocation: http://orders.shop:8080/else\r\nSet-Cookie: a=b; Domain=orders.shop\r\nContent-Length: 0\r\n\r\n';
  upstream.write(answer);
  await client.untilReceived('\r\n\r\n');
  t.equal(client.received, answer, 'Location and Set-Cookie are the app’s to understand');
});

t.test('a basePath goes before every path, but not before OPTIONS *', async (t) => {
  const { origin, port } = await localPort(t, { basePath: '/v1/', match: 'orders.shop:80' });
  const client = await rawClient(t, port);
  client.write('GET /items HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
  const upstream = await origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  t.equal(upstream.received, 'GET /v1/items HTTP/1.1\r\nhost: orders.shop\r\n\r\n');
  upstream.write(OK);
  client.write('OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n');
  await upstream.untilReceived('OPTIONS * HTTP/1.1\r\nhost: orders.shop\r\n');
  upstream.write(OK);
  client.write('GET /?q HTTP/1.1\r\nHost: x\r\n\r\n');
  await upstream.untilReceived('GET /v1/?q HTTP/1.1\r\n');
  t.pass();
});

t.test('an absolute target at a local port does not lead elsewhere', async (t) => {
  const { origin, port } = await localPort(t);
  const client = await rawClient(t, port);
  client.write('GET http://elsewhere.example/x HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n');
  const upstream = await origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  t.equal(upstream.received, 'GET /x HTTP/1.1\r\nhost: orders.shop:8080\r\n\r\n');
});

t.test('a local error at a local port names its destination', async (t) => {
  const { origin, port } = await localPort(t);
  const client = await rawClient(t, port);
  client.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n');
  const upstream = await origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  upstream.socket.end();
  await client.untilReceived('UPSTREAM_CLOSED');
  checkError(t, client.received, {
    status: 502,
    code: 'UPSTREAM_CLOSED',
    error: 'connection_terminated',
    close: false,
    destination: 'orders.shop:8080',
  });
});

t.test('origin form at the main port is refused with what to set', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(`GET /x HTTP/1.1\r\nHost: ${relay.target}\r\n\r\n`);
  await client.untilReceived('}');
  const { hint } = checkError(t, client.received, {
    status: 400,
    code: 'BAD_REQUEST',
    error: 'http_request_error',
    close: false,
    destination: relay.target,
  });
  t.match(hint, /HTTP_PROXY.*localPort.*listener\.originForm: route/);
  t.equal(relay.origin.connections.length, 0);
});

t.test('with listener.originForm route it goes by its Host', async (t) => {
  const relay = await startRelay(t, { listener: { originForm: 'route' } });
  const client = await relay.client();
  client.write(`GET /x?y HTTP/1.1\r\nHost: ${relay.target}\r\n\r\n`);
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  t.match(upstream.received, /^GET \/x\?y HTTP\/1\.1\r\nhost: 127\.0\.0\.1:\d+\r\n\r\n$/i);
  upstream.write(OK);
  await client.untilReceived('ok');
  client.write('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
  await client.untilReceived('BAD_REQUEST');
  t.equal(relay.origin.connections.length, 1, 'without Host there is nowhere to go');
});

t.test('a target of another scheme is 400', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write('GET ftp://a.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n');
  await client.until(({ ended }) => ended);
  checkError(t, client.received, { status: 400, code: 'BAD_REQUEST', error: 'http_request_error', close: true });
});

t.test('a local port opens no tunnels: CONNECT is refused there, and nothing behind it is read', async (t) => {
  const { origin, port } = await localPort(t);
  const client = await rawClient(t, port);
  client.write(`CONNECT 127.0.0.1:${origin.port} HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n`);
  await client.until(({ ended }) => ended);
  t.match(client.received, /^HTTP\/1\.1 400 .*a local port serves its one destination/s);
  t.match(client.received, /connection: close/);
  t.equal(client.received.match(/HTTP\/1\.1/g)?.length, 1, 'one answer');
  t.equal(origin.connections.length, 0);
});
