import { type CarpoolError, ERRORS } from './errors.ts';

/**
 * What the hot path tells telemetry: plain counters, bound to a destination when it is created, so that a request
 * costs a few additions and no label look-up. Metrics read them at scrape time; nothing here formats anything.
 */

/** Upper bounds in seconds of the request and acquire histograms; the ninth bucket is +Inf. */
export const DURATION_BUCKETS = [0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 30] as const;

/** Upper bounds in seconds of `endpoint_propagation_seconds`: the goal is 10 ms. None is whole: the formats write those in two ways. */
const PROPAGATION_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5] as const;

function bucketOf(bounds: readonly number[], seconds: number): number {
  let bucket = 0;
  while (bucket < bounds.length && seconds > (bounds[bucket] ?? 0)) bucket++;
  return bucket;
}

/**
 * A finer scale, for p50 and p99 on the status page: quarters of a millisecond, and from 1 ms on four slots to each
 * doubling, up to 17 minutes.
 */
export const DURATION_SLOTS = 84;
const LONGEST_SLOT_MS = 2 ** 20;

/** The slot of a duration. */
function durationSlot(ms: number): number {
  if (ms >= LONGEST_SLOT_MS) return DURATION_SLOTS - 1;
  const quarters = (ms * 4) | 0;
  if (quarters < 4) return quarters;
  const octave = 31 - Math.clz32(quarters);
  return (octave - 1) * 4 + ((quarters >>> (octave - 2)) & 3);
}

/** Where a slot begins, in milliseconds: it ends where the next one begins. */
export function slotFromMs(slot: number): number {
  return slot < 4 ? slot / 4 : (4 + (slot & 3)) * 2 ** ((slot >> 2) - 3);
}

/** One measurement of a bucket, and the trace that it is from. */
export type Exemplar = {
  readonly traceId: string;
  readonly spanId: string;
  readonly valueSeconds: number;
  /** Seconds since the epoch. */
  readonly timeSeconds: number;
};

/** A histogram of fixed buckets: `counts[i]` holds what fell into bucket i (not cumulative), the last one +Inf. */
export class FixedHistogram {
  readonly bounds: readonly number[];
  readonly counts: Float64Array;
  sumSeconds = 0;
  total = 0;
  /** By bucket, the last one of each; null: none yet (`telemetry.exemplars`). */
  exemplars: (Exemplar | undefined)[] | null = null;

  constructor(bounds: readonly number[] = DURATION_BUCKETS) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(ms: number): void {
    const seconds = ms / 1000;
    this.sumSeconds += seconds;
    this.total++;
    const bucket = bucketOf(this.bounds, seconds);
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
  }

  /** Keeps the trace of something that was observed. A bucket that has counted nothing takes none: a scrape may have moved it on. */
  exemplify(exemplar: Exemplar): void {
    const bucket = bucketOf(this.bounds, exemplar.valueSeconds);
    if ((this.counts[bucket] ?? 0) === 0) return;
    this.exemplars ??= new Array<Exemplar | undefined>(this.counts.length).fill(undefined);
    this.exemplars[bucket] = exemplar;
  }
}

/** What Kubernetes discovery counts; read by telemetry at a scrape. */
export class DiscoveryObserver {
  /** Key `verb outcome`, e.g. `watch ok`, `get forbidden`. */
  readonly requests = new Map<string, number>();
  /** By type of event: ADDED, MODIFIED, DELETED, BOOKMARK, and LIST for a whole list. */
  readonly events = new Map<string, number>();
  /** From the last byte of an event to the last close call that it led to. */
  readonly propagation = new FixedHistogram(PROPAGATION_BUCKETS);

  request(verb: string, outcome: string): void {
    const key = `${verb} ${outcome}`;
    this.requests.set(key, (this.requests.get(key) ?? 0) + 1);
  }

  event(type: string): void {
    this.events.set(type, (this.events.get(type) ?? 0) + 1);
  }
}

/** Why a connection ended: a metric label, a log field and a column of the console. */
export const CLOSE_REASONS = [
  'idle_timeout',
  'max_age',
  'max_requests',
  'endpoint_removed',
  'endpoint_terminating',
  'goaway',
  'rebalance',
  'error',
  'protocol_error',
  'health_check',
  'admin',
  'shutdown',
  // The upstream closed an idle connection first (what idle-timeout learning lives from), or said Connection: close.
  'upstream_closed',
  // The exchange on it could not be finished cleanly (the app left, an early response), so it cannot be reused.
  'aborted',
  // pool.enabled: false, or a response without length: one exchange was all it could carry.
  'not_reusable',
] as const;
export type CloseReason = (typeof CLOSE_REASONS)[number];

