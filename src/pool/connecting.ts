import type { DialFailure } from '../connection/dial-failure.ts';
import type { PooledConnection, ProtocolNeed, UpstreamLease } from '../connection/upstream.ts';
import type { DestinationObserver } from '../observer.ts';
import type { ByteSocket } from '../transport/byte-socket.ts';
import { blamesEndpoint, connectError } from './connect-error.ts';
import { Deadlines } from './deadlines.ts';
import { type DialSink, Dials } from './dials.ts';
import type { EndpointPool } from './endpoint-pool.ts';
import type { EndpointEvidence } from './evidence.ts';
import type { LeaseWaiter, PoolContext } from './lease.ts';
import { type DialHandle, Pending } from './pending.ts';
import type { PoolCore } from './pool-core.ts';
import { Tunnels } from './tunnels.ts';

/** A request tries so many connects at most, each at another endpoint where there is one. */
const MAX_TRIES = 3;

/**
 * Opens connections for one destination: for requests that wait, each connect that fails or does not answer followed by
 * another elsewhere, and for the pool. A connection that stands serves whoever has waited longest, and where it can be
 * shared, as many as it has room for.
 */
export class Connecting implements DialSink {
  readonly #pool: PoolCore;
  readonly #evidence: EndpointEvidence;
  readonly #observer: DestinationObserver;
  readonly #context: PoolContext;
  readonly #deadlines: Deadlines;
  readonly #dials: Dials;
  readonly tunnels: Tunnels;
  /** Whether no endpoint takes requests. */
  #empty = true;
  /** What the last request that needed a connect wanted spoken: connections that are opened ahead are for the like of it. */
  #usual: ProtocolNeed = 'as_http1';

