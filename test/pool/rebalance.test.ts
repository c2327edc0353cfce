import t, { type Test } from 'tap';
import type { DestinationPolicy } from '../../src/config/types.ts';
import type { DestinationPool } from '../../src/pool/destination-pool.ts';
import { type AnsweringOrigin, answeringOrigin, ok, type SeenRequest, until } from './origins.ts';
import {
  endpointAt,
  policyWith,
  poolContext,
  refusingPort,
  type TestContext,
  TestRequest,
  testPool,
} from './pool-fixture.ts';
import { silentPort } from './silent-port.ts';

const idOf = ({ port }: { readonly port: number }): string => endpointAt(port).id;

/** So many origins that answer when they are told to. */
async function silentOrigins(t: Test, count: number): Promise<AnsweringOrigin[]> {
  const origins: AnsweringOrigin[] = [];
  for (let index = 0; index < count; index++) origins.push(await answeringOrigin(t, () => null));
  return origins;
}

/** Requests at a fixed rate, whatever becomes of those before: each is answered `latencyMs` after it has arrived. */
class OpenLoop {
  readonly #pool: DestinationPool;
  readonly #context: TestContext;
  readonly #origins: readonly AnsweringOrigin[];
  readonly #latencyMs: number;
  readonly #read: number[];
  readonly #due: { readonly at: number; readonly seen: SeenRequest }[] = [];
  readonly requests: TestRequest[] = [];
  #sent = 0;
  #seconds = 0;

  constructor(pool: DestinationPool, context: TestContext, origins: readonly AnsweringOrigin[], latencyMs: number) {
    this.#pool = pool;
    this.#context = context;
    this.#origins = origins;
    this.#latencyMs = latencyMs;
    this.#read = origins.map(() => 0);
  }

  /** `ms` of the clock at a request each `everyMs`. */
  async run(ms: number, everyMs: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += everyMs) {
      const request = new TestRequest(`/${this.#sent++}`);
      this.requests.push(request);
      this.#pool.acquire(request);
      await until(() => this.#arrived() === this.#sent && this.#pool.totals().connecting === 0);
      this.#context.clock.advance(everyMs);
      const now = this.#context.clock.now();
      let answered = this.requests.filter(({ ended }) => ended === 0).length;
      while (this.#due[0] !== undefined && this.#due[0].at <= now) {
        this.#due.shift()?.seen.connection.write(ok('x'));
        answered--;
      }
      await until(() => this.requests.filter(({ ended }) => ended === 0).length === answered);
      for (let index = this.requests.length - 1; index >= 0; index--)
        if (this.requests[index]?.ended === 1 && this.requests[index]?.failure === null) this.requests.splice(index, 1);
      if (Math.floor(now / 1000) === this.#seconds) continue;
      this.#seconds = Math.floor(now / 1000);
      this.#pool.tick(now);
    }
  }

  #arrived(): number {
    let arrived = 0;
    for (const [index, origin] of this.#origins.entries()) {
      arrived += origin.requests.length;
      for (const seen of origin.requests.slice(this.#read[index])) {
        this.#due.push({ at: this.#context.clock.now() + this.#latencyMs, seen });
      }
      this.#read[index] = origin.requests.length;
    }
    return arrived;
  }
}

/** 500 requests a second to two origins, and then to six. */
async function scaleUp(t: Test, balancer: DestinationPolicy['balancer'], latencyMs: number): Promise<void> {
  const origins = await silentOrigins(t, 6);
  const context = poolContext();
  const pool = testPool(t, context, policyWith({ balancer }));
  const load = new OpenLoop(pool, context, origins, latencyMs);
  for (const origin of origins.slice(0, 2)) pool.add(endpointAt(origin.port));
  pool.settle();
  await load.run(3000, 2);
  const standing = pool.totals().idle + pool.totals().active;
  for (const origin of origins.slice(2)) pool.add(endpointAt(origin.port));
  pool.settle();
  await load.run(4000, 2);
  const before = origins.map(({ requests }) => requests.length);
  await load.run(1000, 2);
  const requests = origins.map((origin, index) => origin.requests.length - (before[index] ?? 0));
  const connections = pool.endpoints.map(({ open, draining }) => open.size - draining);
  const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0);
  const even = (counts: readonly number[]) =>
    counts.slice(2).every((count) => Math.abs(count - sum(counts) / 6) <= sum(counts) / 30);
  t.ok(even(requests), `requests ${requests}`);
  t.ok(even(connections), `connections ${connections}`);
  t.ok(sum(connections) >= standing, `no fewer than the ${standing} before`);
  t.ok(sum(connections) <= 3 * standing, 'and not many more');
  t.equal(load.requests.filter(({ failure, error }) => failure ?? error).length, 0, 'nothing failed');
  const closed = context.seen.filter((event) => event.type === 'connection_closed');
  t.ok(closed.length > 0 && closed.every(({ reason }) => reason === 'rebalance'));
}

