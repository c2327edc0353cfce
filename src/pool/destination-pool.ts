import type { DestinationPolicy } from '../config/types.ts';
import type { Http1Connection } from '../connection/http1-connection.ts';
import type { EndpointSpec } from '../discovery/discovery.ts';
import { CarpoolError } from '../errors.ts';
import type { CloseReason, DestinationObserver } from '../observer.ts';
import { Connecting } from './connecting.ts';
import { type EndpointParent, EndpointPool, type EndpointState } from './endpoint-pool.ts';
import { EndpointEvidence } from './evidence.ts';
import { IdleTime } from './idle-time.ts';
import type { Balancer, LeaseWaiter, PoolContext } from './lease.ts';
import { Pending, PendingQueue } from './pending-queue.ts';
import type { PoolCore } from './pool-core.ts';
import { Rotation } from './rotation.ts';
import type { EndpointStats } from './stats.ts';
import { Sweep } from './sweep.ts';

const NOBODY: readonly EndpointPool[] = [];

/**
 * The connections of one destination: an endpoint pool each, and what they share: the limit, the queue, the idle time.
 *
 * A request gets the idle connection of the endpoint that the balancer picks; else one is opened there; at the limit the
 * oldest idle one of another endpoint makes room; else the request waits and takes the first connection that is freed or
 * opened at any endpoint. A connection that nobody waits for goes idle.
 */
export class DestinationPool implements EndpointParent, PoolCore {
  readonly name: string;
  readonly idleTime: IdleTime;
  readonly rotation: Rotation;
  readonly pending: PendingQueue;
  readonly #endpoints = new Map<string, EndpointPool>();
  /** Endpoints that discovery forgot and that still have connections, or connects under way. */
  readonly #leaving = new Set<EndpointPool>();
  readonly #context: PoolContext;
  readonly #observer: DestinationObserver;
  /** Feed it with what exchanges tell. */
  readonly evidence: EndpointEvidence;
  readonly #connecting: Connecting;
  readonly #sweep: Sweep;
  #policy: DestinationPolicy;
  #balancer: Balancer;
  #closed = false;

  constructor(
    name: string,
    policy: DestinationPolicy,
    balancer: Balancer,
    observer: DestinationObserver,
    context: PoolContext,
  ) {
    this.name = name;
    this.#policy = policy;
    this.#balancer = balancer;
    this.#observer = observer;
    this.#context = context;
    this.idleTime = new IdleTime(policy.pool.idleTimeoutMs);
    this.rotation = new Rotation(context.clock);
    this.pending = new PendingQueue(context.clock);
    this.#sweep = new Sweep(this, context.clock);
    this.evidence = new EndpointEvidence(this, context.events);
    this.#connecting = new Connecting(this, this.evidence, observer, context);
    context.capacity.join(this);
  }

  get policy(): DestinationPolicy {
    return this.#policy;
  }

