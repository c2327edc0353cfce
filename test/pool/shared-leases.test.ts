import t, { type Test } from 'tap';
import type { DestinationPool } from '../../src/pool/destination-pool.ts';
import { type FakeHttp2, type Http2Context, http2Context } from './fake-http2.ts';
import { answeringOrigin, until } from './origins.ts';
import { endpointAt, openOf, policyWith, TestRequest, testPool } from './pool-fixture.ts';

type PoolChanges = NonNullable<Parameters<typeof policyWith>[0]>;

/** A pool that speaks HTTP/2 to one endpoint (or several), and no request yet. */
async function http2Pool(
  t: Test,
  changes: PoolChanges = {},
  endpoints = 1,
): Promise<{ context: Http2Context; pool: DestinationPool }> {
  const context = http2Context();
  const pool = testPool(t, context, policyWith({ protocol: 'http2', ...changes }));
  for (let left = endpoints; left > 0; left--) pool.add(endpointAt((await answeringOrigin(t, () => null)).port));
  pool.settle();
  return { context, pool };
}

/** Requests that have their leases. */
async function acquired(pool: DestinationPool, count: number): Promise<TestRequest[]> {
  const requests = Array.from({ length: count }, (_, index) => new TestRequest(`/${index}`));
  for (const request of requests) pool.acquire(request);
  await until(() => requests.every(({ lease }) => lease !== null));
  return requests;
}

function only(context: Http2Context): FakeHttp2 {
  const [connection] = context.opened;
  if (connection === undefined || context.opened.length > 1)
    throw new Error(`${context.opened.length} connections were opened`);
  return connection;
}

t.test('many requests share one connection, and it is idle when the last of them has ended', async (t) => {
  const { context, pool } = await http2Pool(t);
  await acquired(pool, 3);
  const connection = only(context);
  t.equal(connection.streams.length, 3);
  t.ok(pool.acquire(new TestRequest('/more')), 'one that comes later need not wait');
  const [endpoint] = pool.endpoints;
  t.same([endpoint?.exchanges, endpoint?.busy, endpoint?.outstanding], [4, 1, 4]);
  t.same(pool.totals(), { connecting: 0, active: 1, idle: 0, draining: 0 });
  connection.respond();
  connection.respond();
  t.same([endpoint?.exchanges, endpoint?.busy], [2, 1], 'it is busy still');
  connection.respond();
  connection.respond();
  t.same(pool.totals(), { connecting: 0, active: 0, idle: 1, draining: 0 });
  t.same([endpoint?.exchanges, endpoint?.busy], [0, 0]);
  t.ok(pool.acquire(new TestRequest('/again')), 'and is taken again');
  t.equal(context.opened.length, 1);
});

t.test('a lease that ends twice is a fault that is told', async (t) => {
  const { context, pool } = await http2Pool(t);
  await acquired(pool, 2);
  const connection = only(context);
  const [endpoint] = pool.endpoints;
  connection.respond();
  connection.respond();
  t.throws(() => endpoint?.leaseEnded(connection), /released twice/);
  t.same([endpoint?.exchanges, endpoint?.busy], [0, 0]);
});

t.test(
  'one connection carries pool.maxStreams; the next is opened when it is full, and the oldest with room is taken',
  async (t) => {
    const { context, pool } = await http2Pool(t, { pool: { maxStreams: 2 } });
    await acquired(pool, 5);
    t.same(
      context.opened.map(({ most, opening }) => [most, opening.maxStreams]),
      [
        [2, 2],
        [2, 2],
        [1, 2],
      ],
    );
    const [first, second, third] = context.opened;
    second?.respond();
    first?.respond();
    pool.acquire(new TestRequest('/next'));
    t.same(
      [first, second, third].map((each) => each?.streams.length),
      [2, 1, 1],
    );
    pool.acquire(new TestRequest('/after'));
    pool.acquire(new TestRequest('/last'));
    t.same(
      [first, second, third].map((each) => each?.streams.length),
      [2, 2, 2],
    );
  },
);

t.test('what the peer allows is less than pool.maxStreams: the rest opens another connection', async (t) => {
  const { context, pool } = await http2Pool(t);
  await acquired(pool, 1);
  const connection = only(context);
  connection.limit(2);
  pool.acquire(new TestRequest('/b'));
  const c = new TestRequest('/c');
  t.notOk(pool.acquire(c));
  await until(() => c.lease !== null);
  t.same(
    context.opened.map(({ streams }) => streams.length),
    [2, 1],
  );
});