/** `read`: GET HEAD OPTIONS TRACE; `write`: every other method; `tunnel`: CONNECT and upgrades. */
export const METHOD_CLASSES = ['read', 'write', 'tunnel'] as const;
/** Index is status / 100; 0 is "no answer" (the app left, or the connection was cut). */
export const CODE_CLASSES = ['none', '1xx', '2xx', '3xx', '4xx', '5xx'] as const;

/** What the app spoke with carpool: the `protocol` label of `requests_total`. */
export const REQUEST_PROTOCOLS = ['http1', 'http2'] as const;

/** Statuses by which a request has failed for want of an upstream, whoever says so. */
const isUnavailable = (status: number): boolean => status >= 502 && status <= 504;

/** Carpool's own errors that have such a status. */
const FAILURES: ReadonlySet<string> = new Set(
  Object.entries(ERRORS).flatMap(([code, { status }]) => (isUnavailable(status) ? [code] : [])),
);

/** The counters of one metric label (one destination, or `other`). Written by forward and pool, read by telemetry. */
export class DestinationObserver {
  /** Metric label. */
  readonly label: string;
  /** [(protocol × 3 + method class) × 6 + code class] */
  readonly requests = new Float64Array(REQUEST_PROTOCOLS.length * METHOD_CLASSES.length * CODE_CLASSES.length);
  readonly requestDuration = new FixedHistogram();
  readonly acquireDuration = new FixedHistogram();
  readonly connectDuration = new FixedHistogram();
  reusedRequests = 0;
  freshRequests = 0;
  connectionsCreated = 0;
  connectTimeouts = 0;
  readonly connectionsClosed = new Map<CloseReason, number>();
  /** By errno (ECONNREFUSED …), bounded by the errnos there are. */
  readonly connectErrors = new Map<string, number>();
  readonly errors = new Map<string, number>();
  /** Key `reason outcome`, e.g. `upstream_closed success`. */
  readonly retries = new Map<string, number>();
  bytesUp = 0;
  bytesDown = 0;
  /** Requests that a rate limit refused, and those that it made wait. */
  rateLimitRefused = 0;
  rateLimitQueued = 0;
  /** Active health checks, by outcome: `passed`, `failed`. */
  readonly healthChecks = new Map<string, number>();
  /** In `mode: observe`: requests that would have found an idle connection. */
  wouldReuse = 0;
  /** For the pool health monitor, and never set back when counters move on: requests that ended, … */
  ended = 0;
  /** … those of them that were answered 502, 503 or 504, … */
  unavailable = 0;
  /** … and errors of carpool's own that have such a status, whatever the app saw by then. */
  failures = 0;
  /** How long requests that ended held their connections (the last one of each), in seconds. Never set back either. */
  heldSeconds = 0;
  /** How long requests took, by `durationSlot`: metrics do not show it, and it is never set back. */
  readonly durationSlots = new Float64Array(DURATION_SLOTS);
  /** The longest request since whoever reads it set it back (status/destination-history.ts), in milliseconds. */
  longestMs = 0;
  /** Who keeps the words of errors, or null: nobody. */
  onError: ((error: CarpoolError) => void) | null = null;
  /** What scrapes have moved on (telemetry/life-counts.ts); null: nothing yet. */
  carried: Float64Array | null = null;

  constructor(label: string) {
    this.label = label;
  }

  /** One exchange ended with an answer of `status` (0: none) after `ms`; `protocol` is an index of REQUEST_PROTOCOLS. */
  requestEnded(methodClass: 0 | 1 | 2, status: number, ms: number, protocol: 0 | 1 = 0): void {
    const index = (protocol * METHOD_CLASSES.length + methodClass) * CODE_CLASSES.length + ((status / 100) | 0);
    this.requests[index] = (this.requests[index] ?? 0) + 1;
    this.requestDuration.observe(ms);
    const slot = durationSlot(ms);
    this.durationSlots[slot] = (this.durationSlots[slot] ?? 0) + 1;
    if (ms > this.longestMs) this.longestMs = ms;
    this.ended++;
    if (isUnavailable(status)) this.unavailable++;
  }

  connectionClosed(reason: CloseReason): void {
    this.connectionsClosed.set(reason, (this.connectionsClosed.get(reason) ?? 0) + 1);
  }

