/** Doublings at most; the caller's own maximum ends the growth before that. */
const MAX_DOUBLINGS = 10;

/**
 * How long something stays out: twice as long each time that it fails again. Health takes the growth back step by step,
 * one for as long as it was out last, so that what fails again a moment after it came back is out for longer still.
 */
export class GrowingTime {
  #doublings = 0;
  #lastMs = 0;
  /** Since when it has been well (monotonic ms), or null. */
  #wellSince: number | null = null;

  /** It failed (again). @returns for how long it is out: `baseMs`, doubled for each failure before, at most `mostMs` */
  next(baseMs: number, mostMs: number, now: number): number {
    if (this.#wellSince !== null) {
      const steps = this.#lastMs === 0 ? this.#doublings : Math.floor((now - this.#wellSince) / this.#lastMs);
      this.#doublings = Math.max(0, this.#doublings - steps);
      this.#wellSince = null;
    }
    this.#lastMs = Math.min(baseMs * 2 ** this.#doublings, mostMs);
    // What was not felt need not be taken back.
    if (this.#lastMs < mostMs && this.#doublings < MAX_DOUBLINGS) this.#doublings++;
    return this.#lastMs;
  }

  /** It works again. */
  well(now: number): void {
    this.#wellSince ??= now;
  }
}
