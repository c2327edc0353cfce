import type { Spoken } from '../connection/upstream.ts';
import type { DiscoveryState } from '../discovery/discovery.ts';

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

export type EndpointStats = {
  readonly id: string;
  readonly address: string;
  readonly port: number;
  readonly state: 'ready' | 'suspended' | 'unready' | 'terminating' | 'removed' | 'ejected';
  /** Whether it takes requests now: terminating ones do where nothing better is left, and so does an ejected last one. */
  readonly inRotation: boolean;
  readonly outstanding: number;
  readonly latencyMs: number;
  readonly connectMs: number | null;
  readonly consecutiveFailures: number;
  readonly ejectedForMs: number;
  /** The safe idle time learned or advertised, in milliseconds, and where it comes from. */
  readonly idle: { readonly effectiveMs: number; readonly source: 'default' | 'configured' | 'advertised' | 'learned' };
  /** Connects under way, by what they are to speak; where ALPN decides that, as what it may be. */
  readonly dialing: Readonly<Record<Spoken, number>>;
  readonly connections: readonly ConnectionStats[];
};

export type DestinationStats = {
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
  readonly maxConnections: number;
  readonly endpoints: readonly EndpointStats[];
};
