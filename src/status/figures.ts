import { DURATION_SLOTS, slotFromMs } from '../observer.ts';

/** Three significant digits: what a person reads, and what does not change with every request. */
export function threeDigits(value: number): number {
  return value === 0 ? 0 : Number(value.toPrecision(3));
}

/** A share of 0 to 1, to a tenth of a percent. */
export function share(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.round((part / whole) * 1000) / 1000;
}

/**
 * The time that so large a share of the requests did not pass, in milliseconds, from counts in the slots of
 * `DestinationObserver.durationSlots`: within a slot they are taken to lie evenly, so it is right to a few percent.
 * @param counts the counts of the slots, from `from` on
 * @param quantile 0 to 1
 * @param longestMs none took longer
 * @returns null where there is none
 */
export function quantileMs(counts: Float64Array, from: number, quantile: number, longestMs: number): number | null {
  let total = 0;
  for (let slot = 0; slot < DURATION_SLOTS; slot++) total += counts[from + slot] ?? 0;
  if (total === 0) return null;
  if (total === 1) return threeDigits(longestMs);
  let below = 0;
  for (let slot = 0; slot < DURATION_SLOTS - 1; slot++) {
    const count = counts[from + slot] ?? 0;
    if (count > 0 && below + count >= total * quantile) {
      const lower = slotFromMs(slot);
      const within = ((total * quantile - below) / count) * (slotFromMs(slot + 1) - lower);
      return threeDigits(Math.min(lower + within, longestMs));
    }
    below += count;
  }
  // The last slot has no end.
  return threeDigits(longestMs);
}
