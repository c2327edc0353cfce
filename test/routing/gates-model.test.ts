import fc from 'fast-check';
import t from 'tap';
import type { DestinationPolicy } from '../../src/config/types.ts';
import type { UpstreamLease } from '../../src/connection/upstream.ts';
import { CarpoolError } from '../../src/errors.ts';
import { DestinationObserver } from '../../src/observer.ts';
import type { EndpointPool } from '../../src/pool/endpoint-pool.ts';
import type { LeaseWaiter } from '../../src/pool/lease.ts';
import { Gate } from '../../src/routing/gates.ts';
import { TrialRequest } from '../../src/routing/trial-request.ts';
import { loneEndpoint, policyWith } from '../pool/pool-fixture.ts';
import { TestClock } from '../test-clock.ts';

/**
 * A gate before a pool that is played: what enters waits there until the command `serve` gives it a connection. Any
 * sequence of what may happen to the two.
 */
type Command =
  | { readonly do: 'arrive'; readonly again: boolean }
  | { readonly do: 'withdraw' | 'outcome'; readonly which: number; readonly how: 'failed' | 'answered' | 'left' }
  | { readonly do: 'serve' | 'give-up'; readonly count: number }
  | { readonly do: 'pause' | 'resume' | 'destroy' }
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'reload'; readonly policy: Settings };

type Settings = {
  readonly rate: number;
  readonly burst: number;
  readonly queues: boolean;
  readonly maxWaitMs: number;
  readonly maxPending: number;
  readonly pauseTimeoutMs: number;
  readonly failures: number | null;
};

const settings: fc.Arbitrary<Settings> = fc.record({
  rate: fc.constantFrom(0, 0, 6, 60, 600),
  burst: fc.constantFrom(1, 1, 3),
  queues: fc.boolean(),
  maxWaitMs: fc.constantFrom(0, 2500, 30_000),
  maxPending: fc.constantFrom(1, 3, 100),
  pauseTimeoutMs: fc.constantFrom(0, 2000, 60_000),
  failures: fc.constantFrom(null, null, 2),
});

const commands: fc.Arbitrary<Command[]> = fc.array(
  fc.oneof(
    { weight: 10, arbitrary: fc.record({ do: fc.constant('arrive' as const), again: fc.nat(9).map((n) => n === 0) }) },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constantFrom('withdraw' as const, 'outcome' as const, 'outcome' as const),
        which: fc.nat(9),
        how: fc.constantFrom('failed' as const, 'failed' as const, 'answered' as const, 'left' as const),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constantFrom('serve' as const, 'serve' as const, 'give-up' as const),
        count: fc.integer({ min: 1, max: 4 }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('pause' as const, 'resume' as const) }) },
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('advance' as const),
        ms: fc.constantFrom(1, 100, 999, 1000, 2500, 61_000),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('reload' as const), policy: settings }) },
  ),
  { minLength: 10, maxLength: 80 },
);

function policyOf(from: Settings): DestinationPolicy {
  const policy = policyWith({
    pool: { maxPending: from.maxPending, pauseTimeoutMs: from.pauseTimeoutMs },
    breaker: { destinationFailures: from.failures, recoveryMs: 5000 },
  });
  const exceeded = from.queues ? 'queue' : 'refuse';
  const rateLimit = { requestsPerMinute: from.rate, burst: from.burst, exceeded, maxWaitMs: from.maxWaitMs } as const;
  return { ...policy, rateLimit };
}

class Request implements LeaseWaiter {
  readonly unsafe = false;
  readonly fresh = false;
  readonly sticky = -1;
  readonly need = 'as_http1';
  readonly tunnel = false;
  readonly number: number;
  readonly again: boolean;
  error: CarpoolError | null = null;
  withdrawn = false;
  served = false;
  settled = false;
  sentAt = 0;

  constructor(number: number, again: boolean) {
    this.number = number;
    this.again = again;
  }

