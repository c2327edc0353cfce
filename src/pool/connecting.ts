import { Dial, type DialFailure } from '../connection/dial.ts';
import { Http1Connection } from '../connection/http1-connection.ts';
import { CarpoolError } from '../errors.ts';
import type { DestinationObserver } from '../observer.ts';
import type { ByteSocket } from '../transport/byte-socket.ts';
import { Deadlines } from './deadlines.ts';
import type { EndpointPool } from './endpoint-pool.ts';
import type { EndpointEvidence } from './evidence.ts';
import type { LeaseWaiter, PoolContext } from './lease.ts';
import { type DialHandle, Pending } from './pending-queue.ts';
import type { PoolCore } from './pool-core.ts';
import { TunnelPlace } from './tunnel-place.ts';

/** A request tries so many connects at most, each at another endpoint where there is one. */
const MAX_TRIES = 3;

/** Connect errors that say nothing about the endpoint: no port, descriptor or memory was left on this side. */
const OUR_OWN_FAULT = new Set(['EADDRNOTAVAIL', 'EADDRINUSE', 'EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);

function connectError(name: string, endpoint: EndpointPool, failure: DialFailure): CarpoolError {
  const where = endpoint.addresses.map((address) => `${address}:${endpoint.spec.port}`).join(' and ');
  // Node's own message says code and address once more: `connect ECONNREFUSED 10.0.0.5:9000`.
  const cause = failure.message.includes(failure.errno) ? failure.errno : `${failure.errno} ${failure.message}`;
  const message = `${name}: no connection to ${where}: ${cause}`;
  if (failure.timedOut) return new CarpoolError('CONNECT_TIMEOUT', message);
  const unroutable = failure.errno === 'EHOSTUNREACH' || failure.errno === 'ENETUNREACH';
  return new CarpoolError('CONNECT_FAILED', message, {
    proxyError: unroutable ? 'destination_ip_unroutable' : 'connection_refused',
  });
}

/**
 * Opens connections for one destination: for requests that wait, each connect that fails or does not answer followed by
 * another elsewhere, and for the pool. A connection that stands serves whoever has waited longest.
 */
export class Connecting {
  readonly #pool: PoolCore;
  readonly #evidence: EndpointEvidence;
  readonly #observer: DestinationObserver;
  readonly #context: PoolContext;
  readonly #deadlines: Deadlines;
  readonly #dials = new Set<DialHandle>();
  /** Whether no endpoint takes requests. */
  #empty = true;

  constructor(pool: PoolCore, evidence: EndpointEvidence, observer: DestinationObserver, context: PoolContext) {
    this.#pool = pool;
    this.#evidence = evidence;
    this.#observer = observer;
    this.#context = context;
    this.#deadlines = new Deadlines(pool, context, (entry) => this.orphanDials(entry));
  }

  /** Ends connects: those that no request needs, or all. */
  cancel(which: 'unneeded' | 'all'): void {
    for (const handle of [...this.#dials]) if (which === 'all' || handle.waiter === null) handle.cancel();
  }

  /**
   * Puts a request into the queue: a connect is begun for it where there is room.
   * @param endpoint the one that was picked for it, or null: it waits for an endpoint to appear
   * @throws CarpoolError where it may not wait
   */
  wait(waiter: LeaseWaiter, tried: readonly EndpointPool[], endpoint: EndpointPool | null, now: number): void {
    const entry = new Pending(waiter, tried, now);
    if (endpoint === null) {
      if (this.#context.emptyWaitMs === 0 || this.#pool.closed) throw this.#pool.noEndpoints();
    } else if ((waiter.tunnel || this.#pool.room(endpoint)) && this.#context.capacity.take(this.#pool)) {
      this.#deadlines.connect(entry);
      this.dial(endpoint, entry);
      return;
    }
    if (this.#pool.pending.limited >= this.#pool.policy.pool.maxPending) {
      throw new CarpoolError('POOL_PENDING_FULL', `${this.#pool.name}: ${this.#pool.occupancy()}`);
    }
    if (endpoint === null) this.#deadlines.endpoint(entry);
    else this.#deadlines.room(entry);
  }

  /** A request cannot wait any longer than it wants to: it leaves the queue. @returns whether it was waiting */
  withdraw(waiter: LeaseWaiter): boolean {
    const entry = this.#pool.pending.find(waiter);
    if (entry === null) return false;
    this.#pool.pending.remove(entry);
    this.orphanDials(entry);
    return true;
  }

  /** An endpoint drains: its connects end, and requests that wait for them are to go on elsewhere. */
  cancelTo(endpoint: EndpointPool): void {
    for (const handle of [...this.#dials]) {
      if (handle.endpoint !== endpoint) continue;
      // It has not failed: the endpoint has gone, and the request has all its tries still.
      if (handle.waiter !== null) handle.waiter.tries--;
      handle.cancel();
    }
  }

  /** An endpoint takes no request: its connects go on, for it may be ready again soon, but no request waits for them. */
  unready(endpoint: EndpointPool): void {
    for (const handle of [...this.#dials]) {
      if (handle.endpoint !== endpoint || handle.waiter === null) continue;
      handle.waiter.tries--;
      if (handle.tunnel) {
        handle.cancel();
        continue;
      }
      handle.waiter.dials.delete(handle);
      handle.waiter = null;
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
    if (this.#pool.pending.limited > 0) this.#leaseIdle();
    this.pump();
  }

  /** An endpoint that is ready again may have idle connections still: they serve who waits before any is opened. */
  #leaseIdle(): void {
    const now = this.#context.clock.now();
    for (const entry of this.#pool.pending.all()) {
      if (!this.#limited(entry)) continue;
      const endpoint = this.#pool.pick(entry.tried, now);
      const connection = endpoint === null ? null : this.#pool.takeIdle(endpoint, entry.waiter, now);
      if (endpoint === null || connection === null) continue;
      this.#pool.pending.remove(entry);
      this.#observer.acquireDuration.observe(now - entry.since);
      entry.waiter.leased(connection, endpoint);
    }
  }

  /** Opens a connection to `endpoint`, whose place in the limits is taken already; for a request, or for the pool. */
  dial(endpoint: EndpointPool, entry: Pending | null): void {
    const { timeouts, pool } = this.#pool.policy;
    const tunnel = entry?.waiter.tunnel === true;
    endpoint.dialing++;
    if (tunnel) endpoint.dialingTunnels++;
    const handle: DialHandle = { waiter: entry, endpoint, tunnel, cancel: () => {} };
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
      this.#pool.settleLeaving(endpoint);
    };
    const dial = new Dial(
      { addresses: endpoint.addresses, port: endpoint.spec.port },
      { connectMs: timeouts.connectMs, attemptMs: timeouts.connectAttemptMs, keepAliveMs: pool.tcpKeepAliveMs },
      this.#context.clock,
      {
        dialed: (socket, ms, address) => {
          ended();
          endpoint.reached(address);
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
    if (waiter?.waiter.tunnel && this.#pool.pending.has(waiter)) {
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
    const unwanted = this.#pool.closed && this.#pool.pending.size === 0;
    const drains = this.#pool.drainReason(endpoint);
    if (unwanted || drains !== null) {
      connection.retire(drains ?? 'shutdown');
      this.pump();
      return;
    }
    const entry = this.#pool.nextFor(endpoint) ?? handle.waiter;
    if (entry === null || !this.#pool.pending.has(entry)) {
      const reason = this.#pool.whyRetire(connection, clock.now());
      if (reason === null) endpoint.keepIdle(connection);
      else connection.retire(reason);
      return;
    }
    // The request that is served first need not be the one that this connect was begun for: they swap their connects.
    if (handle.waiter !== null && handle.waiter !== entry && this.#pool.pending.has(handle.waiter)) {
      const [other] = entry.dials;
      if (other !== undefined) {
        entry.dials.delete(other);
        other.waiter = handle.waiter;
        handle.waiter.dials.add(other);
      }
    }
    this.serve(entry, connection, endpoint);
  }

  #connectWorked(endpoint: EndpointPool): void {
    this.#joined(endpoint);
    if (endpoint.health.by === 'connect') this.#evidence.recovered(endpoint);
  }

  /** A new endpoint has shown whether it can be reached: it is one of the others now. */
  #joined(endpoint: EndpointPool): void {
    const { rotation, endpoints } = this.#pool;
    if (rotation.joining.delete(endpoint)) rotation.update(endpoints);
  }

  /** A tunnel is no part of the pool: it has no age, and closes with the exchange that it carries. */
  #openTunnel(entry: Pending, socket: ByteSocket, endpoint: EndpointPool): void {
    this.#pool.pending.remove(entry);
    this.orphanDials(entry);
    entry.waiter.tunnelReady(socket, endpoint, this.#tunnelOpened(endpoint));
  }

  /**
   * An exchange's connection has become a tunnel: it has left the pool, and still counts in limits.maxConnections.
   */
  becameTunnel(endpoint: EndpointPool | null): TunnelPlace {
    // The connection is about to give its place back.
    this.#context.capacity.hold();
    return this.#tunnelOpened(endpoint);
  }

  #tunnelOpened(endpoint: EndpointPool | null): TunnelPlace {
    const place = new TunnelPlace(() => {
      if (endpoint !== null) {
        endpoint.tunnels.delete(place);
        this.#pool.settleLeaving(endpoint);
      }
      this.#context.capacity.release();
    });
    endpoint?.tunnels.add(place);
    return place;
  }

  /** Gives a connection to a request that waits. */
  serve(entry: Pending, connection: Http1Connection, endpoint: EndpointPool): void {
    this.#pool.pending.remove(entry);
    this.orphanDials(entry);
    const now = this.#context.clock.now();
    this.#observer.acquireDuration.observe(now - entry.since);
    endpoint.lease(connection, now);
    entry.waiter.leased(connection, endpoint);
  }

  /** A request needs its connects no more: they go on for those that have none, or for the pool. */
  orphanDials(entry: Pending): void {
    for (const handle of entry.dials) {
      const next = this.#pool.pending.firstLimited();
      if (handle.tunnel && next?.waiter.tunnel !== true) {
        handle.cancel();
        continue;
      }
      handle.waiter = next;
      if (next === null) continue;
      next.dials.add(handle);
      this.#deadlines.connect(next);
    }
    entry.dials.clear();
  }

  #dialFailed(endpoint: EndpointPool, handle: DialHandle, failure: DialFailure): void {
    if (failure.timedOut) this.#observer.connectTimeouts++;
    this.#observer.connectFailed(failure.errno);
    const { events } = this.#context;
    events.emit({
      type: 'connect_failed',
      destination: this.#pool.name,
      endpoint: endpoint.spec.id,
      code: failure.errno,
      message: failure.message,
    });
    this.#joined(endpoint);
    if (!OUR_OWN_FAULT.has(failure.errno)) this.#evidence.eject(endpoint, 'connect', failure.errno);
    const entry = handle.waiter;
    if (entry !== null && this.#pool.pending.has(entry)) {
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
    const endpoint = entry.tries < MAX_TRIES ? this.#pool.pick(entry.tried, this.#context.clock.now()) : null;
    if (endpoint === null) {
      this.#pool.pending.remove(entry);
      entry.waiter.acquireFailed(connectError(this.#pool.name, failed, failure));
      return false;
    }
    if (!entry.waiter.tunnel && this.#pool.counted >= this.#pool.policy.pool.maxConnections) {
      this.#deadlines.room(entry);
      return false;
    }
    this.dial(endpoint, entry);
    return true;
  }

  #dialSlow(endpoint: EndpointPool, handle: DialHandle): void {
    this.#joined(endpoint);
    // An address that swallows SYNs costs every request sent there the attempt time: others go elsewhere at once.
    this.#evidence.eject(endpoint, 'connect', 'no answer to a connect');
    const entry = handle.waiter;
    if (entry === null || !this.#pool.pending.has(entry) || entry.tries >= MAX_TRIES) return;
    entry.tried.push(endpoint);
    this.#dialAgain(entry, true);
  }

  /** Another connect for a request, elsewhere where that is possible. @returns whether one was begun */
  #dialAgain(entry: Pending, elsewhereOnly = false): boolean {
    const endpoint = this.#pool.pick(entry.tried, this.#context.clock.now());
    if (endpoint === null || (elsewhereOnly && entry.tried.includes(endpoint))) return false;
    if (!(entry.waiter.tunnel || this.#pool.room(endpoint)) || !this.#context.capacity.take(this.#pool)) return false;
    this.dial(endpoint, entry);
    return true;
  }

  #expiry(createdAt: number): number {
    const { maxAgeMs } = this.#pool.policy.pool;
    // ±10 %, so that connections that were opened together do not all retire together.
    return maxAgeMs === 0 ? Number.POSITIVE_INFINITY : createdAt + maxAgeMs * (0.9 + 0.2 * this.#context.random());
  }

  /** Opens connections for requests that a limit kept, as far as there is room now. */
  pump(): void {
    const { pending } = this.#pool;
    // pool.maxConnections keeps requests, but not the tunnels behind them.
    while (this.#openFor(pending.firstLimited()) || this.#openFor(pending.firstLimitedTunnel()));
  }

  /** @returns whether there may be room for another one */
  #openFor(entry: Pending | null): boolean {
    if (entry === null) return false;
    const endpoint = this.#pool.pick(entry.tried, this.#context.clock.now());
    if (endpoint === null || !(entry.waiter.tunnel || this.#pool.room(endpoint))) return false;
    // To make room a connection was closed, and that pumps too: it may have been served meanwhile.
    if (!this.#limited(entry)) return true;
    if (!this.#context.capacity.take(this.#pool)) return false;
    if (!this.#limited(entry)) {
      this.#context.capacity.release();
      return true;
    }
    this.#deadlines.connect(entry);
    this.dial(endpoint, entry);
    return true;
  }

  #limited(entry: Pending): boolean {
    return entry.dials.size === 0 && this.#pool.pending.has(entry);
  }
}
