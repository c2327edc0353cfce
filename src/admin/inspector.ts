import type { LoadedConfig } from '../config/load.ts';
import type { Config } from '../config/types.ts';
import type { ConnectionState, DestinationCounts, DestinationStats } from '../pool/stats.ts';

/** What the operator port and the metrics may ask of the running sidecar. Implemented by `app.ts`; read only. */
export interface Inspector {
  destinations(): readonly DestinationStats[];
  /**
   * The same, made one destination at a time, so that a reader can let the event loop breathe in between (a generator
   * over the live map will do). Where it is missing, `destinations` is used and costs its whole time at once.
   */
  eachDestination?(): Iterable<DestinationStats>;
  /** All destinations counted, one at a time and without an object for each connection: for the gauges. */
  counts(): Iterable<DestinationCounts>;
  config(): Config;
  /** The configuration that was accepted last, with where each value comes from. */
  loadedConfig(): LoadedConfig;
  process(): ProcessStats;
}

export type KubernetesStats = {
  /** Whether the API server tells of changes; null: no Service was named yet. */
  readonly connected: boolean | null;
  /** Watches that are open or being opened: one for a namespace. */
  readonly watches: number;
  /** What keeps it from its best, and what to do about it. */
  readonly problems: readonly { readonly message: string; readonly hint: string }[];
};

export type FleetStats = {
  readonly coordinator: 'kubernetes' | 'redis';
  /** `failover`: the coordinator is away, and the even share is used. */
  readonly state: 'starting' | 'connected' | 'failover';
  /** Sidecars that share the budget, this one among them, as far as known. */
  readonly peers: number;
  readonly problem: string | null;
};

export type ProcessStats = {
  readonly version: string;
  readonly uptimeMs: number;
  readonly state: 'starting' | 'ready' | 'draining';
  readonly downstreamConnections: number;
  readonly exchanges: number;
  readonly tunnels: number;
  readonly upstreamConnections: number;
  readonly limits: { readonly maxConnections: number; readonly bufferBytes: number; readonly fileDescriptors: number };
  readonly bufferedBytes: number;
  /** Kubernetes discovery, or null: off. */
  readonly kubernetes: KubernetesStats | null;
  /** Who divides the fleet's budget, or null: nobody. */
  readonly fleet: FleetStats | null;
  /** Spans by what became of them; null, or absent: none were ever made. */
  readonly spans?: { readonly exported: number; readonly failed: number; readonly dropped: number } | null;
  /** Outcome counts of configuration reloads. */
  readonly reloads: { readonly applied: number; readonly refused: number; readonly lastError: string | null };
};

/** What the control socket may do. Implemented by `app.ts`. */
export interface Controller {
  /** Reads the configuration again; resolves with the lines that explain what changed, or the lines of what is wrong. */
  reload(): Promise<{ applied: boolean; lines: readonly string[] }>;
  setLogLevel(level: string): boolean;
  /**
   * Retires connections (reason `admin`): of one destination or of all; only idle ones or all (active ones finish).
   * @returns how many were retired, or null where no destination has that name
   */
  evict(selection: { destination: string | null; idleOnly: boolean; state?: ConnectionState }): number | null;
  /**
   * Running exchanges finish, new ones wait (pool.pauseTimeout), until `resume`. Null: no destination has that name; a name of the configuration, or
   * `host:port`, may be paused before its first request. @returns whether it was not paused before
   */
  pause(destination: string): boolean | null;
  /** How long a request waits while it is paused (the least, of several); 0: it is refused at once. */
  pauseTimeoutMs(destination: string): number;
  /** @returns whether it was paused, or null */
  resume(destination: string): boolean | null;
  /** Replaces all connections of a destination: each retires when its exchanges have ended. @returns how many, or null */
  reconnect(destination: string): number | null;
}