  constructor(pool: PoolCore, evidence: EndpointEvidence, observer: DestinationObserver, context: PoolContext) {
    this.#pool = pool;
    this.#evidence = evidence;
    this.#observer = observer;
    this.#context = context;
    this.#deadlines = new Deadlines(pool, context, evidence, (entry) => this.#orphanDials(entry));
    this.#dials = new Dials(pool, observer, context, this);
    this.tunnels = new Tunnels(pool, context.capacity, (endpoint, socket) =>
      this.connectionOpened(endpoint, [], this.#dials.http1(endpoint, socket)),
    );
  }

  // --- requests come and go

  /**
   * Puts a request into the queue: a connect is begun for it where there is room, or it rides on one that is under way.
   * @param endpoint the one that was picked for it, or null: it waits for an endpoint to appear
   * @returns whether it need not wait: it has been leased a connection to another endpoint, for a limit allows no new one
   * @throws CarpoolError where it may not wait
   */
  wait(waiter: LeaseWaiter, tried: readonly EndpointPool[], endpoint: EndpointPool | null, now: number): boolean {
    const entry = new Pending(waiter, tried, now);
    if (endpoint === null) {
      if (this.#context.emptyWaitMs === 0 || this.#pool.closed) throw this.#pool.noEndpoints();
    } else {
      if (this.#connect(entry, endpoint)) return false;
      if (this.#shareElsewhere(entry, now)) return true;
    }
    if (this.#pool.pending.limited >= this.#pool.policy.pool.maxPending) {
      throw this.#deadlines.full();
    }
    if (endpoint === null) this.#deadlines.endpoint(entry);
    else this.#deadlines.room(entry);
    return false;
  }

  /** A request cannot wait any longer than it wants to: it leaves the queue. @returns whether it was waiting */
  withdraw(waiter: LeaseWaiter): boolean {
    const entry = this.#pool.pending.find(waiter);
    if (entry === null) return false;
    this.#pool.pending.remove(entry);
    this.#orphanDials(entry);
    return true;
  }

  /**
   * A connect to `endpoint` for a request: one that is under way where it can be shared, else one of its own.
   * @returns false: a limit keeps it, or the endpoint lets nothing begin for now
   */
  #connect(entry: Pending, endpoint: EndpointPool): boolean {
    const { tunnel, need } = entry.waiter;
    const lane = tunnel ? 'http1' : endpoint.spokenFor(need);
    if (!tunnel && need !== 'http1' && need !== 'http2') this.#usual = need;
    const ride = tunnel ? null : this.#dials.rideTo(endpoint, lane);
    if (ride !== null) {
      this.#ride(entry, ride);
      return true;
    }
    const before = this.#place(entry);
    if (!tunnel && (endpoint.held(lane) || !this.#pool.room(endpoint))) return this.#place(entry) !== before;
    // To make room a connection was closed, and others were served then: it may have been among them.
    if (this.#place(entry) !== before) return true;
    if (!this.#context.capacity.take(this.#pool)) return this.#place(entry) !== before;
    if (this.#place(entry) !== before) this.#context.capacity.release();
    else this.#ride(entry, this.#dials.begin(endpoint, lane, tunnel));
    return true;
  }

  /** Tells whether a request moved: -1 where it is not in the queue, else for how many connects it waits. */
  #place(entry: Pending): number {
    return this.#pool.pending.has(entry) ? entry.dials.size : -1;
  }

  #ride(entry: Pending, handle: DialHandle): void {
    if (entry.dials.size === 0) this.#deadlines.connect(entry);
    this.#board(entry, handle);
  }

  #board(entry: Pending, handle: DialHandle): void {
    handle.board(entry);
    entry.tries++;
  }

  /** Where no connect can be begun, an active connection to any endpoint will do that has room. */
  #shareElsewhere(entry: Pending, now: number): boolean {
    const own = this.#pool.ownOf(entry, now);
    const among = own !== null && own.counted > 0 ? [own] : this.#pool.rotation.candidates;
    return among.some((endpoint) => this.#share(entry, endpoint, now));
  }

  #share(entry: Pending, endpoint: EndpointPool, now: number): boolean {
    if (endpoint.shared.length === 0 || entry.waiter.tunnel || !this.#pool.mayServe(entry, endpoint, true))
      return false;
    return this.#give(entry, endpoint.takeShared(entry.waiter.need, now), endpoint, now);
  }

  #give(entry: Pending, lease: UpstreamLease | null, endpoint: EndpointPool, now: number): boolean {
    if (lease === null) return false;
    this.#leave(entry, now);
    entry.waiter.leased(lease, endpoint);
    return true;
  }

  /** Its wait is over. */
  #leave(entry: Pending, now: number): void {
    this.#pool.pending.remove(entry);
    this.#orphanDials(entry);
    this.#observer.acquireDuration.observe(now - entry.since);
  }

  /** Gives a connection that has room to a request that waits. */
  serve(entry: Pending, connection: PooledConnection, endpoint: EndpointPool): void {
    const now = this.#context.clock.now();
    this.#leave(entry, now);
    entry.waiter.leased(endpoint.lease(connection, now), endpoint);
  }

  /** A request needs its connects no more: its seats are for those that have none, but of one who tried an endpoint alone. Without riders they go on for the pool. */
  #orphanDials(entry: Pending): void {
    for (const handle of entry.leaveDials()) {
      const alone = this.#pool.rotation.shuns(handle.endpoint, this.#context.clock.now());
      let next = alone ? null : this.#pool.pending.firstLimitedFor(handle);
      if (handle.tunnel && next === null) handle.cancel();
      for (; next !== null && !handle.full; next = this.#pool.pending.firstLimitedFor(handle)) {
        handle.board(next);
        this.#deadlines.connect(next);
      }
    }
  }

  // --- endpoints come and go

  /** Ends connects: those that no request needs, or all. */
  cancel(which: 'unneeded' | 'all'): void {
    for (const handle of this.#dials.all()) if (which === 'all' || handle.riders.size === 0) handle.cancel();
  }

  /** An endpoint drains: its connects end, and requests that wait for them are to go on elsewhere. */
  cancelTo(endpoint: EndpointPool): void {
    for (const handle of this.#dials.all()) {
      if (handle.endpoint !== endpoint) continue;
      // It has not failed: the endpoint has gone, and the requests have all their tries still.
      for (const entry of handle.riders) entry.tries--;
      handle.cancel();
    }
  }

  /** An endpoint takes no request: its connects go on, for it may be ready again soon, but no request waits for them. */
  unready(endpoint: EndpointPool): void {
    for (const handle of this.#dials.all()) {
      if (handle.endpoint !== endpoint || handle.riders.size === 0) continue;
      for (const entry of handle.riders) entry.tries--;
      if (handle.tunnel) handle.cancel();
      else handle.empty();
    }
  }

  /** Endpoints have come or gone: what waits goes where it can go now, or waits for an endpoint to appear. */
  rotationChanged(): void {
    const empty = this.#pool.rotation.candidates.length === 0;
    if (empty !== this.#empty) {
      this.#empty = empty;
      for (const entry of this.#pool.pending.all()) {
        if (entry.dials.size > 0) continue;
        if (empty) this.#deadlines.endpoint(entry);
        else this.#deadlines.room(entry);
      }
    }
    if (this.#pool.pending.limited > 0) this.#leaseOpen();
    this.pump();
  }

  /** An endpoint that is ready again may have connections still: they serve who waits before any is opened. */
  #leaseOpen(): void {
    const now = this.#context.clock.now();
    for (const entry of this.#pool.pending.all()) {
      if (!this.#limited(entry)) continue;
      const endpoint = this.#pool.pick(entry.tried, now, entry.waiter.sticky);
      if (endpoint !== null) this.#give(entry, this.#pool.take(endpoint, entry.waiter, now), endpoint, now);
    }
  }

  // --- connects

  /** Opens a connection to `endpoint` that nobody waits for, and whose place in the limits is taken already. */
  warm(endpoint: EndpointPool): void {
    this.#dials.begin(endpoint, endpoint.spokenFor(this.#usual), false);
  }

  reachable(endpoint: EndpointPool): void {
    this.#joined(endpoint);
    this.#evidence.connected(endpoint);
  }

  /** A new endpoint has shown whether it can be reached: it is one of the others now. */
  #joined(endpoint: EndpointPool): void {
    const { rotation, endpoints } = this.#pool;
    if (rotation.joining.delete(endpoint)) rotation.update(endpoints);
  }

  connectionOpened(endpoint: EndpointPool, riders: readonly Pending[], connection: PooledConnection): void {
    const now = this.#context.clock.now();
    endpoint.adopt(connection);
    const unwanted = this.#pool.closed && this.#pool.pending.size === 0;
    const drains = this.#pool.drainReason(endpoint);
    if (unwanted || drains !== null) connection.retire(drains ?? 'shutdown');
    else {
      // Its riders have waited for it: whatever the rotation says of the endpoint by now, it is theirs before it is idle.
      const next = (): Pending | null =>
        this.#pool.nextFor(endpoint, connection) ??
        riders.find((each) => this.#pool.pending.has(each) && endpoint.fits(connection.spoken, each.waiter.need)) ??
        null;
      for (let entry = next(); entry !== null && endpoint.mayLease(connection, now); entry = next())
        this.serve(entry, connection, endpoint);
      const reason = connection.requests > 0 ? null : this.#pool.whyRetire(connection, now);
      if (reason === null) endpoint.file(connection);
      else connection.retire(reason);
    }
    this.#afresh(riders);
  }

  /** Riders of a connect that has worked, and for whom nothing is left of it: they have all their tries still. */
  #afresh(riders: readonly Pending[]): void {
    for (const entry of riders) {
      if (!this.#limited(entry)) continue;
      entry.tries--;
      this.#deadlines.room(entry);
    }
    this.pump();
  }

  /** A tunnel is no part of the pool: it has no age, and closes with the exchange that it carries. */
  socketOpened(handle: DialHandle, riders: readonly Pending[], socket: ByteSocket): void {
    if (riders.length > 0) this.#evidence.tunnelled(this.#context.clock.now());
    for (const entry of riders) {
      this.#pool.pending.remove(entry);
      this.#orphanDials(entry);
      entry.waiter.tunnelReady(socket, handle.endpoint, this.tunnels.opened(handle.endpoint));
    }
  }

  notHttp2(endpoint: EndpointPool, riders: readonly Pending[], failure: DialFailure): void {
    const content = riders.filter(({ waiter }) => waiter.need !== 'http2');
    for (const entry of riders) {
      if (content.includes(entry) || !this.#limited(entry)) continue;
      this.#lost(entry, endpoint, failure);
    }
    // One of those who are content with HTTP/1.1 has the place of the connect; the others need places of their own.
    const first = content.find((entry) => this.#limited(entry));
    if (first === undefined) this.#context.capacity.release();
    else this.#dials.begin(endpoint, endpoint.spokenFor(first.waiter.need), false).board(first);
    this.#afresh(content);
  }

  dialFailed(endpoint: EndpointPool, riders: readonly Pending[], failure: DialFailure): void {
    if (failure.timedOut) this.#observer.connectTimeouts++;
    this.#observer.connectFailed(failure.errno);
    this.#context.events.emit({
      type: 'connect_failed',
      destination: this.#pool.name,
      endpoint: endpoint.spec.id,
      code: failure.errno,
      message: failure.message,
    });
    this.#joined(endpoint);
    const now = this.#context.clock.now();
    endpoint.warming.failed(now);
    if (blamesEndpoint(failure)) this.#evidence.connectFailed(endpoint, failure, now);
    if (!this.#goOnInPlace(riders, endpoint, failure)) this.#context.capacity.release();
    this.pump();
  }

  /**
   * The next try of the first request whose connect failed, in the place of that one: were the place given back first,
   * others would take it. The rest rides with it, or waits for room. @returns whether the place is used
   */
  #goOnInPlace(riders: readonly Pending[], failed: EndpointPool, failure: DialFailure): boolean {
    const now = this.#context.clock.now();
    let next: DialHandle | null = null;
    for (const entry of riders) {
      if (!this.#pool.pending.has(entry)) continue;
      entry.failedAt(failed, failure.message);
      if (entry.dials.size > 0 || this.#rideAlong(entry, next)) continue;
      const endpoint = entry.tries < MAX_TRIES ? this.#pool.pick(entry.tried, now, entry.waiter.sticky) : null;
      // What is wrong with TLS, or not allowed by a parent proxy, is so there the next time too.
      const said = failure.tls !== null || failure.refusal !== undefined;
      const vain = said && endpoint !== null && entry.tried.includes(endpoint);
      if (endpoint === null || vain) this.#lost(entry, failed, failure);
      else if (!this.#share(entry, endpoint, now)) {
        const { tunnel, need } = entry.waiter;
        const lane = tunnel ? 'http1' : endpoint.spokenFor(need);
        const ride = tunnel ? null : this.#dials.rideTo(endpoint, lane);
        const full = !tunnel && this.#pool.counted >= this.#pool.limit.current;
        if (ride !== null) this.#board(entry, ride);
        else if (next !== null || full) this.#deadlines.room(entry);
        else {
          next = this.#dials.begin(endpoint, lane, tunnel);
          this.#board(entry, next);
        }
      }
    }
    return next !== null;
  }

  /** Those whose connect came to nothing go on together. @returns whether it rides on `next` now */
  #rideAlong(entry: Pending, next: DialHandle | null): boolean {
    if (next === null || next.full || entry.tries >= MAX_TRIES || !next.suits(entry)) return false;
    if (!this.#pool.mayServe(entry, next.endpoint)) return false;
    this.#board(entry, next);
    return true;
  }

  #lost(entry: Pending, endpoint: EndpointPool, failure: DialFailure): void {
    if (blamesEndpoint(failure)) this.#evidence.unreached(failure.errno, this.#context.clock.now());
    this.#pool.pending.remove(entry);
    entry.waiter.acquireFailed(connectError(this.#pool.name, endpoint, failure));
  }

  dialSlow(handle: DialHandle): void {
    const { endpoint } = handle;
    this.#joined(endpoint);
    // An address that swallows SYNs costs every request sent there the attempt time: others go elsewhere at once.
    this.#evidence.eject(endpoint, 'connect', 'no answer to a connect');
    let next: DialHandle | null = null;
    for (const entry of [...handle.riders]) {
      if (!this.#pool.pending.has(entry) || entry.tries >= MAX_TRIES) continue;
      entry.tried.push(endpoint);
      if (!this.#rideAlong(entry, next)) next = this.#dialElsewhere(entry) ?? next;
    }
  }

  /** Another connect for a request, where there is an endpoint that it has not tried. @returns it, or null */
  #dialElsewhere(entry: Pending): DialHandle | null {
    const now = this.#context.clock.now();
    const endpoint = this.#pool.pick(entry.tried, now, entry.waiter.sticky);
    if (endpoint === null || entry.tried.includes(endpoint) || this.#share(entry, endpoint, now)) return null;
    if (!this.#connect(entry, endpoint)) return null;
    return [...entry.dials].at(-1) ?? null;
  }

  /** Opens connections for requests that a limit kept, as far as there is room now. */
  pump(): void {
    const { pending, rotation } = this.#pool;
    const now = this.#context.clock.now();
    let full = false;
    let tunnelsFull = false;
    for (const entry of pending) {
      // pool.maxConnections keeps requests, but not the tunnels behind them, nor those that can share a connection.
      const mayShare = full && rotation.candidates.some(({ shared }) => shared.length > 0);
      if (full && !mayShare && (tunnelsFull || pending.tunnels === 0)) return;
      if (!this.#limited(entry)) continue;
      const { tunnel } = entry.waiter;
      if (tunnel ? tunnelsFull : full && !mayShare) continue;
      const endpoint = this.#pool.pick(entry.tried, now, entry.waiter.sticky);
      if (endpoint === null) return;
      if ((!full || tunnel) && this.#connect(entry, endpoint)) continue;
      if (tunnel) tunnelsFull = true;
      else if (!this.#shareElsewhere(entry, now) && !endpoint.held(endpoint.spokenFor(entry.waiter.need))) full = true;
    }
  }

  #limited(entry: Pending): boolean {
    return entry.dials.size === 0 && this.#pool.pending.has(entry);
  }
}
