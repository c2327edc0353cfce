import type { Clock } from '../clock.ts';
import type { DestinationPolicy } from '../config/types.ts';
import type {
  ConnectionOwner,
  Lane,
  OpenState,
  PooledConnection,
  ProtocolNeed,
  Spoken,
  UpstreamLease,
} from '../connection/upstream.ts';
import type { EndpointSpec } from '../discovery/discovery.ts';
import type { CloseReason } from '../observer.ts';
import { EndpointHealth, EndpointLatency } from './endpoint-load.ts';
import { EndpointProtocol } from './endpoint-protocol.ts';
import type { IdleTime } from './idle-time.ts';
import type { ConnectionStats, EndpointFigures, EndpointStats } from './stats.ts';
import { UnderWay } from './under-way.ts';
import type { VirtualIdle } from './virtual-idle.ts';
import { WarmBackoff } from './warm-backoff.ts';

/**
 * What discovery says of an endpoint. `suspended`: out of rotation while others are ready, connections live. `unready`:
 * takes no request, connections live. `terminating_serving`: as `suspended` where nothing better is left, else drained.
 * `terminating`, `removed`: drained.
 */
export type EndpointState = 'ready' | 'suspended' | 'unready' | 'terminating_serving' | 'terminating' | 'removed';

/** What active health checks say; null: there are none. `pending`: none has ended yet, which keeps no request away. */
export type Checked = 'pending' | 'passing' | 'failing' | null;

/** Connects to an endpoint that failed one after the other: how many, and what the last of them came to. */
type ConnectsFailed = {
  readonly count: number;
  readonly errno: string;
  readonly message: string;
  /** It was TLS that failed. */
  readonly tls: boolean;
  /** Monotonic milliseconds. */
  readonly at: number;
};

/** What an endpoint pool asks of the destination that it is part of. */
export interface EndpointParent {
  readonly idleTime: IdleTime;
  readonly policy: DestinationPolicy;
  /** Connections go by TLS. */
  readonly secure: boolean;
  /** A connection has room: a waiter may take it. @returns whether one did */
  offer(endpoint: EndpointPool, connection: PooledConnection): boolean;
  /** Whether the connection must go instead of staying (its age, its requests), with the reason. */
  whyRetire(connection: PooledConnection, now: number): CloseReason | null;
  /** Why connections of an endpoint that is not ready do not stay, or null: they stay. */
  drainReason(endpoint: EndpointPool): CloseReason | null;
  /** A connection of this endpoint counts in pool.maxConnections no more: it drains. */
  drains(): void;
  connectionGone(
    endpoint: EndpointPool,
    connection: PooledConnection,
    reason: CloseReason,
    idleMs: number | null,
  ): void;
  idleAdded(endpoint: EndpointPool): void;
}

/** The connections to one endpoint. */
export class EndpointPool extends UnderWay implements ConnectionOwner {
  state: EndpointState = 'ready';
  readonly health: EndpointHealth;
  readonly latency = new EndpointLatency();
  readonly protocol: EndpointProtocol;
  /** Whether connections are opened here that nobody waits for. */
  readonly warming = new WarmBackoff();
  lastConnectMs: number | null = null;
  /** Since a connect worked last; null: none has failed. For people: what follows from it is the matter of `health`. */
  connectsFailed: ConnectsFailed | null = null;
  /** Connects under way that are for tunnels, which pool.maxConnections does not limit. */
  dialingTunnels = 0;
  /** And those of all of them that may become HTTP/2 connections. */
  dialingHttp2 = 0;
  /** Connections that carry exchanges, those that drain among them. */
  busy = 0;
  /** Since when discovery names it no more (monotonic ms), or null. */
  removedAt: number | null = null;
  /** Since when it is here, or passes its health checks again, where there were others before; null: it was among the first. */
  newSince: number | null = null;
  checked: Checked = null;
  /** The address that took the last connection. */
  #reached: string | null = null;
  /** The most connections that were busy at once since the last sweep. */
  peak = 0;
  /** Last used last: taken from the end, so that the surplus grows old at the front. */
  readonly idle: PooledConnection[] = [];
  /** Active ones that have room, oldest first: few of them are full instead of many half empty, and the rest can go. */
  readonly shared: PooledConnection[] = [];
  readonly open = new Set<PooledConnection>();
  /** What would be idle here if it were pooled (`mode: observe`); null: it is, or nothing was opened yet. */
  virtual: VirtualIdle | null = null;
  /** An idle connection that is left alone to find out the server's idle time-out. */
  probe: PooledConnection | null = null;
  /** Connections that finish their exchanges and close then. */
  draining = 0;
  #spec: EndpointSpec;
  readonly #parent: EndpointParent;
  readonly #clock: Clock;

  constructor(spec: EndpointSpec, parent: EndpointParent, clock: Clock) {
    super();
    this.#spec = spec;
    this.#parent = parent;
    this.#clock = clock;
    this.health = new EndpointHealth(clock);
    this.protocol = new EndpointProtocol(clock, spec.proxied !== undefined);
    this.protocol.declare(spec.appProtocol);
  }

