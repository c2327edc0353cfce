import { DURATION_BUCKETS } from '../observer.ts';

/** Three significant digits: what a person reads, and what does not change with every request. */
export function threeDigits(value: number): number {
  return value === 0 ? 0 : Number(value.toPrecision(3));
}

/** A share of 0 to 1, to a tenth of a percent. */
export function share(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.round((part / whole) * 1000) / 1000;
}

/**
 * The time that so large a share of the requests did not pass, in milliseconds, from counts in the buckets of the request
 * histogram: within a bucket they are taken to lie evenly, and what is above the last bound is shown as that bound.
 * @param counts the counts of the buckets, from `from` on
 * @param quantile 0 to 1
 * @returns null where there is none
 */
export function quantileMs(counts: Float64Array, from: number, quantile: number): number | null {
  let total = 0;
  for (let bucket = 0; bucket <= DURATION_BUCKETS.length; bucket++) total += counts[from + bucket] ?? 0;
  if (total === 0) return null;
  let below = 0;
  let lower = 0;
  for (const [bucket, bound] of DURATION_BUCKETS.entries()) {
    const count = counts[from + bucket] ?? 0;
    if (count > 0 && below + count >= total * quantile)
      return threeDigits(1000 * (lower + ((total * quantile - below) / count) * (bound - lower)));
    below += count;
    lower = bound;
  }
  return lower * 1000;
}