  connectFailed(errno: string): void {
    this.connectErrors.set(errno, (this.connectErrors.get(errno) ?? 0) + 1);
  }

  error(code: string): void {
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
    if (FAILURES.has(code)) this.failures++;
  }

  /** An error of carpool's own, counted, and told to whoever keeps its words. */
  failed(error: CarpoolError): void {
    this.error(error.code);
    this.onError?.(error);
  }

  /** `not_allowed`: it could not be sent again. `budget`: the retry budget was used up. */
  retried(reason: string, outcome: 'success' | 'failure' | 'not_allowed' | 'budget'): void {
    const key = `${reason} ${outcome}`;
    this.retries.set(key, (this.retries.get(key) ?? 0) + 1);
  }
}

/** Something worth a log line or a row on a status page: rare, never per request. */
export type CarpoolEvent =
  | {
      type: 'connection_closed';
      destination: string;
      endpoint: string;
      reason: CloseReason;
      ageMs: number;
      requests: number;
    }
  | { type: 'connect_failed'; destination: string; endpoint: string; code: string; message: string }
  | {
      type:
        | 'endpoint_added'
        | 'endpoint_removed'
        | 'endpoint_terminating'
        | 'endpoint_suspended'
        | 'endpoint_unready'
        | 'endpoint_ready';
      destination: string;
      endpoint: string;
    }
  | { type: 'endpoint_ejected'; destination: string; endpoint: string; forMs: number; cause: string }
  | { type: 'endpoint_restored'; destination: string; endpoint: string }
  | { type: 'tls_files_changed'; destination: string }
  | { type: 'tls_files_refused'; destination: string; message: string }
  | { type: 'idle_learned'; destination: string; endpoint: string; seconds: number }
  | { type: 'destination_added' | 'destination_removed'; destination: string }
  /** The breaker of a destination as a whole. */
  | { type: 'breaker_opened'; destination: string; forMs: number; cause: string }
  | { type: 'breaker_half_open' | 'breaker_closed'; destination: string }
  /** Active health checks. */
  | { type: 'check_failed'; destination: string; endpoint: string; message: string }
  | { type: 'check_passed'; destination: string; endpoint: string }
  | { type: 'destination_paused' | 'destination_resumed'; destination: string }
  | { type: 'destination_reconnected'; destination: string; connections: number }
  /** `pool.scaling: load` moved the limit. */
  | { type: 'limit_scaled'; destination: string; from: number; to: number; utilization: number }
  /** The pool health monitor: a threshold is passed, or no more. `value` against `threshold`. */
  | { type: 'pool_strained'; destination: string; signal: PoolSignal; value: number; threshold: number; hint: string }
  | { type: 'pool_relieved'; destination: string; signal: PoolSignal }
  /** This sidecar's share of a fleet's budget is another one. */
  | { type: 'fleet_share'; destination: string; share: number; budget: number; peers: number }
  /** There are more sidecars than connections for them: some have none. */
  | { type: 'fleet_short'; destination: string; budget: number; peers: number }
  /** The coordinator does not answer, and what is used instead; or it answers again. */
  | { type: 'fleet_failover'; coordinator: string; message: string }
  | { type: 'fleet_restored'; coordinator: string }
  /** A target of `to` to which no request can go, and why; or it has endpoints again. */
  | { type: 'target_missing'; destination: string; target: string; message: string }
  | { type: 'target_found'; destination: string; target: string }
  /** A file of `headers.set` or of the parent proxy's credentials cannot be used. */
  | { type: 'secret_file_refused'; destination: string; file: string; message: string }
  | { type: 'secret_file_changed'; destination: string; file: string }
  /** A reload: how many lines tell what it changed, or what is wrong with it, and the first of them. */
  | { type: 'config_applied' | 'config_refused'; lines: number; first: string };

/** What the pool health monitor watches: requests that wait, the share of errors, the share of the limit in use. */
export type PoolSignal = 'pending' | 'errors' | 'utilization';

/** Takes events; the log and the status page listen. */
export interface EventSink {
  emit(event: CarpoolEvent): void;
}

/** One finished exchange, for the access log. Built only when an access log wants it. */
export type AccessRecord = {
  readonly time: number;
  readonly method: string;
  readonly host: string;
  readonly path: string | null;
  readonly status: number;
  readonly durationMs: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly endpoint: string | null;
  readonly reused: boolean;
  readonly attempts: number;
  readonly error: string | null;
  /** Why a request went nowhere, in words. */
  readonly reason?: string;
};
