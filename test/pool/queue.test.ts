import t from 'tap';
import { answeringOrigin, ok, until } from './origins.ts';
import { endpointAt, openOf, policyWith, poolContext, refusingPort, TestRequest, testPool } from './pool-fixture.ts';

t.test('a connection that was begun for a request that left serves the one that waits', async (t) => {
  const origin = await answeringOrigin(t);
  const context = poolContext();
  const pool = testPool(t, context, policyWith({ pool: { maxConnections: 1 } }));
  pool.add(endpointAt(origin.port));
  const [a, b] = [new TestRequest('/a'), new TestRequest('/b')];
  pool.acquire(a);
  pool.acquire(b);
  t.equal(pool.totals().connecting, 1);
  t.equal(pool.pending.size, 2);
  t.ok(pool.withdraw(a));
  t.notOk(pool.withdraw(a), 'it waits no more');
  await until(() => b.ended === 1);
  t.equal(a.told, 0);
  t.equal(origin.connections.length, 1);
});

t.test('a connection that nobody waits for any more goes idle', async (t) => {
  const origin = await answeringOrigin(t);
  const context = poolContext();
  const pool = testPool(t, context);
  pool.add(endpointAt(origin.port));
  const a = new TestRequest('/a');
  pool.acquire(a);
  pool.withdraw(a);
  await until(() => pool.totals().idle === 1);
  const b = new TestRequest('/b');
  t.ok(pool.acquire(b), 'and the next request takes it at once');
  await until(() => b.ended === 1);
  t.equal(origin.connections.length, 1);
});

t.test('with pool.enabled false a connection that nobody waits for any more is closed', async (t) => {
  const origin = await answeringOrigin(t);
  const context = poolContext();
  const pool = testPool(t, context, policyWith({ pool: { enabled: false } }));
  pool.add(endpointAt(origin.port));
  const a = new TestRequest('/a');
  pool.acquire(a);
  pool.withdraw(a);
  await origin.connection(0);
  await until(() => openOf(pool) === 0);
  t.equal(context.capacity.used, 0);
});

t.test(
  'a waiting request takes a connection that comes free before its own connect is done, which then goes idle',
  async (t) => {
    const origin = await answeringOrigin(t, () => null);
    const context = poolContext();
    const pool = testPool(t, context);
    pool.add(endpointAt(origin.port));
    const [a, b] = [new TestRequest('/a'), new TestRequest('/b')];
    pool.acquire(a);
    await until(() => origin.requests.length === 1);
    // The answer is on its way before the second connect begins, so that it is read before that one is done.
    origin.requests[0]?.connection.write(ok('a'));
    pool.acquire(b);
    t.equal(pool.totals().connecting, 1);
    await until(() => !b.waiting);
    await until(() => pool.totals().connecting === 0);
    await until(() => origin.requests.length === 2);
    t.equal(context.capacity.used, 2);
    t.equal(b.reused ? origin.requests[1]?.connection.index : 0, 0);
    origin.requests[1]?.connection.write(ok('b'));
    await until(() => b.ended === 1);
    t.equal(pool.totals().idle, 2);
  },
);

t.test('an idle connection is used although another request waits for a connect', async (t) => {
  const [slow, quick] = [await answeringOrigin(t), await answeringOrigin(t)];
  const context = poolContext();
  const pool = testPool(t, context);
  pool.add(endpointAt(quick.port));
  const first = new TestRequest('/first');
  pool.acquire(first);
  await until(() => first.ended === 1);
  pool.add(endpointAt(slow.port));
  const turns = [new TestRequest('/1'), new TestRequest('/2')];
  const leased = turns.map((request) => pool.acquire(request));
  t.same(leased.sort(), [false, true], 'one endpoint has an idle connection, the other is dialled');
  await until(() => turns.every(({ ended }) => ended === 1));
  t.equal(quick.connections.length, 1);
  t.equal(slow.connections.length, 1);
});

