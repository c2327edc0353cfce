import type { Config } from '../config/types.ts';
import type { ConnectionState, DestinationStats } from '../pool/stats.ts';

/** What the operator port and the metrics may ask of the running sidecar. Implemented by `app.ts`; read only. */
export interface Inspector {
  destinations(): readonly DestinationStats[];
  /**
   * The same, made one destination at a time, so that a reader can let the event loop breathe in between (a generator
   * over the live map will do). Where it is missing, `destinations` is used and costs its whole time at once.
   */
  eachDestination?(): Iterable<DestinationStats>;
  /** Cheap totals by destination label, without walking connections one by one into objects: for gauges. */
  config(): Config;
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
}
