import t from 'tap';
import { http2Context } from './fake-http2.ts';
import { answeringOrigin, until } from './origins.ts';
import { endpointAt, openOf, policyWith, refusingPort, TestRequest, testPool } from './pool-fixture.ts';
import { silentPort } from './silent-port.ts';

const HTTP2 = { protocol: 'http2' } as const;

const requestsNamed = (...names: readonly string[]): TestRequest[] => names.map((name) => new TestRequest(`/${name}`));
const failedConnects = (context: ReturnType<typeof http2Context>): number =>
  context.seen.filter(({ type }) => type === 'connect_failed').length;

t.test('requests that come while a connection is opened ride on that connect', async (t) => {
  const context = http2Context();
  const pool = testPool(t, context, policyWith(HTTP2));
  pool.add(endpointAt((await answeringOrigin(t)).port));
  const requests = requestsNamed('a', 'b', 'c', 'd', 'e');
  for (const request of requests) t.notOk(pool.acquire(request));
  t.same(pool.totals(), { connecting: 1, active: 0, idle: 0, draining: 0 });
  t.equal(pool.endpoints[0]?.outstanding, 5, 'the balancer sees each of them');
  await until(() => requests.every(({ lease }) => lease !== null));
  t.equal(context.opened.length, 1);
  t.equal(pool.endpoints[0]?.outstanding, 5);
  t.equal(context.clock.waiting, 0, 'no deadline is left');
});

t.test('a connect carries as many riders as its connection may streams; the next one opens another', async (t) => {
  const context = http2Context();
  const pool = testPool(t, context, policyWith({ ...HTTP2, pool: { maxStreams: 2 } }));
  pool.add(endpointAt((await answeringOrigin(t)).port));
  const requests = requestsNamed('a', 'b', 'c', 'd', 'e');
  for (const request of requests) pool.acquire(request);
  t.equal(pool.totals().connecting, 3);
  await until(() => requests.every(({ lease }) => lease !== null));
  t.equal(pool.totals().active, 3);
});

t.test('an HTTP/1.1 connect carries one request', async (t) => {
  const context = http2Context();
  const pool = testPool(t, context);
  pool.add(endpointAt((await answeringOrigin(t)).port));
  for (const request of requestsNamed('a', 'b', 'c')) pool.acquire(request);
  t.equal(pool.totals().connecting, 3);
});

t.test(
  'a rider that leaves takes nothing from the others; after the last the connect goes on for the pool',
  async (t) => {
    const context = http2Context();
    const pool = testPool(t, context, policyWith(HTTP2));
    pool.add(endpointAt((await answeringOrigin(t)).port));
    const [a, b] = requestsNamed('a', 'b');
    if (a === undefined || b === undefined) throw new Error('none');
    pool.acquire(a);
    pool.acquire(b);
    t.ok(pool.withdraw(a));
    t.equal(pool.totals().connecting, 1);
    t.equal(pool.endpoints[0]?.outstanding, 1);
    t.ok(pool.withdraw(b));
    await until(() => pool.totals().idle === 1);
    t.same([a.told, b.told], [0, 0]);
  },
);

t.test('riders whose connect fails go on together: three tries for all of them, and not for each', async (t) => {
  const context = http2Context();
  const pool = testPool(t, context, policyWith(HTTP2));
  pool.add(endpointAt(await refusingPort()));
  const requests = requestsNamed('a', 'b', 'c', 'd');
  for (const request of requests) pool.acquire(request);
  await until(() => requests.every(({ error }) => error !== null));
  t.same(
    requests.map(({ error, told }) => [error?.code, told]),
    Array.from({ length: 4 }, () => ['CONNECT_FAILED', 1]),
  );
  t.equal(failedConnects(context), 3);
  t.equal(context.capacity.used, 0);
});

t.test('riders whose connect fails share the connection that stands at another endpoint', async (t) => {
  const context = http2Context();
  const pool = testPool(t, context, policyWith(HTTP2));
  const [good, bad] = [endpointAt((await answeringOrigin(t)).port), endpointAt(await refusingPort())];
  pool.add(good);
  const first = new TestRequest('/first');
  pool.acquire(first);
  await until(() => first.lease !== null);
  pool.add(bad);
  pool.settle();
  // Of each two in turn one goes to either endpoint.
  const requests = requestsNamed('a', 'b', 'c', 'd');
  for (const request of requests) pool.acquire(request);
  await until(() => requests.every(({ lease }) => lease !== null));
  t.equal(context.opened.length, 1);
  t.equal(context.opened[0]?.streams.length, 5);
  t.equal(failedConnects(context), 1, 'one connect for the two of them');
});

