import { evenShare } from './even-share.ts';

/** How long requests wait for the first answer of Redis; then they go by the fallback. */
const FIRST_ANSWER_MS = 2000;
/** At most so long before the end of a lease what is above the even share is given up, and what is below it is taken. */
const YIELD_BEFORE_MS = 2500;
const EVEN_BEFORE_MS = 500;

/**
 * `starting`: nothing is known, and nothing is opened. `leased`: as Redis says. `yielding`: Redis is away for long, and the
 * lease is about to end: no more than the even share, and no more than was leased, so that those who have more come down
 * first. `even`: the even share.
 */
export type LeaseState =
  | { readonly state: 'starting'; readonly until: number }
  | { readonly state: 'leased'; readonly until: number; readonly share: number }
  | { readonly state: 'yielding'; readonly until: number; readonly share: number }
  | { readonly state: 'even' };

/** What the even share is made of, where Redis does not tell. */
export type Fallback = {
  readonly budget: number;
  readonly minShare: number;
  /** As the EndpointSlices of `fleet.service` tell, or null: they do not. */
  readonly listed: number | null;
};

/** One destination's part of its budget over time: leased, and what is used when the lease cannot be renewed. */
export class Lease {
  readonly #ttlMs: number;
  readonly #evenBeforeMs: number;
  readonly #yieldBeforeMs: number;
  #state: LeaseState;
  #peers = 0;

  /** @param ttlMs how long it lasts without an answer */
  constructor(ttlMs: number, now: number) {
    this.#ttlMs = ttlMs;
    this.#evenBeforeMs = Math.min(EVEN_BEFORE_MS, ttlMs / 10);
    this.#yieldBeforeMs = Math.min(YIELD_BEFORE_MS, ttlMs / 2);
    this.#state = { state: 'starting', until: now + Math.min(FIRST_ANSWER_MS, ttlMs) };
  }

  get state(): LeaseState['state'] {
    return this.#state.state;
  }

  /** Sidecars that share the budget, as Redis said last; 0: not known. */
  get peers(): number {
    return this.#peers;
  }

  /** Redis has answered. @param sentAt when it was asked, so that the lease ends here no later than it ends there */
  granted(share: number, peers: number, sentAt: number): void {
    this.#peers = peers;
    this.#state = { state: 'leased', until: sentAt + this.#ttlMs - this.#yieldBeforeMs, share };
  }

  /** Moves to where it is by now. */
  advance(now: number): void {
    const state = this.#state;
    if (state.state === 'even' || now < state.until) return;
    if (state.state === 'leased') {
      const until = state.until + this.#yieldBeforeMs - this.#evenBeforeMs;
      this.#state = { state: 'yielding', until, share: state.share };
      this.advance(now);
    } else this.#state = { state: 'even' };
  }

  /** What may be used now. */
  share(fallback: Fallback): number {
    const state = this.#state;
    if (state.state === 'starting') return 0;
    if (state.state === 'leased') return state.share;
    const even = this.#even(fallback);
    return state.state === 'yielding' ? Math.min(even, state.share) : even;
  }

  #even({ budget, minShare, listed }: Fallback): number {
    const peers = this.#peers > 0 ? this.#peers : listed;
    return peers === null ? Math.min(minShare, budget) : evenShare(budget, peers, null);
  }
}
