import type { DestinationObserver } from '../observer.ts';

/** A minute, in slots: the oldest one falls out as a new one begins. */
const SLOT_MS = 10_000;
const SLOTS = 6;

/** Requests of the last minute, and how many of them failed at least. */
export type ErrorTotals = { readonly requests: number; readonly failed: number };

/**
 * How many of the requests to one destination failed in the last minute: those that were answered 502, 503 or 504, by
 * the upstream or by carpool, or that an error of carpool's cut. An answer of carpool's is in both counts, so the larger
 * one is taken: it is never too high.
 */
export class FailureShare {
  /** Of each slot: requests, such answers, such errors. */
  readonly #slots = new Float64Array(SLOTS * 3);
  #slot = 0;
  #slotEnds: number;
  #ended = 0;
  #unavailable = 0;
  #failures = 0;

  constructor(now: number) {
    this.#slotEnds = now + SLOT_MS;
  }

  /** Takes what the observer has counted since the last look. */
  look({ ended, unavailable, failures }: DestinationObserver, now: number): void {
    this.#begin(now);
    const at = this.#slot * 3;
    this.#slots[at] = (this.#slots[at] ?? 0) + ended - this.#ended;
    this.#slots[at + 1] = (this.#slots[at + 1] ?? 0) + unavailable - this.#unavailable;
    this.#slots[at + 2] = (this.#slots[at + 2] ?? 0) + failures - this.#failures;
    this.#ended = ended;
    this.#unavailable = unavailable;
    this.#failures = failures;
  }

  /** Over the last minute, or a little less. */
  over(now: number): ErrorTotals {
    this.#begin(now);
    let requests = 0;
    let unavailable = 0;
    let failures = 0;
    for (let at = 0; at < this.#slots.length; at += 3) {
      requests += this.#slots[at] ?? 0;
      unavailable += this.#slots[at + 1] ?? 0;
      failures += this.#slots[at + 2] ?? 0;
    }
    return { requests, failed: Math.min(requests, Math.max(unavailable, failures)) };
  }

  #begin(now: number): void {
    if (now < this.#slotEnds) return;
    const passed = 1 + Math.floor((now - this.#slotEnds) / SLOT_MS);
    this.#slotEnds += passed * SLOT_MS;
    for (let slot = 0; slot < Math.min(passed, SLOTS); slot++) {
      this.#slot = (this.#slot + 1) % SLOTS;
      this.#slots.fill(0, this.#slot * 3, this.#slot * 3 + 3);
    }
  }
}
