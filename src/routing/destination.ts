import type { Clock, Timer } from '../clock.ts';
import type { DestinationPolicy } from '../config/types.ts';
import { TlsIdentity } from '../connection/tls-identity.ts';
import type { Discovery, EndpointSink, EndpointSpec, EndpointSubscription } from '../discovery/discovery.ts';
import { addressPort } from '../discovery/ip-address.ts';
import { CarpoolError } from '../errors.ts';
import type { DestinationObserver } from '../observer.ts';
import { DestinationPool } from '../pool/destination-pool.ts';
import type { EndpointPool } from '../pool/endpoint-pool.ts';
import type { LeaseWaiter, PoolContext } from '../pool/lease.ts';
import type { DestinationStats } from '../pool/stats.ts';
import { makeBalancer } from './balancers.ts';

/** Whether the address of an endpoint may be dialled; null: yes. `written`: it stands in the configuration. */
export type AddressCheck = (address: string, port: number, written: boolean) => CarpoolError | null;

/** What the app named, and what the configuration says of it. */
export type DestinationIdentity = {
  /** Lower case; an IPv6 literal without brackets; a trailing dot is kept, for it says that the name is absolute. */
  readonly host: string;
  readonly port: number;
  /** What it is called in logs, errors and commands. */
  readonly name: string;
  /** Whether carpool opens TLS to it. */
  readonly secure: boolean;
  /** Metric label. */
  readonly label: string;
  readonly configured: boolean;
  /** Which entry of the configuration it goes by, or null. */
  readonly entry: string | null;
  /** Written in the configuration, or null: to be found. */
  readonly endpoints: readonly { readonly address: string; readonly port: number }[] | null;
};

/**
 * `resolving`: no answer yet, requests wait. `ready`: discovery has answered, with endpoints or none. `failing`: no
 * endpoint is known and discovery gave an error, which requests get.
 */
type State =
  | { readonly state: 'resolving'; readonly waiting: Map<LeaseWaiter, Timer> }
  | { readonly state: 'ready' }
  | { readonly state: 'failing'; readonly error: CarpoolError };

/** A destination: policy, endpoints as discovery tells them, and the pool of connections to them. */
export class Destination implements EndpointSink {
  readonly identity: DestinationIdentity;
  readonly name: string;
  readonly observer: DestinationObserver;
  readonly pool: DestinationPool;
  /** When a request named it last (monotonic ms). */
  usedAt: number;
  #policy: DestinationPolicy;
  #state: State = { state: 'resolving', waiting: new Map() };
  #denied: CarpoolError | null = null;
  #subscription: EndpointSubscription | null = null;
  #closed = false;
  readonly #allowed: AddressCheck;
  readonly #clock: Clock;
  readonly #random: () => number;

  constructor(
    identity: DestinationIdentity,
    policy: DestinationPolicy,
    observer: DestinationObserver,
    allowed: AddressCheck,
    context: PoolContext,
  ) {
    this.identity = identity;
    this.name = identity.name;
    this.observer = observer;
    this.#policy = policy;
    this.#allowed = allowed;
    this.#clock = context.clock;
    this.#random = context.random;
    this.usedAt = context.clock.now();
    this.pool = new DestinationPool(
      this.name,
      policy,
      makeBalancer(policy.balancer, context.random, policy.slowStartMs),
      observer,
      context,
      identity.secure ? new TlsIdentity(this.name, identity.host, policy.tls, context.clock, context.events) : null,
    );
  }

  get policy(): DestinationPolicy {
    return this.#policy;
  }

