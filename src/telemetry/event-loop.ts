import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Sampling interval in milliseconds: 50 wake-ups a second inside libuv, none of them in JavaScript. */
const RESOLUTION_MS = 20;

/** How late the event loop was, in milliseconds, over one window. */
export type EventLoopDelay = {
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
};

/** Measures event-loop lag from the first time somebody asks; an unobserved sidecar does not pay for it. */
export class EventLoopMonitor {
  #histogram: ReturnType<typeof monitorEventLoopDelay> | null = null;

  /** The lag since the last `nextWindow`, or null: the measuring has just begun. */
  read(): EventLoopDelay | null {
    if (!this.#histogram) {
      this.#histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
      this.#histogram.enable();
      return null;
    }
    const histogram = this.#histogram;
    if (histogram.count === 0) return null;
    // The histogram holds the time between two samples, which contains the sampling interval itself.
    const late = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
    return {
      meanMs: late(histogram.mean),
      p50Ms: late(histogram.percentile(50)),
      p99Ms: late(histogram.percentile(99)),
      maxMs: late(histogram.max),
    };
  }

  /** Starts a new window; the scrape does, so that a peak shows in one scrape and not for ever. */
  nextWindow(): void {
    this.#histogram?.reset();
  }

  stop(): void {
    this.#histogram?.disable();
    this.#histogram = null;
  }
}
