import type { Clock } from '../clock.ts';
import type { DestinationPolicy, WeightedTarget } from '../config/types.ts';
import { TlsIdentity } from '../connection/tls-identity.ts';
import type { Discovery, EndpointSink, EndpointSpec, EndpointSubscription } from '../discovery/discovery.ts';
import { addressPort, isIpLiteral } from '../discovery/ip-address.ts';
import { HeaderSource } from '../egress/header-source.ts';
import { CarpoolError } from '../errors.ts';
import type { DestinationObserver, EventSink } from '../observer.ts';
import { DestinationPool } from '../pool/destination-pool.ts';
import type { EndpointPool } from '../pool/endpoint-pool.ts';
import type { Balancer, LeaseWaiter, PoolContext } from '../pool/lease.ts';
import type { DestinationStats, DestinationSummary } from '../pool/stats.ts';
import type { Head } from '../protocol/head.ts';
import { balancerOf, sameBalancer } from './balancers.ts';
import { byTarget } from './by-target.ts';
import { type AddressCheck, type DestinationIdentity, trustIn } from './destination-identity.ts';
import { FirstAnswer } from './first-answer.ts';
import { asCarpoolError, BREAKER_OFF, Gate } from './gates.ts';
import { RetryBudget } from './retry-budget.ts';
import { RetryRules } from './retry-rules.ts';
import { StickyKeyReader } from './sticky-key.ts';
import { WeightedTargets } from './weighted-targets.ts';

/**
 * `resolving`: no answer yet, requests wait. `ready`: discovery has answered, with endpoints or none. `failing`: no
 * endpoint is known and discovery gave an error, which requests get.
 */
type State =
  | { readonly state: 'resolving' }
  | { readonly state: 'ready' }
  | { readonly state: 'failing'; readonly error: CarpoolError };