  /** Begins to listen to discovery. Once, right after construction. */
  start(discovery: Discovery): void {
    this.#subscription = discovery.subscribe(this.identity.host, this.identity.port, this, {
      vanished: this.#policy.vanished,
      endpoints: this.identity.endpoints,
    });
  }

  /** As `DestinationPool.acquire`; a request that comes before the first answer of discovery waits for it. */
  acquire(waiter: LeaseWaiter, tried: readonly EndpointPool[]): boolean {
    const state = this.#state;
    if (state.state === 'ready') return this.pool.acquire(waiter, tried);
    if (state.state === 'failing') {
      this.#subscription?.refresh();
      throw state.error;
    }
    if (state.waiting.size >= this.#policy.pool.maxPending) {
      throw new CarpoolError(
        'POOL_PENDING_FULL',
        `${this.name}: ${state.waiting.size} requests wait for its first address`,
      );
    }
    const timer = this.#clock.setTimer(() => {
      state.waiting.delete(waiter);
      waiter.acquireFailed(
        new CarpoolError('DNS_TIMEOUT', `${this.name}: no answer within ${this.#policy.timeouts.connectMs} ms`),
      );
    }, this.#policy.timeouts.connectMs);
    state.waiting.set(waiter, timer);
    return false;
  }

  withdraw(waiter: LeaseWaiter): void {
    if (this.#state.state === 'resolving') {
      const timer = this.#state.waiting.get(waiter);
      timer?.cancel();
      if (this.#state.waiting.delete(waiter)) return;
    }
    this.pool.withdraw(waiter);
  }

  // --- EndpointSink

  add(endpoint: EndpointSpec): void {
    const { address, otherAddress, ...rest } = endpoint;
    const addresses = (otherAddress === undefined ? [address] : [address, otherAddress]).filter((each) => {
      const denied = this.#allowed(each, endpoint.port, this.identity.endpoints !== null);
      if (denied !== null) this.#denied = denied;
      return denied === null;
    });
    const [first, second] = addresses;
    if (first !== undefined)
      this.pool.add({ ...rest, address: first, ...(second === undefined ? {} : { otherAddress: second }) });
  }

  suspend(id: string): void {
    this.pool.setState(id, 'suspended');
  }

  unready(id: string): void {
    this.pool.setState(id, 'unready');
  }

  terminating(id: string, serving: boolean): void {
    this.pool.setState(id, serving ? 'terminating_serving' : 'terminating');
  }

  affinity(key: string | null): void {
    this.pool.setAffinity(key);
  }

  remove(id: string): void {
    this.pool.setState(id, 'removed');
  }

  settled(error: CarpoolError | null): void {
    const before = this.#state;
    const none = this.pool.endpoints.length === 0 ? (this.#denied ?? error) : null;
    // That there is no endpoint may be over in a moment: requests wait for it as they do without an error.
    const failure = none?.code === 'NO_ENDPOINTS' ? null : none;
    this.pool.settle(none?.code === 'NO_ENDPOINTS' ? none : null);
    this.#state = failure === null ? { state: 'ready' } : { state: 'failing', error: failure };
    if (before.state !== 'resolving') return;
    for (const [waiter, timer] of before.waiting) {
      timer.cancel();
      try {
        if (failure !== null) waiter.acquireFailed(failure);
        else this.pool.acquire(waiter);
      } catch (thrown) {
        waiter.acquireFailed(thrown instanceof CarpoolError ? thrown : new CarpoolError('INTERNAL', String(thrown)));
      }
    }
    before.waiting.clear();
    if (this.#closed) this.#unsubscribe();
  }

  // --- steering

  /** New requests wait until `resume`; running ones finish. @returns whether it was not paused before */
  pause(): boolean {
    return false;
  }

  /** @returns whether it was paused */
  resume(): boolean {
    return false;
  }

  /** Replaces all its connections: each retires when its exchanges have ended. @returns how many */
  reconnect(): number {
    return this.pool.evict('admin', false);
  }

  // --- upkeep

  setPolicy(policy: DestinationPolicy): void {
    const { balancer, slowStartMs } = this.#policy;
    const balancerStays = policy.balancer === balancer && policy.slowStartMs === slowStartMs;
    this.#policy = policy;
    this.pool.setPolicy(policy, balancerStays ? null : makeBalancer(policy.balancer, this.#random, policy.slowStartMs));
  }

  /** A reload wrote other endpoints: those that are gone are evicted, the others keep their connections. */
  setEndpoints(endpoints: readonly { readonly address: string; readonly port: number }[]): void {
    const wanted = new Map(endpoints.map(({ address, port }) => [addressPort(address, port), { address, port }]));
    for (const endpoint of this.pool.endpoints) if (!wanted.has(endpoint.spec.id)) this.remove(endpoint.spec.id);
    for (const [id, { address, port }] of wanted) this.add({ id, address, port });
    this.settled(null);
  }

  /** Asks discovery for a fresh answer: an endpoint did not take a connection. */
  refresh(): void {
    this.#subscription?.refresh();
  }

  /** Whether nothing is going on and nobody has asked for it for `ms`. */
  idleFor(ms: number, now: number): boolean {
    if (now - this.usedAt < ms) return false;
    if (this.#state.state === 'resolving' && this.#state.waiting.size > 0) return false;
    return this.pool.quiet;
  }

  /** A destination that only ever failed is not worth keeping for long. */
  get failing(): boolean {
    return this.#state.state === 'failing';
  }

  /** Where all its addresses are refused, as far as they are known: the error. Asks for other ones. */
  get denied(): CarpoolError | null {
    if (this.#state.state !== 'failing' || this.#state.error.code !== 'DESTINATION_DENIED') return null;
    this.#subscription?.refresh();
    return this.#state.error;
  }

  /** Whether it was dropped: whoever remembers it has to ask the router again. */
  get closed(): boolean {
    return this.#closed;
  }

  /** No new request comes: idle connections close, running exchanges finish, and those that wait are still served. */
  close(): void {
    this.#closed = true;
    if (this.#state.state !== 'resolving' || this.#state.waiting.size === 0) this.#unsubscribe();
    this.pool.close();
  }

  #unsubscribe(): void {
    this.#subscription?.close();
    this.#subscription = null;
  }

  stats(): DestinationStats {
    const totals = this.pool.totals();
    const waiting = this.#state.state === 'resolving' ? this.#state.waiting.size : 0;
    return {
      name: this.name,
      label: this.identity.label,
      configured: this.identity.configured,
      balancer: this.#policy.balancer,
      discovery: this.#subscription?.describe() ?? { source: 'dns', state: 'resolving', error: null, ageMs: null },
      ...totals,
      pending: this.pool.pending.size + waiting,
      maxConnections: this.pool.limit.current,
      limit: {
        configured: this.pool.limit.configured,
        scaled: this.pool.limit.scaled,
        share: this.pool.limit.share,
      },
      floor: this.pool.floor,
      paused: false,
      breaker: { state: 'off', failures: 0, triedAgainInMs: 0 },
      signals: [],
      endpoints: this.pool.stats(),
    };
  }
}
