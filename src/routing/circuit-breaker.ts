import type { EjectionPolicy } from '../config/types.ts';
import { CarpoolError } from '../errors.ts';
import type { EventSink } from '../observer.ts';
import { MOST_RECOVERIES } from '../pool/endpoint-load.ts';
import { GrowingTime } from '../pool/growing-time.ts';
import type { OutcomeListener } from '../pool/outcomes.ts';
import type { BreakerStats } from '../pool/stats.ts';

/** A policy whose breaker is on. */
export type BreakerPolicy = EjectionPolicy & { readonly destinationFailures: number };

/** `sentAt` is the difference of two fractions. */
const ROUNDING_MS = 0.01;

/**
 * `closed`: requests pass. `open`: none passes until `until`. `half_open`: one passes, the trial that began at `trial`;
 * with null the next request is it. All times are monotonic milliseconds.
 */
type State =
  | { readonly state: 'closed' }
  | { readonly state: 'open'; readonly until: number }
  | { readonly state: 'half_open'; readonly trial: number | null };

/**
 * The circuit breaker of one destination as a whole: it opens after failures in a row over all endpoints. What it hears of
 * attempts that went out before a trial says nothing about how things are now.
 */
export class DestinationBreaker implements OutcomeListener {
  #state: State = { state: 'closed' };
  #failures = 0;
  #cause = '';
  #policy: BreakerPolicy;
  readonly #name: string;
  readonly #events: EventSink;
  readonly #growth = new GrowingTime();
  /** When the trial went out that closed it last: what went out before that says nothing any more. */
  #knownSince = Number.NEGATIVE_INFINITY;

  /** @param name of the destination */
  constructor(name: string, policy: BreakerPolicy, events: EventSink) {
    this.#name = name;
    this.#policy = policy;
    this.#events = events;
  }

  /** A reload changed it: a shorter recovery holds for what is open too. */
  configure(policy: BreakerPolicy, now: number): void {
    this.#policy = policy;
    if (this.#state.state !== 'open') return;
    this.#state = { state: 'open', until: Math.min(this.#state.until, now + policy.recoveryMs * MOST_RECOVERIES) };
  }

  // --- requests

  /** Why a request may not pass now, or null. */
  refusal(now: number): CarpoolError | null {
    const state = this.#state;
    if (state.state === 'closed') return null;
    if (state.state === 'open') {
      if (now < state.until) return this.#refused(state.until - now);
      this.#become({ state: 'half_open', trial: null });
      return null;
    }
    // A trial without an outcome (a stuck one, a slow one) does not hold up the others for good.
    if (state.trial === null || now - state.trial >= this.#policy.recoveryMs) return null;
    return this.#refused(0);
  }

  #refused(leftMs: number): CarpoolError {
    const again = leftMs === 0 ? 'one request is trying it now' : `one request may try it in ${Math.ceil(leftMs)} ms`;
    return new CarpoolError(
      'CIRCUIT_OPEN',
      `${this.#name}: ${this.#failures} failures in a row, the last one ${this.#cause}; ${again}`,
      { retryAfterSeconds: Math.max(1, Math.ceil(leftMs / 1000)) },
    );
  }

  /** A request passes that was not refused. @returns whether it is the trial: `trialGone` must be told where it comes to nothing */
  passes(now: number): boolean {
    if (this.#state.state !== 'half_open') return false;
    this.#become({ state: 'half_open', trial: now });
    return true;
  }

  /** The trial ended without telling how the destination is: the next request tries. */
  trialGone(): void {
    if (this.#state.state === 'half_open') this.#become({ state: 'half_open', trial: null });
  }

  /** Whether a trial is under way. */
  get trying(): boolean {
    return this.#state.state === 'half_open' && this.#state.trial !== null;
  }

  // --- outcomes

  answered(sentAt: number): void {
    if (!this.#ofTrial(sentAt)) return;
    this.#knownSince = sentAt;
    this.#growth.well(sentAt);
    // The count stays until an exchange is complete: what fails again before that opens it at once.
    this.#become({ state: 'closed' });
    this.#failures = Math.max(0, this.#policy.destinationFailures - 1);
  }

  completed(): void {
    if (this.#state.state === 'closed') this.#failures = 0;
  }

  failed(cause: string, sentAt: number, now: number): void {
    const { state } = this.#state;
    if (state === 'open' || (state === 'half_open' && !this.#ofTrial(sentAt))) return;
    if (sentAt < this.#knownSince - ROUNDING_MS) return;
    this.#failures++;
    this.#cause = cause;
    if (state === 'closed' && this.#failures < this.#policy.destinationFailures) return;
    const { recoveryMs } = this.#policy;
    const forMs = this.#growth.next(recoveryMs, recoveryMs * MOST_RECOVERIES, now);
    this.#become({ state: 'open', until: now + forMs });
    this.#events.emit({ type: 'breaker_opened', destination: this.#name, forMs, cause });
  }

  left(sentAt: number): void {
    if (this.#ofTrial(sentAt)) this.trialGone();
  }

  /** Whether it went out since the trial began: that is the trial itself, or as good. */
  #ofTrial(sentAt: number): boolean {
    const state = this.#state;
    return state.state === 'half_open' && state.trial !== null && sentAt > state.trial - ROUNDING_MS;
  }

  // --- state

  /** It is switched off: whoever looks at the events sees that nothing is refused any more. */
  close(): void {
    if (this.#state.state !== 'closed') this.#become({ state: 'closed' });
  }

  #become(state: State): void {
    const before = this.#state.state;
    this.#state = state;
    if (before === state.state || state.state === 'open') return;
    const type = state.state === 'closed' ? 'breaker_closed' : 'breaker_half_open';
    this.#events.emit({ type, destination: this.#name });
  }

  stats(now: number): BreakerStats {
    const state = this.#state;
    const leftMs = state.state === 'open' ? Math.ceil(Math.max(0, state.until - now)) : 0;
    return {
      state: state.state === 'open' && leftMs === 0 ? 'half_open' : state.state,
      failures: this.#failures,
      triedAgainInMs: leftMs,
    };
  }
}
