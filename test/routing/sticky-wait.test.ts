import t, { type Test } from 'tap';
import type { DestinationPool } from '../../src/pool/destination-pool.ts';
import type { EndpointPool } from '../../src/pool/endpoint-pool.ts';
import { http2Context } from '../pool/fake-http2.ts';
import { type AnsweringOrigin, answeringOrigin, ok, until } from '../pool/origins.ts';
import { endpointAt, policyWith, poolContext, refusingPort, TestRequest, testPool } from '../pool/pool-fixture.ts';

type PoolChanges = NonNullable<Parameters<typeof policyWith>[0]>;

/** A key that belongs to this endpoint. */
function keyOf(pool: DestinationPool, endpoint: EndpointPool, from = 0): number {
  for (let key = from; ; key += 7919) if (pool.pick([], 0, key) === endpoint) return key;
}

function request(path: string, key: number): TestRequest {
  const made = new TestRequest(path);
  made.sticky = key;
  return made;
}

type Site = { readonly endpoint: EndpointPool; readonly origin: AnsweringOrigin; readonly key: number };

/** A sticky pool, and its endpoints with an origin behind each, that answers when the test says so. */
async function stickyPool(
  t: Test,
  count: number,
  changes: PoolChanges,
): Promise<{ pool: DestinationPool; sites: readonly Site[] }> {
  const pool = testPool(t, poolContext(), policyWith({ balancer: 'sticky', ...changes }));
  const origins: AnsweringOrigin[] = [];
  for (let left = count; left > 0; left--) origins.push(await answeringOrigin(t, () => null));
  for (const { port } of origins) pool.add(endpointAt(port));
  pool.settle();
  const sites = origins.map((origin) => {
    const endpoint = pool.endpoints.find(({ spec }) => spec.port === origin.port);
    if (endpoint === undefined) throw new Error('none');
    return { endpoint, origin, key: keyOf(pool, endpoint) };
  });
  return { pool, sites };
}

function two(sites: readonly Site[]): [Site, Site] {
  const [a, b] = sites;
  if (a === undefined || b === undefined) throw new Error('too few');
  return [a, b];
}

/** Answers the last request that an origin got. */
const answer = ({ origin }: Site): void => origin.requests.at(-1)?.connection.write(ok('done'));

t.test('at the limit a request waits for the connection of its own endpoint, also behind younger ones', async (t) => {
  const { pool, sites } = await stickyPool(t, 2, { pool: { maxConnections: 2 } });
  const [a, b] = two(sites);
  for (const { key } of [a, b]) pool.acquire(request('/first', key));
  await until(() => a.origin.requests.length + b.origin.requests.length === 2);
  const forB = request('/b', b.key);
  const forA = request('/a', a.key);
  pool.acquire(forB);
  pool.acquire(forA);
  answer(a);
  await until(() => forA.lease !== null);
  t.equal(forA.endpoint, a.endpoint);
  t.ok(forB.waiting, 'it was the first in the queue, and is not for this endpoint');
  answer(b);
  await until(() => forB.lease !== null);
  t.equal(forB.endpoint, b.endpoint);
  t.same(
    [a, b].map(({ origin }) => origin.connections.length),
    [1, 1],
    'no connection was opened for it',
  );
});

t.test('where nothing can come free at its endpoint, a connection to another makes room for one there', async (t) => {
  const { pool, sites } = await stickyPool(t, 2, { pool: { maxConnections: 1 } });
  const [a, b] = two(sites);
  const first = request('/first', a.key);
  pool.acquire(first);
  await until(() => a.origin.requests.length === 1);
  const forB = request('/b', b.key);
  const forA = request('/a', a.key);
  pool.acquire(forB);
  pool.acquire(forA);
  answer(a);
  await until(() => b.origin.requests.length === 1);
  t.equal(forB.endpoint, b.endpoint, 'who waited longest is served first');
  t.ok(forA.waiting);
  answer(b);
  await until(() => a.origin.requests.length === 2);
  t.equal(forA.endpoint, a.endpoint);
  answer(a);
  await until(() => forA.ended === 1);
});

