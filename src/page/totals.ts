import type { DestinationRow, History, HistoryPoint } from '../status/types.ts';

/** The sidecar's destinations together. Shares are null where nothing was sent in the last minute. */
export type Totals = {
  readonly requestsPerSecond: number;
  readonly failedShare: number | null;
  readonly reuseShare: number | null;
  readonly active: number;
  readonly idle: number;
  readonly connecting: number;
  readonly pending: number;
  /** The pool that is closest to its limit, and the slowest destination; null: there is none. */
  readonly fullest: DestinationRow | null;
  readonly slowest: DestinationRow | null;
};

/** Adds rows up; shares are weighed by their requests. */
export function totalsOf(rows: Iterable<DestinationRow>): Totals {
  let requestsPerSecond = 0;
  let failed = 0;
  let reused = 0;
  let reusable = 0;
  let active = 0;
  let idle = 0;
  let connecting = 0;
  let pending = 0;
  let fullest: DestinationRow | null = null;
  let slowest: DestinationRow | null = null;
  for (const row of rows) {
    active += row.active;
    idle += row.idle;
    connecting += row.connecting;
    pending += row.pending;
    if (fullest === null || row.utilization > fullest.utilization) fullest = row;
    if (row.p99Ms !== null && row.p99Ms > (slowest?.p99Ms ?? -1)) slowest = row;
    requestsPerSecond += row.requestsPerSecond;
    failed += row.requestsPerSecond * row.failedShare;
    if (row.reuseShare === null) continue;
    reused += row.requestsPerSecond * row.reuseShare;
    reusable += row.requestsPerSecond;
  }
  return {
    requestsPerSecond,
    failedShare: requestsPerSecond > 0 ? failed / requestsPerSecond : null,
    reuseShare: reusable > 0 ? reused / reusable : null,
    active,
    idle,
    connecting,
    pending,
    fullest,
    slowest,
  };
}

/** The histories of all destinations in one: requests and waiting requests add up, of the limits the fullest counts. */
export function historyOfAll(histories: Iterable<History>): History {
  const sums: Sum[] = [];
  let intervalMs = 5000;
  for (const history of histories) {
    intervalMs = history.intervalMs;
    history.points.forEach((point, index) => {
      // The newest of each stand for the same interval.
      const age = history.points.length - 1 - index;
      sums[age] ??= { requests: 0, failed: 0, utilization: 0, pending: 0 };
      addPoint(sums[age], point);
    });
  }
  return { intervalMs, points: sums.reverse() };
}

type Sum = { -readonly [Field in keyof HistoryPoint]: HistoryPoint[Field] };

function addPoint(sum: Sum, point: HistoryPoint): void {
  sum.requests += point.requests;
  sum.failed += point.failed;
  sum.utilization = Math.max(sum.utilization, point.utilization);
  sum.pending += point.pending;
}
