import type { DestinationObserver, FixedHistogram } from '../observer.ts';
import { carry } from './life-counts.ts';

/** Moving what was counted from one observer to another: how labels change hands without a count lost or doubled. */

function addMap<K>(from: ReadonlyMap<K, number>, to: Map<K, number>): void {
  for (const [key, count] of from) to.set(key, (to.get(key) ?? 0) + count);
}

function addArray(from: Float64Array, to: Float64Array): void {
  for (let i = 0; i < from.length; i++) to[i] = (to[i] ?? 0) + (from[i] ?? 0);
}

function addHistogram(from: FixedHistogram, to: FixedHistogram): void {
  if (from.total === 0) return;
  addArray(from.counts, to.counts);
  to.sumSeconds += from.sumSeconds;
  to.total += from.total;
  addExemplars(from, to);
}

function addExemplars({ exemplars }: FixedHistogram, to: FixedHistogram): void {
  if (exemplars === null) return;
  to.exemplars = exemplars.map((exemplar, bucket) => exemplar ?? to.exemplars?.[bucket]);
}

function resetHistogram(histogram: FixedHistogram): void {
  if (histogram.total === 0) return;
  histogram.counts.fill(0);
  histogram.sumSeconds = 0;
  histogram.total = 0;
  histogram.exemplars = null;
}

/** Whether anything was counted: the sign of life of a destination. */
export function hasCounts(observer: DestinationObserver): boolean {
  return (
    observer.requestDuration.total > 0 ||
    observer.bytesUp > 0 ||
    observer.bytesDown > 0 ||
    observer.acquireDuration.total > 0 ||
    observer.connectDuration.total > 0 ||
    observer.connectionsCreated > 0 ||
    observer.connectTimeouts > 0 ||
    observer.reusedRequests > 0 ||
    observer.freshRequests > 0 ||
    observer.connectionsClosed.size > 0 ||
    observer.connectErrors.size > 0 ||
    observer.errors.size > 0 ||
    observer.retries.size > 0 ||
    observer.rateLimitRefused > 0 ||
    observer.rateLimitQueued > 0 ||
    observer.healthChecks.size > 0 ||
    observer.wouldReuse > 0
  );
}

/** Adds every counter of `from` to `to`. */
export function addCounters(from: DestinationObserver, to: DestinationObserver): void {
  addArray(from.requests, to.requests);
  addHistogram(from.requestDuration, to.requestDuration);
  addHistogram(from.acquireDuration, to.acquireDuration);
  addHistogram(from.connectDuration, to.connectDuration);
  addMap(from.connectionsClosed, to.connectionsClosed);
  addMap(from.connectErrors, to.connectErrors);
  addMap(from.errors, to.errors);
  addMap(from.retries, to.retries);
  addMap(from.healthChecks, to.healthChecks);
  to.reusedRequests += from.reusedRequests;
  to.freshRequests += from.freshRequests;
  to.connectionsCreated += from.connectionsCreated;
  to.connectTimeouts += from.connectTimeouts;
  to.bytesUp += from.bytesUp;
  to.bytesDown += from.bytesDown;
  to.rateLimitRefused += from.rateLimitRefused;
  to.rateLimitQueued += from.rateLimitQueued;
  to.wouldReuse += from.wouldReuse;
}

function resetCounters(observer: DestinationObserver): void {
  observer.requests.fill(0);
  resetHistogram(observer.requestDuration);
  resetHistogram(observer.acquireDuration);
  resetHistogram(observer.connectDuration);
  observer.connectionsClosed.clear();
  observer.connectErrors.clear();
  observer.errors.clear();
  observer.retries.clear();
  observer.healthChecks.clear();
  observer.reusedRequests = 0;
  observer.freshRequests = 0;
  observer.connectionsCreated = 0;
  observer.connectTimeouts = 0;
  observer.bytesUp = 0;
  observer.bytesDown = 0;
  observer.rateLimitRefused = 0;
  observer.rateLimitQueued = 0;
  observer.wouldReuse = 0;
}

/**
 * Adds every counter of `from` to `to` and sets it to zero in `from`. JavaScript runs it in one piece, so nothing that
 * the request path adds can fall between.
 * @returns whether there was anything
 */
export function moveCounters(from: DestinationObserver, to: DestinationObserver): boolean {
  if (!hasCounts(from)) return false;
  addCounters(from, to);
  carry(from);
  resetCounters(from);
  return true;
}
