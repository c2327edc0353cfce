import type { SharedPool } from './budgets.ts';

/** What a sidecar could use of a budget: in the last second, and in the last ten. */
export type Wants = { readonly fast: number; readonly slow: number };

const BUCKET_MS = 500;
/** The bucket that is being filled, and the two before it. */
const FAST_BUCKETS = 3;
const SLOW_BUCKETS = 20;

/**
 * How many connections a destination could use, from samples of what was in use and waited. Where connections are scarce the
 * peak of the last second counts, so that what one does not need any more is soon another's; where there are enough, the
 * peak of the last ten seconds and a little to grow into, so that nothing is closed and opened again for every lull.
 */
export class Appetite {
  readonly #peaks = new Float64Array(SLOW_BUCKETS);
  #bucket = 0;
  #endsAt = Number.NEGATIVE_INFINITY;

  sample({ demand }: SharedPool, now: number): void {
    if (now >= this.#endsAt) {
      const passed = this.#endsAt < 0 ? 1 : Math.min(SLOW_BUCKETS, 1 + Math.floor((now - this.#endsAt) / BUCKET_MS));
      for (let i = 0; i < passed; i++) {
        this.#bucket = (this.#bucket + 1) % SLOW_BUCKETS;
        this.#peaks[this.#bucket] = 0;
      }
      this.#endsAt = now + BUCKET_MS;
    }
    const used = demand.busy + demand.waiting;
    if (used > (this.#peaks[this.#bucket] ?? 0)) this.#peaks[this.#bucket] = used;
  }

  /**
   * What it could use; never more than its own limit allows.
   * @param told what was told last: it stands while what is wanted now is not much less
   */
  wants({ limit, demand, floor }: SharedPool, told: Wants): Wants {
    const most = limit.scaled ?? limit.configured;
    const outside = Math.max(0, demand.open - demand.counted);
    const fast = this.#peak(FAST_BUCKETS);
    const slow = Math.max(withRoom(this.#peak(SLOW_BUCKETS)), floor);
    const next = { fast: Math.min(most, fast) + outside, slow: Math.min(most, slow) + outside };
    return { fast: steady(told.fast, next.fast), slow: steady(told.slow, next.slow) };
  }

  #peak(buckets: number): number {
    let peak = 0;
    for (let i = 0; i < buckets; i++)
      peak = Math.max(peak, this.#peaks[(this.#bucket - i + SLOW_BUCKETS) % SLOW_BUCKETS] ?? 0);
    return peak;
  }
}

/** A tenth more, but at least one; nothing where nothing is used. */
function withRoom(used: number): number {
  return used === 0 ? 0 : used + Math.max(1, Math.ceil(used / 10));
}

/** Up at once; down only where that is worth the news: shares would move with every request. */
function steady(told: number, next: number): number {
  return next > told || next < told * 0.8 || next === 0 ? next : told;
}
