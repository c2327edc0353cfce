import fc from 'fast-check';
import t from 'tap';
import type { ProtocolNeed } from '../../src/connection/upstream.ts';
import type { DestinationPool } from '../../src/pool/destination-pool.ts';
import type { EndpointState } from '../../src/pool/endpoint-pool.ts';
import { type Http2Context, http2Context } from './fake-http2.ts';
import { type AnsweringOrigin, answeringOrigin, ok, until } from './origins.ts';
import { endpointAt, openOf, policyWith, refusingPort, seededRandom, TestRequest, testPool } from './pool-fixture.ts';

/**
 * Two destinations over the same three origins, one of which is a port where nobody listens, with small limits, and any
 * sequence of what may happen to them, by HTTP/1.1 and by HTTP/2 in one. Real sockets, on which HTTP/2 is played: after
 * each command the world is let come to rest.
 */
type World = {
  readonly context: Http2Context;
  readonly pools: readonly DestinationPool[];
  readonly origins: readonly AnsweringOrigin[];
  readonly ports: readonly number[];
  readonly requests: {
    readonly request: TestRequest;
    readonly pool: DestinationPool;
    refused: boolean;
    withdrawn: boolean;
  }[];
  readonly answered: Set<unknown>;
};

type Command =
  | {
      readonly do: 'acquire';
      readonly pool: number;
      readonly kind: 'safe' | 'unsafe' | 'fresh' | 'tunnel' | 'tried';
      readonly need: ProtocolNeed;
    }
  | { readonly do: 'respond' | 'goaway' | 'break' | 'allow'; readonly which: number; readonly streams: number }
  | { readonly do: 'answer' | 'cut' | 'cancel' | 'withdraw' | 'stray'; readonly which: number }
  | { readonly do: 'closeIdle'; readonly which: number }
  | { readonly do: 'evict'; readonly pool: number; readonly idleOnly: boolean }
  | {
      readonly do: 'endpoint';
      readonly pool: number;
      readonly endpoint: number;
      readonly state: EndpointState;
      readonly settle: boolean;
    }
  | { readonly do: 'advance'; readonly ms: number };

const POOL_LIMIT = 2;
const MAX_STREAMS = 3;
const TOTAL_LIMIT = 3;

const commands: fc.Arbitrary<Command[]> = fc.array(
  fc.oneof(
    {
      weight: 10,
      arbitrary: fc.record({
        do: fc.constant('acquire' as const),
        pool: fc.nat(1),
        kind: fc.constantFrom('safe', 'safe', 'unsafe', 'fresh', 'tunnel', 'tried'),
        need: fc.constantFrom('as_http1', 'as_http1', 'as_http2', 'as_http2', 'as_http2', 'http1', 'http2'),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constantFrom(
          'respond' as const,
          'respond' as const,
          'goaway' as const,
          'break' as const,
          'allow' as const,
        ),
        which: fc.nat(9),
        streams: fc.nat(3),
      }),
    },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('answer' as const), which: fc.nat(9) }) },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constantFrom('cut' as const, 'cancel' as const, 'withdraw' as const, 'stray' as const),
        which: fc.nat(9),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('closeIdle' as const), which: fc.nat(9) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('evict' as const), pool: fc.nat(1), idleOnly: fc.boolean() }) },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('endpoint' as const),
        pool: fc.nat(1),
        endpoint: fc.nat(2),
        state: fc.constantFrom(
          'ready' as const,
          'ready' as const,
          'suspended' as const,
          'unready' as const,
          'terminating_serving' as const,
          'terminating' as const,
          'removed' as const,
        ),
        settle: fc.boolean(),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.constantFrom(100, 1000, 5000, 61_000) }),
    },
  ),
  { minLength: 15, maxLength: 50 },
);

/** The nth of those there are, or undefined where there is none. */
const nth = <T>(items: readonly T[], index: number): T | undefined => items[index % Math.max(1, items.length)];