  get endpoints(): readonly EndpointPool[] {
    return [...this.#endpoints.values()];
  }

  /** Those that discovery forgot and that still have connections, too. */
  get allEndpoints(): readonly EndpointPool[] {
    return [...this.#endpoints.values(), ...this.#leaving];
  }

  // --- acquire

  /**
   * A connection for a request: `waiter` hears `leased` before this returns where one is idle; else `leased` or
   * `acquireFailed` later, once, unless it calls `withdraw`.
   * @returns whether it has been leased already
   * @param tried endpoints that failed this request before: avoided where there are others
   * @throws CarpoolError where it cannot even wait
   */
  acquire(waiter: LeaseWaiter, tried: readonly EndpointPool[] = NOBODY): boolean {
    const now = this.#context.clock.now();
    const endpoint = this.pick(tried, now);
    if (endpoint === null) {
      if (this.#endpoints.size === 0 || this.rotation.candidates.length === 0) {
        throw new CarpoolError('NO_ENDPOINTS', `${this.name} has no endpoint that serves`);
      }
      throw new CarpoolError('INTERNAL', `${this.name}: no endpoint was picked`);
    }
    if (this.#policy.pool.enabled && !waiter.fresh && !waiter.tunnel) {
      const connection = endpoint.takeIdle(now, waiter.unsafe ? this.#unsafeIdleMs() : Number.POSITIVE_INFINITY);
      if (connection !== null) {
        this.#observer.acquireDuration.observe(0);
        waiter.leased(connection, endpoint);
        return true;
      }
    }
    this.#wait(waiter, tried, endpoint, now);
    return false;
  }

  /** A request cannot wait any longer than it wants to: it leaves the queue. @returns whether it was waiting */
  withdraw(waiter: LeaseWaiter): boolean {
    const entry = this.pending.find(waiter);
    if (entry === null) return false;
    this.pending.remove(entry);
    this.#connecting.orphanDials(entry);
    return true;
  }

  #unsafeIdleMs(): number {
    return this.idleTime.known ? Number.POSITIVE_INFINITY : this.#policy.pool.unsafeMaxIdleMs;
  }

  /** The endpoint that the balancer picks, one that was not tried yet where there is one; null: there is none. */
  pick(tried: readonly EndpointPool[], now: number): EndpointPool | null {
    const all = this.rotation.candidates;
    if (all.length === 0) return null;
    if (tried.length === 0) return this.#balancer.pick(all, now);
    const others = all.filter((endpoint) => !tried.includes(endpoint));
    return this.#balancer.pick(others.length > 0 ? others : all, now);
  }

  #wait(waiter: LeaseWaiter, tried: readonly EndpointPool[], endpoint: EndpointPool, now: number): void {
    const entry = new Pending(waiter, tried, now);
    const { pool, timeouts } = this.#policy;
    if ((waiter.tunnel || this.room(endpoint)) && this.#context.capacity.take(this)) {
      this.pending.add(entry, timeouts.connectMs, (late) => this.#connecting.connectExpired(late));
      this.#connecting.dial(endpoint, entry);
      return;
    }
    if (this.pending.limited >= pool.maxPending) {
      throw new CarpoolError('POOL_PENDING_FULL', `${this.name}: ${this.occupancy()}`);
    }
    this.pending.add(entry, pool.acquireTimeoutMs, (late) => this.#connecting.acquireExpired(late));
  }

  /** Whether pool.maxConnections leaves room, after closing the oldest idle connection of another endpoint if need be. */
  room(endpoint: EndpointPool): boolean {
    if (this.counted < this.#policy.pool.maxConnections) return true;
    // Its own idle ones are the last to go: they were not fit for this request, but may be for another.
    return (
      (this.#closeOldestIdle(endpoint) || this.#closeOldestIdle(null)) &&
      this.counted < this.#policy.pool.maxConnections
    );
  }

  #closeOldestIdle(except: EndpointPool | null): boolean {
    let oldest: Http1Connection | null = null;
    for (const endpoint of this.#endpoints.values()) {
      if (endpoint === except) continue;
      const connection = endpoint.idle[0];
      if (connection !== undefined && (oldest === null || connection.idleSince < oldest.idleSince)) oldest = connection;
    }
    oldest?.retire('rebalance');
    return oldest !== null;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Whether discovery still names this endpoint, and not another in its place. */
  holds(endpoint: EndpointPool): boolean {
    return this.#endpoints.get(endpoint.spec.id) === endpoint;
  }

  /** An endpoint that discovery forgot is forgotten here when it has nothing open any more. */
  settleLeaving(endpoint: EndpointPool): void {
    if (endpoint.open.size + endpoint.dialing === 0) this.#leaving.delete(endpoint);
  }

  /** An exchange's connection has become a tunnel. @returns what to call once when it is closed */
  becameTunnel(endpoint: EndpointPool | null): () => void {
    return this.#connecting.becameTunnel(endpoint);
  }

  /** Connections that count in the limit. */
  get counted(): number {
    let count = 0;
    for (const endpoint of this.#endpoints.values()) count += endpoint.counted;
    return count;
  }

  /** How full it is, in words for an error. */
  occupancy(): string {
    const totals = this.totals();
    return `${totals.active + totals.idle + totals.connecting} connections (limit ${this.#policy.pool.maxConnections}), ${totals.active} active, ${totals.idle} idle, ${totals.connecting} connecting, ${this.pending.size} requests waiting (limit ${this.#policy.pool.maxPending}); ${this.#context.capacity.used} of ${this.#context.capacity.max} connections in all`;
  }

  // --- what endpoint pools tell

  offer(endpoint: EndpointPool, connection: Http1Connection): boolean {
    if (this.pending.size === 0 || !this.#policy.pool.enabled) return false;
    const entry = this.pending.firstFor(endpoint, this.rotation.candidates.length > 1);
    if (entry === null) return false;
    this.#connecting.serve(entry, connection, endpoint);
    return true;
  }

  whyRetire(connection: Http1Connection, now: number): CloseReason | null {
    if (now >= connection.expiresAt) return 'max_age';
    const { pool } = this.#policy;
    if (!pool.enabled) return 'not_reusable';
    if (pool.maxRequests > 0 && connection.requests >= pool.maxRequests) return 'max_requests';
    return this.#closed && this.pending.size === 0 ? 'shutdown' : null;
  }

  idleAdded(endpoint: EndpointPool): void {
    if (this.#closed) {
      endpoint.retireAll('shutdown', true);
      return;
    }
    // It was of no use to who waits here, and is in the way of who waits elsewhere.
    if (this.pending.size > 0) this.#connecting.pump();
    if (this.#context.capacity.wanted) this.#closeOldestIdle(null);
    const { maxIdle } = this.#policy.pool;
    if (maxIdle === 0) return;
    let idle = 0;
    for (const each of this.#endpoints.values()) idle += each.idle.length;
    if (idle > maxIdle && !this.#closeOldestIdle(null)) endpoint.idle[0]?.retire('idle_timeout');
  }

  connectionGone(
    endpoint: EndpointPool,
    connection: Http1Connection,
    reason: CloseReason,
    idleMs: number | null,
  ): void {
    const { clock, events, capacity } = this.#context;
    this.#observer.connectionClosed(reason);
    events.emit({
      type: 'connection_closed',
      destination: this.name,
      endpoint: endpoint.spec.id,
      reason,
      ageMs: clock.now() - connection.createdAt,
      requests: connection.requests,
    });
    if (idleMs !== null && endpoint.state === 'ready') {
      const learned = this.idleTime.closedAfter(idleMs, clock.now());
      if (learned !== null) {
        events.emit({
          type: 'idle_learned',
          destination: this.name,
          endpoint: endpoint.spec.id,
          seconds: learned / 1000,
        });
      }
    }
    this.settleLeaving(endpoint);
    capacity.release();
    this.#connecting.pump();
  }

  // --- endpoints, as discovery tells

  add(spec: EndpointSpec): void {
    const known = this.#endpoints.get(spec.id);
    const { events } = this.#context;
    if (known !== undefined && (known.state === 'ready' || known.state === 'suspended')) {
      known.state = 'ready';
    } else {
      // One that comes back while it drains gets new connections; the draining ones are not revived.
      if (known !== undefined) this.#leave(known);
      this.#endpoints.set(spec.id, new EndpointPool(spec, this, this.#context.clock));
      events.emit({ type: 'endpoint_added', destination: this.name, endpoint: spec.id });
    }
    this.rotation.update(this.endpoints);
    this.#connecting.pump();
  }

  /** Moves an endpoint out of rotation; `terminating` and `removed` drain it. */
  setState(id: string, state: Exclude<EndpointState, 'ready'>): void {
    const endpoint = this.#endpoints.get(id);
    if (endpoint === undefined || endpoint.state === state) return;
    endpoint.state = state;
    if (state === 'removed') this.#leave(endpoint);
    this.rotation.update(this.endpoints);
    this.#context.events.emit({ type: `endpoint_${state}`, destination: this.name, endpoint: id });
    if (state !== 'suspended') endpoint.retireAll(endpoint.drainReason, false);
    this.#connecting.pump();
  }

  #leave(endpoint: EndpointPool): void {
    this.#endpoints.delete(endpoint.spec.id);
    if (endpoint.open.size + endpoint.dialing > 0) this.#leaving.add(endpoint);
  }

  // --- upkeep

  /** Once a second: idle times, ages, ejections whose time is over, the warm floor, the surplus. */
  tick(now: number): void {
    for (const endpoint of this.#endpoints.values()) {
      if (endpoint.health.expire(now)) this.rotation.update(this.endpoints);
      const { ejection } = endpoint.health;
      // Again at each tick until there is room for the connect, else it would stay out for good.
      if (ejection.state === 'trial' && ejection.by === 'connect' && endpoint.dialing === 0 && this.room(endpoint)) {
        this.warm(endpoint);
      }
    }
    this.#sweep.run(now);
  }

  /** Opens a connection that nobody waits for. @returns whether there was room */
  warm(endpoint: EndpointPool): boolean {
    if (this.#closed || this.counted >= this.#policy.pool.maxConnections || !this.#context.capacity.takeFree())
      return false;
    this.#connecting.dial(endpoint, null);
    return true;
  }

  /** @param balancer another one, or null to keep what there is */
  setPolicy(policy: DestinationPolicy, balancer: Balancer | null): void {
    this.#policy = policy;
    if (balancer !== null) this.#balancer = balancer;
    this.idleTime.setConfigured(policy.pool.idleTimeoutMs);
    this.#connecting.pump();
  }

  /** The most connections that were busy at once since it was asked last; the sum over endpoints, so never too low. */
  takePeak(): number {
    let peak = 0;
    for (const endpoint of this.#endpoints.values()) {
      peak += endpoint.peak;
      endpoint.peak = endpoint.busy;
    }
    return peak;
  }

  giveUpIdle(): boolean {
    return this.#closeOldestIdle(null);
  }

  roomFreed(): void {
    this.#connecting.pump();
  }

  /** Retires connections by hand or at the end. @returns how many */
  evict(reason: CloseReason, idleOnly: boolean): number {
    let count = 0;
    for (const endpoint of this.allEndpoints) count += endpoint.retireAll(reason, idleOnly);
    // What drains counts in the limit no more.
    this.#connecting.pump();
    return count;
  }

  /** Fails what waits: discovery has no endpoint, or the destination goes. */
  failPending(error: CarpoolError): void {
    for (const entry of this.pending.all()) {
      this.pending.remove(entry);
      entry.dials.clear();
      entry.waiter.acquireFailed(error);
    }
  }

  /** Nothing new; idle connections close, running exchanges finish, and requests that wait still get their connection. */
  close(): void {
    this.#closed = true;
    this.#connecting.cancel('unneeded');
    this.evict('shutdown', false);
    this.#context.capacity.leave(this);
    this.#connecting.pump();
  }

  /** Ends running exchanges too, and what waits. */
  destroy(): void {
    this.failPending(new CarpoolError('SHUTTING_DOWN', `${this.name}: the sidecar has stopped`));
    this.#connecting.cancel('all');
    this.close();
    for (const endpoint of this.allEndpoints) endpoint.destroyAll('shutdown');
  }

  totals(): { connecting: number; active: number; idle: number; draining: number } {
    const totals = { connecting: 0, active: 0, idle: 0, draining: 0 };
    for (const endpoint of this.allEndpoints) {
      totals.connecting += endpoint.dialing;
      totals.active += endpoint.busy - endpoint.draining;
      totals.draining += endpoint.draining;
      totals.idle += endpoint.open.size - endpoint.busy;
    }
    return totals;
  }

  stats(): EndpointStats[] {
    const now = this.#context.clock.now();
    return this.allEndpoints.map((endpoint) => endpoint.stats(now));
  }
}
