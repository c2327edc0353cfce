import t from 'tap';
import { http2Context } from './fake-http2.ts';
import { HeldLoad, scalingPolicy } from './held-load.ts';
import { answeringOrigin, until } from './origins.ts';
import { endpointAt, policyWith, poolContext, TestRequest, testPool } from './pool-fixture.ts';

t.test('an HTTP/2 connection that has room for more requests is not taken', async (t) => {
  const context = http2Context();
  const pool = testPool(t, context, policyWith({ protocol: 'http2', pool: { maxConnections: 1, maxStreams: 2 } }));
  pool.add(endpointAt((await answeringOrigin(t, () => null)).port));
  pool.settle();
  const [first, second] = [new TestRequest('/1'), new TestRequest('/2')];
  pool.acquire(first);
  t.equal(pool.places.taken, 1, 'while it is being opened');
  await until(() => first.lease !== null);
  t.equal(pool.places.counted, 1);
  t.equal(pool.places.taken, 0);
  pool.acquire(second);
  t.equal(pool.places.taken, 1);
  context.opened[0]?.goaway();
  t.equal(pool.places.taken, 0, 'one that drains has left the limit');
});

t.test('a connection that is opened for nobody is not taken, nor is one that is idle', async (t) => {
  const origin = await answeringOrigin(t, () => null);
  const context = poolContext();
  const pool = testPool(t, context, scalingPolicy({ minConnections: 3 }));
  pool.add(endpointAt(origin.port));
  pool.settle();
  context.clock.advance(1000);
  pool.tick(context.clock.now());
  t.equal(pool.totals().connecting, 3);
  t.equal(pool.places.taken, 0);
  const load = new HeldLoad(pool, context, [origin]);
  await load.seconds(1);
  t.equal(pool.places.taken, 0);
  await load.hold(2);
  t.equal(pool.places.taken, 2);
});

t.test('a limit that a reload lowers holds as soon as enough of what runs has ended', async (t) => {
  const origin = await answeringOrigin(t, () => null);
  const context = poolContext();
  const pool = testPool(t, context, policyWith({ pool: { maxConnections: 5 } }));
  pool.add(endpointAt(origin.port));
  pool.settle();
  const load = new HeldLoad(pool, context, [origin]);
  await load.hold(5);
  pool.setPolicy(policyWith({ pool: { maxConnections: 2 } }), null);
  await load.letGo(2);
  t.equal(pool.counted, 3, 'what is free goes, though the limit is the configured one');
  await load.letGo();
  t.equal(pool.counted, 2);
  t.equal(pool.totals().idle, 2);
});

t.test('connects that were under way when the limit was lowered serve who waits for them, and go then', async (t) => {
  const origin = await answeringOrigin(t, () => null);
  const context = poolContext();
  const pool = testPool(t, context, policyWith({ pool: { maxConnections: 3 } }));
  pool.add(endpointAt(origin.port));
  pool.settle();
  const load = new HeldLoad(pool, context, [origin]);
  const requests = [load.send(), load.send(), load.send()];
  pool.limit.scale(1);
  pool.limitChanged();
  await until(() => requests.every(({ lease }) => lease !== null));
  await load.letGo();
  t.equal(pool.counted, 1);
});

t.test('the idle connections of an endpoint that is out are no surplus', async (t) => {
  const origins = [await answeringOrigin(t, () => null), await answeringOrigin(t, () => null)];
  const context = poolContext();
  const pool = testPool(t, context, policyWith());
  for (const { port } of origins) pool.add(endpointAt(port));
  pool.settle();
  const load = new HeldLoad(pool, context, origins);
  await load.hold(1);
  await load.letGo();
  const endpoint = pool.endpoints.find(({ idle }) => idle.length > 0);
  if (endpoint === undefined) throw new Error('none is idle');
  pool.evidence.eject(endpoint, 'failures', 'for the test');
  t.notOk(pool.places.closeSurplus(Number.POSITIVE_INFINITY));
  pool.evidence.recovered(endpoint);
  t.ok(pool.places.closeSurplus(Number.POSITIVE_INFINITY));
  t.equal(pool.totals().idle, 0);
});
