import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { test } from 'tap';
import { ApiClient } from '../../../src/discovery/kubernetes/api-client.ts';
import { openCredentials } from '../../../src/discovery/kubernetes/credentials.ts';
import { failureOf, ORDERS, SLICES, startClient } from './api-fixture.ts';
import { service, slice } from './kube-objects.ts';

test('an object and a list are read, with the token and the version of carpool in the request', async (t) => {
  const { client, server, observed } = await startClient(t, { token: 'secret' });
  server.putService(service({ name: 'orders' }));
  server.putSlice(slice({ service: 'orders', endpoints: ['10.0.0.1'] }));
  t.match(await client.get(ORDERS), { kind: 'Service', metadata: { name: 'orders' } });
  const query = { labelSelector: 'kubernetes.io/service-name in (orders,carts)', limit: 500 };
  t.match(await client.get(SLICES, query), { kind: 'EndpointSliceList', items: [{ metadata: { namespace: 'shop' } }] });
  t.same(server.requests[1]?.query, { labelSelector: query.labelSelector, limit: '500' });
  for (const { token, userAgent, httpVersion } of server.requests)
    t.same([token, userAgent, httpVersion], ['secret', 'carpool/1.2.3', '2.0']);
  t.same(observed, ['get ok', 'list ok']);
});

test('what the API server answers in place of an object is told by its kind', async (t) => {
  const { client, server, observed } = await startClient(t);
  const cases = [
    [400, 'invalid'],
    [401, 'unauthorized'],
    [403, 'forbidden'],
    [404, 'not_found'],
    [405, 'invalid'],
    [410, 'gone'],
    [422, 'invalid'],
    [429, 'throttled'],
    [500, 'server'],
    [503, 'server'],
  ] as const;
  for (const [status, kind] of cases) {
    server.fault({}, { status, message: 'what it says' }, 1);
    const error = await failureOf(client.get(ORDERS));
    t.equal(error.kind, kind);
    t.equal(error.status, status);
    t.equal(error.retryAfterMs, null);
    t.match(error.hint, /\.$/);
    t.notMatch(error.message, /\.$/);
  }
  t.same(
    observed,
    cases.map(([, kind]) => `get ${kind}`),
  );
  t.equal(server.requests.length, cases.length, 'nothing is asked twice');
});

test('a missing right is told with the rule that grants it', async (t) => {
  const { client, server } = await startClient(t);
  server.forbid('*', 'shop');
  const list = await failureOf(client.get(SLICES));
  t.match(
    list.message,
    /forbids the list of endpointslices in namespace shop \(403\): endpointslices.discovery.k8s.io is forbidden/,
  );
  t.equal(
    list.hint,
    'Allow get on services, and list and watch on endpointslices.discovery.k8s.io, in namespace shop by a Role bound to the group system:serviceaccounts:shop (docs/kubernetes.md has it).',
  );
  t.match(
    (await failureOf(client.get(ORDERS))).hint,
    /^Allow get on services, and list and watch on endpointslices.discovery.k8s.io, in namespace shop by a Role bound to the group/,
  );
});

test('Retry-After is taken as seconds, as a date, and from the Status', async (t) => {
  const { client, server, clock } = await startClient(t);
  server.fault({}, { status: 429, retryAfter: 7 }, 1);
  t.equal((await failureOf(client.get(ORDERS))).retryAfterMs, 7_000);
  const date = new Date(clock.wall() + 20_000).toUTCString();
  server.fault({}, { body: '{}', code: 503, headers: { 'retry-after': date } }, 1);
  t.equal((await failureOf(client.get(ORDERS))).retryAfterMs, 20_000);
  const status = { kind: 'Status', details: { retryAfterSeconds: 3 }, code: 429 };
  server.fault({}, { body: JSON.stringify(status), code: 429 }, 1);
  t.equal((await failureOf(client.get(ORDERS))).retryAfterMs, 3_000);
});

test('what is no Kubernetes API is told as such', async (t) => {
  const { client, server } = await startClient(t);
  const html = { body: '<html>Welcome</html>', type: 'text/html' };
  for (const fault of [
    html,
    { ...html, code: 404 },
    { body: '', code: 302, headers: { location: 'https://elsewhere.example/' } },
    { body: '{"items":[]}' },
    { body: '["kind"]' },
    { body: '{"kind":"Serv' },
  ]) {
    server.fault({}, fault, 1);
    const error = await failureOf(client.get(ORDERS));
    t.equal(error.kind, 'not_an_api', fault.body);
    t.match(error.hint, /KUBERNETES_SERVICE_HOST/);
  }
  t.equal(server.requests.length, 6, 'no redirect is followed');
});

test('the version of the API server is read although it is no object of the API', async (t) => {
  const { client, server } = await startClient(t);
  server.fault({}, { body: '{"major":"1","gitVersion":"v1.34.4"}' });
  t.match(await client.get('/version'), { gitVersion: 'v1.34.4' });
});

