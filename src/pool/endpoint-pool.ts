import type { Clock } from '../clock.ts';
import type { Http1Connection } from '../connection/http1-connection.ts';
import type { ConnectionOwner, OpenState } from '../connection/upstream.ts';
import type { EndpointSpec } from '../discovery/discovery.ts';
import type { CloseReason } from '../observer.ts';
import { EndpointHealth, EndpointLatency } from './endpoint-load.ts';
import type { IdleTime } from './idle-time.ts';
import type { ConnectionStats, EndpointStats } from './stats.ts';
import type { TunnelPlace } from './tunnel-place.ts';

/**
 * What discovery says of an endpoint. `suspended`: out of rotation while others are ready, connections live. `unready`:
 * takes no request, connections live. `terminating_serving`: as `suspended` where nothing better is left, else drained.
 * `terminating`, `removed`: drained.
 */
export type EndpointState = 'ready' | 'suspended' | 'unready' | 'terminating_serving' | 'terminating' | 'removed';

/** What an endpoint pool asks of the destination that it is part of. */
export interface EndpointParent {
  readonly idleTime: IdleTime;
  /** A connection has come free: a waiter may take it. @returns whether one did */
  offer(endpoint: EndpointPool, connection: Http1Connection): boolean;
  /** Whether the connection must go instead of staying (its age, its requests), with the reason. */
  whyRetire(connection: Http1Connection, now: number): CloseReason | null;
  /** Why connections of an endpoint that is not ready do not stay, or null: they stay. */
  drainReason(endpoint: EndpointPool): CloseReason | null;
  connectionGone(endpoint: EndpointPool, connection: Http1Connection, reason: CloseReason, idleMs: number | null): void;
  idleAdded(endpoint: EndpointPool): void;
}

/** The connections to one endpoint. */
export class EndpointPool implements ConnectionOwner<Http1Connection> {
  /** What discovery said last: the other address may become known later. */
  spec: EndpointSpec;
  state: EndpointState = 'ready';
  readonly health: EndpointHealth;
  readonly latency = new EndpointLatency();
  lastConnectMs: number | null = null;
  /** Connects under way. */
  dialing = 0;
  /** Those of them that are for tunnels, which pool.maxConnections does not limit. */
  dialingTunnels = 0;
  /** Leased connections, those that drain among them: the outstanding exchanges. */
  busy = 0;
  /** Tunnels through this endpoint, which are no part of the pool. */
  readonly tunnels = new Set<TunnelPlace>();
  /** Since when discovery names it no more (monotonic ms), or null. */
  removedAt: number | null = null;
  /** Since when it is here, where there were others before; null: it was among the first. */
  newSince: number | null = null;
  /** The address that took the last connection. */
  #reached: string | null = null;
  /** The most that were busy at once since the last sweep. */
  peak = 0;
  /** Last used last: taken from the end, so that the surplus grows old at the front. */
  readonly idle: Http1Connection[] = [];
  readonly open = new Set<Http1Connection>();
  /** An idle connection that is left alone to find out the server's idle time-out. */
  probe: Http1Connection | null = null;
  /** Connections that finish an exchange and close then. */
  draining = 0;
  readonly #parent: EndpointParent;
  readonly #clock: Clock;

  constructor(spec: EndpointSpec, parent: EndpointParent, clock: Clock) {
    this.spec = spec;
    this.#parent = parent;
    this.#clock = clock;
    this.health = new EndpointHealth(clock);
  }

  /** What balancers compare: exchanges under way, and those that wait for a connect here. */
  get outstanding(): number {
    return this.busy + this.dialing + this.tunnels.size;
  }

  /** Connections that count in pool.maxConnections: all but the draining ones. */
  get counted(): number {
    return this.open.size - this.draining + this.dialing - this.dialingTunnels;
  }

  /** Whether nothing is open through it, or being opened. */
  get vacant(): boolean {
    return this.open.size + this.dialing + this.tunnels.size === 0;
  }

  /** What to dial, in order: the address family that took the last connection goes first. */
  get addresses(): readonly string[] {
    const { address, otherAddress } = this.spec;
    if (otherAddress === undefined) return [address];
    return this.#reached === otherAddress ? [otherAddress, address] : [address, otherAddress];
  }

  /** A connect to `address` worked. */
  reached(address: string): void {
    this.#reached = address;
  }