/** Ends a tunnel as its user does: the socket goes, and its place is given back once. */
function closeTunnel(request: TestRequest): void {
  request.tunnelSocket?.destroy();
  request.tunnelClosed?.();
  request.tunnelClosed = null;
}

function run(world: World, command: Command): void {
  const { pools, requests, origins, context } = world;
  switch (command.do) {
    case 'acquire': {
      const pool = nth(pools, command.pool);
      if (pool === undefined) return;
      const { kind } = command;
      const request = new TestRequest(`/${requests.length}`, {
        unsafe: kind === 'unsafe' || kind === 'tunnel',
        fresh: kind === 'fresh' || kind === 'tunnel',
        tunnel: kind === 'tunnel',
        need: command.need,
      });
      const entry = { request, pool, refused: false, withdrawn: false };
      requests.push(entry);
      try {
        pool.acquire(request, kind === 'tried' ? pool.endpoints.slice(0, 1) : []);
      } catch {
        entry.refused = true;
      }
      return;
    }
    case 'answer':
    case 'stray':
    case 'cut': {
      const open = origins
        .flatMap((origin) => origin.requests)
        .filter((seen) => !world.answered.has(seen) && !seen.connection.ended);
      const seen = nth(open, command.which);
      if (seen === undefined) return;
      world.answered.add(seen);
      // Node cannot reset what it is just ending, and would never close it.
      if (command.do === 'cut' && seen.connection.socket.writableEnded) seen.connection.socket.destroy();
      else if (command.do === 'cut') seen.connection.socket.resetAndDestroy();
      else seen.connection.write(command.do === 'stray' ? ok('x') + ok('stray') : ok('x'));
      return;
    }
    case 'cancel': {
      const entry = nth(
        requests.filter(({ request }) => request.lease !== null || request.tunnelClosed !== null),
        command.which,
      );
      entry?.request.cancel();
      if (entry !== undefined) closeTunnel(entry.request);
      return;
    }
    case 'withdraw': {
      const entry = nth(
        requests.filter(({ request, refused, withdrawn }) => request.waiting && !refused && !withdrawn),
        command.which,
      );
      if (entry !== undefined) entry.withdrawn = entry.pool.withdraw(entry.request);
      return;
    }
    case 'closeIdle': {
      const idle = origins.flatMap((origin) => origin.connections).filter(({ ended }) => !ended);
      nth(idle, command.which)?.socket.end();
      return;
    }
    case 'respond':
    case 'goaway':
    case 'break':
    case 'allow': {
      const open = context.opened.filter(({ state, unproven }) => state !== 'closed' && !unproven);
      const connection = nth(open, command.which);
      if (connection === undefined) return;
      if (command.do === 'goaway') connection.goaway();
      else if (command.do === 'break') connection.break(command.streams === 3);
      else if (command.do === 'allow') connection.limit(command.streams);
      else if (connection.streams.length > 0) connection.respond(command.streams % connection.streams.length);
      return;
    }
    case 'evict':
      nth(pools, command.pool)?.evict('admin', command.idleOnly);
      return;
    case 'endpoint': {
      const endpoint = endpointAt(world.ports[command.endpoint] ?? 0);
      const pool = nth(pools, command.pool);
      if (command.state === 'ready') pool?.add(endpoint);
      else pool?.setState(endpoint.id, command.state);
      if (command.settle) pool?.settle();
      return;
    }
    case 'advance': {
      // The ticker's part: once a second.
      for (let left = command.ms; left > 0; left -= 1000) {
        context.clock.advance(Math.min(left, 1000));
        for (const pool of pools) pool.tick(context.clock.now());
      }
    }
  }
}

