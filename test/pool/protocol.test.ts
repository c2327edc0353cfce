import { once } from 'node:events';
import tls from 'node:tls';
import t, { type Test } from 'tap';
import { TlsIdentity } from '../../src/connection/tls-identity.ts';
import type { PrefaceAnswer, ProtocolNeed } from '../../src/connection/upstream.ts';
import { EndpointProtocol } from '../../src/pool/endpoint-protocol.ts';
import { CertificateAuthority } from '../certificate-authority.ts';
import { TestClock } from '../test-clock.ts';
import { http2Context } from './fake-http2.ts';
import { answeringOrigin, ok, until } from './origins.ts';
import { defaultConfig, endpointAt, openOf, policyWith, TestRequest, testPool } from './pool-fixture.ts';
import { silentPort } from './silent-port.ts';

const asked = (need: ProtocolNeed, name = 'x'): TestRequest => new TestRequest(`/${name}`, { need });
const MINUTE = 60_000;

t.test(
  'what is spoken: a must, the configuration, ALPN, appProtocol, what was learned, what the app speaks',
  async (t) => {
    const clock = new TestClock();
    const plain = new EndpointProtocol(clock);
    t.equal(plain.lane('http1', 'http2', false), 'http1', 'an Upgrade');
    t.equal(plain.lane('http2', 'http1', true), 'http2', 'an extended CONNECT');
    t.equal(plain.lane('as_http2', 'http1', true), 'http1');
    t.equal(plain.lane('as_http1', 'http2', false), 'http2');
    t.equal(plain.lane('as_http1', 'auto', true), 'negotiate');
    t.equal(plain.lane('as_http2', 'auto', true), 'negotiate');
    t.equal(plain.lane('as_http1', 'auto', false), 'http1');
    t.equal(plain.lane('as_http2', 'auto', false), 'http2');
    for (const name of ['kubernetes.io/h2c', 'h2c', 'http2', 'grpc', 'GRPC']) {
      const declared = new EndpointProtocol(clock);
      declared.declare(name);
      t.equal(declared.lane('as_http1', 'auto', false), 'http2', name);
      t.equal(declared.lane('as_http1', 'http1', false), 'http1', 'the configuration goes first');
      declared.declare(undefined);
      t.equal(declared.lane('as_http1', 'auto', false), 'http1', 'a Service may change its mind');
    }
    for (const name of ['http', 'https', 'kubernetes.io/ws', 'kubernetes.io/wss', 'grpc-web', 'mysql']) {
      const declared = new EndpointProtocol(clock);
      declared.declare(name);
      t.equal(declared.lane('as_http1', 'auto', false), 'http1', name);
      t.equal(declared.lane('as_http2', 'auto', false), 'http2', name);
    }
  },
);

t.test(
  'a clear-text endpoint is sent nothing before it has answered the preface, and is not asked twice',
  async (t) => {
    const context = http2Context(10, null);
    const pool = testPool(t, context, policyWith({ pool: { maxStreams: 1 } }));
    pool.add(endpointAt((await answeringOrigin(t)).port));
    const [a, b] = [asked('as_http2'), asked('as_http2')];
    pool.acquire(a);
    await until(() => context.opened.length === 1);
    t.ok(a.waiting);
    t.same(pool.totals(), { connecting: 1, active: 0, idle: 0, draining: 0 }, 'it is a connect still');
    context.opened[0]?.answer('http2');
    t.not(a.lease, null);
    t.same(pool.totals(), { connecting: 0, active: 1, idle: 0, draining: 0 });
    pool.acquire(b);
    await until(() => b.lease !== null);
    t.equal(context.opened[1]?.opening.answered, null, 'it is known to speak HTTP/2');
  },
);

t.test('where the configuration or the Service says HTTP/2 nobody asks', async (t) => {
  const { port } = await answeringOrigin(t);
  const context = http2Context(10, null);
  const configured = testPool(t, context, policyWith({ protocol: 'http2' }), 'one');
  configured.add(endpointAt(port));
  const declared = testPool(t, context, policyWith(), 'two');
  declared.add({ ...endpointAt(port), appProtocol: 'grpc' });
  const requests = [asked('as_http1'), asked('as_http1')];
  for (const [index, pool] of [configured, declared].entries()) pool.acquire(requests[index] ?? asked('as_http1'));
  await until(() => requests.every(({ lease }) => lease !== null));
  t.same(
    context.opened.map(({ opening }) => opening.answered),
    [null, null],
  );
});

