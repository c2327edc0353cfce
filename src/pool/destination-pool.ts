import type { Clock } from '../clock.ts';
import type { DestinationPolicy } from '../config/types.ts';
import { Dial, type DialFailure } from '../connection/dial.ts';
import { Http1Connection } from '../connection/http1-connection.ts';
import type { UpstreamLease } from '../connection/upstream.ts';
import type { EndpointSpec } from '../discovery/discovery.ts';
import { CarpoolError } from '../errors.ts';
import type { CloseReason, DestinationObserver, EventSink } from '../observer.ts';
import type { HeadScanner } from '../protocol/http1/head-scanner.ts';
import type { ByteSocket } from '../transport/byte-socket.ts';
import type { Capacity, CapacityUser } from './capacity.ts';
import { type EndpointParent, EndpointPool, type EndpointState } from './endpoint-pool.ts';
import { IdleTime } from './idle-time.ts';
import { type DialHandle, Pending, PendingQueue } from './pending-queue.ts';
import { Rotation } from './rotation.ts';
import type { EndpointStats } from './stats.ts';
import { Sweep } from './sweep.ts';

/** A request that wants a connection. */
export interface LeaseWaiter {
  /** It could not be sent again: a connection of doubtful freshness is not for it. */
  readonly unsafe: boolean;
  /** Only a connection that was opened for it will do. */
  readonly fresh: boolean;
  /** It wants a connection of its own that is no part of the pool: `tunnelReady` is called in place of `leased`. */
  readonly tunnel: boolean;
  tunnelReady(socket: ByteSocket, endpoint: EndpointPool, closed: () => void): void;
  /** The connection is its own now; `endpoint` is the one whose evidence its exchange feeds. */
  leased(lease: UpstreamLease, endpoint: EndpointPool): void;
  acquireFailed(error: CarpoolError): void;
}

/** Chooses among endpoints (routing/balancers.ts). */
export interface Balancer {
  /** @param candidates at least one */
  pick(candidates: readonly EndpointPool[], now: number): EndpointPool;
}

/** What all destinations share. */
export type PoolContext = {
  readonly clock: Clock;
  readonly capacity: Capacity;
  readonly events: EventSink;
  /** Scans responses of all connections: one read event at a time. */
  readonly responseScanner: HeadScanner;
  nextConnectionId(): number;
  random(): number;
};

/** A request tries so many connects at most, each at another endpoint where there is one. */
const MAX_TRIES = 3;