t.test('a place in limits.maxConnections goes to the next when who was asked first needs it no more', async (t) => {
  const origin = await answeringOrigin(t, () => null);
  const context = poolContext(1);
  const pools = ['a', 'b', 'c'].map((name) => testPool(t, context, policyWith(), name));
  const [one, two, three] = pools;
  if (one === undefined || two === undefined || three === undefined) throw new Error('too few');
  for (const pool of pools) pool.add(endpointAt(origin.port));
  const [a, b, c] = [new TestRequest('/a'), new TestRequest('/b'), new TestRequest('/c')];
  one.acquire(a);
  await until(() => origin.requests.length === 1);
  two.acquire(b);
  three.acquire(c);
  t.equal(two.pending.size + three.pending.size, 2);
  two.withdraw(b);
  a.cancel();
  await until(() => origin.requests.length === 2);
  t.equal(origin.requests[1]?.path, '/c');
  t.equal(context.capacity.used, 1);
});

t.test(
  'a connection that goes idle makes room for another destination that waits for limits.maxConnections',
  async (t) => {
    const origin = await answeringOrigin(t, () => null);
    const context = poolContext(1);
    const [one, two] = [testPool(t, context, policyWith(), 'one'), testPool(t, context, policyWith(), 'two')];
    one.add(endpointAt(origin.port));
    two.add(endpointAt(origin.port));
    const [a, b] = [new TestRequest('/a'), new TestRequest('/b')];
    one.acquire(a);
    await until(() => origin.requests.length === 1);
    two.acquire(b);
    t.equal(two.pending.size, 1);
    origin.requests[0]?.connection.write(ok('a'));
    await until(() => origin.requests.length === 2);
    t.equal(origin.requests[1]?.path, '/b');
    t.equal(context.capacity.used, 1);
  },
);

t.test(
  'an idle connection elsewhere makes room at limits.maxConnections, and waiting destinations take turns',
  async (t) => {
    const origin = await answeringOrigin(t, () => null);
    const context = poolContext(2);
    const pools = ['a', 'b', 'c'].map((name) => testPool(t, context, policyWith(), name));
    for (const pool of pools) pool.add(endpointAt(origin.port));
    const [one, two, three] = pools;
    if (one === undefined || two === undefined || three === undefined) throw new Error('too few');
    const idle = new TestRequest('/idle');
    one.acquire(idle);
    await until(() => origin.requests.length === 1);
    origin.requests[0]?.connection.write(ok(''));
    await until(() => idle.ended === 1);
    const held = [new TestRequest('/held1'), new TestRequest('/held2')];
    for (const request of held) two.acquire(request);
    await until(() => origin.requests.length === 3);
    t.same(one.totals(), { connecting: 0, active: 0, idle: 0, draining: 0 }, 'the idle one elsewhere made room');
    t.equal(context.capacity.used, 2);
    const waiting = [new TestRequest('/b1'), new TestRequest('/b2'), new TestRequest('/b3')];
    for (const request of waiting) two.acquire(request);
    const other = new TestRequest('/c1');
    three.acquire(other);
    for (let served = 0; served < 4; served++) {
      for (const request of [...held, ...waiting, other]) {
        if (request.lease === null) continue;
        request.cancel();
        break;
      }
      await until(() => origin.requests.length === 4 + served);
      t.equal(context.capacity.used, 2);
    }
    t.ok(
      origin.requests.slice(3, 5).some(({ path }) => path === '/c1'),
      'the second destination was served among the first two',
    );
  },
);

t.test(
  'a request whose endpoints failed it takes a connection of the other as soon as an idle one makes room',
  async (t) => {
    const [bad, good] = [await answeringOrigin(t, () => null), await answeringOrigin(t, () => null)];
    const context = poolContext();
    const pool = testPool(t, context, policyWith({ pool: { maxConnections: 1 } }));
    pool.add(endpointAt(bad.port));
    const a = new TestRequest('/a');
    pool.acquire(a);
    await until(() => bad.requests.length === 1);
    pool.add(endpointAt(good.port));
    const b = new TestRequest('/b');
    const [tried] = pool.endpoints;
    pool.acquire(b, tried === undefined ? [] : [tried]);
    t.ok(b.waiting);
    bad.requests[0]?.connection.write(ok('a'));
    await until(() => good.requests.length === 1);
    t.equal(good.requests[0]?.path, '/b');
    t.equal(bad.connections[0]?.ended || context.capacity.used === 1, true);
  },
);