t.test(
  'an endpoint that answers the preface with something else is HTTP/1.1 for ten minutes, and nobody has failed',
  async (t) => {
    const origin = await answeringOrigin(t, () => null);
    const context = http2Context(10, () => 'other');
    const pool = testPool(t, context);
    pool.add(endpointAt(origin.port));
    const riders = [asked('as_http2', 'a'), asked('as_http2', 'b'), asked('as_http2', 'c')];
    for (const request of riders) pool.acquire(request);
    await until(() => origin.requests.length === 3);
    t.same(
      riders.map(({ error, told }) => [error, told]),
      [
        [null, 1],
        [null, 1],
        [null, 1],
      ],
    );
    t.equal(pool.totals().active, 3, 'each has a connection of its own now');
    t.equal(context.opened.length, 1, 'one of them asked');
    t.same(
      context.seen.filter(({ type }) => type === 'connect_failed' || type === 'endpoint_ejected'),
      [],
    );
    for (const { connection } of origin.requests) connection.write(ok('x'));
    await until(() => riders.every(({ ended }) => ended === 1));
    const next = asked('as_http2', 'next');
    t.ok(pool.acquire(next), 'what comes now takes the idle HTTP/1.1 connection');
    context.clock.advance(10 * MINUTE);
    pool.acquire(asked('as_http2', 'later'));
    await until(() => context.opened.length === 2);
    t.pass('after ten minutes it is asked again');
  },
);

t.test(
  'a connection that ends at the preface without a byte is a failed connect; the second in a row says HTTP/1.1',
  async (t) => {
    const origin = await answeringOrigin(t);
    const context = http2Context(10, () => 'closed');
    const pool = testPool(t, context);
    pool.add(endpointAt(origin.port));
    const request = asked('as_http2');
    pool.acquire(request);
    await until(() => request.ended === 1);
    t.equal(request.error, null);
    t.equal(origin.requests.length, 1, 'the third try went by HTTP/1.1');
    t.equal(context.opened.length, 2);
    t.equal(context.seen.filter(({ type }) => type === 'connect_failed').length, 2);
  },
);

t.test('one silent end between two answers says nothing: servers that stop do that', async (t) => {
  const answers: PrefaceAnswer[] = ['closed', 'http2'];
  const context = http2Context(10, () => answers.shift() ?? 'http2');
  const pool = testPool(t, context);
  pool.add(endpointAt((await answeringOrigin(t)).port));
  const request = asked('as_http2');
  pool.acquire(request);
  await until(() => request.lease !== null);
  t.equal(context.opened[1]?.streams.length, 1);
});

t.test('an endpoint that never answers the preface: the connect fails when its time is over', async (t) => {
  const context = http2Context(10, null);
  const pool = testPool(t, context, policyWith({ timeouts: { connectMs: 3000 } }));
  pool.add(endpointAt((await answeringOrigin(t, () => null)).port));
  const request = asked('as_http2');
  pool.acquire(request);
  await until(() => context.opened.length === 1);
  context.clock.advance(2999);
  t.ok(request.waiting);
  context.clock.advance(1);
  t.equal(request.error?.code, 'CONNECT_TIMEOUT');
  t.equal(context.opened[0]?.state, 'closed');
  pool.destroy();
  t.equal(context.capacity.used, 0);
  t.equal(context.clock.waiting, 0);
});

t.test('an endpoint that goes before it has answered the preface leaves nothing open', async (t) => {
  const context = http2Context(10, null);
  const pool = testPool(t, context, policyWith({ timeouts: { connectMs: 3000 } }));
  const endpoint = endpointAt((await answeringOrigin(t, () => null)).port);
  pool.add(endpoint);
  const request = asked('as_http2');
  pool.acquire(request);
  await until(() => context.opened.length === 1);
  pool.setState(endpoint.id, 'removed');
  t.equal(context.opened[0]?.state, 'closed');
  t.same([openOf(pool), context.capacity.used, pool.allEndpoints.length], [0, 0, 0]);
  t.ok(request.waiting, 'it waits for another endpoint');
  t.ok(pool.withdraw(request));
  t.equal(context.clock.waiting, 0);
});

t.test('a request that must have HTTP/2 fails where there is none, and the others of its connect go on', async (t) => {
  const origin = await answeringOrigin(t, () => null);
  const context = http2Context(10, () => 'other');
  const pool = testPool(t, context);
  pool.add(endpointAt(origin.port));
  const [must, may] = [asked('http2', 'must'), asked('as_http2', 'may')];
  pool.acquire(must);
  pool.acquire(may);
  t.equal(pool.totals().connecting, 1);
  await until(() => may.lease !== null);
  t.match(must.error, { code: 'CONNECT_FAILED', message: /does not speak HTTP\/2/ });
  t.equal(origin.connections.length, 2);
});