/** Connect errors that say nothing about the endpoint: no port, descriptor or memory was left on this side. */
const OUR_OWN_FAULT = new Set(['EADDRNOTAVAIL', 'EADDRINUSE', 'EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);

const NOBODY: readonly EndpointPool[] = [];

/**
 * The connections of one destination: an endpoint pool each, and what they share: the limit, the queue, the idle time.
 *
 * A request gets the idle connection of the endpoint that the balancer picks; else one is opened there; at the limit the
 * oldest idle one of another endpoint makes room; else the request waits and takes the first connection that is freed or
 * opened at any endpoint. A connection that nobody waits for goes idle.
 */
export class DestinationPool implements EndpointParent, CapacityUser {
  readonly name: string;
  readonly idleTime: IdleTime;
  readonly rotation: Rotation;
  readonly pending: PendingQueue;
  readonly #endpoints = new Map<string, EndpointPool>();
  /** Endpoints that discovery forgot and that still have connections, or connects under way. */
  readonly #leaving = new Set<EndpointPool>();
  readonly #context: PoolContext;
  readonly #observer: DestinationObserver;
  readonly #dials = new Set<DialHandle>();
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
    const endpoint = this.#pick(tried, now);
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
    this.#orphanDials(entry);
    return true;
  }

  #unsafeIdleMs(): number {
    return this.idleTime.known ? Number.POSITIVE_INFINITY : this.#policy.pool.unsafeMaxIdleMs;
  }

  #pick(tried: readonly EndpointPool[], now: number): EndpointPool | null {
    const all = this.rotation.candidates;
    if (all.length === 0) return null;
    if (tried.length === 0) return this.#balancer.pick(all, now);
    const others = all.filter((endpoint) => !tried.includes(endpoint));
    return this.#balancer.pick(others.length > 0 ? others : all, now);
  }

  #wait(waiter: LeaseWaiter, tried: readonly EndpointPool[], endpoint: EndpointPool, now: number): void {
    const entry = new Pending(waiter, tried, now);
    const { pool, timeouts } = this.#policy;
    if ((waiter.tunnel || this.#room(endpoint)) && this.#context.capacity.take(this)) {
      this.pending.add(entry, timeouts.connectMs, (late) => this.#connectExpired(late));
      this.#dial(endpoint, entry);
      return;
    }
    if (this.pending.limited >= pool.maxPending) {
      throw new CarpoolError('POOL_PENDING_FULL', `${this.name}: ${this.#occupancy()}`);
    }
    this.pending.add(entry, pool.acquireTimeoutMs, (late) => this.#acquireExpired(late));
  }

  /** Whether pool.maxConnections leaves room, after closing the oldest idle connection of another endpoint if need be. */
  #room(endpoint: EndpointPool): boolean {
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

  /** Connections that count in the limit. */
  get counted(): number {
    let count = 0;
    for (const endpoint of this.#endpoints.values()) count += endpoint.counted;
    return count;
  }

  #occupancy(): string {
    const totals = this.totals();
    return `${totals.active + totals.idle + totals.connecting} connections (limit ${this.#policy.pool.maxConnections}), ${totals.active} active, ${totals.idle} idle, ${totals.connecting} connecting, ${this.pending.size} requests waiting (limit ${this.#policy.pool.maxPending}); ${this.#context.capacity.used} of ${this.#context.capacity.max} connections in all`;
  }

  #acquireExpired(entry: Pending): void {
    const message = `${this.name}: waited ${this.#policy.pool.acquireTimeoutMs} ms for a connection: ${this.#occupancy()}`;
    entry.waiter.acquireFailed(new CarpoolError('ACQUIRE_TIMEOUT', message));
  }

  #connectExpired(entry: Pending): void {
    this.#orphanDials(entry);
    const message = `${this.name}: no connection within ${this.#policy.timeouts.connectMs} ms (${entry.tries} tries)`;
    entry.waiter.acquireFailed(new CarpoolError('CONNECT_TIMEOUT', message));
  }

  // --- connecting

  #dial(endpoint: EndpointPool, entry: Pending | null): void {
    const { timeouts, pool } = this.#policy;
    const tunnel = entry?.waiter.tunnel === true;
    endpoint.dialing++;
    if (tunnel) endpoint.dialingTunnels++;
    const handle: DialHandle = { waiter: entry, tunnel, cancel: () => {} };
    this.#dials.add(handle);
    if (entry !== null) {
      entry.dials.add(handle);
      entry.tries++;
    }
    const ended = (): void => {
      endpoint.dialing--;
      if (tunnel) endpoint.dialingTunnels--;
      this.#dials.delete(handle);
      handle.waiter?.dials.delete(handle);
      if (endpoint.open.size + endpoint.dialing === 0) this.#leaving.delete(endpoint);
    };
    const dial = new Dial(
      endpoint.spec,
      { connectMs: timeouts.connectMs, attemptMs: timeouts.connectAttemptMs, keepAliveMs: pool.tcpKeepAliveMs },
      this.#context.clock,
      {
        dialed: (socket, ms) => {
          ended();
          this.#dialed(endpoint, handle, socket, ms);
        },
        dialFailed: (failure) => {
          ended();
          this.#dialFailed(endpoint, handle, failure);
        },
        dialSlow: () => this.#dialSlow(endpoint, handle),
      },
    );
    handle.cancel = () => {
      ended();
      dial.cancel();
      this.#context.capacity.release();
    };
  }

  #dialed(endpoint: EndpointPool, handle: DialHandle, socket: ByteSocket, ms: number): void {
    const { clock } = this.#context;
    this.#observer.connectionsCreated++;
    this.#observer.connectDuration.observe(ms);
    endpoint.lastConnectMs = ms;
    this.#connectWorked(endpoint);
    const { waiter } = handle;
    if (waiter?.waiter.tunnel && this.pending.has(waiter)) {
      this.#openTunnel(waiter, socket, endpoint);
      return;
    }
    const connection = new Http1Connection(
      this.#context.nextConnectionId(),
      endpoint.spec.id,
      socket,
      endpoint,
      this.#context.responseScanner,
      clock,
    );
    connection.expiresAt = this.#expiry(connection.createdAt);
    endpoint.adopt(connection);
    const unwanted = this.#closed && this.pending.size === 0;
    const drains = endpoint.state === 'terminating' || endpoint.state === 'removed';
    // One that terminates still serves where there is no other.
    if (unwanted || (drains && !this.rotation.candidates.includes(endpoint))) {
      connection.retire(unwanted ? 'shutdown' : endpoint.drainReason);
      this.pump();
      return;
    }
    const entry = this.pending.firstFor(endpoint, this.rotation.candidates.length > 1) ?? handle.waiter;
    if (entry === null || !this.pending.has(entry)) {
      const reason = drains ? endpoint.drainReason : this.whyRetire(connection, clock.now());
      if (reason === null) endpoint.keepIdle(connection);
      else connection.retire(reason);
      return;
    }
    // The request that is served first need not be the one that this connect was begun for: they swap their connects.
    if (handle.waiter !== null && handle.waiter !== entry && this.pending.has(handle.waiter)) {
      const [other] = entry.dials;
      if (other !== undefined) {
        entry.dials.delete(other);
        other.waiter = handle.waiter;
        handle.waiter.dials.add(other);
      }
    }
    this.#serve(entry, connection, endpoint);
  }

  #connectWorked(endpoint: EndpointPool): void {
    const { ejection } = endpoint.health;
    if (ejection.state !== 'none' && ejection.by === 'connect') this.#recovered(endpoint);
  }

  /** A tunnel is no part of the pool: it has no age, and closes with the exchange that it carries. */
  #openTunnel(entry: Pending, socket: ByteSocket, endpoint: EndpointPool): void {
    this.pending.remove(entry);
    this.#orphanDials(entry);
    entry.waiter.tunnelReady(socket, endpoint, this.#tunnelOpened(endpoint));
  }

  /**
   * An exchange's connection has become a tunnel: it has left the pool, and still counts in limits.maxConnections.
   * @returns what to call once when it is closed
   */
  becameTunnel(endpoint: EndpointPool | null): () => void {
    // The connection is about to give its place back.
    this.#context.capacity.hold();
    return this.#tunnelOpened(endpoint);
  }

  #tunnelOpened(endpoint: EndpointPool | null): () => void {
    if (endpoint !== null) endpoint.tunnels++;
    return () => {
      if (endpoint !== null) endpoint.tunnels--;
      this.#context.capacity.release();
    };
  }

  #serve(entry: Pending, connection: Http1Connection, endpoint: EndpointPool): void {
    this.pending.remove(entry);
    this.#orphanDials(entry);
    const now = this.#context.clock.now();
    this.#observer.acquireDuration.observe(now - entry.since);
    endpoint.lease(connection, now);
    entry.waiter.leased(connection, endpoint);
  }

  /** A request needs its connects no more: they go on for those that have none, or for the pool. */
  #orphanDials(entry: Pending): void {
    for (const handle of entry.dials) {
      const next = this.pending.firstLimited();
      if (handle.tunnel && next?.waiter.tunnel !== true) {
        handle.cancel();
        continue;
      }
      handle.waiter = next;
      if (next === null) continue;
      next.dials.add(handle);
      this.pending.setDeadline(next, this.#policy.timeouts.connectMs, (late) => this.#connectExpired(late));
    }
    entry.dials.clear();
  }

  #dialFailed(endpoint: EndpointPool, handle: DialHandle, failure: DialFailure): void {
    if (failure.timedOut) this.#observer.connectTimeouts++;
    this.#observer.connectFailed(failure.errno);
    const { events } = this.#context;
    events.emit({
      type: 'connect_failed',
      destination: this.name,
      endpoint: endpoint.spec.id,
      code: failure.errno,
      message: failure.message,
    });
    if (!OUR_OWN_FAULT.has(failure.errno)) this.#eject(endpoint, 'connect', failure.errno);
    const entry = handle.waiter;
    if (entry !== null && this.pending.has(entry)) {
      entry.tried.push(endpoint);
      if (entry.dials.size === 0 && this.#dialInPlace(entry, endpoint, failure)) return;
    }
    this.#context.capacity.release();
    this.pump();
  }

  /**
   * The next try of a request whose connect failed, in the place of that one: were the place given back first, others
   * would take it. @returns whether one was begun; where not, the request has failed, or waits for room
   */
  #dialInPlace(entry: Pending, failed: EndpointPool, failure: DialFailure): boolean {
    const endpoint = entry.tries < MAX_TRIES ? this.#pick(entry.tried, this.#context.clock.now()) : null;
    if (endpoint === null) {
      this.pending.remove(entry);
      entry.waiter.acquireFailed(connectError(this.name, failed, failure));
      return false;
    }
    const { maxConnections, acquireTimeoutMs } = this.#policy.pool;
    if (!entry.waiter.tunnel && this.counted >= maxConnections) {
      this.pending.setDeadline(entry, acquireTimeoutMs, (late) => this.#acquireExpired(late));
      return false;
    }
    this.#dial(endpoint, entry);
    return true;
  }

  #dialSlow(endpoint: EndpointPool, handle: DialHandle): void {
    // An address that swallows SYNs costs every request sent there the attempt time: others go elsewhere at once.
    this.#eject(endpoint, 'connect', 'no answer to a connect');
    const entry = handle.waiter;
    if (entry === null || !this.pending.has(entry) || entry.tries >= MAX_TRIES) return;
    entry.tried.push(endpoint);
    this.#dialAgain(entry, true);
  }

  /** Another connect for a request, elsewhere where that is possible. @returns whether one was begun */
  #dialAgain(entry: Pending, elsewhereOnly = false): boolean {
    const endpoint = this.#pick(entry.tried, this.#context.clock.now());
    if (endpoint === null || (elsewhereOnly && entry.tried.includes(endpoint))) return false;
    if (!(entry.waiter.tunnel || this.#room(endpoint)) || !this.#context.capacity.take(this)) return false;
    this.#dial(endpoint, entry);
    return true;
  }

  #expiry(createdAt: number): number {
    const { maxAgeMs } = this.#policy.pool;
    // ±10 %, so that connections that were opened together do not all retire together.
    return maxAgeMs === 0 ? Number.POSITIVE_INFINITY : createdAt + maxAgeMs * (0.9 + 0.2 * this.#context.random());
  }

  /** Opens connections for requests that a limit kept, as far as there is room now. */
  pump(): void {
    for (;;) {
      const entry = this.pending.firstLimited();
      if (entry === null) return;
      const endpoint = this.#pick(entry.tried, this.#context.clock.now());
      if (endpoint === null || !(entry.waiter.tunnel || this.#room(endpoint))) return;
      // To make room a connection was closed, and that pumps too: it may have been served meanwhile.
      if (entry.dials.size > 0 || !this.pending.has(entry)) continue;
      if (!this.#context.capacity.take(this)) return;
      this.pending.setDeadline(entry, this.#policy.timeouts.connectMs, (late) => this.#connectExpired(late));
      this.#dial(endpoint, entry);
    }
  }

  // --- what endpoint pools tell

  offer(endpoint: EndpointPool, connection: Http1Connection): boolean {
    if (this.pending.size === 0 || !this.#policy.pool.enabled) return false;
    const entry = this.pending.firstFor(endpoint, this.rotation.candidates.length > 1);
    if (entry === null) return false;
    this.#serve(entry, connection, endpoint);
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
    if (this.pending.size > 0) this.pump();
    if (this.#context.capacity.wanted) this.#closeOldestIdle(null);
    const { maxIdle } = this.#policy.pool;
    if (maxIdle === 0) return;
    let idle = 0;
    for (const each of this.#endpoints.values()) idle += each.idle.length;
    if (idle > maxIdle && !this.#closeOldestIdle(null)) endpoint.idle[0]?.retire('idle_timeout');
  }

  closed(endpoint: EndpointPool, connection: Http1Connection, reason: CloseReason, idleMs: number | null): void {
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
    if (endpoint.open.size + endpoint.dialing === 0) this.#leaving.delete(endpoint);
    capacity.release();
    this.pump();
  }

  // --- evidence from exchanges

  /** A response head came from `endpoint`, `ms` after the request went out. */
  answered(endpoint: EndpointPool, status: number, ms: number, now: number): void {
    endpoint.latency.observe(ms, now);
    if (status >= 502 && status <= 504) this.#failure(endpoint, `status ${status}`);
    else if (endpoint.health.out) this.#recovered(endpoint);
  }

  /** A response of `status` came from `endpoint` to its end. A head alone proves little: see a pod that resets in mid-response. */
  completed(endpoint: EndpointPool, status: number): void {
    if (status < 502 || status > 504) endpoint.health.consecutiveFailures = 0;
  }

  /** An exchange on `endpoint` failed (reset, cut, timed out) after `ms`. */
  failed(endpoint: EndpointPool, cause: string, ms: number, now: number): void {
    endpoint.latency.observe(ms, now);
    this.#failure(endpoint, cause);
  }

  /** The app left before an answer came: no failure, but `ms` is a latency that it had to bear. */
  gaveUp(endpoint: EndpointPool, ms: number, now: number): void {
    endpoint.latency.observe(ms, now);
    if (endpoint.health.ejection.state === 'trial') this.#eject(endpoint, 'failures', 'no answer to a trial request');
  }

  #failure(endpoint: EndpointPool, cause: string): void {
    endpoint.health.consecutiveFailures++;
    const trial = endpoint.health.ejection.state === 'trial';
    if (!trial && endpoint.health.consecutiveFailures < this.#policy.breaker.failures) return;
    this.#eject(endpoint, 'failures', cause);
  }

  #recovered(endpoint: EndpointPool): void {
    if (!endpoint.health.recovered()) return;
    this.#context.events.emit({ type: 'endpoint_restored', destination: this.name, endpoint: endpoint.spec.id });
    this.rotation.update(this.endpoints);
  }

  /** Takes an endpoint out of rotation for a while, unless too many are out already. */
  #eject(endpoint: EndpointPool, by: 'connect' | 'failures', cause: string): void {
    if (this.#endpoints.get(endpoint.spec.id) !== endpoint || endpoint.health.ejection.state === 'ejected') return;
    if (endpoint.health.ejection.state === 'none' && !this.rotation.mayEject(this.endpoints)) return;
    const forMs = endpoint.health.eject(by, this.#policy.breaker.recoveryMs);
    this.rotation.update(this.endpoints);
    this.#context.events.emit({
      type: 'endpoint_ejected',
      destination: this.name,
      endpoint: endpoint.spec.id,
      forMs,
      cause,
    });
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
    this.pump();
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
    this.pump();
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
      if (ejection.state === 'trial' && ejection.by === 'connect' && endpoint.dialing === 0 && this.#room(endpoint)) {
        this.warm(endpoint);
      }
    }
    this.#sweep.run(now);
  }

  /** Opens a connection that nobody waits for. @returns whether there was room */
  warm(endpoint: EndpointPool): boolean {
    if (this.#closed || this.counted >= this.#policy.pool.maxConnections || !this.#context.capacity.takeFree())
      return false;
    this.#dial(endpoint, null);
    return true;
  }

  /** @param balancer another one, or null to keep what there is */
  setPolicy(policy: DestinationPolicy, balancer: Balancer | null): void {
    this.#policy = policy;
    if (balancer !== null) this.#balancer = balancer;
    this.idleTime.setConfigured(policy.pool.idleTimeoutMs);
    this.pump();
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
    this.pump();
  }

  /** Retires connections by hand or at the end. @returns how many */
  evict(reason: CloseReason, idleOnly: boolean): number {
    let count = 0;
    for (const endpoint of this.allEndpoints) count += endpoint.retireAll(reason, idleOnly);
    // What drains counts in the limit no more.
    this.pump();
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
    for (const handle of [...this.#dials]) if (handle.waiter === null) handle.cancel();
    this.evict('shutdown', false);
    this.#context.capacity.leave(this);
    this.pump();
  }

  /** Ends running exchanges too, and what waits. */
  destroy(): void {
    this.failPending(new CarpoolError('SHUTTING_DOWN', `${this.name}: the sidecar has stopped`));
    for (const handle of [...this.#dials]) handle.cancel();
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

function connectError(name: string, endpoint: EndpointPool, failure: DialFailure): CarpoolError {
  const { address, port } = endpoint.spec;
  const message = `${name}: no connection to ${address}:${port}: ${failure.errno} ${failure.message}`;
  if (failure.timedOut) return new CarpoolError('CONNECT_TIMEOUT', message);
  const unroutable = failure.errno === 'EHOSTUNREACH' || failure.errno === 'ENETUNREACH';
  return new CarpoolError('CONNECT_FAILED', message, {
    proxyError: unroutable ? 'destination_ip_unroutable' : 'connection_refused',
  });
}