  #once(): void {
    if (this.done) throw new Error(`request ${this.number} was answered twice`);
  }

  get done(): boolean {
    return this.served || this.withdrawn || this.error !== null;
  }

  leased(): void {
    this.#once();
    this.served = true;
  }

  tunnelReady(): void {
    throw new Error('no tunnel');
  }

  acquireFailed(error: CarpoolError): void {
    this.#once();
    this.error = error;
  }
}

class World {
  readonly clock = new TestClock();
  readonly gate: Gate;
  readonly requests: Request[] = [];
  /** In the pool, without a connection. */
  inside: { readonly waiter: LeaseWaiter; readonly tried: readonly EndpointPool[] }[] = [];
  /** First attempts, in the order in which they passed the gate; each once. */
  readonly order: number[] = [];
  readonly #passed = new Set<number>();
  readonly #tried = [loneEndpoint(this.clock)];
  settings: Settings;
  paused = false;
  /** Tokens that there can have been since the rate limit is on. */
  #tokens: number;
  #taken = 0;
  #at: number;

  constructor(first: Settings) {
    this.settings = first;
    this.#tokens = first.burst;
    this.#at = this.clock.now();
    const inside = (): number => this.inside.length;
    this.gate = new Gate(
      {
        name: 'orders.shop:8080',
        observer: new DestinationObserver('orders'),
        get waitingInside() {
          return inside();
        },
        enter: (waiter, tried) => this.#enter(waiter, tried),
        gateEmptied: () => {},
      },
      policyOf(first),
      this.clock,
      { emit: () => {} },
    );
  }