t.test('an endpoint that spoke HTTP/2 and does no more is asked with care again', async (t) => {
  const context = http2Context(10);
  const pool = testPool(t, context);
  pool.add(endpointAt((await answeringOrigin(t, () => null)).port));
  const first = asked('as_http2');
  pool.acquire(first);
  await until(() => first.lease !== null);
  context.opened[0]?.respond();
  context.opened[0]?.goaway();
  const second = asked('as_http2');
  pool.acquire(second);
  await until(() => second.lease !== null);
  context.opened[1]?.break(true);
  t.match(second.failure, { unprocessed: true });
  const third = asked('as_http2');
  pool.acquire(third);
  await until(() => third.lease !== null);
  t.equal(context.opened.length, 2, 'it went by HTTP/1.1');
});

t.test('a connection serves only those whose protocol it speaks', async (t) => {
  const origin = await answeringOrigin(t, () => null);
  const context = http2Context(10);
  const pool = testPool(t, context);
  pool.add(endpointAt(origin.port));
  const h2 = asked('as_http2');
  pool.acquire(h2);
  await until(() => h2.lease !== null);
  const h1 = asked('as_http1', 'one');
  t.notOk(pool.acquire(h1), 'there is room on HTTP/2, and it came by HTTP/1.1');
  await until(() => origin.requests.length === 1);
  origin.requests[0]?.connection.write(ok('x'));
  await until(() => h1.ended === 1);
  t.equal(pool.totals().idle, 1);
  t.ok(pool.acquire(asked('as_http2')));
  t.equal(context.opened[0]?.streams.length, 2);
  t.ok(pool.acquire(asked('http1')), 'the idle one');
});

t.test('by whatever protocol the rest goes, an Upgrade gets an HTTP/1.1 connection', async (t) => {
  const origin = await answeringOrigin(t, () => null);
  const context = http2Context(10);
  const pool = testPool(t, context, policyWith({ protocol: 'http2' }));
  pool.add(endpointAt(origin.port));
  const [plain, upgrade] = [asked('as_http1'), asked('http1', 'upgrade')];
  pool.acquire(plain);
  pool.acquire(upgrade);
  await until(() => plain.lease !== null && origin.requests.length === 1);
  t.equal(origin.requests[0]?.path, '/upgrade');
  t.equal(context.opened[0]?.streams.length, 1);
});

t.test('at the limit an idle connection of the other protocol makes room', async (t) => {
  const origin = await answeringOrigin(t);
  const context = http2Context(10);
  const pool = testPool(t, context, policyWith({ pool: { maxConnections: 1 } }));
  pool.add(endpointAt(origin.port));
  const h1 = asked('as_http1');
  pool.acquire(h1);
  await until(() => h1.ended === 1);
  const h2 = asked('as_http2');
  pool.acquire(h2);
  await until(() => h2.lease !== null);
  t.equal(pool.counted, 1);
  const back = asked('as_http1');
  pool.acquire(back);
  t.ok(back.waiting);
  context.opened[0]?.respond();
  await until(() => back.ended === 1);
  t.equal(context.opened[0]?.state, 'closed');
});

t.test('one that waits for another protocol does not hold up those behind it', async (t) => {
  const context = http2Context(10);
  const pool = testPool(t, context, policyWith({ pool: { maxConnections: 1 } }));
  pool.add(endpointAt((await answeringOrigin(t, () => null)).port));
  const running = asked('as_http2');
  pool.acquire(running);
  await until(() => running.lease !== null);
  context.opened[0]?.limit(1);
  const [blocked, next] = [asked('as_http1'), asked('as_http2')];
  pool.acquire(blocked);
  pool.acquire(next);
  context.opened[0]?.limit(2);
  t.same([blocked.waiting, next.waiting], [true, false]);
});

t.test('connections that are opened ahead speak what requests were last opened for', async (t) => {
  const context = http2Context(10);
  const pool = testPool(t, context, policyWith({ pool: { minConnections: 2 } }));
  pool.add(endpointAt((await answeringOrigin(t)).port));
  const first = asked('as_http2');
  pool.acquire(first);
  await until(() => first.lease !== null);
  pool.tick(context.clock.now());
  await until(() => context.opened.length === 2);
  t.pass('the second one too');
});

