import type { Samples } from './exposition-reader.ts';

/** A histogram as scraped: how many were at most each bound (seconds; the last one is Infinity). */
export type Histogram = {
  readonly bounds: readonly number[];
  readonly cumulative: readonly number[];
  readonly sumSeconds: number;
  readonly count: number;
};

/** What a destination has counted: since the start, or between two scrapes. */
export type Counters = {
  /** Exchanges that ended, tunnels aside, by class of status: `2xx`, `none` … */
  readonly codes: ReadonlyMap<string, number>;
  /** Those among them that may not simply be sent again. */
  readonly writes: number;
  readonly errors: ReadonlyMap<string, number>;
  /** Key `reason outcome`. */
  readonly retries: ReadonlyMap<string, number>;
  readonly reused: number;
  readonly fresh: number;
  readonly created: number;
  readonly closed: ReadonlyMap<string, number>;
  readonly connectErrors: ReadonlyMap<string, number>;
  readonly connectTimeouts: number;
  readonly rateRefused: number;
  readonly rateQueued: number;
  readonly wouldReuse: number;
  readonly connect: Histogram;
  readonly acquire: Histogram;
  readonly duration: Histogram;
};

const NO_HISTOGRAM: Histogram = { bounds: [], cumulative: [], sumSeconds: 0, count: 0 };

/** The counters in one scrape. */
export function readCounters(samples: Samples): Counters {
  const list = (name: string) => samples.get(`carpool_${name}`) ?? [];
  const one = (name: string, label?: string, value?: string) =>
    list(name).reduce(
      (sum, each) => (label === undefined || each.labels.get(label) === value ? sum + each.value : sum),
      0,
    );
  const by = (name: string, ...labels: readonly string[]) => {
    const counts = new Map<string, number>();
    for (const { labels: values, value } of list(name))
      add(counts, labels.map((label) => values.get(label) ?? '').join(' '), value);
    return counts;
  };
  const codes = new Map<string, number>();
  let writes = 0;
  for (const { labels, value } of list('requests_total')) {
    if (labels.get('method_class') === 'tunnel') continue;
    add(codes, labels.get('code_class') ?? '', value);
    if (labels.get('method_class') === 'write') writes += value;
  }
  const histogram = (name: string): Histogram => {
    const buckets = list(`${name}_bucket`).map(({ labels, value }) => ({ bound: Number(bound(labels)), value }));
    if (buckets.length === 0) return NO_HISTOGRAM;
    return {
      bounds: buckets.map((each) => each.bound),
      cumulative: buckets.map((each) => each.value),
      sumSeconds: one(`${name}_sum`),
      count: one(`${name}_count`),
    };
  };
  return {
    codes,
    writes,
    errors: by('errors_total', 'code'),
    retries: by('retries_total', 'reason', 'outcome'),
    reused: one('pool_requests_total', 'reused', 'true'),
    fresh: one('pool_requests_total', 'reused', 'false'),
    created: one('pool_connections_created_total'),
    closed: by('pool_connections_closed_total', 'reason'),
    connectErrors: by('pool_connect_errors_total', 'code'),
    connectTimeouts: one('pool_connect_timeouts_total'),
    rateRefused: one('rate_limited_total', 'outcome', 'refused'),
    rateQueued: one('rate_limited_total', 'outcome', 'queued'),
    wouldReuse: one('observe_would_reuse_total'),
    connect: histogram('pool_connect_duration_seconds'),
    acquire: histogram('pool_acquire_duration_seconds'),
    duration: histogram('request_duration_seconds'),
  };
}

/** What came between two scrapes. Where a count has fallen (the label was given up, the sidecar restarted) the later one counts whole. */
export function between(before: Counters, after: Counters): Counters {
  const less = (was: number, is: number) => (is >= was ? is - was : is);
  const lessMap = (was: ReadonlyMap<string, number>, is: ReadonlyMap<string, number>) =>
    new Map([...is].map(([key, value]) => [key, less(was.get(key) ?? 0, value)]));
  const lessHistogram = (was: Histogram, is: Histogram): Histogram => {
    if (is.count < was.count || was.count === 0) return is;
    return {
      bounds: is.bounds,
      cumulative: is.cumulative.map((value, index) => value - (was.cumulative[index] ?? 0)),
      sumSeconds: is.sumSeconds - was.sumSeconds,
      count: is.count - was.count,
    };
  };
  return {
    codes: lessMap(before.codes, after.codes),
    writes: less(before.writes, after.writes),
    errors: lessMap(before.errors, after.errors),
    retries: lessMap(before.retries, after.retries),
    reused: less(before.reused, after.reused),
    fresh: less(before.fresh, after.fresh),
    created: less(before.created, after.created),
    closed: lessMap(before.closed, after.closed),
    connectErrors: lessMap(before.connectErrors, after.connectErrors),
    connectTimeouts: less(before.connectTimeouts, after.connectTimeouts),
    rateRefused: less(before.rateRefused, after.rateRefused),
    rateQueued: less(before.rateQueued, after.rateQueued),
    wouldReuse: less(before.wouldReuse, after.wouldReuse),
    connect: lessHistogram(before.connect, after.connect),
    acquire: lessHistogram(acquireOf(before, after), after.acquire),
    duration: lessHistogram(before.duration, after.duration),
  };
}

/** That histogram appears with the first request that waited over 1 ms: the ones before it waited less. */
function acquireOf({ acquire, reused, fresh }: Counters, after: Counters): Histogram {
  if (acquire.count > 0 || after.acquire.count === 0) return acquire;
  const count = Math.min(reused + fresh, after.acquire.cumulative[0] ?? 0);
  const { bounds } = after.acquire;
  return { bounds, cumulative: bounds.map(() => count), sumSeconds: 0, count };
}

/** Mean in milliseconds; 0 where there is nothing. */
export function meanMs({ sumSeconds, count }: Histogram): number {
  return count === 0 ? 0 : (sumSeconds / count) * 1000;
}

/** A quantile in milliseconds, within its bucket in proportion, as PromQL's histogram_quantile; beyond the last bound that bound. */
export function quantileMs({ bounds, cumulative, count }: Histogram, q: number): number {
  if (count === 0) return 0;
  const rank = q * count;
  const index = cumulative.findIndex((value) => value >= rank);
  const upper = bounds[index] ?? 0;
  const lower = bounds[index - 1] ?? 0;
  if (!Number.isFinite(upper)) return lower * 1000;
  const below = cumulative[index - 1] ?? 0;
  const inside = (cumulative[index] ?? 0) - below;
  return (lower + (upper - lower) * (inside === 0 ? 1 : (rank - below) / inside)) * 1000;
}

/** All values of a map together, or those whose key passes. */
export function sum(counts: ReadonlyMap<string, number>, wanted: (key: string) => boolean = () => true): number {
  let total = 0;
  for (const [key, value] of counts) if (wanted(key)) total += value;
  return total;
}

function add(counts: Map<string, number>, key: string, value: number): void {
  counts.set(key, (counts.get(key) ?? 0) + value);
}

function bound(labels: ReadonlyMap<string, string>): string {
  return (labels.get('le') ?? '').replace('+Inf', 'Infinity');
}
