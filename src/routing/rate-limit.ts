import type { RateLimitPolicy } from '../config/types.ts';

const MINUTE_MS = 60_000;
/** Without a `burst` as many may come at once as so many milliseconds allow. */
const BURST_MS = 10_000;
/** Time is a fraction: a token that is short by less than this is there. */
const ALMOST = 1e-6;

/**
 * The rate limit of one destination: a bucket that fills evenly and of which each request takes one token. It is filled
 * when it is asked, so it needs no timer.
 */
export class TokenBucket {
  #tokens: number;
  #at: number;
  #perMs: number;
  #burst: number;

  constructor(policy: RateLimitPolicy, now: number) {
    this.#perMs = policy.requestsPerMinute / MINUTE_MS;
    this.#burst = burstOf(policy);
    this.#tokens = this.#burst;
    this.#at = now;
  }

  /** Another rate, from now on: what was saved up until now stays, up to the new burst. */
  configure(policy: RateLimitPolicy, now: number): void {
    this.#fill(now);
    this.#perMs = policy.requestsPerMinute / MINUTE_MS;
    this.#burst = burstOf(policy);
    this.#tokens = Math.min(Math.max(this.#tokens, -this.#burst), this.#burst);
  }

  /** Takes a token where there is one. @returns whether there was */
  take(now: number): boolean {
    this.#fill(now);
    if (this.#tokens < 1 - ALMOST) return false;
    this.#tokens--;
    return true;
  }

  /** Takes a token that may not be there yet. The debt is at most a whole burst. */
  borrow(now: number): void {
    this.#fill(now);
    this.#tokens = Math.max(this.#tokens - 1, -this.#burst);
  }

  /** How long (ms) until there is a token for one before whom `ahead` others take theirs. */
  waitMs(now: number, ahead: number): number {
    this.#fill(now);
    return Math.max(0, (ahead + 1 - this.#tokens - ALMOST) / this.#perMs);
  }

  #fill(now: number): void {
    if (now > this.#at) this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#at) * this.#perMs);
    this.#at = now;
  }
}

function burstOf({ requestsPerMinute, burst }: RateLimitPolicy): number {
  return burst ?? Math.max(1, Math.ceil((requestsPerMinute * BURST_MS) / MINUTE_MS));
}