for (const balancer of ['p2c', 'round_robin', 'least_loaded'] as const) {
  for (const latencyMs of [12, 60]) {
    t.test(`5 s after 2 → 6 new endpoints have their share at 500/s (${balancer}, ${latencyMs} ms)`, async (t) =>
      scaleUp(t, balancer, latencyMs),
    );
  }
}

/** A pool with so many idle connections at its first endpoint. */
async function warmed(t: Test, count: number, policy = policyWith()) {
  const origins = await silentOrigins(t, 3);
  const context = poolContext();
  const pool = testPool(t, context, policy);
  const [first, ...others] = origins;
  if (first === undefined) throw new Error('none');
  pool.add(endpointAt(first.port));
  pool.settle();
  const requests = Array.from({ length: count }, (_, index) => new TestRequest(`/${index}`));
  for (const request of requests) pool.acquire(request);
  await until(() => first.requests.length === count);
  const answer = async (): Promise<void> => {
    for (const { connection } of first.requests) connection.write(ok('x'));
    await until(() => requests.every(({ ended }) => ended === 1));
  };
  const second = async (): Promise<void> => {
    await until(() => pool.totals().connecting === 0);
    context.clock.advance(1000);
    pool.tick(context.clock.now());
    await until(() => pool.totals().connecting === 0);
  };
  const open = (): number[] => pool.endpoints.map((endpoint) => endpoint.open.size);
  return { origins, first, others, context, pool, answer, second, open };
}

t.test(
  'connections to new endpoints are opened ahead: no request waits for a handshake, and capacity does not dip',
  async (t) => {
    const { others, context, pool, answer, second, open } = await warmed(t, 9);
    await answer();
    const [two, three] = others;
    if (two === undefined || three === undefined) throw new Error('none');
    pool.add(endpointAt(two.port));
    pool.add(endpointAt(three.port));
    pool.settle();
    const early = new TestRequest('/early');
    t.ok(pool.acquire(early), 'a new endpoint has its first request when its first connection stands');
    t.equal(early.endpoint?.spec.id, pool.endpoints[0]?.spec.id);
    early.cancel();
    await until(() => pool.totals().connecting === 0);
    t.same(open(), [8, 3, 3]);
    for (let request = 0; request < 6; request++) {
      const each = new TestRequest('/x');
      t.ok(pool.acquire(each), 'every endpoint has an idle connection');
    }
    t.equal(pool.totals().active, 6);
    await until(() => two.requests.length === 2);
    const shares: number[][] = [];
    let least = 14;
    for (let step = 0; step < 5; step++) {
      await second();
      shares.push(open());
      least = Math.min(least, pool.totals().idle + pool.totals().active);
    }
    t.ok(least >= 9, 'never below what the peak needed');
    t.same(shares.at(-1), [3, 3, 3]);
    t.ok((shares[0]?.[0] ?? 0) > 3, 'old ones go one after the other');
    t.match(
      context.seen.findLast(({ type }) => type === 'connection_closed'),
      { reason: 'rebalance' },
    );
  },
);