t.test('a tunnel never rides with requests, nor they with it', async (t) => {
  const context = http2Context(10);
  const pool = testPool(t, context, policyWith({ protocol: 'http2' }));
  pool.add(endpointAt(await silentPort(t)));
  for (const need of ['as_http1', 'as_http1'] as const) pool.acquire(asked(need));
  pool.acquire(new TestRequest('/', { tunnel: true, fresh: true }));
  pool.acquire(asked('http1'));
  t.equal(pool.totals().connecting, 3, 'one for both HTTP/2 requests');
});

/** A TLS server that agrees on one of these protocols, and a pool that goes there. */
async function overTls(t: Test, ...protocols: string[]) {
  const authority = await CertificateAuthority.create('pool CA');
  const server = tls.createServer({
    ...(await authority.issue('server', { names: ['localhost'] })),
    ALPNProtocols: protocols,
  });
  server.on('secureConnection', (socket) => {
    socket.on('error', () => {});
    t.teardown(() => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const address = server.address();
  const context = http2Context(10);
  const dir = t.testdir({ 'ca.pem': authority.cert });
  const policy = { ...defaultConfig().defaults.tls, ca: `${dir}/ca.pem` };
  const identity = new TlsIdentity('localhost:443', 'localhost', policy, context.clock, context.events);
  const pool = testPool(t, context, policyWith(), 'localhost:443', identity);
  pool.add(endpointAt(address !== null && typeof address === 'object' ? address.port : 0));
  return { context, pool };
}

t.test(
  'over TLS the endpoint chooses: h2, and all who waited share the connection, whatever they came by',
  async (t) => {
    const { context, pool } = await overTls(t, 'h2', 'http/1.1');
    const requests = [asked('as_http1'), asked('as_http2'), asked('as_http1')];
    for (const request of requests) pool.acquire(request);
    await until(() => requests.every(({ lease }) => lease !== null));
    t.match(context.opened, [{ opening: { secure: true, answered: null }, streams: { length: 3 } }]);
  },
);

t.test(
  'over TLS the endpoint chooses: http/1.1, and that is remembered: nobody rides with another any more',
  async (t) => {
    const { context, pool } = await overTls(t, 'http/1.1');
    const requests = [asked('as_http1'), asked('as_http2'), asked('as_http1')];
    for (const request of requests) pool.acquire(request);
    t.equal(pool.totals().connecting, 1);
    await until(() => requests.every(({ lease }) => lease !== null));
    t.equal(pool.totals().active, 3);
    t.equal(context.opened.length, 0);
    const later = [asked('as_http2'), asked('as_http1')];
    for (const request of later) pool.acquire(request);
    t.equal(pool.totals().connecting, 2);
    await until(() => later.every(({ lease }) => lease !== null));
    context.clock.advance(10 * MINUTE);
    for (const need of ['as_http2', 'as_http1'] as const) pool.acquire(asked(need));
    t.equal(pool.totals().connecting, 1, 'and tried anew after ten minutes');
  },
);

t.test(
  'an endpoint that is ready again shares its connection with all who wait and may, whoever is first',
  async (t) => {
    const context = http2Context(10);
    const pool = testPool(t, context, policyWith({ pool: { maxConnections: 1 } }));
    const [one, two] = [await answeringOrigin(t, () => null), await answeringOrigin(t, () => null)].map(({ port }) =>
      endpointAt(port),
    );
    if (one === undefined || two === undefined) throw new Error('none');
    pool.add(one);
    const running = asked('as_http2');
    pool.acquire(running);
    await until(() => running.lease !== null);
    pool.add(two);
    pool.setState(one.id, 'unready');
    const waiting = (['http1', 'as_http2', 'as_http2', 'as_http2'] as const).map((need) => asked(need));
    for (const request of waiting) t.notOk(pool.acquire(request));
    pool.add(one);
    t.same(
      waiting.map(({ lease }) => lease !== null),
      [false, true, true, true],
    );
  },
);

t.test('over TLS a must does not ride with those who take what they get, and a tunnel goes in clear', async (t) => {
  const { pool } = await overTls(t, 'h2', 'http/1.1');
  const [any, must] = [asked('as_http2'), asked('http2')];
  pool.acquire(any);
  pool.acquire(must);
  t.equal(pool.totals().connecting, 2);
  const tunnel = new TestRequest('/', { tunnel: true, fresh: true });
  pool.acquire(tunnel);
  await until(() => any.lease !== null && must.lease !== null && tunnel.tunnelSocket !== null);
  t.equal(tunnel.tunnelSocket?.alpn, null);
  tunnel.tunnelSocket?.destroy();
  tunnel.tunnelClosed?.();
});