  /** What discovery said last: the other address may become known later. */
  get spec(): EndpointSpec {
    return this.#spec;
  }

  set spec(spec: EndpointSpec) {
    this.#spec = spec;
    this.protocol.declare(spec.appProtocol);
  }

  /** Connections that count in pool.maxConnections: all but the draining ones. */
  get counted(): number {
    return this.open.size - this.draining + this.dialing - this.dialingTunnels;
  }

  /** Whether nothing speaks against it: idle connections to it are of use now, and not only when it is well again. */
  get usable(): boolean {
    if (this.state === 'unready' || this.checked === 'failing') return false;
    const { suspect, out, by } = this.health;
    // One that answers with errors and may not be ejected is as good as there is, when its moment is over.
    return !suspect || (!out && by === 'failures' && this.health.due(this.#clock.now()));
  }

  /** Whether nothing is open through it, or being opened. */
  get vacant(): boolean {
    return this.open.size + this.dialing + this.tunnels.size === 0;
  }

  /** What to dial, in order: the address family that took the last connection goes first. */
  get addresses(): readonly string[] {
    const { address, otherAddress } = this.#spec;
    if (otherAddress === undefined) return [address];
    return this.#reached === otherAddress ? [otherAddress, address] : [address, otherAddress];
  }

  /** A connect to `address` worked. */
  reached(address: string): void {
    this.#reached = address;
  }

  /** What to speak here for a request. */
  spokenFor(need: ProtocolNeed): Lane {
    const { policy, secure } = this.#parent;
    return this.protocol.lane(need, policy.protocol, secure);
  }

  /** Whether a connection that speaks so is of use to a request. */
  fits(spoken: Spoken, need: ProtocolNeed): boolean {
    const lane = this.spokenFor(need);
    return lane === spoken || lane === 'negotiate';
  }

  /**
   * Whether it has a connection whose peer allows no exchange at all for now, so that another one would not help; or that will soon tell
   * how many it allows.
   */
  held(lane: Lane): boolean {
    if (lane === 'http1') return false;
    if (this.protocol.peerStreams === null) for (const { settling } of this.open) if (settling) return true;
    return this.idle.some(({ spoken, room }) => spoken === 'http2' && room === 0);
  }

  /**
   * Leases a connection that is fit: an active one that has room, else the idle one that was used last.
   * @param maxIdleMs how long an idle one may have been idle; below 0: none will do
   */
  take(need: ProtocolNeed, now: number, maxIdleMs: number): UpstreamLease | null {
    const lane = this.spokenFor(need);
    // What carries exchanges is read from: that is as fresh as a connection gets.
    const shared = this.shared.length === 0 || lane === 'http1' ? null : this.#oldestShared(now);
    if (shared !== null) return this.lease(shared, now);
    return maxIdleMs < 0 ? null : this.#takeIdle(lane, now, maxIdleMs);
  }

  /** Leases an active connection that has room, or null. */
  takeShared(need: ProtocolNeed, now: number): UpstreamLease | null {
    return this.shared.length === 0 ? null : this.take(need, now, -1);
  }

  #oldestShared(now: number): PooledConnection | null {
    for (;;) {
      const connection = this.shared[0];
      if (connection === undefined) return null;
      if (this.mayLease(connection, now)) return connection;
      // Its room went without a word: the peer has lowered its limit.
      this.#unlist(connection);
    }
  }

  #takeIdle(lane: Lane, now: number, maxIdleMs: number): UpstreamLease | null {
    for (let at = this.idle.length - 1; at >= 0; ) {
      const connection = this.idle[at];
      if (connection === undefined || connection === this.probe) return null;
      if ((lane !== 'negotiate' && connection.spoken !== lane) || connection.room === 0) {
        at--;
        continue;
      }
      const idleMs = now - connection.idleSince;
      const reason = this.#parent.whyRetire(connection, now);
      if (reason !== null || idleMs > this.#parent.idleTime.effectiveMs) {
        connection.retire(reason ?? 'idle_timeout');
        at = this.idle.length - 1;
        continue;
      }
      // All others were idle for longer still.
      return idleMs > maxIdleMs ? null : this.lease(connection, now);
    }
    return null;
  }

  /** Whether a connection can take another exchange; one that has had all that it may begins to drain. */
  mayLease(connection: PooledConnection, now: number): boolean {
    if (connection.room === 0) return false;
    const reason = connection.requests === 0 ? null : this.#parent.whyRetire(connection, now);
    if (reason !== null) connection.retire(reason);
    return reason === null;
  }

  /** Gives one lease on a connection that has room. */
  lease(connection: PooledConnection, now: number): UpstreamLease {
    const lease = connection.lease(now);
    if (connection.leases++ === 0 && ++this.busy > this.peak) this.peak = this.busy;
    this.exchanges++;
    this.file(connection);
    return lease;
  }

  /** Takes a fresh connection in. It belongs to nobody yet: `lease` or `file` must follow. */
  adopt(connection: PooledConnection): void {
    this.open.add(connection);
  }

