import type { BreakerStats, DestinationCounts } from '../pool/stats.ts';

const PROTOCOLS = ['http1', 'http2'] as const;
const STATES = ['connecting', 'active', 'idle', 'draining'] as const;

/** Values of `circuit_breaker_state`. */
const BREAKER_STATES: Readonly<Record<BreakerStats['state'], number | null>> = {
  off: null,
  closed: 0,
  half_open: 1,
  open: 2,
};

/** What is added up for one destination label at a scrape: several destinations may share it. */
export class DestinationGauges {
  /** Key: protocol and state with a space between. */
  readonly connections = new Map<string, number>();
  readonly endpoints = new Map<string, number>();
  /** By signal of the pool health monitor: 1. */
  readonly warnings = new Map<string, number>();
  /** Limits in force. */
  max = 0;
  /** Shares of the fleet's budget, or null: there is none. */
  share: number | null = null;
  /** The breaker that is open furthest, as `circuit_breaker_state` shows it; null: none is configured. */
  breaker: number | null = null;
  /** 1: held by an operator; null: it never was. */
  paused: number | null = null;
  /** Places below pool.maxConnections that are not free for the next request: active and connecting ones. */
  inUse = 0;
  pending = 0;
  learnedIdle: { readonly seconds: number; readonly source: string } | null = null;

  add(stats: DestinationCounts): void {
    this.max += stats.maxConnections;
    this.pending += stats.pending;
    if (stats.limit.share !== null) this.share = (this.share ?? 0) + stats.limit.share;
    const breaker = BREAKER_STATES[stats.breaker.state];
    if (breaker !== null) this.breaker = Math.max(this.breaker ?? 0, breaker);
    if (stats.paused) this.paused = 1;
    for (const signal of stats.signals) this.warnings.set(signal, 1);
    for (const [state, count] of stats.endpointStates)
      this.endpoints.set(state, (this.endpoints.get(state) ?? 0) + count);
    if (stats.idleTime !== null) {
      const seconds = stats.idleTime.effectiveMs / 1000;
      if (this.learnedIdle === null || seconds < this.learnedIdle.seconds)
        this.learnedIdle = { seconds, source: stats.idleTime.source };
    }
    for (const protocol of PROTOCOLS) {
      const counts = stats.connections[protocol];
      this.inUse += counts.connecting + counts.active;
      for (const state of STATES) {
        if (counts[state] === 0) continue;
        const key = `${protocol} ${state}`;
        this.connections.set(key, (this.connections.get(key) ?? 0) + counts[state]);
      }
    }
  }

  get utilization(): number {
    return this.max === 0 ? 0 : this.inUse / this.max;
  }
}

type Seen = {
  readonly connections: Set<string>;
  readonly endpoints: Set<string>;
  readonly warnings: Set<string>;
  paused: boolean;
};

/**
 * Remembers which label values a gauge has shown, so that one which falls to nothing shows 0 instead of ending, and one
 * that never was does not take up a series. Forgets destinations that have no label any more.
 */
export class SeenValues {
  readonly #seen = new Map<string, Seen>();

  /** Fills in zeros for what was seen before, and remembers what is there now. */
  complete(label: string, gauges: DestinationGauges): void {
    let seen = this.#seen.get(label);
    if (!seen) {
      seen = { connections: new Set(), endpoints: new Set(), warnings: new Set(), paused: false };
      this.#seen.set(label, seen);
    }
    fill(seen.connections, gauges.connections);
    fill(seen.endpoints, gauges.endpoints);
    fill(seen.warnings, gauges.warnings);
    if (gauges.paused !== null) seen.paused = true;
    else if (seen.paused) gauges.paused = 0;
  }

  retain(labels: ReadonlyMap<string, unknown>): void {
    for (const label of this.#seen.keys()) if (!labels.has(label)) this.#seen.delete(label);
  }
}

function fill(seen: Set<string>, counts: Map<string, number>): void {
  for (const key of counts.keys()) seen.add(key);
  for (const key of seen) if (!counts.has(key)) counts.set(key, 0);
}
