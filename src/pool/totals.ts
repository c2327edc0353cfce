import type { EndpointPool } from './endpoint-pool.ts';

/** Connections by state, over several endpoints. */
export type Totals = {
  readonly connecting: number;
  readonly active: number;
  readonly idle: number;
  readonly draining: number;
};

/** Adds up the connections of these endpoints. */
export function totalsOf(endpoints: readonly EndpointPool[]): Totals {
  const totals = { connecting: 0, active: 0, idle: 0, draining: 0 };
  for (const endpoint of endpoints) {
    totals.connecting += endpoint.dialing;
    totals.active += endpoint.busy - endpoint.draining;
    totals.draining += endpoint.draining;
    totals.idle += endpoint.open.size - endpoint.busy;
  }
  return totals;
}

/**
 * Retires the connection that has been idle for longest at any of these endpoints.
 * @param before only one that has been idle since then or longer
 * @returns whether there was one
 */
export function retireOldestIdle(endpoints: Iterable<EndpointPool>, before = Number.POSITIVE_INFINITY): boolean {
  let oldest: EndpointPool['probe'] = null;
  for (const { idle } of endpoints) {
    const connection = idle[0];
    if (connection !== undefined && (oldest === null || connection.idleSince < oldest.idleSince)) oldest = connection;
  }
  if (oldest === null || oldest.idleSince > before) return false;
  oldest.retire('rebalance');
  return true;
}