/** A destination: policy, endpoints as discovery tells them, and the pool of connections to them. */
export class Destination implements EndpointSink {
  readonly identity: DestinationIdentity;
  readonly name: string;
  readonly observer: DestinationObserver;
  readonly pool: DestinationPool;
  /** Shared by all its requests. */
  readonly retryBudget = new RetryBudget();
  #retryRules: RetryRules;
  /** When a request named it last (monotonic ms). */
  usedAt: number;
  #policy: DestinationPolicy;
  #state: State = { state: 'resolving' };
  readonly #first: FirstAnswer;
  /** What requests pass before they look for a connection; null: nothing. */
  #gate: Gate | null = null;
  #denied: CarpoolError | null = null;
  #subscription: EndpointSubscription | null = null;
  #closed = false;
  readonly #allowed: AddressCheck;
  /** Where its requests go instead, or null. */
  readonly #targets: WeightedTargets | null;
  #headers: HeaderSource | null;
  #stickyKey: StickyKeyReader | null;
  readonly #podAddress: string | null;
  readonly #events: EventSink;
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
    this.#retryRules = new RetryRules(policy);
    this.#allowed = allowed;
    this.#clock = context.clock;
    this.#random = context.random;
    this.usedAt = context.clock.now();
    this.#first = new FirstAnswer(this.name, context.clock);
    this.#events = context.events;
    this.#headers = HeaderSource.of(this.name, policy.headers, context.clock, context.events);
    this.#podAddress = context.podAddress ?? null;
    this.#stickyKey = StickyKeyReader.of(policy, this.#podAddress);
    const owner = { name: this.name, events: context.events };
    const { vanished } = policy;
    this.#targets = (identity.to ?? null) === null ? null : new WeightedTargets(this, { vanished }, owner);
    this.pool = new DestinationPool(
      this.name,
      policy,
      this.#byTarget(() => this.#balancer(policy)),
      observer,
      context,
      identity.secure ? new TlsIdentity(this.name, identity.host, policy.tls, context.clock, context.events) : null,
    );
    if (Gate.wanted(policy)) this.#openGate();
  }

  get policy(): DestinationPolicy {
    return this.#policy;
  }

  /** What its requests gain and lose in fields; null: nothing. */
  get headers(): HeaderSource | null {
    return this.#headers;
  }

  /** What of the policy says when a request is sent again. */
  get retryRules(): RetryRules {
    return this.#retryRules;
  }

  /** What a request has in common with others that go to the same endpoint; -1: nothing, or the balancer does not ask. */
  stickyKey(head: Head): number {
    return this.#stickyKey === null ? -1 : this.#stickyKey.keyOf(head);
  }

  /** The same for a tunnel, of which no head is read. */
  get tunnelKey(): number {
    return this.#stickyKey === null ? -1 : this.#stickyKey.addressKey;
  }

  #balancer(policy: DestinationPolicy): Balancer {
    return balancerOf(policy, this.#random);
  }

  /** Begins to listen to discovery. Once, right after construction. */
  start(discovery: Discovery): void {
    if (this.#targets !== null) {
      this.#subscription = this.#targets;
      this.#targets.start(discovery, this.identity.to ?? []);
      return;
    }
    this.#subscription = discovery.subscribe(this.identity.host, this.identity.port, this, {
      vanished: this.#policy.vanished,
      endpoints: this.identity.endpoints,
    });
  }

  /**
   * As `DestinationPool.acquire`, for a request that has passed the gate; one that comes before the first answer of
   * discovery waits for it. With endpoints in `tried` it is another attempt of a request that has passed before.
   */
  acquire(waiter: LeaseWaiter, tried: readonly EndpointPool[]): boolean {
    return this.#gate === null ? this.#enter(waiter, tried) : this.#gate.acquire(waiter, tried);
  }

  #enter(waiter: LeaseWaiter, tried: readonly EndpointPool[]): boolean {
    const state = this.#state;
    if (state.state === 'ready') return this.pool.acquire(waiter, tried);
    if (state.state === 'failing') {
      this.#subscription?.refresh();
      throw state.error;
    }
    this.#first.add(waiter, this.#policy);
    return false;
  }

  withdraw(waiter: LeaseWaiter): void {
    const inside = this.#gate === null ? waiter : this.#gate.withdraw(waiter);
    if (inside !== null && !this.#first.remove(inside)) this.pool.withdraw(inside);
  }

  #openGate(): Gate {
    const { name, observer } = this;
    const first = this.#first;
    const { pending } = this.pool;
    const gate = new Gate(
      {
        name,
        observer,
        get waitingInside() {
          return first.size + pending.limited;
        },
        enter: (waiter, tried) => this.#enter(waiter, tried),
        gateEmptied: () => this.#gateEmptied(),
      },
      this.#policy,
      this.#clock,
      this.#events,
    );
    this.#gate = gate;
    this.pool.evidence.outcomes = gate.outcomes;
    return gate;
  }

  #gateEmptied(): void {
    if (this.#gate?.needed === false) this.#gate = null;
    this.#unsubscribeIfDone();
  }

  // --- EndpointSink

  add(endpoint: EndpointSpec): void {
    const { address, otherAddress, ...rest } = endpoint;
    const addresses = (otherAddress === undefined ? [address] : [address, otherAddress]).filter((each) => {
      const denied =
        this.#allowed(each, endpoint.port, trustIn(endpoint, this.identity)) ?? this.#deniedToProxy(endpoint);
      if (denied !== null) this.#denied = denied;
      return denied === null;
    });
    const [first, second] = addresses;
    if (first !== undefined)
      this.pool.add({ ...rest, address: first, ...(second === undefined ? {} : { otherAddress: second }) });
  }

  /** An address that the app names is none that a parent proxy may be asked for either. */
  #deniedToProxy({ proxied, target }: EndpointSpec): CarpoolError | null {
    if (proxied === undefined || !isIpLiteral(proxied.host)) return null;
    return this.#allowed(proxied.host, proxied.port, target === undefined ? 'found' : 'written');
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
    for (let waiter = this.#first.shift(); waiter !== null; waiter = this.#first.shift()) {
      try {
        if (failure !== null) waiter.acquireFailed(failure);
        else this.pool.acquire(waiter);
      } catch (thrown) {
        waiter.acquireFailed(asCarpoolError(thrown));
      }
    }
    this.#unsubscribeIfDone();
  }

  // --- steering

  get paused(): boolean {
    return this.#gate?.paused === true;
  }

  /**
   * Requests wait until `resume`, those too that wait for a connection already: connects that are under way for them go on
   * for the pool. What has a connection finishes.
   * @returns whether it was not paused before
   */
  pause(): boolean {
    if (this.paused) return false;
    // Before the others are taken out: while somebody waits it goes on listening to discovery.
    const gate = this.#gate ?? this.#openGate();
    const inside: { waiter: LeaseWaiter; tried: readonly EndpointPool[] }[] = [];
    for (let waiter = this.#first.shift(); waiter !== null; waiter = this.#first.shift())
      inside.push({ waiter, tried: [] });
    for (const { waiter, tried } of this.pool.pending.all())
      if (this.pool.withdraw(waiter)) inside.push({ waiter, tried });
    gate.pause(inside);
    this.pool.resting = true;
    this.#events.emit({ type: 'destination_paused', destination: this.name });
    return true;
  }

  /** Those who wait go on, in their order. @returns whether it was paused */
  resume(): boolean {
    if (this.#gate === null || !this.paused) return false;
    this.#events.emit({ type: 'destination_resumed', destination: this.name });
    this.pool.resting = false;
    this.#gate.resume();
    return true;
  }

  /** Replaces all its connections: each retires when its exchanges have ended. @returns how many */
  reconnect(): number {
    const connections = this.pool.evict('admin', false);
    this.#events.emit({ type: 'destination_reconnected', destination: this.name, connections });
    return connections;
  }

  // --- upkeep

  setPolicy(policy: DestinationPolicy): void {
    const balancerStays = sameBalancer(policy, this.#policy);
    this.#policy = policy;
    this.#stickyKey = StickyKeyReader.of(policy, this.#podAddress);
    this.#retryRules = new RetryRules(policy);
    this.#headers = HeaderSource.of(this.name, policy.headers, this.#clock, this.#events, this.#headers);
    this.pool.setPolicy(policy, balancerStays ? null : this.#byTarget(() => this.#balancer(policy)));
    if (this.#gate !== null) this.#gate.configure(policy);
    else if (Gate.wanted(policy)) this.#openGate();
    this.pool.evidence.outcomes = this.#gate?.outcomes ?? null;
  }

  /** A reload wrote other endpoints: those that are gone are evicted, the others keep their connections. */
  setEndpoints(endpoints: readonly { readonly address: string; readonly port: number }[]): void {
    const wanted = new Map(endpoints.map(({ address, port }) => [addressPort(address, port), { address, port }]));
    for (const endpoint of this.pool.endpoints) if (!wanted.has(endpoint.spec.id)) this.remove(endpoint.spec.id);
    for (const [id, { address, port }] of wanted) this.add({ id, address, port });
    this.settled(null);
  }

  /** A reload wrote other targets, or other weights. */
  setTargets(targets: readonly WeightedTarget[]): void {
    this.#targets?.set(targets);
  }

  #byTarget(make: () => Balancer): Balancer {
    return this.#targets === null ? make() : byTarget(make, this.#targets.weights);
  }

  /** Asks discovery for a fresh answer: an endpoint did not take a connection. */
  refresh(): void {
    this.#subscription?.refresh();
  }

  /** Whether nothing is going on and nobody has asked for it for `ms`. */
  idleFor(ms: number, now: number): boolean {
    return now - this.usedAt >= ms && this.pending === 0 && this.pool.quiet;
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
    this.#unsubscribeIfDone();
    this.pool.close();
  }

  /** Ends running exchanges too, and what waits. */
  destroy(): void {
    const stopped = new CarpoolError('SHUTTING_DOWN', `${this.name}: the sidecar has stopped`);
    this.#gate?.destroy(stopped);
    for (let waiter = this.#first.shift(); waiter !== null; waiter = this.#first.shift()) waiter.acquireFailed(stopped);
    this.pool.destroy();
    this.close();
  }

  /** Who waits still needs to hear of endpoints. */
  #unsubscribeIfDone(): void {
    if (!this.#closed || this.pending > 0) return;
    this.#subscription?.close();
    this.#subscription = null;
  }

  /** Requests that wait: for discovery's first answer, at the gate, or for a connection. */
  get pending(): number {
    return this.pool.pending.size + this.#first.size + (this.#gate?.waiting ?? 0);
  }

  stats(): DestinationStats {
    return { ...this.summary(), endpoints: this.pool.stats() };
  }

  summary(): DestinationSummary {
    return {
      name: this.name,
      label: this.identity.label,
      configured: this.identity.configured,
      balancer: this.#policy.balancer,
      discovery: this.#subscription?.describe() ?? { source: 'dns', state: 'resolving', error: null, ageMs: null },
      ...this.pool.totals(),
      pending: this.pending,
      maxConnections: this.pool.limit.current,
      limit: this.pool.limit.stats(this.#policy.fleetMaxConnections),
      floor: this.pool.floor,
      paused: this.paused,
      breaker: this.#gate?.breakerStats() ?? BREAKER_OFF,
      signals: this.pool.signals,
    };
  }
}
