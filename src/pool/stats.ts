import type { Spoken } from '../connection/upstream.ts';
import type { DiscoveryState } from '../discovery/discovery.ts';
import type { PoolSignal } from '../observer.ts';

/** Snapshots for /stats, /health/*, the CLI and the gauges. Made on demand, off the hot path. */

export type ConnectionState = 'idle' | 'active' | 'draining';

export type ConnectionStats = {
  readonly id: number;
  readonly state: ConnectionState;
  readonly protocol: Spoken;
  readonly local: string;
  readonly ageMs: number;
  readonly idleMs: number | null;
  readonly requests: number;
  /** Exchanges that it carries now. */
  readonly streams: number;
  /** Why it is draining, or null. */
  readonly reason: string | null;
};

/** An endpoint without its connections one by one. */
export type EndpointFigures = {
  readonly id: string;
  readonly address: string;
  readonly port: number;
  readonly state: 'ready' | 'suspended' | 'unready' | 'terminating' | 'removed' | 'ejected' | 'failing';
  /** Whether it takes requests now: terminating ones do where nothing better is left, and so does an ejected last one. */
  readonly inRotation: boolean;
  readonly outstanding: number;
  readonly latencyMs: number;
  readonly connectMs: number | null;
  readonly consecutiveFailures: number;
  readonly ejectedForMs: number;
  /** What active health checks say, or null: there are none. */
  readonly check: 'passing' | 'failing' | 'pending' | null;
  /** The safe idle time learned or advertised, in milliseconds, and where it comes from. */
  readonly idle: { readonly effectiveMs: number; readonly source: 'default' | 'configured' | 'advertised' | 'learned' };
  /** Connects under way, by what they are to speak; where ALPN decides that, as what it may be. */
  readonly dialing: Readonly<Record<Spoken, number>>;
};

export type EndpointStats = EndpointFigures & { readonly connections: readonly ConnectionStats[] };

/** The breaker of a destination as a whole. */
export type BreakerStats = {
  readonly state: 'off' | 'closed' | 'open' | 'half_open';
  readonly failures: number;
  /** Until it lets a request try; 0 where it is not open. */
  readonly triedAgainInMs: number;
};

export type LimitStats = {
  readonly configured: number;
  readonly scaled: number | null;
  /** This sidecar's share of `budget`, or null: nobody divides it. */
  readonly share: number | null;
  /** fleet.maxConnections: the budget of all sidecars, or null: there is none. */
  readonly budget: number | null;
};

/** A destination without its endpoints and connections one by one: made in microseconds, however many there are. */
export type DestinationSummary = {
  readonly name: string;
  readonly label: string;
  readonly configured: boolean;
  readonly balancer: string;
  readonly discovery: DiscoveryState;
  readonly connecting: number;
  readonly active: number;
  readonly idle: number;
  readonly draining: number;
  readonly pending: number;
  /** The limit in force, and what it comes from. */
  readonly maxConnections: number;
  readonly limit: LimitStats;
  /** Connections that are kept warm: configured, or learned. */
  readonly floor: number;
  readonly paused: boolean;
  readonly breaker: BreakerStats;
  /** What the pool health monitor warns of now. */
  readonly signals: readonly PoolSignal[];
};

/** Connections of one protocol, by state. */
export type ConnectionCounts = Record<ConnectionState | 'connecting', number>;

/** A destination as the gauges show it: counted, with no object for an endpoint or a connection. */
export type DestinationCounts = DestinationSummary & {
  readonly connections: Readonly<Record<Spoken, Readonly<ConnectionCounts>>>;
  readonly endpointStates: ReadonlyMap<EndpointStats['state'], number>;
  /** The shortest safe idle time of its endpoints, or null: it has none. */
  readonly idleTime: EndpointStats['idle'] | null;
};

export type DestinationStats = DestinationSummary & { readonly endpoints: readonly EndpointStats[] };