t.test(
  'an endpoint that does not answer: its riders go elsewhere in one connect, each with its own deadline',
  async (t) => {
    const context = http2Context();
    const timeouts = { connectMs: 5000, connectAttemptMs: 1000 };
    const pool = testPool(t, context, policyWith({ ...HTTP2, timeouts }));
    const [silent, other] = [endpointAt(await silentPort(t)), endpointAt(await silentPort(t))];
    pool.add(silent);
    const [early, late] = requestsNamed('early', 'late');
    if (early === undefined || late === undefined) throw new Error('none');
    pool.acquire(early);
    context.clock.advance(500);
    pool.acquire(late);
    pool.add(other);
    t.equal(pool.totals().connecting, 1);
    context.clock.advance(500);
    t.equal(pool.totals().connecting, 2, 'one more for both');
    context.clock.advance(4000);
    t.same([early.error?.code, late.error?.code], ['CONNECT_TIMEOUT', undefined], 'five seconds after it came');
    context.clock.advance(500);
    t.equal(late.error?.code, 'CONNECT_TIMEOUT');
    pool.destroy();
    t.equal(context.capacity.used, 0);
    t.equal(context.clock.waiting, 0);
  },
);

t.test('an endpoint that goes while riders wait for it: all go on elsewhere, and have lost no try', async (t) => {
  const context = http2Context();
  const pool = testPool(t, context, policyWith(HTTP2));
  const [gone, stays] = [endpointAt(await silentPort(t)), endpointAt((await answeringOrigin(t)).port)];
  pool.add(gone);
  const requests = requestsNamed('a', 'b', 'c');
  for (const request of requests) pool.acquire(request);
  pool.add(stays);
  pool.setState(gone.id, 'removed');
  t.equal(pool.totals().connecting, 1);
  await until(() => requests.every(({ lease }) => lease !== null));
  t.same(
    requests.map(({ endpoint }) => endpoint?.spec.id),
    [stays.id, stays.id, stays.id],
  );
  t.equal(openOf(pool), 1);
});

t.test(
  'a connection that gives less room than riders waited for serves the first; the rest opens another',
  async (t) => {
    const context = http2Context();
    const pool = testPool(t, context, policyWith(HTTP2));
    const { openHttp2 } = context;
    Object.assign(context, {
      openHttp2: (opening: Parameters<typeof openHttp2>[0]) => {
        const connection = openHttp2(opening);
        for (const opened of context.opened) opened.allowed = 2;
        return connection;
      },
    });
    pool.add(endpointAt((await answeringOrigin(t)).port));
    const requests = requestsNamed('a', 'b', 'c', 'd', 'e');
    for (const request of requests) pool.acquire(request);
    await until(() => requests.every(({ lease }) => lease !== null));
    t.same(
      context.opened.map(({ streams }) => streams.length),
      [2, 2, 1],
    );
  },
);

t.test('riders whose connect fails go on in one connect, though there are several endpoints to go to', async (t) => {
  const context = http2Context();
  const pool = testPool(t, context, policyWith(HTTP2));
  const bad = endpointAt(await refusingPort());
  pool.add(bad);
  const requests = requestsNamed('a', 'b', 'c', 'd');
  const others = [await answeringOrigin(t), await answeringOrigin(t), await answeringOrigin(t)];
  for (const request of requests) pool.acquire(request);
  for (const { port } of others) pool.add(endpointAt(port));
  await until(() => requests.every(({ lease }) => lease !== null));
  t.equal(failedConnects(context), 1);
  t.equal(context.opened.length, 1);
});

t.test('riders whose endpoint goes have all their tries still', async (t) => {
  const context = http2Context();
  const pool = testPool(t, context, policyWith(HTTP2));
  const [gone, refusing] = [endpointAt(await silentPort(t)), endpointAt(await refusingPort())];
  pool.add(gone);
  const requests = requestsNamed('a', 'b');
  for (const request of requests) pool.acquire(request);
  pool.add(refusing);
  pool.setState(gone.id, 'removed');
  await until(() => requests.every(({ error }) => error !== null));
  t.equal(failedConnects(context), 3);
});