t.test('a request whose connect failed at the limit waits on instead of failing', async (t) => {
  const origin = await answeringOrigin(t, () => null);
  const context = poolContext(1);
  const [one, two] = [testPool(t, context, policyWith(), 'one'), testPool(t, context, policyWith(), 'two')];
  one.add(endpointAt(await refusingPort()));
  one.add(endpointAt(origin.port));
  two.add(endpointAt(origin.port));
  const [a, b, c] = [new TestRequest('/a'), new TestRequest('/b'), new TestRequest('/c')];
  // Whichever endpoint the turn begins with, one of two requests is sent to the refusing one first.
  one.acquire(a);
  one.acquire(b);
  two.acquire(c);
  for (let served = 1; served <= 3; served++) {
    await until(() => origin.requests.length === served);
    t.equal(context.capacity.used, 1);
    origin.requests[served - 1]?.connection.write(ok(''));
  }
  await until(() => a.ended + b.ended + c.ended === 3);
  t.same([a.error, b.error, c.error], [null, null, null]);
});

t.test('the connect of a tunnel whose app left serves nobody else: it is outside of maxConnections', async (t) => {
  const origin = await answeringOrigin(t, () => null);
  const context = poolContext();
  const pool = testPool(t, context, policyWith({ pool: { maxConnections: 1 } }));
  pool.add(endpointAt(origin.port));
  const [a, b] = [new TestRequest('/a'), new TestRequest('/b')];
  const tunnel = new TestRequest('', { tunnel: true, fresh: true, unsafe: true });
  pool.acquire(a);
  await until(() => origin.requests.length === 1);
  pool.acquire(tunnel);
  t.equal(pool.totals().connecting, 1, 'it is dialled although the pool is at its limit');
  t.equal(pool.counted, 1);
  pool.acquire(b);
  pool.withdraw(tunnel);
  t.equal(pool.totals().connecting, 0);
  t.equal(context.capacity.used, 1);
  t.equal(pool.pending.limited, 1, 'the request that waits still waits for the limit');
  origin.requests[0]?.connection.write(ok('a'));
  await until(() => origin.requests.length === 2);
  t.equal(origin.requests[1]?.path, '/b');
});

t.test(
  'a request whose connect failed keeps its place for its other tries, and then gives it to who waits',
  async (t) => {
    const origin = await answeringOrigin(t);
    const context = poolContext(1);
    const [one, two] = [testPool(t, context, policyWith(), 'one'), testPool(t, context, policyWith(), 'two')];
    one.add(endpointAt(await refusingPort()));
    two.add(endpointAt(origin.port));
    const requests = [new TestRequest('/a'), new TestRequest('/b')];
    const other = new TestRequest('/other');
    for (const request of requests) one.acquire(request);
    two.acquire(other);
    await until(() => other.ended === 1 && requests.every(({ told }) => told === 1));
    t.same(
      requests.map(({ error }) => error?.code),
      ['CONNECT_FAILED', 'CONNECT_FAILED'],
    );
    t.equal(context.seen.filter(({ type }) => type === 'connect_failed').length, 6, 'three tries each');
    t.equal(context.capacity.used, 1);
  },
);

t.test('a policy with a higher limit serves who waits at once', async (t) => {
  const origin = await answeringOrigin(t, () => null);
  const context = poolContext();
  const pool = testPool(t, context, policyWith({ pool: { maxConnections: 1 } }));
  pool.add(endpointAt(origin.port));
  pool.acquire(new TestRequest('/a'));
  pool.acquire(new TestRequest('/b'));
  await until(() => origin.requests.length === 1);
  t.equal(pool.pending.limited, 1);
  pool.setPolicy(policyWith({ pool: { maxConnections: 2 } }), null);
  await until(() => origin.requests.length === 2);
});

t.test('a tunnel that waits for room is opened when a connection goes idle', async (t) => {
  const origin = await answeringOrigin(t, () => null);
  const context = poolContext(1);
  const pool = testPool(t, context);
  pool.add(endpointAt(origin.port));
  const a = new TestRequest('/a');
  pool.acquire(a);
  await until(() => origin.requests.length === 1);
  const tunnel = new TestRequest('', { tunnel: true, fresh: true, unsafe: true });
  pool.acquire(tunnel);
  t.ok(tunnel.waiting);
  origin.requests[0]?.connection.write(ok('a'));
  await until(() => !tunnel.waiting);
  t.equal(tunnel.error, null);
  t.equal(context.capacity.used, 1, 'it takes the place of the connection');
  tunnel.tunnelSocket?.destroy();
  tunnel.tunnelClosed?.();
  t.equal(context.capacity.used, 0);
});

