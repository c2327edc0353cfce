import { writeFileSync } from 'node:fs';
import t from 'tap';
import { startApp } from '../http2/apps.ts';
import { startOrigin } from '../http2/origins.ts';
import { rawOrigin } from '../raw-origin.ts';
import { eventually } from '../relay/relay-fixture.ts';
import { authority, answering as tlsAnswering } from '../relay/tls-fixture.ts';
import { answering, heads, logOf } from './egress-fixture.ts';
import { fileIn, parentProxy, startBehind } from './parent-proxy-fixture.ts';

const API = 'api.test';

t.test('requests in clear go to the proxy as whole URLs, on connections that are pooled', async (t) => {
  const origin = await startOrigin(t, 'http1', () => ({ body: 'hello' }));
  const proxy = await parentProxy(t, { [API]: origin.port });
  const sidecar = await startBehind(t, proxy.url);
  for (const path of ['/a', '/b?q=1', ''])
    t.match(await sidecar.get(`http://${API}${path}`), /^HTTP\/1\.1 200 .*hello$/s);
  t.match(await sidecar.get(`http://${API.toUpperCase()}:80/c`), /hello$/);
  t.same(
    proxy.seen.map(({ line, host }) => [line, host]),
    [
      [`GET http://${API}/a`, API],
      [`GET http://${API}/b?q=1`, API],
      [`GET http://${API}/`, API],
      [`GET http://${API}/c`, API],
    ],
  );
  t.equal(proxy.connections(), 1);
  t.same(
    origin.requests.map(({ path }) => path),
    ['/a', '/b?q=1', '/', '/c'],
  );
  t.match(await sidecar.get(`http://${API}:8080/d`), /hello$/);
  t.match(proxy.seen.at(-1), { line: `GET http://${API}:8080/d`, host: `${API}:8080`, connection: 1 });
  t.equal(sidecar.app.destinations()[0]?.discovery.source, 'parent_proxy');
});

t.test('bodies, trailers and large answers pass, by whatever the app speaks', async (t) => {
  const origin = await startOrigin(t, 'http1', ({ body }) => ({
    body: `${body.length}`,
    headers: { 'x-big': 'y'.repeat(4000) },
  }));
  const proxy = await parentProxy(t, { [API]: origin.port });
  const sidecar = await startBehind(t, proxy.url);
  for (const spoken of ['http1', 'http2'] as const) {
    const app = startApp(t, spoken, sidecar.port);
    const answer = await app.send({ method: 'POST', authority: API, path: '/up', body: 'x'.repeat(4000) });
    t.equal(answer.status, 200);
    t.equal(answer.body.toString(), '4000');
    const whole = spoken === 'http1' ? '' : '*';
    t.equal((await app.send({ method: 'OPTIONS', authority: API, path: whole })).status, 200);
  }
  t.same(
    proxy.seen.filter(({ line }) => line.startsWith('OPTIONS')).map(({ line }) => line),
    [`OPTIONS http://${API}`, `OPTIONS http://${API}`],
    'OPTIONS * goes without a path',
  );
  t.equal(proxy.seen.filter(({ line }) => line === `POST http://${API}/up`).length, 2);
  t.notMatch(
    proxy.seen.map(({ line }) => line).join(),
    'CONNECT',
    'nor is HTTP/2 tried: few proxies let port 80 through',
  );
});

t.test('https goes through a tunnel, with TLS of carpool’s own inside; it is kept and used again', async (t) => {
  const origin = await tlsAnswering(t, await authority.issue('server', { names: [API] }));
  const proxy = await parentProxy(t, { [API]: origin.port });
  const sidecar = await startBehind(t, proxy.url, {}, { defaults: { tls: { ca: '$D/ca.pem' } } });
  for (let count = 0; count < 3; count++) t.match(await sidecar.get(`https://${API}/x`), /connection 0$/);
  t.same(
    proxy.seen.map(({ line, host }) => [line, host]),
    [[`CONNECT ${API}:443`, `${API}:443`]],
  );
  const connection = await origin.connection(0);
  t.equal(connection.socket.servername, API);
  t.match(connection.received, /^GET \/x HTTP\/1\.1\r\nHost: api\.test\r\n/, 'in origin form');
});

