import type { FleetStats } from '../admin/inspector.ts';
import type { Config } from '../config/types.ts';

/** Who divides the budget. It gives each destination its share, through a `ShareBook`. */
export interface Coordinator {
  /** There may be a new destination, or one with another budget: its share is to be set before its first request. */
  refresh(): void;
  /** About once a second. */
  tick(now: number): void;
  /** A reload was applied. */
  reconfigure(config: Config): void;
  stats(): FleetStats;
  /** Gives up what this sidecar has. */
  close(): void;
}