t.test('the peer raises its limit: those who wait are served in a row, as many as there is room for', async (t) => {
  const { context, pool } = await http2Pool(t, { pool: { maxConnections: 1 } });
  const [first] = await acquired(pool, 1);
  const connection = only(context);
  connection.limit(1);
  const waiting = [1, 2, 3, 4].map((each) => new TestRequest(`/waits${each}`));
  for (const request of waiting) t.notOk(pool.acquire(request));
  t.equal(pool.pending.limited, 4);
  connection.limit(4);
  t.same(
    waiting.map(({ lease }) => lease !== null),
    [true, true, true, false],
  );
  connection.respond();
  t.equal(first?.ended, 1);
  t.equal(waiting[3]?.told, 1, 'and the last takes the room of the first');
  t.equal(connection.most, 4);
});

t.test('a peer that allows no stream at all is waited for: another connection would not help', async (t) => {
  const { context, pool } = await http2Pool(t);
  await acquired(pool, 1);
  const connection = only(context);
  connection.limit(0);
  connection.respond();
  const request = new TestRequest('/held');
  t.notOk(pool.acquire(request));
  t.same(pool.totals(), { connecting: 0, active: 0, idle: 1, draining: 0 });
  connection.limit(1);
  t.not(request.lease, null);
  t.equal(context.opened.length, 1);
});

t.test(
  'a limit that is lowered below what runs takes nothing away, and gives nothing until there is room',
  async (t) => {
    const { context, pool } = await http2Pool(t, { pool: { maxConnections: 1 } });
    await acquired(pool, 3);
    const connection = only(context);
    connection.limit(2);
    const request = new TestRequest('/waits');
    pool.acquire(request);
    connection.respond();
    t.ok(request.waiting, 'two run, and two are allowed');
    connection.respond();
    t.notOk(request.waiting);
  },
);

t.test(
  'GOAWAY: a connection that drains takes no request, finishes its streams, and counts in pool.maxConnections no more',
  async (t) => {
    const { context, pool } = await http2Pool(t, { pool: { maxConnections: 1, maxStreams: 2 } });
    const running = await acquired(pool, 2);
    const [old] = context.opened;
    const request = new TestRequest('/waits');
    pool.acquire(request);
    t.equal(pool.pending.limited, 1);
    old?.goaway();
    t.same(pool.totals(), { connecting: 1, active: 0, idle: 0, draining: 1 }, 'there is room for who waited');
    await until(() => request.lease !== null);
    t.equal(context.opened.length, 2);
    t.equal(pool.counted, 1);
    old?.respond();
    t.equal(old?.state, 'draining', 'one runs still');
    old?.respond();
    t.equal(old?.state, 'closed');
    t.same(
      running.map(({ ended }) => ended),
      [1, 1],
    );
    t.same(pool.totals(), { connecting: 0, active: 1, idle: 0, draining: 0 });
    t.equal(context.capacity.used, 1);
  },
);

t.test('a connection that breaks fails all that it carries once, and gives all leases back first', async (t) => {
  const { context, pool } = await http2Pool(t);
  const requests = await acquired(pool, 3);
  only(context).break();
  t.same(
    requests.map(({ ended, failure }) => [ended, failure?.code]),
    Array.from({ length: 3 }, () => [1, 'UPSTREAM_CLOSED']),
  );
  const [endpoint] = pool.endpoints;
  t.same([endpoint?.exchanges, endpoint?.busy, endpoint?.shared.length, openOf(pool)], [0, 0, 0, 0]);
  t.equal(context.capacity.used, 0);
});

t.test(
  'maxAge: a connection past it takes no new stream and closes after its last; the sweep lets it drain by itself',
  async (t) => {
    const { context, pool } = await http2Pool(t, { pool: { maxAgeMs: 10_000 } });
    await acquired(pool, 1);
    const [old] = context.opened;
    context.clock.advance(11_500);
    const request = new TestRequest('/next');
    t.notOk(pool.acquire(request), 'a new connection is opened for it');
    await until(() => request.lease !== null);
    t.same([old?.state, old?.retireReason], ['draining', 'max_age']);
    t.equal(context.opened.length, 2);
    old?.respond();
    t.equal(old?.state, 'closed');
    context.clock.advance(11_500);
    pool.tick(context.clock.now());
    t.equal(context.opened[1]?.state, 'draining', 'nobody asked');
  },
);

t.test('maxRequests: the connection drains with the streams that it has when it has had them all', async (t) => {
  const { context, pool } = await http2Pool(t, { pool: { maxRequests: 2 } });
  await acquired(pool, 5);
  t.same(
    context.opened.map(({ requests, state }) => [requests, state]),
    [
      [2, 'draining'],
      [2, 'draining'],
      [1, 'active'],
    ],
  );
});

