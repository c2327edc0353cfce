import type { DestinationPolicy } from '../config/types.ts';
import type { SecureDial } from '../connection/secure-dial.ts';
import type { TlsIdentity } from '../connection/tls-identity.ts';
import type { Lane, PooledConnection, UpstreamLease } from '../connection/upstream.ts';
import type { EndpointSpec } from '../discovery/discovery.ts';
import { CarpoolError } from '../errors.ts';
import type { CloseReason, DestinationObserver, PoolSignal } from '../observer.ts';
import type { ByteSocket } from '../transport/byte-socket.ts';
import { Checks } from './checks.ts';
import { Choice } from './choice.ts';
import { Connecting } from './connecting.ts';
import type { ConnectionLimit } from './connection-limit.ts';
import { type Demand, demandOf } from './demand.ts';
import type { EndpointParent, EndpointPool, EndpointState } from './endpoint-pool.ts';
import { EndpointEvidence } from './evidence.ts';
import { IdleTime } from './idle-time.ts';
import type { Balancer, LeaseWaiter, PoolContext } from './lease.ts';
import type { Pending } from './pending.ts';
import { PendingQueue } from './pending-queue.ts';
import type { PoolCore } from './pool-core.ts';
import { Room } from './room.ts';
import { Roster } from './roster.ts';
import { Rotation } from './rotation.ts';
import type { EndpointStats } from './stats.ts';
import { type Totals, totalsOf } from './totals.ts';
import type { TunnelPlace } from './tunnel-place.ts';
import { Upkeep } from './upkeep.ts';

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
  readonly limit: ConnectionLimit;
  /** What the limit leaves. */
  readonly places: Room;
  readonly #context: PoolContext;
  readonly #observer: DestinationObserver;
  /** Feed it with what exchanges tell. */
  readonly evidence: EndpointEvidence;
  readonly #choice: Choice;
  readonly #connecting: Connecting;
  readonly #roster: Roster;
  /** What active health checks do here. */
  readonly checks: Checks;
  readonly #endpoints: ReadonlyMap<string, EndpointPool>;
  readonly #upkeep: Upkeep;
  /** It is paused: nothing is opened that nobody waits for. */
  resting = false;
  /** What the pool health monitor warns of now. */
  signals: readonly PoolSignal[] = [];
  /** Never changed, so that all its connections are of one identity; null: it is spoken to in clear. */
  readonly tls: TlsIdentity | null;
  #policy: DestinationPolicy;
  #closed = false;

  constructor(
    name: string,
    policy: DestinationPolicy,
    balancer: Balancer,
    observer: DestinationObserver,
    context: PoolContext,
    tls: TlsIdentity | null = null,
  ) {
    this.name = name;
    this.tls = tls;
    this.#policy = policy;
    this.#observer = observer;
    this.#context = context;
    this.idleTime = new IdleTime(policy.pool.idleTimeoutMs);
    this.rotation = new Rotation();
    this.#choice = new Choice(this.rotation, balancer);
    this.pending = new PendingQueue(context.clock, this.#choice);
    this.evidence = new EndpointEvidence(this, context.events);
    this.#connecting = new Connecting(this, this.evidence, observer, context);
    this.#roster = new Roster(this, this.#connecting, this.evidence, context);
    this.checks = new Checks(this, this.#connecting, this.evidence, context.clock);
    this.#endpoints = this.#roster.present;
    const { capacity, events, clock } = context;
    const { present, leaving } = this.#roster;
    this.places = new Room(policy, clock.now(), { name, endpoints: present, leaving, capacity, events });
    this.limit = this.places.limit;
    this.#upkeep = new Upkeep(this, this.places, present, clock);
    context.capacity.join(this);
  }

  get policy(): DestinationPolicy {
    return this.#policy;
  }

  get secure(): boolean {
    return this.tls !== null;
  }

  secureDial(lane: Lane): SecureDial | null {
    return this.tls?.lane(lane) ?? null;
  }

  get endpoints(): readonly EndpointPool[] {
    return [...this.#endpoints.values()];
  }

  /** Those that discovery forgot and that still have connections, too. */
  get allEndpoints(): readonly EndpointPool[] {
    return [...this.#endpoints.values(), ...this.#roster.leaving];
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
    const endpoint = this.pick(tried, now, waiter.sticky);
    if (endpoint !== null) {
      const lease = this.take(endpoint, waiter, now);
      if (lease !== null) {
        this.#observer.acquireDuration.observe(0);
        waiter.leased(lease, endpoint);
        return true;
      }
    }
    return this.#connecting.wait(waiter, tried, endpoint, now);
  }

  take(endpoint: EndpointPool, waiter: LeaseWaiter, now: number): UpstreamLease | null {
    const { pool } = this.#policy;
    if (!pool.enabled || waiter.tunnel) return null;
    const anyAge = !waiter.unsafe || this.idleTime.known;
    return endpoint.take(
      waiter.need,
      now,
      waiter.fresh ? -1 : anyAge ? Number.POSITIVE_INFINITY : pool.unsafeMaxIdleMs,
    );
  }

  /** A request cannot wait any longer than it wants to: it leaves the queue. @returns whether it was waiting */
  withdraw(waiter: LeaseWaiter): boolean {
    return this.#connecting.withdraw(waiter);
  }

  /** The endpoint that the balancer picks, one that was not tried yet where there is one; null: there is none. */
  pick(tried: readonly EndpointPool[], now: number, key = -1): EndpointPool | null {
    return this.#choice.pick(tried, now, key);
  }

  noEndpoints(): CarpoolError {
    return this.#roster.noEndpoints();
  }

  /** Whether pool.maxConnections leaves room, after closing the oldest idle connection of another endpoint if need be. */
  room(endpoint: EndpointPool): boolean {
    return this.places.at(endpoint, this.#context.clock.now());
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Whether discovery still names this endpoint, and not another in its place. */
  holds(endpoint: EndpointPool): boolean {
    return this.#endpoints.get(endpoint.spec.id) === endpoint;
  }

  settleLeaving(endpoint: EndpointPool): void {
    this.#roster.settleLeaving(endpoint);
  }

  /** An exchange's connection has become a tunnel. */
  becameTunnel(endpoint: EndpointPool | null): TunnelPlace {
    return this.#connecting.tunnels.became(endpoint);
  }

  /**
   * A socket that was dialled for a tunnel is to carry requests: it joins the pool as one that has just been opened, or closes where the pool may not
   * have it. Its place as a tunnel is given back.
   */
  join(socket: ByteSocket, endpoint: EndpointPool, place: TunnelPlace): void {
    this.#connecting.tunnels.join(socket, endpoint, place);
  }

  /** Connections that count in the limit. */
  get counted(): number {
    return this.places.counted;
  }

  /** How full it is, in words for an error. */
  occupancy(): string {
    const totals = this.totals();
    return `${totals.active + totals.idle + totals.connecting} connections (${this.limit.words}), ${totals.active} active, ${totals.idle} idle, ${totals.connecting} connecting, ${this.pending.size} requests waiting (limit ${this.#policy.pool.maxPending}); ${this.#context.capacity.used} of ${this.#context.capacity.max} connections in all`;
  }

  // --- what endpoint pools tell

  offer(endpoint: EndpointPool, connection: PooledConnection): boolean {
    if (this.pending.size === 0) return false;
    const entry = this.nextFor(endpoint, connection);
    if (entry === null) return false;
    this.#connecting.serve(entry, connection, endpoint);
    return true;
  }

  nextFor(endpoint: EndpointPool, connection: PooledConnection): Pending | null {
    if (!this.rotation.takes(endpoint) || this.rotation.shuns(endpoint, this.#context.clock.now())) return null;
    const { only } = this.#choice;
    const others = this.rotation.candidates.length > 1;
    return this.pending.firstFor(endpoint, connection, others, only === endpoint ? null : only);
  }

  mayServe(entry: Pending, endpoint: EndpointPool, sharing = false): boolean {
    if (this.rotation.shuns(endpoint, this.#context.clock.now())) return false;
    const { only } = this.#choice;
    if (only !== null && only !== endpoint && !entry.tried.includes(only)) return false;
    if (this.rotation.candidates.length > 1 && entry.tried.includes(endpoint)) return false;
    return !this.#choice.steady || this.#choice.suits(entry, endpoint, this.#context.clock.now(), sharing);
  }

  ownOf(entry: Pending, now: number): EndpointPool | null {
    return this.#choice.ownOf(entry, now);
  }

  drains(): void {
    // What drains counts in the limit no more.
    if (this.pending.size > 0) this.#connecting.pump();
  }

  drainReason(endpoint: EndpointPool): CloseReason | null {
    return this.#roster.drainReason(endpoint);
  }

  whyRetire(connection: PooledConnection, now: number): CloseReason | null {
    if (now >= connection.expiresAt) return 'max_age';
    const { pool } = this.#policy;
    if (!pool.enabled) return 'not_reusable';
    if (pool.maxRequests > 0 && connection.requests >= pool.maxRequests) return 'max_requests';
    // The limit was lowered: what is above it goes as soon as it is free.
    if (this.places.over) return 'rebalance';
    return this.#closed && this.pending.size === 0 ? 'shutdown' : null;
  }

  idleAdded(endpoint: EndpointPool): void {
    if (this.#closed) {
      endpoint.retireAll('shutdown', true);
      return;
    }
    // It was of no use to who waits here, and is in the way of who waits elsewhere.
    if (this.pending.size > 0) this.#connecting.pump();
    if (this.#context.capacity.wanted) this.giveUpIdle();
    this.places.capIdle(this.#policy.pool.maxIdle, endpoint);
  }

  connectionGone(
    endpoint: EndpointPool,
    connection: PooledConnection,
    reason: CloseReason,
    idleMs: number | null,
  ): void {
    const now = this.#context.clock.now();
    this.#observer.connectionClosed(reason);
    if (connection.requests === 0) endpoint.warming.closedUnused(reason, now - connection.createdAt, now);
    this.evidence.closed(endpoint, connection, reason, idleMs, now);
    this.settleLeaving(endpoint);
    this.#context.capacity.release();
    this.#connecting.pump();
  }

  // --- endpoints, as discovery tells

  /** An endpoint that takes requests: a new one, or one that comes back. */
  add(spec: EndpointSpec): void {
    this.#roster.add(spec);
  }

  /** Moves an endpoint out of rotation. */
  setState(id: string, state: Exclude<EndpointState, 'ready'>): void {
    this.#roster.setState(id, state);
  }

  /** A batch of news is over. @param whyEmpty what discovery says where there is no endpoint, or null */
  settle(whyEmpty: CarpoolError | null = null): void {
    const newcomers = this.#roster.settle(whyEmpty);
    if (newcomers.length > 0 && this.#choice.only === null) this.#upkeep.newcomers(newcomers);
  }

  /** All requests go to the endpoint that `key` picks, while it is in rotation; null: as the balancer says. */
  setAffinity(key: string | null): void {
    this.#choice.setAffinity(key);
    this.#connecting.pump();
  }

  // --- upkeep

  /** Once a second: idle times, ages, ejections whose time is over, the warm floor, the surplus. */
  tick(now: number): void {
    for (const endpoint of this.allEndpoints) endpoint.tick(now);
    this.evidence.tick(now);
    this.#roster.tick(now);
    this.checks.tick();
    if (this.#upkeep.run(now)) this.#connecting.pump();
  }

  /** Opens a connection that nobody waits for. @returns whether there was room */
  warm(endpoint: EndpointPool): boolean {
    if (this.#closed || this.counted >= this.limit.current || !this.#context.capacity.takeFree()) return false;
    this.#connecting.warm(endpoint);
    return true;
  }

  /** @param balancer another one, or null to keep what there is */
  setPolicy(policy: DestinationPolicy, balancer: Balancer | null): void {
    this.#policy = policy;
    if (balancer !== null) this.#choice.setBalancer(balancer);
    this.idleTime.setConfigured(policy.pool.idleTimeoutMs);
    this.places.configure(policy, this.#context.clock.now());
    this.limitChanged();
  }

  /** `limit` is another one: what it allows now is opened, and idle connections above it close. */
  limitChanged(): void {
    this.places.limitChanged();
    this.#connecting.pump();
  }

  /** What it has and wants. */
  get demand(): Demand {
    return demandOf(this.allEndpoints, this.counted, this.pending.limited, this.needed);
  }

  giveUpIdle(): boolean {
    return this.places.closeOldestIdle(null);
  }

  get floor(): number {
    return this.#upkeep.floor;
  }

  get needed(): number {
    return this.#upkeep.needed;
  }

  /** Whether nothing runs: no exchange, no tunnel, no connect, and nobody waits. */
  get quiet(): boolean {
    if (this.pending.size > 0 || this.#roster.leaving.size > 0) return false;
    for (const endpoint of this.#endpoints.values()) if (endpoint.outstanding > 0) return false;
    return true;
  }

  roomFreed(): void {
    this.#connecting.pump();
  }

  /** Retires connections by hand or at the end. @returns how many */
  evict(reason: CloseReason, idleOnly: boolean): number {
    let count = 0;
    for (const endpoint of this.allEndpoints) count += endpoint.retireAll(reason, idleOnly);
    this.#connecting.pump();
    return count;
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
    this.pending.failAll(new CarpoolError('SHUTTING_DOWN', `${this.name}: the sidecar has stopped`));
    this.#connecting.cancel('all');
    this.close();
    for (const endpoint of this.allEndpoints) endpoint.destroyAll('shutdown');
  }

  totals(): Totals {
    return totalsOf(this.allEndpoints);
  }

  stats(): EndpointStats[] {
    const now = this.#context.clock.now();
    return this.allEndpoints.map((endpoint) => endpoint.stats(now, this.rotation.candidates.includes(endpoint)));
  }
}