test('a GET without an answer ends after 10 s', async (t) => {
  const { client, server, clock, observed } = await startClient(t);
  server.fault({}, { hang: true });
  const failure = failureOf(client.get(ORDERS));
  await server.untilRequest({ verb: 'get' });
  clock.advance(9_999);
  t.equal(observed.length, 0);
  clock.advance(1);
  const error = await failure;
  t.equal(error.kind, 'unreachable');
  t.match(error.message, /has not answered the get of services in namespace shop within 10 s/);
  t.equal(clock.waiting, 0);
});

test('an answer that breaks off is no answer', async (t) => {
  const { client, server } = await startClient(t);
  server.fault({}, { reset: true }, 1);
  const error = await failureOf(client.get(ORDERS));
  t.equal(error.kind, 'unreachable');
  t.match(error.message, /no answer from the API server 127.0.0.1:\d+: the connection was/);
});

test('a failed answer is read up to 64 KiB', async (t) => {
  const { client, server } = await startClient(t);
  server.fault({}, { body: 'x'.repeat(100_000), code: 500, unended: true }, 1);
  t.equal((await failureOf(client.get(ORDERS))).kind, 'server');
});

test('an API server that is away is unreachable, and found again when it is back', async (t) => {
  const { client, server } = await startClient(t);
  await server.network.stop();
  const error = await failureOf(client.get(SLICES));
  t.equal(error.kind, 'unreachable');
  t.match(error.message, /the connection was refused$/);
  await server.network.start();
  t.match(await client.get(SLICES), { kind: 'EndpointSliceList' });
});

test('a token that was renewed is read again when the old one is refused, and the call goes once more', async (t) => {
  const { client, server, tokenDir, observed } = await startClient(t, { token: 'old' });
  await client.get(SLICES);
  server.token = 'new';
  writeFileSync(join(tokenDir, 'token'), 'new\n');
  t.match(await client.get(SLICES), { kind: 'EndpointSliceList' });
  t.same(
    server.requests.map(({ token }) => token),
    ['old', 'old', 'new'],
  );
  t.same(observed, ['list ok', 'list unauthorized', 'list ok']);
});

test('a token that is refused and not renewed is not tried again', async (t) => {
  const { client, server } = await startClient(t, { token: 'old' });
  server.token = 'new';
  const error = await failureOf(client.get(SLICES));
  t.equal(error.kind, 'unauthorized');
  t.equal(server.requests.length, 1);
  t.notMatch(`${error.message} ${error.hint}`, /old/);
});

test('a CA that was renewed is read again when the certificate is refused, and the call goes once more', async (t) => {
  const { client, server, tokenDir } = await startClient(t);
  await client.get(SLICES);
  await server.useCertificate('second');
  server.network.reset();
  await server.until(() => server.connectionsOpen === 0);
  const refused = await failureOf(client.get(SLICES));
  t.equal(refused.kind, 'tls');
  t.match(refused.message, /certificate of the API server 127.0.0.1:\d+ is not one to trust \([A-Z_]+\)/);
  writeFileSync(join(tokenDir, 'ca.crt'), server.ca);
  t.match(await client.get(SLICES), { kind: 'EndpointSliceList' });
  t.equal(server.requests.length, 2, 'nothing was sent to the server that was not trusted');
});

test('a certificate for another name is not taken', async (t) => {
  const { client, server } = await startClient(t);
  await server.useCertificate('first', 'other.example');
  const error = await failureOf(client.get(SLICES));
  t.equal(error.kind, 'tls');
  t.match(error.message, /ERR_TLS_CERT_ALTNAME_INVALID/);
});

test('a server that speaks no TLS is no API server', async (t) => {
  const { tokenDir, clock } = await startClient(t);
  const server = createServer((_request, answer) => answer.end('hello')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const apiServer = `https://127.0.0.1:${port}`;
  const credentials = openCredentials({ env: {}, kubeconfig: null, apiServer, tokenDir, clock });
  const client = new ApiClient({ credentials, clock, userAgent: 'carpool/1.2.3' });
  t.teardown(() => client.close());
  t.equal((await failureOf(client.get(SLICES))).kind, 'not_an_api');
});

test('without credentials nothing is sent', async (t) => {
  const { client, server, tokenDir, observed } = await startClient(t);
  writeFileSync(join(tokenDir, 'token'), '');
  t.equal((await failureOf(client.get(SLICES))).kind, 'no_credentials');
  t.same(server.requests, []);
  t.equal(server.network.opened, 0);
  t.same(observed, []);
});

test('a closed client takes no call and has no connection', async (t) => {
  const { client, server } = await startClient(t);
  await client.get(SLICES);
  client.close();
  t.equal((await failureOf(client.get(SLICES))).kind, 'unreachable');
  await server.until(() => server.connectionsOpen === 0);
  t.equal(server.requests.length, 1);
});
