import { Dial, type DialFailure } from '../connection/dial.ts';
import { Http1Connection } from '../connection/http1-connection.ts';
import { CarpoolError } from '../errors.ts';
import type { DestinationObserver } from '../observer.ts';
import type { ByteSocket } from '../transport/byte-socket.ts';
import type { EndpointPool } from './endpoint-pool.ts';
import type { EndpointEvidence } from './evidence.ts';
import type { PoolContext } from './lease.ts';
import type { DialHandle, Pending } from './pending-queue.ts';
import type { PoolCore } from './pool-core.ts';

/** A request tries so many connects at most, each at another endpoint where there is one. */
const MAX_TRIES = 3;

/** Connect errors that say nothing about the endpoint: no port, descriptor or memory was left on this side. */
const OUR_OWN_FAULT = new Set(['EADDRNOTAVAIL', 'EADDRINUSE', 'EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);

function connectError(name: string, endpoint: EndpointPool, failure: DialFailure): CarpoolError {
  const { address, port } = endpoint.spec;
  // Node's own message says code and address once more: `connect ECONNREFUSED 10.0.0.5:9000`.
  const cause = failure.message.includes(failure.errno) ? failure.errno : `${failure.errno} ${failure.message}`;
  const message = `${name}: no connection to ${address}:${port}: ${cause}`;
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
  readonly #dials = new Set<DialHandle>();

  constructor(pool: PoolCore, evidence: EndpointEvidence, observer: DestinationObserver, context: PoolContext) {
    this.#pool = pool;
    this.#evidence = evidence;
    this.#observer = observer;
    this.#context = context;
  }

  /** Ends connects: those that no request needs, or all. */
  cancel(which: 'unneeded' | 'all'): void {
    for (const handle of [...this.#dials]) if (which === 'all' || handle.waiter === null) handle.cancel();
  }

  acquireExpired(entry: Pending): void {
    const message = `${this.#pool.name}: waited ${this.#pool.policy.pool.acquireTimeoutMs} ms for a connection: ${this.#pool.occupancy()}`;
    entry.waiter.acquireFailed(new CarpoolError('ACQUIRE_TIMEOUT', message));
  }

  connectExpired(entry: Pending): void {
    this.orphanDials(entry);
    const message = `${this.#pool.name}: no connection within ${this.#pool.policy.timeouts.connectMs} ms (${entry.tries} tries)`;
    entry.waiter.acquireFailed(new CarpoolError('CONNECT_TIMEOUT', message));
  }

  /** Opens a connection to `endpoint`, whose place in the limits is taken already; for a request, or for the pool. */
  dial(endpoint: EndpointPool, entry: Pending | null): void {
    const { timeouts, pool } = this.#pool.policy;
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
      this.#pool.settleLeaving(endpoint);
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
    const drains = endpoint.state === 'terminating' || endpoint.state === 'removed';
    // One that terminates still serves where there is no other.
    if (unwanted || (drains && !this.#pool.rotation.candidates.includes(endpoint))) {
      connection.retire(unwanted ? 'shutdown' : endpoint.drainReason);
      this.pump();
      return;
    }
    const entry = this.#pool.pending.firstFor(endpoint, this.#pool.rotation.candidates.length > 1) ?? handle.waiter;
    if (entry === null || !this.#pool.pending.has(entry)) {
      const reason = drains ? endpoint.drainReason : this.#pool.whyRetire(connection, clock.now());
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
    const { ejection } = endpoint.health;
    if (ejection.state !== 'none' && ejection.by === 'connect') this.#evidence.recovered(endpoint);
  }

  /** A tunnel is no part of the pool: it has no age, and closes with the exchange that it carries. */
  #openTunnel(entry: Pending, socket: ByteSocket, endpoint: EndpointPool): void {
    this.#pool.pending.remove(entry);
    this.orphanDials(entry);
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
      this.#pool.pending.setDeadline(next, this.#pool.policy.timeouts.connectMs, (late) => this.connectExpired(late));
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
    const { maxConnections, acquireTimeoutMs } = this.#pool.policy.pool;
    if (!entry.waiter.tunnel && this.#pool.counted >= maxConnections) {
      this.#pool.pending.setDeadline(entry, acquireTimeoutMs, (late) => this.acquireExpired(late));
      return false;
    }
    this.dial(endpoint, entry);
    return true;
  }

  #dialSlow(endpoint: EndpointPool, handle: DialHandle): void {
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
    for (;;) {
      const entry = this.#pool.pending.firstLimited();
      if (entry === null) return;
      const endpoint = this.#pool.pick(entry.tried, this.#context.clock.now());
      if (endpoint === null || !(entry.waiter.tunnel || this.#pool.room(endpoint))) return;
      // To make room a connection was closed, and that pumps too: it may have been served meanwhile.
      if (entry.dials.size > 0 || !this.#pool.pending.has(entry)) continue;
      if (!this.#context.capacity.take(this.#pool)) return;
      this.#pool.pending.setDeadline(entry, this.#pool.policy.timeouts.connectMs, (late) => this.connectExpired(late));
      this.dial(endpoint, entry);
    }
  }
}
