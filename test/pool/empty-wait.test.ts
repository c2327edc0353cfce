import t from 'tap';
import { CarpoolError } from '../../src/errors.ts';
import { answeringOrigin, ok, until } from './origins.ts';
import { endpointAt, policyWith, poolContext, TestRequest, testPool } from './pool-fixture.ts';

t.test('a request waits for an endpoint to appear up to discovery.emptyWait, and is told so', async (t) => {
  const context = poolContext();
  const pool = testPool(t, context);
  const request = new TestRequest('/');
  t.notOk(pool.acquire(request));
  t.equal(pool.pending.size, 1);
  context.clock.advance(999);
  t.ok(request.waiting);
  context.clock.advance(1);
  t.match(request.error, {
    code: 'NO_ENDPOINTS',
    status: 503,
    message: 'orders.shop:8080 has no endpoint that serves, and none appeared in 1000 ms',
  });
  t.equal(context.clock.waiting, 0);
});

t.test('with emptyWait 0 a request fails at once', async (t) => {
  const context = poolContext();
  context.emptyWaitMs = 0;
  const pool = testPool(t, context);
  t.throws(() => pool.acquire(new TestRequest('/')), {
    code: 'NO_ENDPOINTS',
    message: 'orders.shop:8080 has no endpoint that serves',
  });
});

t.test('an endpoint that appears serves who waits at once, in the order in which they came', async (t) => {
  const origin = await answeringOrigin(t);
  const context = poolContext();
  const pool = testPool(t, context, policyWith({ pool: { maxConnections: 1 } }));
  const requests = ['/a', '/b', '/c'].map((path) => new TestRequest(path));
  for (const request of requests) {
    pool.acquire(request);
    context.clock.advance(300);
  }
  pool.add(endpointAt(origin.port));
  await until(() => requests.every(({ ended }) => ended === 1));
  t.same(
    origin.requests.map(({ path }) => path),
    ['/a', '/b', '/c'],
  );
  t.equal(context.clock.waiting, 0);
});

t.test('who then waits for a limit waits as long as pool.acquireTimeout says', async (t) => {
  const origin = await answeringOrigin(t, () => null);
  const context = poolContext();
  const pool = testPool(t, context, policyWith({ pool: { maxConnections: 1 } }));
  const [first, second] = [new TestRequest('/a'), new TestRequest('/b')];
  pool.acquire(first);
  pool.acquire(second);
  pool.add(endpointAt(origin.port));
  await until(() => origin.requests.length === 1);
  context.clock.advance(4999);
  t.ok(second.waiting);
  context.clock.advance(1);
  t.equal(second.error?.code, 'ACQUIRE_TIMEOUT');
});

t.test('requests that wait already when the last endpoint goes wait for another one', async (t) => {
  const [old, next] = [await answeringOrigin(t, () => null), await answeringOrigin(t)];
  const context = poolContext();
  const pool = testPool(t, context, policyWith({ pool: { maxConnections: 1 } }));
  pool.add(endpointAt(old.port));
  const running = new TestRequest('/running');
  pool.acquire(running);
  await until(() => old.requests.length === 1);
  const limited = new TestRequest('/limited');
  pool.acquire(limited);
  pool.setState(endpointAt(old.port).id, 'removed');
  const late = new TestRequest('/late');
  pool.acquire(late);
  context.clock.advance(500);
  pool.add(endpointAt(next.port));
  await until(() => limited.ended === 1 && late.ended === 1);
  t.same(
    next.requests.map(({ path }) => path),
    ['/limited', '/late'],
  );
  pool.setState(endpointAt(next.port).id, 'terminating');
  const vain = new TestRequest('/vain');
  pool.acquire(vain);
  context.clock.advance(1000);
  t.equal(vain.error?.code, 'NO_ENDPOINTS');
  old.requests[0]?.connection.write(ok('done'));
  await until(() => running.ended === 1);
  t.equal(running.failure, null);
});

t.test('a request whose connect is under way when the last endpoint goes waits as well', async (t) => {
  const [old, next] = [await answeringOrigin(t), await answeringOrigin(t)];
  for (const state of ['removed', 'terminating', 'unready'] as const) {
    const context = poolContext();
    const pool = testPool(t, context);
    pool.add(endpointAt(old.port));
    const [saved, lost] = [new TestRequest('/saved'), new TestRequest('/lost')];
    pool.acquire(saved);
    pool.setState(endpointAt(old.port).id, state);
    t.ok(saved.waiting);
    pool.add(endpointAt(next.port));
    await until(() => saved.ended === 1);
    t.equal(saved.endpoint?.spec.port, next.port, state);
    pool.setState(endpointAt(next.port).id, 'removed');
    pool.acquire(lost);
    context.clock.advance(1000);
    t.equal(lost.error?.code, 'NO_ENDPOINTS');
  }
  t.equal(old.requests.length, 0);
});

t.test('an endpoint that is ready again serves who waits with the connections that it kept', async (t) => {
  const origin = await answeringOrigin(t);
  const context = poolContext();
  const pool = testPool(t, context);
  pool.add(endpointAt(origin.port));
  const first = new TestRequest('/first');
  pool.acquire(first);
  await until(() => first.ended === 1);
  pool.setState(endpointAt(origin.port).id, 'unready');
  const waiting = new TestRequest('/waiting');
  pool.acquire(waiting);
  t.ok(waiting.waiting);
  pool.add(endpointAt(origin.port));
  t.ok(waiting.reused);
  await until(() => waiting.ended === 1);
  t.equal(origin.connections.length, 1);
});

t.test('pool.maxPending bounds how many wait for an endpoint', async (t) => {
  const context = poolContext();
  const pool = testPool(t, context, policyWith({ pool: { maxPending: 2 } }));
  const requests = [new TestRequest('/a'), new TestRequest('/b')];
  for (const request of requests) pool.acquire(request);
  t.throws(() => pool.acquire(new TestRequest('/c')), { code: 'POOL_PENDING_FULL' });
  pool.withdraw(requests[0] ?? new TestRequest('/'));
  t.notOk(pool.acquire(new TestRequest('/d')));
});

t.test('a tunnel waits for an endpoint too', async (t) => {
  const origin = await answeringOrigin(t);
  const pool = testPool(t, poolContext());
  const tunnel = new TestRequest('/', { tunnel: true, fresh: true });
  pool.acquire(tunnel);
  pool.add(endpointAt(origin.port));
  await until(() => tunnel.tunnelSocket !== null);
  tunnel.tunnelSocket?.destroy();
  tunnel.tunnelClosed?.();
});

t.test('what discovery says of there being no endpoint, and what to do about it, reaches who waited', async (t) => {
  const context = poolContext();
  const pool = testPool(t, context);
  pool.settle(new CarpoolError('NO_ENDPOINTS', 'none of 2 pods is ready', { hint: 'look at the pods' }));
  const request = new TestRequest('/');
  pool.acquire(request);
  context.clock.advance(1000);
  t.match(request.error, { message: /^none of 2 pods is ready, and none appeared/, hint: 'look at the pods' });
  pool.settle();
  const next = new TestRequest('/');
  pool.acquire(next);
  context.clock.advance(1000);
  t.match(next.error, { message: /has no endpoint that serves/, hint: new CarpoolError('NO_ENDPOINTS', '').hint });
});