t.test('a connection in use is never taken from its exchange', async (t) => {
  const { others, context, pool, second, open } = await warmed(t, 6);
  for (const other of others) pool.add(endpointAt(other.port));
  pool.settle();
  for (let step = 0; step < 6; step++) await second();
  t.same(open(), [6, 2, 2], 'all of the old endpoint’s are busy');
  t.same(
    context.seen.filter(({ type }) => type === 'connection_closed'),
    [],
  );
});

t.test('the even spread stays for as long as the peak is remembered', async (t) => {
  const { others, pool, answer, second, open } = await warmed(t, 4);
  await answer();
  for (const other of others) pool.add(endpointAt(other.port));
  pool.settle();
  for (let step = 0; step < 25; step++) await second();
  t.same(open(), [2, 2, 2], 'six for a peak of four');
  for (let step = 0; step < 45; step++) await second();
  t.same(open().reduce((sum, count) => sum + count, 0) < 6, true, 'then the sweep has its way');
});

t.test('at pool.maxConnections one idle connection goes for each that is opened', async (t) => {
  const { others, pool, answer, second, open } = await warmed(t, 6, policyWith({ pool: { maxConnections: 6 } }));
  await answer();
  for (const other of others) pool.add(endpointAt(other.port));
  pool.settle();
  t.ok(pool.counted <= 6);
  for (let step = 0; step < 5; step++) {
    await second();
    t.ok(pool.counted <= 6);
  }
  t.same(open(), [2, 2, 2]);
});

t.test('nothing is opened ahead where no connection is kept, nor for what every batch repeats', async (t) => {
  const origins = await silentOrigins(t, 2);
  for (const enabled of [true, false]) {
    const pool = testPool(t, poolContext(), policyWith({ pool: { enabled } }));
    for (const { port } of origins) {
      pool.add(endpointAt(port));
      pool.settle();
    }
    t.equal(pool.totals().connecting, 0, 'there was no request yet');
    pool.settle();
    t.equal(pool.totals().connecting, 0);
  }
  const { first, pool, answer } = await warmed(t, 3);
  await answer();
  pool.setState(idOf(first), 'unready');
  pool.add(endpointAt(first.port));
  pool.settle();
  t.equal(pool.totals().connecting, 0, 'one that is ready again is not new');
});

t.test('few connections and many new endpoints: not each gets one', async (t) => {
  const { pool, answer } = await warmed(t, 2);
  await answer();
  for (let index = 0; index < 50; index++) pool.add({ ...endpointAt(1), id: `new${index}` });
  pool.settle();
  t.equal(pool.totals().connecting, 4);
  await until(() => pool.totals().connecting === 0);
});

t.test('nothing is retired for connections that do not stand yet', async (t) => {
  const silent = await silentPort(t);
  const policy = policyWith({ timeouts: { connectAttemptMs: 60_000, connectMs: 60_000 } });
  const { context, pool, answer } = await warmed(t, 4, policy);
  await answer();
  pool.add(endpointAt(silent));
  pool.settle();
  t.equal(pool.totals().connecting, 2);
  for (let step = 0; step < 6; step++) {
    context.clock.advance(1000);
    pool.tick(context.clock.now());
    t.equal(pool.totals().idle, 4);
  }
});

t.test('a new endpoint that cannot be reached costs no request a try', async (t) => {
  const { first, context, pool, answer, second } = await warmed(t, 2);
  await answer();
  const dead = await refusingPort();
  pool.add(endpointAt(dead));
  pool.settle();
  await until(() => pool.totals().connecting === 0);
  t.equal(pool.stats()[1]?.state, 'ejected');
  for (let index = 0; index < 6; index++) {
    const request = new TestRequest('/x');
    t.ok(pool.acquire(request));
    t.equal(request.endpoint?.spec.port, first.port);
    await until(() => first.requests.length === 3 + index);
    first.requests.at(-1)?.connection.write(ok('x'));
    await until(() => request.ended === 1);
    await second();
  }
  t.ok(context.seen.filter(({ type }) => type === 'connect_failed').length >= 2, 'it is tried in the background');
});
