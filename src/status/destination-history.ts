import type { DestinationObserver } from '../observer.ts';
import { DURATIONS, ENDED, FAILED, FRESH, HELD, LIFE_COUNTS, lifeCounts, REUSED } from '../telemetry/life-counts.ts';
import { quantileMs, share, threeDigits } from './figures.ts';
import type { DestinationRow, History, HistoryPoint } from './types.ts';

/** How long a point is, and how many are kept: five minutes. */
export const POINT_MS = 5000;
const POINTS = 60;
/** Points of which the figures of the last minute are made. */
const MINUTE = 12;
/** Requests, failed ones, utilization, pending. */
const FIELDS = 4;

/** What a row says of the last minute. */
type MinuteOfRow = Pick<DestinationRow, 'requestsPerSecond' | 'failedShare' | 'reuseShare' | 'p50Ms' | 'p99Ms'>;

export type MinuteFigures = {
  readonly row: MinuteOfRow;
  /** Requests that ended. */
  readonly ended: number;
  /** How long a request held its connection: its time without the wait for one, in milliseconds; null: there was none. */
  readonly serviceMs: number | null;
};

export const NO_FIGURES: MinuteFigures = {
  row: { requestsPerSecond: 0, failedShare: 0, reuseShare: null, p50Ms: null, p99Ms: null },
  ended: 0,
  serviceMs: null,
};

/** Shared by all: nothing is kept in them from call to call. */
const counts = new Float64Array(LIFE_COUNTS);
const sums = new Float64Array(LIFE_COUNTS);

/** The last five minutes of one destination, in points of five seconds: some 6 KB, whatever its traffic is. */
export class DestinationHistory {
  /** When it had requests last (monotonic ms). */
  busyAt: number;
  readonly #points = new Float32Array(POINTS * FIELDS);
  /** What was counted in each of the last points. */
  readonly #minute = new Float32Array(MINUTE * LIFE_COUNTS);
  /** The longest request of each of them, in milliseconds. */
  readonly #longest = new Float64Array(MINUTE);
  /** What had been counted at the end of the last point. */
  readonly #last = new Float64Array(LIFE_COUNTS);
  readonly #beganAt: number;
  /** Points so far, those that fell out among them. */
  #count = 0;

  /**
   * @param since when its first point begins (monotonic ms)
   * @param counted what it has counted until now is older than that; null: it began in that point
   */
  constructor(since: number, counted: DestinationObserver | null) {
    this.#beganAt = since;
    this.busyAt = since;
    if (counted !== null) lifeCounts(counted, this.#last);
  }

  /** A point is over. */
  add(observer: DestinationObserver, utilization: number, pending: number, now: number): void {
    lifeCounts(observer, counts);
    const slot = (this.#count % MINUTE) * LIFE_COUNTS;
    for (let at = 0; at < LIFE_COUNTS; at++) this.#minute[slot + at] = (counts[at] ?? 0) - (this.#last[at] ?? 0);
    this.#longest[this.#count % MINUTE] = observer.longestMs;
    observer.longestMs = 0;
    const point = (this.#count % POINTS) * FIELDS;
    const requests = this.#minute[slot + ENDED] ?? 0;
    this.#points[point] = requests;
    this.#points[point + 1] = this.#minute[slot + FAILED] ?? 0;
    this.#points[point + 2] = utilization;
    this.#points[point + 3] = pending;
    this.#last.set(counts);
    this.#count++;
    if (requests > 0 || pending > 0) this.busyAt = now;
  }

  /**
   * The last minute, as of the end of the last point: so a destination that is steady looks steady. In its first minute
   * what has come since then counts too.
   */
  figures(observer: DestinationObserver, now: number): MinuteFigures {
    sums.fill(0);
    const kept = Math.min(this.#count, MINUTE);
    for (let slot = 0; slot < kept; slot++)
      for (let at = 0; at < LIFE_COUNTS; at++)
        sums[at] = (sums[at] ?? 0) + (this.#minute[slot * LIFE_COUNTS + at] ?? 0);
    let overMs = MINUTE * POINT_MS;
    let longestMs = Math.max(...this.#longest);
    if (this.#count < MINUTE) {
      lifeCounts(observer, counts);
      for (let at = 0; at < LIFE_COUNTS; at++) sums[at] = (sums[at] ?? 0) + (counts[at] ?? 0) - (this.#last[at] ?? 0);
      longestMs = Math.max(longestMs, observer.longestMs);
      overMs = Math.max(1000, now - this.#beganAt);
    }
    const ended = sums[ENDED] ?? 0;
    const reused = sums[REUSED] ?? 0;
    const sent = reused + (sums[FRESH] ?? 0);
    if (ended === 0 && sent === 0) return NO_FIGURES;
    return {
      row: {
        requestsPerSecond: threeDigits((ended * 1000) / overMs),
        failedShare: share(sums[FAILED] ?? 0, ended),
        reuseShare: sent === 0 ? null : share(reused, sent),
        p50Ms: quantileMs(sums, DURATIONS, 0.5, longestMs),
        p99Ms: quantileMs(sums, DURATIONS, 0.99, longestMs),
      },
      ended,
      serviceMs: sent === 0 ? null : (1000 * (sums[HELD] ?? 0)) / sent,
    };
  }

  /** The point that ended last, or null: none has. */
  get lastPoint(): HistoryPoint | null {
    return this.#count === 0 ? null : this.#point(this.#count - 1);
  }

  history(): History {
    const points: HistoryPoint[] = [];
    for (let index = Math.max(0, this.#count - POINTS); index < this.#count; index++) points.push(this.#point(index));
    return { intervalMs: POINT_MS, points };
  }

  #point(index: number): HistoryPoint {
    const at = (index % POINTS) * FIELDS;
    return {
      requests: this.#points[at] ?? 0,
      failed: this.#points[at + 1] ?? 0,
      utilization: Math.round((this.#points[at + 2] ?? 0) * 1000) / 1000,
      pending: this.#points[at + 3] ?? 0,
    };
  }
}