/** What holds at every moment. */
function check(world: World): void {
  const { context, pools, requests } = world;
  let open = 0;
  let leased = 0;
  for (const pool of pools) {
    if (pool.counted > POOL_LIMIT) throw new Error(`${pool.counted} connections count in a limit of ${POOL_LIMIT}`);
    open += openOf(pool);
    for (const endpoint of pool.allEndpoints) {
      const { busy, draining, dialing, idle, shared, exchanges, riders } = endpoint;
      const dials = Math.min(dialing, endpoint.dialingTunnels, endpoint.dialingHttp2);
      if (Math.min(busy, draining, exchanges, riders, dials) < 0) throw new Error('a count went below zero');
      if (dialing === 0 && riders > 0) throw new Error(`${riders} ride on nothing`);
      for (const connection of endpoint.open) {
        if (connection.leases > 0 !== (connection.state === 'active' || connection.state === 'draining'))
          throw new Error(`${connection.leases} leases on a connection that is ${connection.state}`);
        if (connection.leases > MAX_STREAMS) throw new Error(`${connection.leases} leases on one connection`);
      }
      const roomy = [...endpoint.open].filter(({ state, room }) => state === 'active' && room > 0);
      if (roomy.some((connection) => !shared.includes(connection)) || new Set(shared).size !== shared.length)
        throw new Error('a connection that has room is not shared');
      if (shared.some(({ state }) => state !== 'active')) throw new Error('a shared connection is not active');
      if (shared.some(({ id }, at) => id < (shared[at - 1]?.id ?? 0))) throw new Error('a younger one goes first');
      if (idle.some((connection) => connection.state !== 'idle') || new Set(idle).size !== idle.length) {
        throw new Error('an idle connection is not idle');
      }
      if (busy + idle.length !== endpoint.open.size)
        throw new Error(`${busy} + ${idle.length} of ${endpoint.open.size} connections`);
      leased += exchanges;
    }
  }
  const tunnels = requests.filter(({ request }) => request.tunnelClosed !== null).length;
  if (context.capacity.used !== open + tunnels)
    throw new Error(`capacity ${context.capacity.used}, but ${open} open and ${tunnels} tunnels`);
  if (context.capacity.used > TOTAL_LIMIT) throw new Error(`${context.capacity.used} of ${TOTAL_LIMIT} in all`);
  const holding = requests.filter(({ request }) => request.lease !== null).length;
  if (holding !== leased) throw new Error(`${holding} requests hold ${leased} leases`);
  let waiting = 0;
  for (const { request, refused, withdrawn } of requests) {
    if (request.told > 1 || request.ended > 1)
      throw new Error(`${request.path} was told ${request.told} times, ended ${request.ended} times`);
    if ((refused || withdrawn) && request.told > 0) throw new Error(`${request.path} was told after it had left`);
    if (request.waiting && !refused && !withdrawn) waiting++;
    if (request.lease !== null && request.overHttp2 && request.need === 'http1')
      throw new Error(`${request.path} must have HTTP/1.1`);
  }
  const queued = pools.reduce((sum, pool) => sum + pool.pending.size, 0);
  if (queued !== waiting) throw new Error(`${queued} in the queues, but ${waiting} wait`);
}

/** What holds when nothing moves: nobody waits while there is room, or while an idle connection could make room. */
function checkNobodyWaitsInVain({ pools, context }: World): void {
  const idleAnywhere = pools.some((pool) => pool.totals().idle > 0);
  const roomInAll = context.capacity.used < TOTAL_LIMIT || idleAnywhere;
  for (const pool of pools) {
    if (pool.pending.limited === 0 || pool.rotation.candidates.length === 0) continue;
    const limited = pool.pending.all().filter(({ dials }) => dials.size === 0);
    for (const entry of limited) {
      const { need, tunnel } = entry.waiter;
      const shared = pool.rotation.candidates.find(
        (endpoint) =>
          pool.mayServe(entry, endpoint) &&
          endpoint.shared.some(({ room, spoken }) => room > 0 && endpoint.fits(spoken, need)),
      );
      if (shared !== undefined && !tunnel) throw new Error(`${need} waits beside a connection that has room for it`);
    }
    // Where a peer allows no stream for now, it is waited for.
    if (limited.some(({ waiter }) => pool.endpoints.some((each) => each.held(each.spokenFor(waiter.need))))) continue;
    const onlyTunnels = pool.pending.all().every(({ waiter }) => waiter.tunnel);
    const room = pool.counted < POOL_LIMIT || pool.totals().idle > 0 || onlyTunnels;
    if (room && roomInAll)
      throw new Error(
        `${pool.pending.limited} wait in vain: ${pool.counted} count here, ${context.capacity.used} in all`,
      );
  }
}

