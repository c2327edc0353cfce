import type { Counters, Histogram } from '../../src/cli/counters-reading.ts';
import type { LoadWindow, PolicyReading, PoolReading } from '../../src/cli/load-window.ts';

const BOUNDS = [0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 30, Number.POSITIVE_INFINITY];

/** A histogram of `count` observations of `ms` each, and of others. */
export function histogram(...parts: readonly { count: number; ms: number }[]): Histogram {
  return {
    bounds: BOUNDS,
    cumulative: BOUNDS.map((bound) =>
      parts.reduce((sum, { count, ms }) => (ms / 1000 <= bound ? sum + count : sum), 0),
    ),
    sumSeconds: parts.reduce((sum, { count, ms }) => sum + (count * ms) / 1000, 0),
    count: parts.reduce((sum, { count }) => sum + count, 0),
  };
}

type Changes = {
  readonly counted?: Partial<Counters>;
  readonly pool?: Partial<PoolReading>;
  readonly policy?: Partial<PolicyReading>;
} & Partial<Pick<LoadWindow, 'seconds' | 'peakInUse' | 'peakPending'>>;

/** A minute of a destination that is well: 100 requests a second of 20 ms, nearly all on warm connections. */
export function healthyWindow({ counted = {}, pool = {}, policy = {}, ...rest }: Changes = {}): LoadWindow {
  return {
    seconds: 60,
    peakInUse: 4,
    peakPending: 0,
    ...rest,
    counted: {
      codes: new Map([['2xx', 6000]]),
      writes: 600,
      errors: new Map(),
      retries: new Map(),
      reused: 5950,
      fresh: 50,
      created: 10,
      closed: new Map([['max_age', 10]]),
      connectErrors: new Map(),
      connectTimeouts: 0,
      rateRefused: 0,
      rateQueued: 0,
      wouldReuse: 0,
      connect: histogram({ count: 10, ms: 2 }),
      acquire: histogram(),
      duration: histogram({ count: 6000, ms: 20 }),
      ...counted,
    },
    pool: {
      maxConnections: 1024,
      configured: 1024,
      scaled: null,
      share: null,
      inUse: 3,
      pending: 0,
      paused: false,
      breaker: 'off',
      endpoints: 3,
      out: [],
      http2: false,
      idleMs: 50_000,
      idleSource: 'default',
      ...pool,
    },
    policy: {
      mode: 'pool',
      pooled: true,
      minConnections: 0,
      maxRequests: 0,
      maxAgeMs: 300_000,
      maxStreams: 100,
      responseMs: 600_000,
      totalMs: 0,
      attempts: null,
      retryOn: ['reset', 'timeout', 'status'],
      statusCodes: [],
      idempotencyKey: false,
      retryBudget: 0.2,
      destinationFailures: null,
      requestsPerMinute: 0,
      rateBurst: null,
      rateExceeded: 'refuse',
      fleetMaxConnections: null,
      ...policy,
    },
  };
}