  #enter(waiter: LeaseWaiter, tried: readonly EndpointPool[]): boolean {
    if (this.paused) throw new Error('it is paused, and a request passes');
    if (this.inside.length >= 20) throw new CarpoolError('POOL_PENDING_FULL', 'full');
    this.inside.push({ waiter, tried });
    return false;
  }

  /** What passed the gate in this command, by the requests behind who stands inside. */
  look(): void {
    const now = this.clock.now();
    this.#tokens += ((now - this.#at) * this.settings.rate) / 60_000;
    this.#at = now;
    for (const { waiter, tried } of this.inside) {
      const request = this.requestOf(waiter);
      if (this.#passed.has(request.number)) continue;
      this.#passed.add(request.number);
      request.sentAt = now;
      if (tried.length > 0) continue;
      this.order.push(request.number);
      this.#taken++;
    }
    if (this.settings.rate > 0 && this.#taken > this.#tokens + 1e-3)
      throw new Error(`${this.#taken} passed, and there were ${this.#tokens} tokens`);
  }

  requestOf(waiter: LeaseWaiter): Request {
    const request = waiter instanceof TrialRequest ? waiter.behind : waiter;
    if (!(request instanceof Request)) throw new Error('who is that?');
    return request;
  }

  arrive(again: boolean): void {
    const request = new Request(this.requests.length, again);
    this.requests.push(request);
    const open = this.gate.breakerStats();
    const waiting = this.gate.waiting + this.inside.length;
    const held = this.gate.waiting;
    try {
      this.gate.acquire(request, again ? this.#tried : []);
    } catch (error) {
      if (!(error instanceof CarpoolError)) throw error;
      request.error = error;
    }
    if (this.paused) return;
    if (open.state === 'open' && request.error?.code !== 'CIRCUIT_OPEN') throw new Error('it passed an open breaker');
    if (request.error?.code === 'RATE_LIMITED' && again) throw new Error('another attempt was refused');
    if (this.gate.waiting > held && waiting >= this.settings.maxPending) throw new Error('it waits beyond the bound');
  }

  withdraw(request: Request): void {
    const inner = this.gate.withdraw(request);
    request.withdrawn = true;
    if (inner === null) return;
    const before = this.inside.length;
    this.inside = this.inside.filter(({ waiter }) => waiter !== inner);
    if (this.inside.length === before) throw new Error(`request ${request.number} was lost`);
  }

  pause(): void {
    if (this.paused) return;
    this.paused = true;
    const inside = this.inside;
    this.inside = [];
    this.gate.pause(inside);
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.gate.resume();
  }

  reload(next: Settings): void {
    this.look();
    if (this.settings.rate === 0 && next.rate > 0) {
      this.#tokens = next.burst;
      this.#taken = 0;
    } else this.#tokens += Math.max(0, next.burst - this.settings.burst);
    this.settings = next;
    this.gate.configure(policyOf(next));
  }
}

function run(world: World, command: Command): void {
  const live = world.requests.filter(({ done }) => !done);
  switch (command.do) {
    case 'arrive':
      world.arrive(command.again);
      return;
    case 'withdraw': {
      const request = live[command.which % Math.max(1, live.length)];
      if (request !== undefined) world.withdraw(request);
      return;
    }
    case 'serve':
    case 'give-up':
      for (let left = command.count; left > 0; left--) {
        const first = world.inside.shift();
        if (command.do === 'serve') first?.waiter.leased({} as UpstreamLease, loneEndpoint(world.clock));
        else first?.waiter.acquireFailed(new CarpoolError('ACQUIRE_TIMEOUT', 'test'));
      }
      return;
    case 'outcome': {
      const sent = world.requests.filter(({ served, settled }) => served && !settled);
      const request = sent[command.which % Math.max(1, sent.length)];
      if (request === undefined) return;
      request.settled = true;
      const { outcomes } = world.gate;
      if (command.how === 'failed') outcomes?.failed('status 503', request.sentAt, world.clock.now());
      else if (command.how === 'left') outcomes?.left(request.sentAt);
      else {
        outcomes?.answered(request.sentAt);
        outcomes?.completed();
      }
      return;
    }
    case 'pause':
      world.pause();
      return;
    case 'resume':
      world.resume();
      return;
    case 'destroy':
      world.gate.destroy(new CarpoolError('SHUTTING_DOWN', 'test'));
      return;
    case 'advance':
      world.clock.advance(command.ms);
      return;
    case 'reload':
      world.reload(command.policy);
      return;
  }
}

function check(world: World): void {
  world.look();
  const { gate, clock, order } = world;
  const sorted = order.toSorted((a, b) => a - b);
  if (order.join() !== sorted.join()) throw new Error(`they passed in the order ${order.join()}`);
  if (clock.waiting !== (gate.waiting > 0 ? 1 : 0))
    throw new Error(`${clock.waiting} timers for ${gate.waiting} who wait`);
  const open = world.requests.filter(({ done }) => !done).length;
  if (open !== gate.waiting + world.inside.length) throw new Error('somebody waits nowhere, or twice');
}

t.test('whatever happens at a gate, everyone is answered once, in order, within the bounds', async (t) => {
  fc.assert(
    fc.property(settings, commands, (first, steps) => {
      const world = new World(first);
      for (const step of steps) {
        run(world, step);
        check(world);
      }
      // In the end all are let go, and nobody is left.
      world.resume();
      for (let round = 0; round < 200 && world.requests.some(({ done }) => !done); round++) {
        check(world);
        run(world, { do: 'serve', count: 4 });
        world.clock.advance(1000);
      }
      if (world.requests.some(({ done }) => !done)) throw new Error('somebody was left waiting');
      check(world);
    }),
    { numRuns: 400 },
  );
  t.pass();
});

t.test('what waits when the sidecar stops hears so, and no timer is left', async (t) => {
  fc.assert(
    fc.property(settings, commands, (first, steps) => {
      const world = new World(first);
      for (const step of steps) run(world, step);
      run(world, { do: 'destroy' });
      check(world);
      if (world.gate.waiting > 0 || world.clock.waiting > 0) throw new Error('somebody waits still');
    }),
    { numRuns: 100 },
  );
  t.pass();
});
