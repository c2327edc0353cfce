import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { request } from 'node:https';
import { createInterface } from 'node:readline';
import { test } from 'tap';
import { service, slice } from './kube-objects.ts';
import { ScriptedApiServer } from './scripted-api-server.ts';

const SLICES = '/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices';
const ORDERS = encodeURIComponent('kubernetes.io/service-name in (orders,carts)');

function ask(session: ClientHttp2Session, path: string): ClientHttp2Stream {
  const stream = session.request({ ':path': path, authorization: 'Bearer a-token' });
  stream.setEncoding('utf8');
  return stream;
}

async function read(session: ClientHttp2Session, path: string): Promise<Record<string, unknown>> {
  let text = '';
  for await (const piece of ask(session, path)) text += piece;
  return JSON.parse(text);
}

async function start(t: Parameters<typeof ScriptedApiServer.start>[0]) {
  const server = await ScriptedApiServer.start(t, { token: 'a-token' });
  const session = connect(server.url, { ca: server.ca });
  session.on('error', () => {});
  t.teardown(() => session.destroy());
  return { server, session };
}

test('the scripted API server lists, and watches what the selector says, over HTTP/2', async (t) => {
  const { server, session } = await start(t);
  server.putSlice(slice({ service: 'orders', endpoints: ['10.0.0.1'] }));
  server.putSlice(slice({ service: 'users', endpoints: ['10.0.0.2'] }));
  const list = await read(session, `${SLICES}?labelSelector=${ORDERS}`);
  t.match(list, { kind: 'EndpointSliceList', items: [{ metadata: { name: 'orders-x7k2p' } }] });
  t.same(Array.isArray(list.items) && list.items.length, 1);

  const version = server.store.version;
  server.putSlice(slice({ service: 'carts', endpoints: [] }));
  const stream = ask(session, `${SLICES}?watch=true&resourceVersion=${version}&labelSelector=${ORDERS}`);
  const lines = createInterface(stream)[Symbol.asyncIterator]();
  const next = async () => JSON.parse(String((await lines.next()).value));
  t.match(await next(), { type: 'ADDED', object: { metadata: { name: 'carts-x7k2p' } } });
  await server.untilWatch('shop');
  server.putSlice(slice({ service: 'users', endpoints: [] }));
  server.deleteSlice('shop', 'orders-x7k2p');
  t.match(await next(), { type: 'DELETED', object: { metadata: { resourceVersion: String(server.store.version) } } });
  server.endWatches();
  t.equal((await lines.next()).done, true);
  await server.until(() => server.watches.size === 0);
  t.equal(server.connectionsOpened, 1);
});

test('the scripted API server does to a request what a fault says, as often as it says', async (t) => {
  const { server, session } = await start(t);
  server.putService(service({ name: 'orders' }));
  const path = '/api/v1/namespaces/shop/services/orders';
  server.fault({ verb: 'get', name: 'orders' }, { status: 429, retryAfter: 3 }, 1);
  t.match(await read(session, path), { kind: 'Status', code: 429, details: { retryAfterSeconds: 3 } });
  t.match(await read(session, path), { kind: 'Service', spec: { ports: [{ port: 80 }] } });
  const allow = server.forbid('services', 'shop');
  t.match(await read(session, path), { code: 403, message: /cannot get resource "services" .* namespace "shop"/ });
  allow();
  server.token = 'another';
  t.match(await read(session, path), { kind: 'Status', code: 401 });
  server.store.compact();
  server.token = null;
  t.match(await read(session, `${SLICES}?watch=true&resourceVersion=1`), { type: 'ERROR', object: { code: 410 } });
});

test('the scripted API server can be frozen, stopped and started again at its port', async (t) => {
  const { server, session } = await start(t);
  const stream = ask(session, `${SLICES}?watch=true`);
  stream.on('error', () => {});
  await server.untilWatch('shop');
  server.network.freeze();
  session.ping((error) => t.ok(error, 'a frozen connection carries nothing'));
  await server.network.stop();
  await once(session, 'close');
  server.network.thaw();
  await server.network.start();
  const again = connect(server.url, { ca: server.ca });
  t.teardown(() => again.destroy());
  t.match(await read(again, SLICES), { kind: 'EndpointSliceList', items: [] });
  t.equal(server.connectionsOpened, 2);
});

test('the scripted API server speaks HTTP/1.1 alone when it is told to', async (t) => {
  const server = await ScriptedApiServer.start(t, { http1Only: true });
  const { port, ca } = server;
  const asked = request({ port, ca, host: '127.0.0.1', path: SLICES, agent: false });
  const [answer] = await once(asked.end(), 'response');
  answer.resume();
  t.equal(answer.statusCode, 200);
  t.equal((await server.untilRequest({ verb: 'list' })).httpVersion, '1.1');
});
