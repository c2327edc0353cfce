import type { EndpointPool } from './endpoint-pool.ts';
import type { ConnectionCounts, DestinationCounts, DestinationSummary, EndpointStats } from './stats.ts';

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

/** Endpoints by how they stand. */
export type Census = {
  readonly endpointsReady: number;
  readonly endpointsTotal: number;
  /** Ejected after failures, or failing their health checks. */
  readonly endpointsUnfit: number;
};

/** Counts these endpoints. */
export function censusOf(endpoints: readonly EndpointPool[]): Census {
  let ready = 0;
  let unfit = 0;
  for (const { shownState } of endpoints) {
    if (shownState === 'ready') ready++;
    else if (shownState === 'ejected' || shownState === 'failing') unfit++;
  }
  return { endpointsReady: ready, endpointsTotal: endpoints.length, endpointsUnfit: unfit };
}

const none = (): ConnectionCounts => ({ connecting: 0, active: 0, idle: 0, draining: 0 });

/** Counts connections and endpoints for the gauges. */
export function countsOf(summary: DestinationSummary, endpoints: readonly EndpointPool[]): DestinationCounts {
  const connections = { http1: none(), http2: none() };
  const endpointStates = new Map<EndpointStats['state'], number>();
  let idleTime: DestinationCounts['idleTime'] = null;
  for (const endpoint of endpoints) {
    const { shownState, open, dialing, dialingHttp2, safeIdle } = endpoint;
    endpointStates.set(shownState, (endpointStates.get(shownState) ?? 0) + 1);
    connections.http1.connecting += dialing - dialingHttp2;
    connections.http2.connecting += dialingHttp2;
    for (const { spoken, state } of open) connections[spoken][state === 'closed' ? 'draining' : state]++;
    if (idleTime === null || safeIdle.effectiveMs < idleTime.effectiveMs) idleTime = safeIdle;
  }
  return { ...summary, connections, endpointStates, idleTime };
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
