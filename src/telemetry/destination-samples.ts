import type { RegistrySample } from 'prom-client/lib/registry.js';
import {
  CODE_CLASSES,
  type DestinationObserver,
  DURATION_BUCKETS,
  type FixedHistogram,
  METHOD_CLASSES,
  REQUEST_PROTOCOLS,
} from '../observer.ts';
import type { DestinationGauges } from './destination-gauges.ts';
import { addHistogram, boundsText } from './histogram-samples.ts';
import type { DestinationMetricName } from './metric-definitions.ts';

/** One destination label at one scrape. `shared` is the label set that all its samples have in common. */
export type DestinationSnapshot = {
  readonly shared: { readonly destination: string };
  readonly counters: DestinationObserver;
  /** Null: counters only, the destination itself is gone. */
  readonly gauges: DestinationGauges | null;
};

/** Distinct values of an open-ended label; what comes later is added up as `other` (120 series a destination). */
const MAX_CLOSE_REASONS = 8;
const MAX_CONNECT_CODES = 4;
const MAX_ERROR_CODES = 7;
/** Reasons with their outcomes. Of those that come later only the reason is `other`: what became of a request is always told. */
const MAX_RETRY_KINDS = 5;

const BOUNDS_TEXT = boundsText(DURATION_BUCKETS, false);
const BOUNDS_OPENMETRICS = boundsText(DURATION_BUCKETS, true);

/** The samples of the destination metric `name`, for all labels. */
export function destinationSamples(
  name: DestinationMetricName,
  snapshots: readonly DestinationSnapshot[],
  openMetrics: boolean,
): RegistrySample[] {
  const out: RegistrySample[] = [];
  const write = WRITERS[name];
  for (const snapshot of snapshots) write(snapshot, out, openMetrics);
  return out;
}

type Writer = (snapshot: DestinationSnapshot, out: RegistrySample[], openMetrics: boolean) => void;

const NONE: Readonly<Record<string, string>> = {};

/** One unlabelled value, only once there is a destination or something was counted. */
function gauge(read: (gauges: DestinationGauges) => number): Writer {
  return ({ shared, gauges }, out) => {
    if (gauges) out.push({ labels: NONE, sharedLabels: shared, value: read(gauges) });
  };
}

/** As `gauge`, where there is something to show. */
function gaugeOrNone(read: (gauges: DestinationGauges) => number | null): Writer {
  return ({ shared, gauges }, out) => {
    const value = gauges === null ? null : read(gauges);
    if (value !== null) out.push({ labels: NONE, sharedLabels: shared, value });
  };
}

/** A count that appears with the first thing that is counted. */
function counter(read: (counters: DestinationObserver) => number): Writer {
  return ({ shared, counters }, out) => {
    const value = read(counters);
    if (value > 0) out.push({ labels: NONE, sharedLabels: shared, value });
  };
}

/** Keys of two words become two labels; of those beyond `max` the second is kept. */
function byKey(
  read: (snapshot: DestinationSnapshot) => ReadonlyMap<string, number> | undefined,
  labels: readonly [string] | readonly [string, string],
  max = Number.POSITIVE_INFINITY,
): Writer {
  return (snapshot, out) => {
    let seen = 0;
    const rest = new Map<string | null, number>();
    const sharedLabels = snapshot.shared;
    const [first, second] = labels;
    const add = (one: string, two: string | null, value: number) =>
      out.push({
        labels: second === undefined || two === null ? { [first]: one } : { [first]: one, [second]: two },
        sharedLabels,
        value,
      });
    for (const [key, value] of read(snapshot) ?? []) {
      const space = second === undefined ? -1 : key.indexOf(' ');
      const two = space < 0 ? null : key.slice(space + 1);
      if (seen++ < max) add(space < 0 ? key : key.slice(0, space), two, value);
      else rest.set(two, (rest.get(two) ?? 0) + value);
    }
    for (const [two, value] of rest) add('other', two, value);
  };
}

function histogram(
  name: DestinationMetricName,
  read: (counters: DestinationObserver) => FixedHistogram,
  appears: (histogram: FixedHistogram) => boolean,
): Writer {
  return ({ shared, counters }, out, openMetrics) => {
    const source = read(counters);
    if (appears(source)) addHistogram(name, source, openMetrics ? BOUNDS_OPENMETRICS : BOUNDS_TEXT, out, shared);
  };
}

