import type { DestinationStats } from '../pool/stats.ts';

/** The states in which a connection holds a place below pool.maxConnections without being free for the next request. */
const IN_USE: ReadonlySet<string> = new Set(['active', 'connecting']);

/** What is added up for one destination label at a scrape: several destinations may share it. */
export class DestinationGauges {
  /** Key: protocol and state with a space between. */
  readonly connections = new Map<string, number>();
  readonly endpoints = new Map<string, number>();
  max = 0;
  inUse = 0;
  pending = 0;
  learnedIdle: { readonly seconds: number; readonly source: string } | null = null;

  add(stats: DestinationStats): void {
    this.max += stats.maxConnections;
    this.pending += stats.pending;
    for (const endpoint of stats.endpoints) {
      this.endpoints.set(endpoint.state, (this.endpoints.get(endpoint.state) ?? 0) + 1);
      const seconds = endpoint.idle.effectiveMs / 1000;
      if (!this.learnedIdle || seconds < this.learnedIdle.seconds)
        this.learnedIdle = { seconds, source: endpoint.idle.source };
      for (const connection of endpoint.connections) {
        const key = `${connection.protocol} ${connection.state}`;
        this.connections.set(key, (this.connections.get(key) ?? 0) + 1);
        if (IN_USE.has(connection.state)) this.inUse++;
      }
    }
  }

  get utilization(): number {
    return this.max === 0 ? 0 : this.inUse / this.max;
  }
}

/**
 * Remembers which label values a gauge has shown, so that one which falls to nothing shows 0 instead of ending, and one
 * that never was does not take up a series. Forgets destinations that have no label any more.
 */
export class SeenValues {
  readonly #seen = new Map<string, { connections: Set<string>; endpoints: Set<string> }>();

  /** Fills in zeros for what was seen before, and remembers what is there now. */
  complete(label: string, gauges: DestinationGauges): void {
    let seen = this.#seen.get(label);
    if (!seen) {
      seen = { connections: new Set(), endpoints: new Set() };
      this.#seen.set(label, seen);
    }
    fill(seen.connections, gauges.connections);
    fill(seen.endpoints, gauges.endpoints);
  }

  retain(labels: ReadonlyMap<string, unknown>): void {
    for (const label of this.#seen.keys()) if (!labels.has(label)) this.#seen.delete(label);
  }
}

function fill(seen: Set<string>, counts: Map<string, number>): void {
  for (const key of counts.keys()) seen.add(key);
  for (const key of seen) if (!counts.has(key)) counts.set(key, 0);
}