  /** Puts a connection into the list in which it belongs by its state and room. */
  file(connection: PooledConnection): void {
    const { state } = connection;
    const list = state === 'idle' ? 'idle' : state === 'active' && connection.room > 0 ? 'shared' : 'none';
    if (list === connection.list) return;
    this.#unlist(connection);
    connection.list = list;
    if (list === 'shared') {
      let at = this.shared.length;
      while (at > 0 && (this.shared[at - 1]?.id ?? 0) > connection.id) at--;
      this.shared.splice(at, 0, connection);
    } else if (list === 'idle') {
      connection.waited = true;
      this.idle.push(connection);
      this.#parent.idleAdded(this);
    }
  }

  #unlist(connection: PooledConnection): void {
    if (connection.list === 'none') return;
    const list = connection.list === 'idle' ? this.idle : this.shared;
    connection.list = 'none';
    if (list.at(-1) === connection) list.pop();
    else list.splice(list.indexOf(connection), 1);
  }

  leaseEnded(connection: PooledConnection): void {
    if (connection.leases === 0) throw new Error(`connection ${connection.id} was released twice`);
    this.exchanges--;
    if (--connection.leases === 0) this.busy--;
  }

  connectionFree(connection: PooledConnection): void {
    const drains = this.state === 'ready' ? null : this.#parent.drainReason(this);
    const now = this.#clock.now();
    const reason = drains ?? this.#parent.whyRetire(connection, now);
    if (reason !== null) {
      connection.retire(reason);
      return;
    }
    while (connection.room > 0 && this.#parent.offer(this, connection) && this.mayLease(connection, now));
    this.file(connection);
  }

  connectionDrains(connection: PooledConnection): void {
    this.draining++;
    this.#unlist(connection);
    this.#parent.drains();
  }

  connectionClosed(connection: PooledConnection, from: OpenState, reason: CloseReason, idleMs: number | null): void {
    if (reason === 'not_reusable') this.virtual?.ended(this.#clock.now(), this.#parent.policy.pool.maxConnections);
    this.open.delete(connection);
    if (this.probe === connection) this.probe = null;
    this.#unlist(connection);
    if (from === 'draining') this.draining--;
    this.#parent.connectionGone(this, connection, reason, idleMs);
  }

  prefaceRefused(): void {
    this.protocol.spoke('http1');
  }

  peerAllows(exchanges: number): void {
    this.protocol.peerStreams = exchanges;
  }

  survivedIdle(ms: number): void {
    this.#parent.idleTime.survived(ms);
  }

  idleTimeoutAdvertised(ms: number): void {
    this.#parent.idleTime.advertised(ms);
  }

  /** Retires connections: idle ones close, active ones after their exchanges. @returns how many */
  retireAll(reason: CloseReason, idleOnly: boolean): number {
    let count = 0;
    for (const connection of [...this.open]) {
      if (connection.state === 'draining' || (idleOnly && connection.state === 'active')) continue;
      connection.retire(reason);
      count++;
    }
    return count;
  }

  /** Closes everything now, exchanges too. */
  destroyAll(reason: CloseReason): void {
    for (const connection of [...this.open]) connection.destroy(reason);
  }

  /** Once a second. */
  tick(now: number): void {
    for (const connection of this.open) if (connection.spoken === 'http2') connection.tick(now);
  }

  /** Its state, for people. */
  get shownState(): EndpointStats['state'] {
    if (this.state === 'terminating_serving') return 'terminating';
    if (this.state === 'ready' && this.checked === 'failing') return 'failing';
    return this.state === 'ready' && this.health.out ? 'ejected' : this.state;
  }

  /** How long a connection may have been idle and is used still, and how that is known. */
  get safeIdle(): EndpointStats['idle'] {
    const { effectiveMs, source } = this.#parent.idleTime;
    return { effectiveMs, source };
  }

  /** All but its connections. */
  figures(now: number, inRotation: boolean): EndpointFigures {
    return {
      id: this.spec.id,
      address: this.spec.address,
      port: this.spec.port,
      state: this.shownState,
      inRotation,
      outstanding: this.exchanges,
      latencyMs: this.latency.at(now),
      connectMs: this.lastConnectMs,
      consecutiveFailures: this.health.consecutiveFailures + (this.connectsFailed?.count ?? 0),
      ejectedForMs: Math.ceil(this.health.remainingMs),
      check: this.checked,
      idle: this.safeIdle,
      dialing: { http1: this.dialing - this.dialingHttp2, http2: this.dialingHttp2 },
    };
  }

  stats(now: number, inRotation: boolean): EndpointStats {
    const connections: ConnectionStats[] = [];
    for (const connection of this.open) connections.push(connectionStats(connection, now));
    return { ...this.figures(now, inRotation), connections };
  }
}

function connectionStats(connection: PooledConnection, now: number): ConnectionStats {
  const state = connection.state === 'closed' ? 'draining' : connection.state;
  return {
    id: connection.id,
    state,
    protocol: connection.spoken,
    local: String(connection.localPort),
    ageMs: now - connection.createdAt,
    idleMs: state === 'idle' ? now - connection.idleSince : null,
    requests: connection.requests,
    streams: connection.leases,
    reason: connection.retireReason,
  };
}
