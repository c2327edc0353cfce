/** Order statistics of small samples (the rounds of a run) and of large ones (the latencies of a load). */

/** The median, or null for an empty sample. The sample is not changed. */
export function median(values: readonly number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[sorted.length >> 1];
  if (upper === undefined) return null;
  const lower = sorted[(sorted.length - 1) >> 1] ?? upper;
  return (lower + upper) / 2;
}

/** The least value, or null for an empty sample. */
export function minimum(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((a, b) => Math.min(a, b));
}

/** The nearest-rank percentile of a sample that is already sorted; `share` is 0–1. */
export function percentile(sorted: ArrayLike<number>, share: number): number | null {
  if (sorted.length === 0) return null;
  const rank = Math.max(1, Math.ceil(share * sorted.length));
  return sorted[Math.min(rank, sorted.length) - 1] ?? null;
}

export type Interval = { readonly low: number; readonly high: number };

/**
 * A distribution-free confidence interval of the median, at least 95 %: the order statistics between which the median
 * lies by the binomial law. It assumes nothing about the shape of the noise, which on a shared machine is not normal.
 * Null below 6 values, where no pair of order statistics reaches 95 %.
 */
export function medianInterval(values: readonly number[]): Interval | null {
  const n = values.length;
  const sorted = values.toSorted((a, b) => a - b);
  // The chance that the median lies below the k-th smallest value is P(Binomial(n, ½) < k).
  let tail = 0;
  let term = 0.5 ** n;
  let k = 0;
  while (k < n && tail + term <= 0.025) {
    tail += term;
    term = (term * (n - k)) / (k + 1);
    k++;
  }
  if (k === 0) return null;
  const low = sorted[k - 1];
  const high = sorted[n - k];
  return low === undefined || high === undefined ? null : { low, high };
}

/**
 * subject ÷ peer, round by round. Only rounds that both finished count: what disturbed the machine in one round hit
 * neighbours in time, so that the ratio inside a round is steadier than the ratio of two medians.
 */
export function pairedRatios(
  subject: ReadonlyMap<number, number>,
  peer: ReadonlyMap<number, number>,
): readonly number[] {
  const ratios: number[] = [];
  for (const [round, mine] of subject) {
    const theirs = peer.get(round);
    if (theirs !== undefined && theirs > 0) ratios.push(mine / theirs);
  }
  return ratios;
}