t.test('a lease is given back once: a connection that is not leased cannot be released', async (t) => {
  const origin = await answeringOrigin(t);
  const context = poolContext();
  const pool = testPool(t, context);
  pool.add(endpointAt(origin.port));
  const a = new TestRequest('/a');
  pool.acquire(a);
  await until(() => a.ended === 1);
  const [endpoint] = pool.endpoints;
  const [connection] = endpoint?.open ?? [];
  if (endpoint === undefined || connection === undefined) throw new Error('too few');
  t.throws(() => endpoint.leaseEnded(connection), /released/);
  t.equal(endpoint.idle.length, 1);
  t.equal(endpoint.busy, 0);
  const b = new TestRequest('/b');
  pool.acquire(b);
  t.throws(() => connection.lease(context.clock.now()), /leased while active/);
  await until(() => b.ended === 1);
  a.cancel();
  t.equal(pool.totals().idle, 1, 'who gave it back cannot cancel it');
});

t.test('a tunnel does not wait behind a request that pool.maxConnections keeps', async (t) => {
  const origin = await answeringOrigin(t, () => null);
  const context = poolContext(2);
  const pool = testPool(t, context, policyWith({ pool: { maxConnections: 1 } }));
  const elsewhere = testPool(t, context, policyWith({ pool: { enabled: false } }), 'elsewhere:80');
  for (const each of [pool, elsewhere]) each.add(endpointAt(origin.port));
  const running = new TestRequest('/running');
  const other = new TestRequest('/other');
  pool.acquire(running);
  elsewhere.acquire(other);
  await until(() => origin.requests.length === 2);
  const kept = new TestRequest('/kept');
  const tunnel = new TestRequest('/', { tunnel: true, fresh: true });
  pool.acquire(kept);
  pool.acquire(tunnel);
  t.ok(kept.waiting && tunnel.waiting);
  origin.requests.find(({ path }) => path === '/other')?.connection.write(ok('x'));
  await until(() => !tunnel.waiting);
  t.ok(kept.waiting);
  tunnel.tunnelSocket?.destroy();
  tunnel.tunnelClosed?.();
});

t.test(
  'a request that wants a fresh connection takes none that comes free, and gets one of its own at the limit',
  async (t) => {
    const origin = await answeringOrigin(t, () => null);
    const pool = testPool(t, poolContext(), policyWith({ pool: { maxConnections: 1 } }));
    pool.add(endpointAt(origin.port));
    const [a, fresh, other] = [
      new TestRequest('/a'),
      new TestRequest('/fresh', { fresh: true }),
      new TestRequest('/c'),
    ];
    pool.acquire(a);
    await until(() => origin.requests.length === 1);
    pool.acquire(fresh);
    pool.acquire(other);
    origin.requests[0]?.connection.write(ok('a'));
    await until(() => origin.requests.length === 2);
    t.equal(origin.requests[1]?.connection.index, 1, 'what came free made room for it');
    t.notOk(fresh.reused);
    t.ok(other.waiting, 'who came later waits on');
    origin.requests[1]?.connection.write(ok('b'));
    await until(() => origin.requests.length === 3);
    t.equal(origin.requests[2]?.connection.index, 1, 'and takes what comes free then');
  },
);

t.test('a request that wants a fresh connection and has one under way leaves what comes free to others', async (t) => {
  const origin = await answeringOrigin(t, () => null);
  const pool = testPool(t, poolContext());
  pool.add(endpointAt(origin.port));
  const [a, fresh] = [new TestRequest('/a'), new TestRequest('/fresh', { fresh: true })];
  pool.acquire(a);
  await until(() => origin.requests.length === 1);
  origin.requests[0]?.connection.write(ok('a'));
  pool.acquire(fresh);
  await until(() => origin.requests.length === 2);
  t.equal(origin.requests[1]?.connection.index, 1);
  t.notOk(fresh.reused);
});
