import type { PooledConnection } from '../connection/upstream.ts';
import type { EndpointPool } from '../pool/endpoint-pool.ts';
import { threeDigits } from './figures.ts';
import type { SeenDestination } from './seen-destination.ts';
import type { ConnectionRow, DestinationDetail, EndpointRow } from './types.ts';

/** Connections that are shown; there may be ten thousand. */
const MAX_CONNECTIONS = 1000;

/** How often an endpoint changed its state lately. */
export type CountChanges = (destination: string, endpoint: string) => number;

type Found = { readonly endpoint: string; readonly connection: PooledConnection };

const RANKS: Readonly<Record<PooledConnection['state'], number>> = { draining: 0, closed: 0, active: 1, idle: 2 };

/** Those that draw the eye first: the draining, then the busiest, then those that live longest. */
function byInterest({ connection: one }: Found, { connection: other }: Found): number {
  return RANKS[one.state] - RANKS[other.state] || other.leases - one.leases || one.createdAt - other.createdAt;
}

/**
 * All that a destination holds.
 * @param destinations those of one name, the one that takes requests first
 * @param now monotonic milliseconds
 * @returns null where there is none
 */
export function detailOf(
  destinations: readonly SeenDestination[],
  changes: CountChanges,
  now: number,
): DestinationDetail | null {
  const [first] = destinations;
  if (first === undefined) return null;
  const endpoints = new Map<string, EndpointRow>();
  const found: Found[] = [];
  for (const destination of destinations) {
    for (const row of endpointRows(destination, changes, now)) if (!endpoints.has(row.id)) endpoints.set(row.id, row);
    for (const { spec, open } of destination.pool.allEndpoints)
      for (const connection of open) found.push({ endpoint: spec.id, connection });
  }
  const { name, balancer, limit, floor } = first.summary();
  return {
    name,
    balancer,
    limit,
    floor,
    endpoints: [...endpoints.values()],
    connections: found
      .sort(byInterest)
      .slice(0, MAX_CONNECTIONS)
      .map(({ endpoint, connection }) => connectionRow(endpoint, connection, now)),
    connectionsTotal: found.length,
  };
}

/** The endpoints of a destination, in a row each. @param now monotonic milliseconds */
export function endpointRows({ name, pool }: SeenDestination, changes: CountChanges, now: number): EndpointRow[] {
  const serving = new Set(pool.rotation.candidates);
  return pool.allEndpoints.map((endpoint) => endpointRow(name, endpoint, serving.has(endpoint), changes, now));
}

function endpointRow(
  destination: string,
  endpoint: EndpointPool,
  serving: boolean,
  changes: CountChanges,
  now: number,
): EndpointRow {
  const { busy, draining, open } = endpoint;
  const { id, state, inRotation, outstanding, dialing, idle, connectMs, ...figures } = endpoint.figures(now, serving);
  return {
    id,
    state,
    inRotation,
    outstanding,
    active: busy - draining,
    idle: open.size - busy,
    draining,
    connecting: dialing.http1 + dialing.http2,
    latencyMs: threeDigits(figures.latencyMs),
    connectMs: connectMs === null ? null : threeDigits(connectMs),
    consecutiveFailures: figures.consecutiveFailures,
    ejectedForMs: figures.ejectedForMs,
    check: figures.check,
    idleTimeMs: idle.effectiveMs,
    idleTimeSource: idle.source,
    changes: changes(destination, id),
  };
}

function connectionRow(endpoint: string, connection: PooledConnection, now: number): ConnectionRow {
  const { id, spoken, requests, leases, retireReason } = connection;
  const state = connection.state === 'closed' ? 'draining' : connection.state;
  return {
    id,
    endpoint,
    state,
    protocol: spoken,
    ageMs: Math.round(now - connection.createdAt),
    idleMs: state === 'idle' ? Math.round(now - connection.idleSince) : null,
    requests,
    streams: leases,
    reason: retireReason,
  };
}
