import { RecentCount } from './recent-count.ts';

/** What became of spans since the start; null or undefined: none were wanted. */
type SpanCounts = { readonly failed: number; readonly dropped: number } | null | undefined;

/** How many spans reached no collector lately: their counters only say since the start. */
export class LostSpans {
  readonly #recent = new RecentCount();
  #known = 0;

  /** Called about once a second. @param now monotonic milliseconds */
  note(spans: SpanCounts, now: number): void {
    const lost = spans === null || spans === undefined ? 0 : spans.failed + spans.dropped;
    if (lost > this.#known) this.#recent.add(now, lost - this.#known);
    this.#known = lost;
  }

  /** In the last ten minutes. */
  lately(now: number): number {
    return this.#recent.within(600_000, now);
  }
}
