import type { ConnectionStats, DestinationStats } from '../pool/stats.ts';

type Spoken = ConnectionStats['protocol'];

const PROTOCOLS: readonly Spoken[] = ['http1', 'http2'];

/** What is added up for one destination label at a scrape: several destinations may share it. */
export class DestinationGauges {
  /** Key: protocol and state with a space between. */
  readonly connections = new Map<string, number>();
  readonly endpoints = new Map<string, number>();
  max = 0;
  /** Places below pool.maxConnections that are not free for the next request: active and connecting ones. */
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
        this.#count(connection.protocol, connection.state, 1);
        if (connection.state === 'active') this.inUse++;
      }
      for (const protocol of PROTOCOLS) {
        const connecting = endpoint.dialing[protocol];
        if (connecting > 0) this.#count(protocol, 'connecting', connecting);
        this.inUse += connecting;
      }
    }
  }

  #count(protocol: Spoken, state: string, count: number): void {
    const key = `${protocol} ${state}`;
    this.connections.set(key, (this.connections.get(key) ?? 0) + count);
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