/** Lets sockets do what they have to do: no connect is under way, and all that was sent has been read. */
async function rest(world: World): Promise<void> {
  await until(() => world.pools.every((pool) => pool.totals().connecting === 0));
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  await until(() => world.pools.every((pool) => pool.totals().connecting === 0));
}

t.test(
  'a model of the pool: limits hold, every request is answered once, every lease is given back once, nothing is left',
  async (t) => {
    const origins = [await answeringOrigin(t, () => null), await answeringOrigin(t, () => null)];
    const dead = await refusingPort();
    let served = 0;
    let waited = 0;
    let shared = 0;
    await fc.assert(
      fc.asyncProperty(commands, fc.infiniteStream(fc.boolean()), async (list, hurries) => {
        const answers = seededRandom(hurries.next().value ? 1 : 2);
        const context = http2Context(TOTAL_LIMIT, () => {
          const drawn = answers();
          return drawn < 0.1 ? 'other' : drawn < 0.2 ? 'closed' : 'http2';
        });
        const policy = policyWith({
          pool: { maxConnections: POOL_LIMIT, maxPending: 4, maxIdle: 2, maxRequests: 5, maxStreams: MAX_STREAMS },
          balancer: 'p2c',
          graceMs: 30_000,
        });
        const pools = [testPool(t, context, policy, 'one'), testPool(t, context, policy, 'two')];
        const world: World = {
          context,
          pools,
          origins: origins.map((origin) => ({ ...origin, requests: origin.requests })),
          ports: [...origins.map(({ port }) => port), dead],
          requests: [],
          answered: new Set(origins.flatMap((origin) => origin.requests)),
        };
        for (const pool of pools) {
          for (const port of world.ports.slice(0, 2)) pool.add(endpointAt(port));
          pool.settle();
        }
        try {
          for (const command of list) {
            run(world, command);
            check(world);
            // Now and then the next command comes while connects are under way.
            if (hurries.next().value) continue;
            await rest(world);
            check(world);
            checkNobodyWaitsInVain(world);
          }
          await rest(world);
          served += world.requests.filter(({ request }) => request.endpoint !== null).length;
          for (const { most } of context.opened) if (most > 1) shared += most;
          waited += pools.reduce((sum, pool) => sum + pool.pending.limited, 0);
          // The end: everybody lets go, time passes, and nothing is left.
          for (const { request } of world.requests) {
            request.cancel();
            closeTunnel(request);
          }
          for (let round = 0; round < 20; round++) {
            run(world, { do: 'advance', ms: 11_000 });
            await rest(world);
            check(world);
            for (const { request } of world.requests) {
              request.cancel();
              closeTunnel(request);
            }
          }
          for (const { request, refused, withdrawn } of world.requests) {
            if (request.told !== (refused || withdrawn ? 0 : 1))
              throw new Error(`${request.path} was told ${request.told} times at the end`);
          }
          for (const pool of pools) pool.close();
          await rest(world);
          check(world);
          if (context.capacity.used !== 0) throw new Error(`${context.capacity.used} places are left taken`);
          if (context.clock.waiting !== 0) throw new Error(`${context.clock.waiting} timers are left`);
        } finally {
          for (const pool of pools) pool.destroy();
        }
      }),
      { numRuns: 150, seed: Number(process.env.SEED ?? 20_260), endOnFailure: false },
    );
    t.ok(served > 500 && waited > 100, `${served} were served, and ${waited} waited at the end of a run`);
    t.ok(shared > 100, `${shared} shared a connection with others`);
  },
);