t.test('with fewer connections than endpoints every request is served, and by its own endpoint', async (t) => {
  const { pool, sites } = await stickyPool(t, 5, { pool: { maxConnections: 2 } });
  const requests: TestRequest[] = [];
  for (let index = 0; index < 100; index++) requests.push(request(`/${index}`, (index * 104_729_001) % 0x7fffffff));
  const homes = requests.map(({ sticky }) => pool.pick([], 0, sticky));
  for (const each of requests) pool.acquire(each);
  let answered = 0;
  while (requests.some(({ ended }) => ended === 0)) {
    await until(() => sites.reduce((sum, { origin }) => sum + origin.requests.length, 0) > answered);
    answered = sites.reduce((sum, { origin }) => sum + origin.requests.length, 0);
    t.ok(pool.counted <= 2);
    for (const { origin } of sites) for (const each of origin.requests) answerOnce(each);
    await until(() => requests.filter(({ ended }) => ended > 0).length === answered);
  }
  t.same(
    requests.map(({ endpoint }) => endpoint),
    homes,
  );
  t.same(
    requests.map(({ error }) => error),
    requests.map(() => null),
  );
});

const answeredRequests = new WeakSet<object>();
function answerOnce(seen: AnsweringOrigin['requests'][number]): void {
  if (answeredRequests.has(seen)) return;
  answeredRequests.add(seen);
  seen.connection.write(ok('done'));
}

t.test('a request whose connect is under way is not served by another endpoint meanwhile', async (t) => {
  const { pool, sites } = await stickyPool(t, 2, {});
  const [a, b] = two(sites);
  pool.acquire(request('/b', b.key));
  await until(() => b.origin.requests.length === 1);
  const forA = request('/a', a.key);
  pool.acquire(forA);
  const connection = [...b.endpoint.open][0];
  t.equal(connection === undefined ? undefined : pool.nextFor(b.endpoint, connection), null);
  await until(() => forA.lease !== null);
  t.equal(forA.endpoint, a.endpoint);
});

t.test(
  'a request that waits for a connect takes what comes free there, though its own wait fills that endpoint',
  async (t) => {
    const { pool, sites } = await stickyPool(t, 2, {});
    const [a] = two(sites);
    pool.acquire(request('/first', a.key));
    await until(() => a.origin.requests.length === 1);
    const [connection] = a.endpoint.open;
    if (connection === undefined) throw new Error('none');
    const waiting = Array.from({ length: 7 }, (_, index) => request(`/${index}`, a.key));
    for (const each of waiting) pool.acquire(each);
    t.not(pool.pick([], 0, a.key), a.endpoint, 'it has as many as it may');
    t.equal(pool.nextFor(a.endpoint, connection)?.waiter, waiting[0]);
  },
);

t.test('a retry does not cost a ring of its own', async (t) => {
  const { pool, sites } = await stickyPool(t, 3, {});
  const [a, b] = two(sites);
  const { tally } = b.endpoint;
  t.not(pool.pick([a.endpoint], 0, a.key), a.endpoint);
  t.equal(b.endpoint.tally, tally);
});

t.test('the seat of one who leaves goes to nobody who belongs elsewhere', async (t) => {
  const { pool, sites } = await stickyPool(t, 2, { pool: { maxConnections: 1 } });
  const [a, b] = two(sites);
  const leaves = request('/leaves', a.key);
  const stays = request('/stays', b.key);
  pool.acquire(leaves);
  pool.acquire(stays);
  pool.withdraw(leaves);
  await until(() => stays.lease !== null);
  t.equal(stays.endpoint, b.endpoint);
  t.equal(a.origin.requests.length, 0);
});

