import type { DestinationStats } from '../pool/stats.ts';
import { type Standing, standingOf } from './standing.ts';

/** Views on a destination's snapshot, for /health/* and /debug/latency. */

/** Connections of one destination by state, against their limit. */
export function connectionsView(stats: DestinationStats): Record<string, unknown> {
  const { connecting, active, idle, draining, pending, maxConnections, limit, floor, paused, signals } = stats;
  const inUse = connecting + active;
  return {
    destination: stats.name,
    connecting,
    active,
    idle,
    draining,
    pending,
    maxConnections,
    limit,
    floor,
    paused,
    signals,
    utilization: maxConnections === 0 ? 0 : Math.round((inUse / maxConnections) * 1000) / 1000,
    endpoints: stats.endpoints.map((endpoint) => ({
      endpoint: endpoint.id,
      connections: endpoint.connections.length,
      oldestMs: Math.max(0, ...endpoint.connections.map((connection) => connection.ageMs)),
    })),
  };
}

/** Where a destination's endpoints come from and how each stands. */
export function discoveryView(stats: DestinationStats): Record<string, unknown> {
  return {
    destination: stats.name,
    status: statusOf(stats, standingOf(stats)),
    discovery: stats.discovery,
    endpoints: stats.endpoints.map((endpoint) => ({
      endpoint: endpoint.id,
      state: endpoint.state,
      inRotation: endpoint.inRotation,
      check: endpoint.check,
      consecutiveFailures: endpoint.consecutiveFailures,
      ejectedForMs: endpoint.ejectedForMs,
      outstanding: endpoint.outstanding,
    })),
  };
}

/** `warn`: it serves, but no endpoint is fit, or some of those that there should be are not found. */
function statusOf({ discovery }: DestinationStats, standing: Standing): 'ok' | 'warn' | 'resolving' | 'unavailable' {
  if (standing === 'none') return discovery.state === 'resolving' ? 'resolving' : 'unavailable';
  return standing === 'unfit' || discovery.error !== null ? 'warn' : 'ok';
}

/**
 * The breaker of the destination, where it has one, and those of its endpoints, which are always on: `open` is out of
 * rotation, `half_open` is on trial.
 */
export function breakerView(stats: DestinationStats): Record<string, unknown> {
  return {
    destination: stats.name,
    breaker: stats.breaker,
    endpoints: stats.endpoints.map((endpoint) => ({
      endpoint: endpoint.id,
      state: endpoint.state !== 'ejected' ? 'closed' : endpoint.ejectedForMs > 0 ? 'open' : 'half_open',
      consecutiveFailures: endpoint.consecutiveFailures,
      triedAgainInMs: endpoint.ejectedForMs,
    })),
  };
}

/** How long connecting to each endpoint took last, and how fast it answers. */
export function latencyView(stats: DestinationStats): Record<string, unknown> {
  return {
    destination: stats.name,
    endpoints: stats.endpoints.map((endpoint) => ({
      endpoint: endpoint.id,
      connectMs: endpoint.connectMs,
      responseMs: endpoint.latencyMs,
      outstanding: endpoint.outstanding,
    })),
  };
}
