import t from 'tap';
import { answeringOrigin, ok, until } from '../pool/origins.ts';
import { endpointAt, policyWith, poolContext, TestRequest, testPool } from '../pool/pool-fixture.ts';

t.test(
  'what the upstream sees beside the pool is part of the share: tunnels, and connections that drain',
  async (t) => {
    const origin = await answeringOrigin(t, () => null);
    const context = poolContext();
    const pool = testPool(t, context, policyWith());
    pool.add(endpointAt(origin.port));
    pool.settle();
    pool.limit.setShare(3);
    const [one, two, three, four] = Array.from({ length: 4 }, (_, i) => new TestRequest(`/${i}`));
    if (one === undefined || two === undefined || three === undefined || four === undefined)
      throw new Error('there are four');
    const tunnel = new TestRequest('/', { tunnel: true, fresh: true });
    pool.acquire(tunnel);
    await until(() => tunnel.tunnelSocket !== null);
    t.equal(pool.limit.current, 2);
    for (const request of [one, two, three, four]) pool.acquire(request);
    await until(() => origin.requests.length === 2);
    t.match(pool.demand, { counted: 2, open: 3, waiting: 2 });

    pool.evict('admin', false);
    t.match(pool.demand, { counted: 0, open: 3, waiting: 2 }, 'the two finish, and no other takes their place before');
    origin.requests[0]?.connection.write(ok('one'));
    await until(() => origin.requests.length === 3);
    t.match(pool.demand, { counted: 1, open: 3, waiting: 1 });

    tunnel.tunnelSocket?.destroy();
    tunnel.tunnelClosed?.();
    await until(() => origin.requests.length === 4);
    t.match(pool.demand, { counted: 2, open: 3, waiting: 0 });
  },
);

t.test('connections to an endpoint that is gone are part of the share until they close', async (t) => {
  const [old, next] = [await answeringOrigin(t, () => null), await answeringOrigin(t, () => null)];
  const pool = testPool(t, poolContext(), policyWith());
  pool.add(endpointAt(old.port));
  pool.settle();
  pool.limit.setShare(1);
  pool.acquire(new TestRequest('/0'));
  await until(() => old.requests.length === 1);
  pool.add(endpointAt(next.port));
  pool.setState(`127.0.0.1:${old.port}`, 'removed');
  pool.settle();
  const waiting = new TestRequest('/1');
  pool.acquire(waiting);
  t.ok(waiting.waiting);
  t.match(pool.demand, { counted: 0, open: 1, waiting: 1 });
  old.requests[0]?.connection.write(ok('late'));
  await until(() => next.requests.length === 1);
  t.equal(pool.demand.open, 1);
});

t.test('a share of nothing lets requests wait, and what is opened at last serves them', async (t) => {
  const origin = await answeringOrigin(t, () => ok('done'));
  const pool = testPool(t, poolContext(), policyWith());
  pool.add(endpointAt(origin.port));
  pool.settle();
  pool.limit.setShare(0);
  const request = new TestRequest();
  pool.acquire(request);
  t.ok(request.waiting);
  pool.limit.setShare(1);
  pool.limitChanged();
  await until(() => request.ended === 1);
  t.equal(pool.demand.open, 1);
  pool.limit.setShare(0);
  pool.limitChanged();
  t.equal(pool.demand.counted, 0, 'an idle connection above the share closes at once');
});

t.test(
  'a request that a share keeps from a connection hears of the share, and of who has not given it yet',
  async (t) => {
    const origin = await answeringOrigin(t, () => null);
    const context = poolContext();
    const pool = testPool(t, context, policyWith({ pool: { acquireTimeoutMs: 1000, maxPending: 1 } }));
    pool.add(endpointAt(origin.port));
    pool.settle();
    const refused = (): TestRequest['error'] => {
      const request = new TestRequest();
      pool.acquire(request);
      let full: unknown = null;
      try {
        pool.acquire(new TestRequest());
      } catch (error) {
        full = error;
      }
      t.match(full, { code: 'POOL_PENDING_FULL', hint: /fleet/ });
      context.clock.advance(1000);
      t.equal(request.error?.code, 'ACQUIRE_TIMEOUT');
      return request.error;
    };
    pool.limit.setShare(0, true);
    t.match(refused(), {
      message: /limit 0 until the fleet’s coordinator has answered/,
      hint: /coordinator.*fleet_failover/,
    });
    pool.limit.setShare(0);
    t.match(refused(), {
      message: /limit 0, this sidecar’s share of the fleet’s budget/,
      hint: /fleet\.maxConnections/,
    });
    pool.limit.setShare(null);
    t.match(pool.occupancy(), /\(limit \d+\)/);
    t.same(pool.limit.advice, {});
  },
);