t.test('pool.enabled false: one stream a connection, and none is kept', async (t) => {
  const { context, pool } = await http2Pool(t, { pool: { enabled: false } });
  const requests = [new TestRequest('/a'), new TestRequest('/b')];
  for (const request of requests) pool.acquire(request);
  t.equal(pool.totals().connecting, 2, 'nobody rides with another');
  await until(() => requests.every(({ lease }) => lease !== null));
  t.same(
    context.opened.map(({ most, opening }) => [most, opening.maxStreams]),
    [
      [1, 1],
      [1, 1],
    ],
  );
  for (const connection of context.opened) connection.respond();
  t.equal(openOf(pool), 0);
});

t.test(
  'an endpoint that is removed: its connection drains with its streams, and is forgotten after the last',
  async (t) => {
    const { context, pool } = await http2Pool(t);
    const [first] = await acquired(pool, 2);
    const connection = only(context);
    pool.setState(pool.endpoints[0]?.spec.id ?? '', 'removed');
    t.same(pool.totals(), { connecting: 0, active: 0, idle: 0, draining: 1 });
    first?.cancel();
    t.equal(pool.allEndpoints.length, 1);
    connection.respond();
    t.same([connection.state, connection.retireReason], ['closed', 'endpoint_removed']);
    t.equal(pool.allEndpoints.length, 0);
    t.equal(context.capacity.used, 0);
  },
);

t.test(
  'at pool.maxConnections the room of a connection to another endpoint is taken before anybody waits',
  async (t) => {
    const { context, pool } = await http2Pool(t, { pool: { maxConnections: 1 } }, 2);
    await acquired(pool, 4);
    t.equal(only(context).streams.length, 4, 'round robin would have gone to the other one every second time');
  },
);

t.test(
  'a request that needs a fresh connection shares one that is at work, and takes none that was idle',
  async (t) => {
    const { context, pool } = await http2Pool(t);
    await acquired(pool, 1);
    const shares = new TestRequest('/retry', { fresh: true });
    t.ok(pool.acquire(shares));
    only(context).respond();
    only(context).respond();
    const opens = new TestRequest('/retry', { fresh: true });
    t.notOk(pool.acquire(opens));
    await until(() => opens.lease !== null);
    t.equal(context.opened.length, 2);
  },
);

t.test(
  'an unsafe request takes a connection at work of whatever age, and an idle one only within pool.unsafeMaxIdle',
  async (t) => {
    const { context, pool } = await http2Pool(t, { pool: { unsafeMaxIdleMs: 4000 } });
    await acquired(pool, 1);
    context.clock.advance(30_000);
    t.ok(pool.acquire(new TestRequest('/write', { unsafe: true })));
    only(context).respond();
    only(context).respond();
    context.clock.advance(3000);
    t.ok(pool.acquire(new TestRequest('/write', { unsafe: true })));
    only(context).respond();
    context.clock.advance(5000);
    t.notOk(
      pool.acquire(new TestRequest('/write', { unsafe: true })),
      'nothing is known of how long the server keeps it',
    );
    t.ok(pool.acquire(new TestRequest('/read')), 'a read may be sent again');
  },
);

t.test(
  'idle HTTP/2 connections are closed as idle ones are: after the idle time, and beyond what the peak needed',
  async (t) => {
    const { context, pool } = await http2Pool(t, { pool: { maxStreams: 1 } });
    await acquired(pool, 3);
    for (const connection of context.opened) connection.respond();
    t.equal(pool.totals().idle, 3);
    for (let second = 0; second < 60; second++) {
      context.clock.advance(1000);
      pool.tick(context.clock.now());
    }
    t.equal(openOf(pool), 0);
  },
);

t.test('every HTTP/2 connection is told of each second, those of endpoints that are gone too', async (t) => {
  const { context, pool } = await http2Pool(t);
  await acquired(pool, 1);
  pool.setState(pool.endpoints[0]?.spec.id ?? '', 'removed');
  pool.tick(context.clock.now());
  t.equal(only(context).ticks, 1);
});

t.test('stats tell protocol and streams of a connection, and what is being opened', async (t) => {
  const { context, pool } = await http2Pool(t);
  pool.acquire(new TestRequest('/a'));
  t.match(pool.stats(), [{ dialing: { http1: 0, http2: 1 }, connections: [] }]);
  await until(() => context.opened.length === 1);
  pool.acquire(new TestRequest('/b'));
  t.match(pool.stats(), [
    {
      outstanding: 2,
      dialing: { http1: 0, http2: 0 },
      connections: [{ protocol: 'http2', state: 'active', streams: 2, requests: 2 }],
    },
  ]);
});
