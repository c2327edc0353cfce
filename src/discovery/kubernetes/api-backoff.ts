import { backOffMs } from '../../back-off.ts';
import type { ApiError } from './kube-api.ts';

const FIRST_MS = 800;
const LAST_MS = 30_000;
/** Rights do not come back by asking often. */
const FORBIDDEN_MS = 60_000;
/** More than this no Retry-After makes us wait. */
const MAX_RETRY_AFTER_MS = 60_000;

/**
 * How long to wait before a call that failed is made again, after each failure in a row: 0.8 s, doubling up to 30 s, at random between the half and the
 * whole, so that sidecars which lost the API server together come back apart.
 */
export class ApiBackoff {
  readonly #random: () => number;
  #failures = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** Milliseconds to wait after `error`, as the next failure in a row. */
  after(error: ApiError): number {
    const failures = this.#failures;
    // Enough to stay at LAST_MS, and far from what a number holds.
    this.#failures = Math.min(this.#failures + 1, 10);
    if (error.kind === 'forbidden') return FORBIDDEN_MS * (0.9 + this.#random() / 5);
    const delay = backOffMs(FIRST_MS, LAST_MS, failures, this.#random);
    if (error.retryAfterMs === null) return delay;
    // Never sooner than asked for: all that were turned away together are spread behind it.
    return Math.max(delay, Math.min(error.retryAfterMs, MAX_RETRY_AFTER_MS) * (1 + this.#random() / 10));
  }

  /** Whether the last call failed. */
  get failing(): boolean {
    return this.#failures > 0;
  }

  reset(): void {
    this.#failures = 0;
  }
}