const counted = (histogram: FixedHistogram) => histogram.total > 0;
const waited = (histogram: FixedHistogram) => histogram.total > (histogram.counts[0] ?? 0);

const requests: Writer = ({ shared, counters }, out) => {
  for (const [index, value] of counters.requests.entries()) {
    if (value === 0) continue;
    const code = index % CODE_CLASSES.length;
    const row = (index - code) / CODE_CLASSES.length;
    const method = row % METHOD_CLASSES.length;
    out.push({
      labels: {
        method_class: METHOD_CLASSES[method] ?? '',
        code_class: CODE_CLASSES[code] ?? '',
        protocol: REQUEST_PROTOCOLS[(row - method) / METHOD_CLASSES.length] ?? '',
      },
      sharedLabels: shared,
      value,
    });
  }
};

const WRITERS: Readonly<Record<DestinationMetricName, Writer>> = {
  carpool_pool_connections: byKey((at) => at.gauges?.connections, ['protocol', 'state']),
  carpool_pool_connections_max: gauge((gauges) => gauges.max),
  carpool_pool_connections_share: gaugeOrNone((gauges) => gauges.share),
  carpool_pool_utilization_ratio: gauge((gauges) => gauges.utilization),
  carpool_pool_pending_requests: gauge((gauges) => gauges.pending),
  carpool_pool_connections_created_total: ({ shared, counters }, out) => {
    out.push({ labels: NONE, sharedLabels: shared, value: counters.connectionsCreated });
  },
  carpool_pool_connections_closed_total: byKey((at) => at.counters.connectionsClosed, ['reason'], MAX_CLOSE_REASONS),
  carpool_pool_connect_errors_total: byKey((at) => at.counters.connectErrors, ['code'], MAX_CONNECT_CODES),
  carpool_pool_connect_timeouts_total: counter((counters) => counters.connectTimeouts),
  carpool_pool_connect_duration_seconds: histogram(
    'carpool_pool_connect_duration_seconds',
    (counters) => counters.connectDuration,
    counted,
  ),
  carpool_pool_acquire_duration_seconds: histogram(
    'carpool_pool_acquire_duration_seconds',
    (counters) => counters.acquireDuration,
    waited,
  ),
  carpool_pool_requests_total: ({ shared, counters }, out) => {
    if (counters.reusedRequests > 0)
      out.push({ labels: { reused: 'true' }, sharedLabels: shared, value: counters.reusedRequests });
    if (counters.freshRequests > 0)
      out.push({ labels: { reused: 'false' }, sharedLabels: shared, value: counters.freshRequests });
  },
  carpool_pool_learned_idle_seconds: ({ shared, gauges }, out) => {
    const idle = gauges?.learnedIdle;
    if (idle) out.push({ labels: { source: idle.source }, sharedLabels: shared, value: idle.seconds });
  },
  carpool_requests_total: requests,
  carpool_request_duration_seconds: histogram(
    'carpool_request_duration_seconds',
    (counters) => counters.requestDuration,
    counted,
  ),
  carpool_retries_total: byKey((at) => at.counters.retries, ['reason', 'outcome'], MAX_RETRY_KINDS),
  carpool_errors_total: byKey((at) => at.counters.errors, ['code'], MAX_ERROR_CODES),
  carpool_endpoints: byKey((at) => at.gauges?.endpoints, ['state']),
  carpool_circuit_breaker_state: gaugeOrNone((gauges) => gauges.breaker),
  carpool_rate_limited_total: ({ shared, counters }, out) => {
    if (counters.rateLimitRefused > 0)
      out.push({ labels: { outcome: 'refused' }, sharedLabels: shared, value: counters.rateLimitRefused });
    if (counters.rateLimitQueued > 0)
      out.push({ labels: { outcome: 'queued' }, sharedLabels: shared, value: counters.rateLimitQueued });
  },
  carpool_health_checks_total: byKey((at) => at.counters.healthChecks, ['outcome']),
  carpool_pool_paused: gaugeOrNone((gauges) => gauges.paused),
  carpool_pool_health_warning: byKey((at) => at.gauges?.warnings, ['signal']),
  carpool_observe_would_reuse_total: counter((counters) => counters.wouldReuse),
};
