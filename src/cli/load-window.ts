import type { Counters } from './counters-reading.ts';
import { meanMs, sum } from './counters-reading.ts';
import { type JsonObject, listAt, numberAt, objectAt, textAt } from './json-reader.ts';

/** The pool of a destination at one moment, as /stats shows it. */
export type PoolReading = {
  /** The limit in force, and what it comes from. */
  readonly maxConnections: number;
  readonly configured: number;
  readonly scaled: number | null;
  readonly share: number | null;
  /** Active and connecting connections. */
  readonly inUse: number;
  readonly pending: number;
  readonly paused: boolean;
  readonly breaker: 'off' | 'closed' | 'open' | 'half_open';
  readonly endpoints: number;
  /** Endpoints that are out by ejection or health checks, by name. */
  readonly out: readonly string[];
  /** Whether every connection speaks HTTP/2, and there is one. */
  readonly http2: boolean;
  /** The shortest time that an idle connection is kept, in milliseconds, and where that comes from. */
  readonly idleMs: number;
  readonly idleSource: string;
};

/** What is set for a destination, as far as the advice depends on it. */
export type PolicyReading = {
  readonly mode: string;
  readonly pooled: boolean;
  /** -1: auto. */
  readonly minConnections: number;
  readonly maxRequests: number;
  readonly maxAgeMs: number;
  readonly maxStreams: number;
  readonly responseMs: number;
  readonly totalMs: number;
  /** Null: only what is safe by its kind. */
  readonly attempts: number | null;
  /** What they may be made after. */
  readonly retryOn: readonly string[];
  readonly statusCodes: readonly number[];
  readonly idempotencyKey: boolean;
  readonly retryBudget: number;
  readonly destinationFailures: number | null;
  readonly requestsPerMinute: number;
  /** Null: what ten seconds allow. */
  readonly rateBurst: number | null;
  readonly rateExceeded: string;
  readonly fleetMaxConnections: number | null;
};

/** What was seen of a destination over a time: all that advice is made of. */
export type LoadWindow = {
  readonly seconds: number;
  readonly counted: Counters;
  /** As it was at the end. */
  readonly pool: PoolReading;
  /** The most that was in use, and the most that waited, at any of the looks. */
  readonly peakInUse: number;
  readonly peakPending: number;
  readonly policy: PolicyReading;
};

export function readPool(stats: JsonObject): PoolReading {
  const limit = objectAt(stats, 'limit');
  const endpoints = listAt(stats, 'endpoints');
  const connections = endpoints.flatMap((endpoint) => listAt(endpoint, 'connections'));
  const breaker = textAt(objectAt(stats, 'breaker'), 'state');
  let idleMs = 0;
  let idleSource = 'default';
  for (const endpoint of endpoints) {
    const idle = objectAt(endpoint, 'idle');
    const ms = numberAt(idle, 'effectiveMs');
    if (ms === 0 || (idleMs > 0 && ms >= idleMs)) continue;
    idleMs = ms;
    idleSource = textAt(idle, 'source');
  }
  return {
    maxConnections: numberAt(stats, 'maxConnections'),
    configured: numberAt(limit, 'configured'),
    scaled: numberOrNull(limit, 'scaled'),
    share: numberOrNull(limit, 'share'),
    inUse: numberAt(stats, 'active') + numberAt(stats, 'connecting'),
    pending: numberAt(stats, 'pending'),
    paused: stats.get('paused') === true,
    breaker: breaker === 'open' || breaker === 'half_open' || breaker === 'closed' ? breaker : 'off',
    endpoints: endpoints.length,
    out: endpoints
      .filter((endpoint) => /^(ejected|failing)$/.test(textAt(endpoint, 'state')))
      .map((endpoint) => textAt(endpoint, 'id')),
    http2: connections.length > 0 && connections.every((each) => textAt(each, 'protocol') === 'http2'),
    idleMs,
    idleSource,
  };
}

/** @param policy `defaults` or `destinations[].policy` of /debug/config */
export function readPolicy(policy: JsonObject): PolicyReading {
  const group = (name: string) => objectAt(policy, name);
  const [pool, timeouts, retry] = [group('pool'), group('timeouts'), group('retry')];
  const statusCodes: unknown = retry.get('statusCodes');
  const on: unknown = retry.get('on');
  const rateLimit = group('rateLimit');
  return {
    mode: textAt(policy, 'mode'),
    pooled: pool.get('enabled') !== false,
    minConnections: pool.get('minConnections') === 'auto' ? -1 : numberAt(pool, 'minConnections'),
    maxRequests: numberAt(pool, 'maxRequests'),
    maxAgeMs: numberAt(pool, 'maxAgeMs'),
    maxStreams: numberAt(pool, 'maxStreams'),
    responseMs: numberAt(timeouts, 'responseMs'),
    totalMs: numberAt(timeouts, 'totalMs'),
    attempts: numberOrNull(retry, 'attempts'),
    statusCodes: Array.isArray(statusCodes) ? statusCodes.filter((each) => typeof each === 'number') : [],
    retryOn: Array.isArray(on) ? on.filter((each) => typeof each === 'string') : [],
    idempotencyKey: retry.get('idempotencyKey') === true,
    retryBudget: numberAt(retry, 'budget'),
    destinationFailures: numberOrNull(group('breaker'), 'destinationFailures'),
    requestsPerMinute: numberAt(rateLimit, 'requestsPerMinute'),
    rateBurst: numberOrNull(rateLimit, 'burst'),
    rateExceeded: textAt(rateLimit, 'exceeded'),
    fleetMaxConnections: numberOrNull(policy, 'fleetMaxConnections'),
  };
}

/** Exchanges that ended. */
export const requestsIn = ({ counted }: LoadWindow): number => sum(counted.codes);

export const rateOf = (window: LoadWindow): number => requestsIn(window) / Math.max(window.seconds, 0.001);

/** How long a request keeps a connection: its time without the wait for one, in milliseconds. */
export const serviceMs = ({ counted }: LoadWindow): number =>
  Math.max(1, meanMs(counted.duration) - meanMs(counted.acquire));

function numberOrNull(object: JsonObject, key: string): number | null {
  const value = object.get(key);
  return typeof value === 'number' ? value : null;
}