  /**
   * Leases the idle connection that was used last, if one is fit.
   * @param maxIdleMs how long it may have been idle
   */
  takeIdle(now: number, maxIdleMs: number): Http1Connection | null {
    for (;;) {
      const connection = this.idle.at(-1);
      if (connection === undefined || connection === this.probe) return null;
      const idleMs = now - connection.idleSince;
      const reason = this.#parent.whyRetire(connection, now);
      if (reason !== null || idleMs > this.#parent.idleTime.effectiveMs) {
        connection.retire(reason ?? 'idle_timeout');
        continue;
      }
      // All others were idle for longer still.
      if (idleMs > maxIdleMs) return null;
      this.idle.pop();
      this.lease(connection, now);
      return connection;
    }
  }

  /** Counts a connection as leased: one from the idle ones, one that was just opened, or one that just came free. */
  lease(connection: Http1Connection, now: number): void {
    if (++this.busy > this.peak) this.peak = this.busy;
    connection.lease(now);
  }

  /** Takes a fresh connection in. It belongs to nobody yet: `lease` or `keepIdle` must follow. */
  adopt(connection: Http1Connection): void {
    this.open.add(connection);
  }

  keepIdle(connection: Http1Connection): void {
    connection.waited = true;
    this.idle.push(connection);
    this.#parent.idleAdded(this);
  }

  connectionFree(connection: Http1Connection): void {
    if (this.busy === 0) throw new Error(`connection ${connection.id} was released twice`);
    this.busy--;
    const drains = this.state === 'ready' ? null : this.#parent.drainReason(this);
    const reason = drains ?? this.#parent.whyRetire(connection, this.#clock.now());
    if (reason !== null) {
      connection.retire(reason);
      return;
    }
    if (this.#parent.offer(this, connection)) return;
    this.keepIdle(connection);
  }

  connectionClosed(connection: Http1Connection, from: OpenState, reason: CloseReason, idleMs: number | null): void {
    this.open.delete(connection);
    if (this.probe === connection) this.probe = null;
    if (from === 'idle') {
      const index = this.idle.lastIndexOf(connection);
      if (index >= 0) this.idle.splice(index, 1);
    } else {
      this.busy--;
      if (from === 'draining') this.draining--;
    }
    this.#parent.connectionGone(this, connection, reason, idleMs);
  }

  survivedIdle(ms: number): void {
    this.#parent.idleTime.survived(ms);
  }

  idleTimeoutAdvertised(ms: number): void {
    this.#parent.idleTime.advertised(ms);
  }

  /** Retires connections: idle ones close, active ones after their exchange. @returns how many */
  retireAll(reason: CloseReason, idleOnly: boolean): number {
    let count = 0;
    for (const connection of [...this.open]) {
      if (connection.state === 'draining' || (idleOnly && connection.state === 'active')) continue;
      if (connection.state === 'active') this.draining++;
      connection.retire(reason);
      count++;
    }
    return count;
  }

  /** Closes everything now, exchanges too. */
  destroyAll(reason: CloseReason): void {
    for (const connection of [...this.open]) connection.destroy(reason);
  }

  #shownState(): EndpointStats['state'] {
    if (this.state === 'terminating_serving') return 'terminating';
    return this.state === 'ready' && this.health.out ? 'ejected' : this.state;
  }

  stats(now: number, inRotation: boolean): EndpointStats {
    const connections: ConnectionStats[] = [];
    for (const connection of this.open) connections.push(connectionStats(connection, now));
    const { idleTime } = this.#parent;
    return {
      id: this.spec.id,
      address: this.spec.address,
      port: this.spec.port,
      state: this.#shownState(),
      inRotation,
      outstanding: this.busy,
      latencyMs: this.latency.at(now),
      connectMs: this.lastConnectMs,
      consecutiveFailures: this.health.consecutiveFailures,
      ejectedForMs: this.health.remainingMs,
      idle: { effectiveMs: idleTime.effectiveMs, source: idleTime.source },
      connections,
    };
  }
}

function connectionStats(connection: Http1Connection, now: number): ConnectionStats {
  const state = connection.state === 'closed' ? 'draining' : connection.state;
  return {
    id: connection.id,
    state,
    protocol: 'http1',
    local: String(connection.localPort),
    ageMs: now - connection.createdAt,
    idleMs: state === 'idle' ? now - connection.idleSince : null,
    requests: connection.requests,
    reason: connection.retireReason,
  };
}
