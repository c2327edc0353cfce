import type { DestinationPolicy } from '../config/types.ts';
import type { DestinationObserver } from '../observer.ts';
import type { EndpointPool } from '../pool/endpoint-pool.ts';
import type { DestinationSummary } from '../pool/stats.ts';

/** What is looked at of a destination. One of routing/destination.ts is one. */
export interface SeenDestination {
  readonly name: string;
  readonly observer: DestinationObserver;
  /** Requests that wait. */
  readonly pending: number;
  readonly policy: DestinationPolicy;
  readonly pool: {
    readonly limit: { readonly current: number };
    /** Connections that count in the limit, and those of them that can take no more requests. */
    readonly places: { readonly counted: number; readonly taken: number };
    readonly allEndpoints: readonly EndpointPool[];
    readonly rotation: { readonly candidates: readonly EndpointPool[] };
  };
  summary(): DestinationSummary;
}

/** The share of the limit in force that can take no more requests, 0 to 1. */
export function utilizationOf({ pool, pending }: SeenDestination): number {
  const { current } = pool.limit;
  if (current === 0) return pending > 0 ? 1 : 0;
  return Math.min(1, pool.places.taken / current);
}