t.test('inside the tunnel HTTP/2 is agreed on as usual, and shared', async (t) => {
  const { default: http2 } = await import('node:http2');
  const sessions = new Set<unknown>();
  const server = http2.createSecureServer(await authority.issue('server', { names: [API] }), (request, response) => {
    sessions.add(request.stream.session);
    response.end('by h2');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  server.on('session', (session) => t.teardown(() => session.destroy()));
  const address = server.address();
  const proxy = await parentProxy(t, { [API]: typeof address === 'object' ? (address?.port ?? 0) : 0 });
  const sidecar = await startBehind(t, proxy.url, {}, { defaults: { tls: { ca: '$D/ca.pem' } } });
  const answers = await Promise.all(['/1', '/2', '/3'].map((path) => sidecar.get(`https://${API}${path}`)));
  for (const answer of answers) t.match(answer, /by h2/);
  t.equal(sessions.size, 1);
  t.equal(proxy.seen.length, 1);
});

t.test('HTTP/2 in clear, where the destination says so, goes through a tunnel', async (t) => {
  const origin = await startOrigin(t, 'http2', () => ({ body: 'by h2c' }));
  const proxy = await parentProxy(t, { [API]: origin.port });
  const sidecar = await startBehind(t, proxy.url, {}, { destinations: [{ match: API, protocol: 'http2' }] });
  for (let count = 0; count < 2; count++) t.match(await sidecar.get(`http://${API}/`), /by h2c/);
  t.same(
    proxy.seen.map(({ line }) => line),
    [`CONNECT ${API}:80`],
  );
});

t.test('an opaque tunnel of the app goes through a tunnel of the proxy', async (t) => {
  const origin = await rawOrigin(t);
  const proxy = await parentProxy(t, { [API]: origin.port });
  const sidecar = await startBehind(t, proxy.url);
  const app = await sidecar.client();
  app.write(`CONNECT ${API}:443 HTTP/1.1\r\nHost: ${API}:443\r\n\r\n`);
  await app.untilReceived('established');
  t.notMatch(app.received, 'X-Proxy', 'it is carpool’s answer');
  app.write('from the app');
  const upstream = await origin.connection(0);
  await upstream.untilReceived('from the app');
  upstream.write('from the origin');
  await app.untilReceived('from the origin');
  upstream.socket.end();
  await app.until(({ ended }) => ended);
  t.same(
    proxy.seen.map(({ line }) => line),
    [`CONNECT ${API}:443`],
  );
});

t.test('HTTP inside a CONNECT is pooled as whole URLs to the proxy; what is none becomes a tunnel', async (t) => {
  const origin = await rawOrigin(t, (connection) => answering(connection));
  const proxy = await parentProxy(t, { [API]: origin.port });
  const sidecar = await startBehind(t, proxy.url);
  const app = await sidecar.client();
  app.write(`CONNECT ${API}:80 HTTP/1.1\r\nHost: ${API}:80\r\n\r\n`);
  await app.untilReceived('established');
  app.write(`GET /inside HTTP/1.1\r\nHost: ${API}\r\n\r\n`);
  await app.untilReceived('ok');
  t.match(proxy.seen[0], { line: `GET http://${API}/inside`, host: API });
  const other = await sidecar.client();
  other.write(`CONNECT ${API}:5432 HTTP/1.1\r\nHost: ${API}:5432\r\n\r\n`);
  await other.untilReceived('established');
  other.write('\x00\x01 no HTTP\r\n\r\n');
  await other.untilReceived('ok');
  t.equal(proxy.seen.at(-1)?.line, `CONNECT ${API}:5432`);
});

t.test('where the server speaks first, the tunnel through the proxy has its first words', async (t) => {
  const origin = await rawOrigin(t, (connection) => connection.write('220 hello\r\n'));
  const proxy = await parentProxy(t, { [API]: origin.port });
  const sidecar = await startBehind(t, proxy.url);
  const app = await sidecar.client();
  app.write(`CONNECT ${API}:2525 HTTP/1.1\r\nHost: ${API}:2525\r\n\r\n`);
  await app.untilReceived('established');
  sidecar.clock.advance(50);
  await app.untilReceived('220 hello');
  app.write('QUIT\r\n');
  await (await origin.connection(0)).untilReceived('QUIT');
  t.pass();
});

t.test('a tunnel whose app speaks HTTP after all joins the pool, and large answers come whole', async (t) => {
  const body = 'x'.repeat(600_000);
  const origin = await startOrigin(t, 'http1', () => ({ body }));
  const proxy = await parentProxy(t, { [API]: origin.port });
  const sidecar = await startBehind(t, proxy.url);
  const app = await sidecar.client();
  app.write(`CONNECT ${API}:80 HTTP/1.1\r\nHost: ${API}:80\r\n\r\n`);
  await app.untilReceived('established');
  sidecar.clock.advance(50);
  await eventually(() => sidecar.app.destinations()[0]?.endpoints[0]?.connectMs !== null);
  app.write(`GET /large HTTP/1.1\r\nHost: ${API}\r\n\r\n`);
  await app.until(({ received }) => received.length > body.length && received.endsWith('xxx'));
  t.same(
    proxy.seen.map(({ line }) => line),
    [`CONNECT ${API}:80`],
    'in origin form, through the tunnel that is there',
  );
  t.equal(origin.requests[0]?.path, '/large');
});

t.test('what noProxy covers, static endpoints and names without a dot are called directly', async (t) => {
  const origin = await rawOrigin(t, (connection) => answering(connection));
  const proxy = await parentProxy(t, {});
  const destinations = [{ match: 'static.test', endpoints: [`127.0.0.1:${origin.port}`] }];
  const sidecar = await startBehind(
    t,
    proxy.url,
    { noProxy: ['.svc', 'direct.test', '127.0.0.0/8'] },
    { destinations },
  );
  for (const host of ['inside.svc', 'direct.test', 'static.test', '127.0.0.1']) {
    t.match(await sidecar.get(`http://${host}:${origin.port}/`), /ok$/, host);
  }
  t.same(proxy.seen, []);
  t.match(heads(await origin.connection(0))[0]?.[0], /^GET \/ HTTP/);
});

t.test('the credentials file is sent as Basic, followed when it changes, and told nowhere', async (t) => {
  const origin = await rawOrigin(t, (connection) => answering(connection));
  const proxy = await parentProxy(t, { [API]: origin.port });
  proxy.wants = `Basic ${Buffer.from('me:first pass').toString('base64')}`;
  const files = { key: 'me:first pass\n' };
  const sidecar = await startBehind(t, proxy.url, { credentialsFile: '$D/key' }, {}, files);
  t.match(await sidecar.get(`http://${API}/`, 'Proxy-Authorization: Basic app'), /ok$/);
  t.equal(proxy.seen[0]?.authorization, proxy.wants);
  t.notMatch(origin.connections[0]?.received, /proxy-authorization/i);
  proxy.wants = 'Bearer second-secret';
  writeFileSync(fileIn(sidecar, 'key'), 'Bearer second-secret');
  sidecar.clock.advance(1000);
  t.match(await sidecar.get(`http://${API}/`), /ok$/);
  t.equal(proxy.connections(), 1, 'on the connection that is there');
  const app = await sidecar.client();
  app.write(`CONNECT ${API}:443 HTTP/1.1\r\nHost: ${API}:443\r\n\r\n`);
  await app.untilReceived('established');
  t.equal(proxy.seen.at(-1)?.authorization, 'Bearer second-secret');
  const shown = await (await fetch(`http://127.0.0.1:${sidecar.operatorPort}/debug/config`)).text();
  t.notMatch(logOf(sidecar) + shown, /first pass|second-secret|bWU6Zmlyc3Q/);
  t.match(logOf(sidecar), /"event":"secret_file_changed","destination":"parent proxy"/);
});

t.test('a proxy at https:// is spoken to by TLS, for whole URLs and for tunnels with TLS inside', async (t) => {
  const clear = await rawOrigin(t, (connection) => answering(connection));
  const secure = await tlsAnswering(t, await authority.issue('server', { names: ['secure.test'] }));
  const proxy = await parentProxy(t, { [API]: clear.port, 'secure.test': secure.port, 'db.test': clear.port }, true);
  const sidecar = await startBehind(t, proxy.url, { ca: '$D/ca.pem' }, { defaults: { tls: { ca: '$D/ca.pem' } } });
  for (let count = 0; count < 2; count++) {
    t.match(await sidecar.get(`http://${API}/`), /ok$/);
    t.match(await sidecar.get('https://secure.test/'), /connection 0$/);
  }
  t.equal(proxy.connections(), 2);
  const app = await sidecar.client();
  app.write('CONNECT db.test:443 HTTP/1.1\r\nHost: db.test:443\r\n\r\n');
  await app.untilReceived('established');
  app.write('x\r\n\r\n');
  await app.untilReceived('ok');
  app.socket.resetAndDestroy();
  await clear.connections.at(-1)?.until(({ ended }) => ended);
  t.same(
    proxy.seen.map(({ line }) => line),
    [`GET http://${API}/`, 'CONNECT secure.test:443', `GET http://${API}/`, 'CONNECT db.test:443'],
  );
});

t.test('where a destination goes elsewhere (`to`), the proxy is asked for that', async (t) => {
  const clear = await rawOrigin(t, (connection) => answering(connection));
  const secure = await tlsAnswering(t, await authority.issue('server', { names: [API] }));
  const proxy = await parentProxy(t, { 'clear.test': clear.port, 'secure.test': secure.port });
  const sidecar = await startBehind(
    t,
    proxy.url,
    {},
    {
      defaults: { tls: { ca: '$D/ca.pem' } },
      destinations: [
        { match: `${API}:80`, to: 'clear.test:8080' },
        { match: `${API}:443`, to: 'secure.test:443' },
      ],
    },
  );
  t.match(await sidecar.get(`http://${API}/`), /ok$/);
  t.match(await sidecar.get(`https://${API}/`), /connection 0$/);
  t.same(
    proxy.seen.map(({ line, host }) => [line, host]),
    [
      ['GET http://clear.test:8080/', 'clear.test:8080'],
      ['CONNECT secure.test:443', 'secure.test:443'],
    ],
  );
  t.equal((await secure.connection(0)).socket.servername, API, 'TLS is the app’s host’s');
});

t.test('headers.set holds by the proxy too, and the proxy’s credentials stay with it', async (t) => {
  const origin = await rawOrigin(t, (connection) => answering(connection));
  const proxy = await parentProxy(t, { [API]: origin.port });
  const destinations = [{ match: API, headers: { set: { 'x-key': 'k' } }, localPort: 0, basePath: '/v1' }];
  const sidecar = await startBehind(t, proxy.url, { credentialsFile: '$D/key' }, { destinations }, { key: 'a:b' });
  t.match(await sidecar.get(`http://${API}/p`, 'X-Key: app'), /ok$/);
  t.match(proxy.seen[0], { authorization: 'Basic YTpi', headers: { 'x-key': 'k' } });
  t.match(origin.connections[0]?.received, /x-key: k\r\n/);
});