t.test(
  'when its endpoint refuses connects a request goes to the next on the ring, as the others of that key do',
  async (t) => {
    const pool = testPool(t, poolContext(), policyWith({ balancer: 'sticky' }));
    pool.add(endpointAt(await refusingPort()));
    const dead = pool.endpoints[0];
    const origins = [await answeringOrigin(t, () => null), await answeringOrigin(t, () => null)];
    for (const { port } of origins) pool.add(endpointAt(port));
    pool.settle();
    if (dead === undefined) throw new Error('none');
    const key = keyOf(pool, dead);
    const heir = pool.pick([dead], 0, key);
    const requests = [request('/1', key), request('/2', key)];
    for (const each of requests) pool.acquire(each);
    await until(() => requests.every(({ lease }) => lease !== null));
    t.same(
      requests.map(({ endpoint }) => endpoint),
      [heir, heir],
    );
    const later = request('/later', key);
    pool.acquire(later);
    await until(() => later.lease !== null);
    t.equal(later.endpoint, heir, 'while it is out');
  },
);

t.test('by HTTP/2: its own connection while it has one, another one where it can have none', async (t) => {
  const context = http2Context();
  const changes: PoolChanges = { protocol: 'http2', balancer: 'sticky', pool: { maxConnections: 2, maxStreams: 2 } };
  const pool = testPool(t, context, policyWith(changes));
  for (let left = 3; left > 0; left--) pool.add(endpointAt((await answeringOrigin(t, () => null)).port));
  pool.settle();
  const [a, b, c] = pool.endpoints;
  if (a === undefined || b === undefined || c === undefined) throw new Error('too few');
  const begun = [request('/a', keyOf(pool, a)), request('/b1', keyOf(pool, b)), request('/b2', keyOf(pool, b, 1))];
  for (const each of begun) pool.acquire(each);
  await until(() => begun.every(({ lease }) => lease !== null));
  t.same(
    begun.map(({ endpoint }) => endpoint),
    [a, b, b],
  );
  const forB = request('/b3', keyOf(pool, b, 2));
  pool.acquire(forB);
  t.ok(forB.waiting, 'the connection to its endpoint is full, and it does not go to the one that has room');
  const forC = request('/c', keyOf(pool, c));
  t.ok(pool.acquire(forC), 'at the limit there is none for this one, and waiting would bring none');
  t.equal(forC.endpoint, a);
  const [, toB] = context.opened;
  toB?.respond();
  await until(() => forB.lease !== null);
  t.equal(forB.endpoint, b);
});

t.test(
  'by HTTP/2: one that waits because all are full takes what comes free elsewhere, where its endpoint has none',
  async (t) => {
    const context = http2Context();
    const changes: PoolChanges = { protocol: 'http2', balancer: 'sticky', pool: { maxConnections: 1, maxStreams: 2 } };
    const pool = testPool(t, context, policyWith(changes));
    for (let left = 2; left > 0; left--) pool.add(endpointAt((await answeringOrigin(t, () => null)).port));
    pool.settle();
    const [a, b] = pool.endpoints;
    if (a === undefined || b === undefined) throw new Error('too few');
    const begun = [request('/a1', keyOf(pool, a)), request('/a2', keyOf(pool, a, 1))];
    for (const each of begun) pool.acquire(each);
    await until(() => begun.every(({ lease }) => lease !== null));
    const waits = request('/b', keyOf(pool, b));
    pool.acquire(waits);
    t.ok(waits.waiting);
    context.opened[0]?.respond();
    t.equal(waits.endpoint, a, 'the other stream goes on, so that the connection cannot make room');
    const last = request('/b2', keyOf(pool, b, 1));
    pool.acquire(last);
    context.opened[0]?.respond(1);
    t.equal(last.endpoint, a, 'as long as one goes on');
  },
);

t.test('without a key a request takes whatever comes free', async (t) => {
  const { pool, sites } = await stickyPool(t, 2, { pool: { maxConnections: 2 } });
  const [a, b] = two(sites);
  for (const { key } of [a, b]) pool.acquire(request('/first', key));
  await until(() => a.origin.requests.length + b.origin.requests.length === 2);
  const any = request('/any', -1);
  pool.acquire(any);
  answer(b);
  await until(() => any.lease !== null);
  t.equal(any.endpoint, b.endpoint);
});
