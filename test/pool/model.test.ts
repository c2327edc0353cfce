import fc from 'fast-check';
import t from 'tap';
import { http2Context } from './fake-http2.ts';
import {
  closeTunnel,
  commands,
  MAX_STREAMS,
  POOL_LIMIT,
  policyOf,
  run,
  TOTAL_LIMIT,
  type World,
} from './model-commands.ts';
import { answeringOrigin, until } from './origins.ts';
import { endpointAt, openOf, refusingPort, seededRandom, testPool } from './pool-fixture.ts';

/** What holds at every moment. */
function check(world: World): void {
  const { context, pools, requests } = world;
  let open = 0;
  let leased = 0;
  for (const [index, pool] of pools.entries()) {
    const most = Math.max(pool.limit.current, world.most[index] ?? 0);
    if (pool.counted > most) throw new Error(`${pool.counted} connections count in a limit of ${most}`);
    world.most[index] = Math.max(pool.limit.current, pool.counted);
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
    const room = pool.counted < pool.limit.current || (pool.totals().idle > 0 && pool.limit.current > 0) || onlyTunnels;
    if (room && roomInAll)
      throw new Error(
        `${pool.pending.limited} wait in vain: ${pool.counted} count here, ${context.capacity.used} in all`,
      );
  }
}

/** What holds when nothing moves, and no share of a fleet's is in play: what is above a limit that was lowered is busy. */
function checkNothingIdleAboveLimits({ pools }: World): void {
  for (const pool of pools) {
    const { idle } = pool.totals();
    if (pool.limit.share === null && pool.counted > pool.limit.current && idle > 0)
      throw new Error(`${idle} of ${pool.counted} are idle above a limit of ${pool.limit.current}`);
  }
}

/** What holds after a quiet time: the warm floor stands, as far as limits, endpoints and servers' idle times let it. */
function checkFloors({ pools, context, ports }: World): void {
  for (const pool of pools) {
    const { minConnections } = pool.policy.pool;
    const floor = Math.min(minConnections === 'auto' ? 0 : minConnections, pool.limit.current);
    const reachable = pool.rotation.candidates.some(
      ({ spec, state, usable, warming }) =>
        state === 'ready' && usable && warming.allows(context.clock.now(), 0) && ports.slice(0, 2).includes(spec.port),
    );
    // What a server closes within moments is not kept.
    const keeps = pool.idleTime.effectiveMs >= 2000;
    if (reachable && keeps && pool.counted < floor && context.capacity.used < TOTAL_LIMIT)
      throw new Error(`${pool.counted} connections are kept where ${floor} are wanted`);
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
    let warm = 0;
    await fc.assert(
      fc.asyncProperty(commands, fc.infiniteStream(fc.boolean()), async (list, hurries) => {
        const answers = seededRandom(hurries.next().value ? 1 : 2);
        const context = http2Context(TOTAL_LIMIT, () => {
          const drawn = answers();
          return drawn < 0.1 ? 'other' : drawn < 0.2 ? 'closed' : 'http2';
        });
        const policy = policyOf(POOL_LIMIT, 0);
        const pools = [testPool(t, context, policy, 'one'), testPool(t, context, policy, 'two')];
        const world: World = {
          context,
          pools,
          origins: origins.map((origin) => ({ ...origin, requests: origin.requests })),
          ports: [...origins.map(({ port }) => port), dead],
          requests: [],
          answered: new Set(origins.flatMap((origin) => origin.requests)),
          most: [POOL_LIMIT, POOL_LIMIT],
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
            checkNothingIdleAboveLimits(world);
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
          for (let second = 0; second < 70; second++) {
            run(world, { do: 'advance', ms: 1000 });
            await rest(world);
          }
          checkFloors(world);
          warm += pools.reduce((sum, pool) => sum + (pool.floor > 0 ? pool.counted : 0), 0);
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
    t.ok(warm > 30, `${warm} were kept warm at the end`);
  },
);
