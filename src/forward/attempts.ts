import { backOffMs } from '../back-off.ts';
import type { Timer } from '../clock.ts';
import type { AttemptFailure } from '../connection/upstream.ts';
import type { CarpoolError } from '../errors.ts';
import type { EndpointPool } from '../pool/endpoint-pool.ts';
import type { Head } from '../protocol/head.ts';
import { NONE_LEFT } from '../routing/retry-budget.ts';
import { STATUS_ANY_METHOD, STATUS_IF_IDEMPOTENT, STATUS_IF_TOLD_WHEN } from '../routing/retry-rules.ts';
import { MAX_DROPPED_BYTES } from './dropped-answer.ts';
import type { ExchangeAccount } from './exchange-account.ts';
import type { KeptRequest } from './kept-request.ts';
import { BUDGET_USED_UP, causeOf, mayRetry, NO_MEMORY, NO_TIME, NOT_KEPT, type RetryCause } from './retry.ts';
import { NOT_TOLD, retryAfterOf } from './retry-after.ts';

/** Another attempt in so many ms (0: at once); or null and what the error is to say beside its own message. */
export type NextAttempt = { readonly inMs: number } | { readonly inMs: null; readonly why: string };

/** How an attempt ended, as far as the decision about another one goes. */
type Ended = {
  readonly cause: RetryCause;
  /** Why, as a metric label: `upstream_reset`, `response_timeout`, `status_503`. */
  readonly reason: string;
  readonly complete: boolean;
  readonly repeatable: boolean;
  /** What the answer's Retry-After asks for (ms), or NOT_TOLD. */
  readonly retryAfterMs: number;
};

const NO_MORE: NextAttempt = { inMs: null, why: '' };

/**
 * What the attempts of one exchange came to, and when another one follows. Made when one has failed: the usual exchange
 * has none.
 */
export class Attempts {
  /** Endpoints that failed this request. */
  readonly tried: EndpointPool[] = [];
  readonly #account: ExchangeAccount;
  readonly #kept: KeptRequest;
  readonly #idempotent: boolean;
  /** Why the attempt under way was made; null: it is counted, or the first. */
  #reason: string | null = null;
  #retriedStale = false;
  #retriedReset = false;
  /** How often no connection could be made. */
  #unreached = 0;
  #timer: Timer | null = null;
  /** What the budget granted for the wait under way. */
  #granted = NONE_LEFT;
  #dropped = 0;

  constructor(account: ExchangeAccount, kept: KeptRequest, idempotent: boolean) {
    this.#account = account;
    this.#kept = kept;
    this.#idempotent = idempotent;
  }

  /** Whether another attempt follows one that failed. @param complete the request has come to its end */
  afterFailure(failure: AttemptFailure, complete: boolean, now: number): NextAttempt {
    this.#account.trace?.attemptFailed(failure.code);
    const cause = causeOf(failure, this.#account.reused);
    if (cause !== null)
      return this.#next({ cause, reason: failure.code.toLowerCase(), complete, ...this.#asItIs }, now);
    this.settled('failure');
    return NO_MORE;
  }

  /**
   * Whether another one follows where no connection could be made: nothing was sent, so any method may, outside of the budget; but only
   * after a wait, for the pool has tried every endpoint that it would.
   */
  afterNoConnection(error: CarpoolError, now: number): NextAttempt {
    const { code } = error;
    this.settled('failure');
    this.#account.trace?.noConnection(error);
    const { attempts, destination, deadlineAt } = this.#account;
    if (code !== 'CONNECT_FAILED' && code !== 'CONNECT_TIMEOUT') return NO_MORE;
    destination.refresh();
    const tries = attempts + ++this.#unreached;
    const { policy } = destination.retryRules;
    if (policy.attempts === null || tries >= destination.retryRules.tries('reset') || !this.#kept.whole) return NO_MORE;
    const inMs = this.#waitBefore(tries);
    if (now + inMs >= deadlineAt) return NO_MORE;
    this.#granted = NONE_LEFT;
    this.#reason = code.toLowerCase();
    return { inMs };
  }

  /** Whether another attempt follows one that got no answer in time. */
  afterTimeout(now: number): NextAttempt {
    this.#account.trace?.attemptFailed('RESPONSE_TIMEOUT');
    return this.#next({ cause: 'timeout', reason: 'response_timeout', complete: true, ...this.#asItIs }, now);
  }

  /**
   * Whether another attempt follows an answer.
   * @param bits what policy says of its status (RetryRules.statuses) @param complete the request has come to its end
   */
  afterAnswer(head: Head, bits: number, complete: boolean, now: number): NextAttempt {
    const retryAfterMs = retryAfterOf(head, this.#account.context.clock.wall());
    const toldWhen = (bits & STATUS_IF_TOLD_WHEN) !== 0 && retryAfterMs !== NOT_TOLD;
    const didNotAct = toldWhen || (bits & STATUS_ANY_METHOD) !== 0;
    const repeatable = didNotAct || (this.#idempotent && (bits & STATUS_IF_IDEMPOTENT) !== 0);
    const reason = `status_${head.status}`;
    const next = this.#next({ cause: 'status', reason, complete, repeatable, retryAfterMs }, now);
    // Never at once: the answer is still being read.
    return next.inMs === 0 ? { inMs: 1 } : next;
  }

  get #asItIs(): Pick<Ended, 'repeatable' | 'retryAfterMs'> {
    return { repeatable: this.#idempotent, retryAfterMs: NOT_TOLD };
  }

  /** Counts the attempt that has ended, and the next one in the budget if there is one. */
  #next({ cause, reason, complete, repeatable, retryAfterMs }: Ended, now: number): NextAttempt {
    this.settled('failure');
    const { destination, attempts, endpoint } = this.#account;
    const { retryRules: rules, observer } = destination;
    const verdict = mayRetry({
      cause,
      attempts,
      repeatable,
      retriedStale: this.#retriedStale,
      retriedReset: this.#retriedReset,
      complete,
      kept: this.#kept.whole,
      rules,
    });
    if (verdict === 'no') return NO_MORE;
    if (verdict === 'not_repeatable' || verdict === 'not_kept') {
      observer.retried(reason, 'not_allowed');
      if (verdict === 'not_repeatable') return NO_MORE;
      return { inMs: null, why: this.#account.bytesUp > rules.policy.replayBytes ? NOT_KEPT : NO_MEMORY };
    }
    if (endpoint !== null && !this.tried.includes(endpoint)) this.tried.push(endpoint);
    const inMs = verdict === 'safe' ? 0 : Math.max(retryAfterMs, this.#backOff(cause));
    if (retryAfterMs > rules.policy.backoffMaxMs) return NO_MORE;
    if (now + inMs >= this.#account.deadlineAt) return { inMs: null, why: NO_TIME };
    if (verdict === 'in_budget') {
      const { budget, budgetMinimum } = rules.policy;
      this.#granted = destination.retryBudget.take(now, budget, budgetMinimum);
      if (this.#granted === NONE_LEFT) {
        observer.retried(reason, 'budget');
        return { inMs: null, why: BUDGET_USED_UP };
      }
    }
    this.#reason = reason;
    if (verdict === 'safe') this.#retriedStale ||= cause === 'stale';
    else this.#retriedReset ||= cause !== 'timeout' && cause !== 'status';
    return { inMs };
  }

  /** The wait before the next attempt: random, that those who failed together do not come back together. */
  #backOff(cause: RetryCause): number {
    const { destination } = this.#account;
    const { attempts } = destination.retryRules.policy;
    if (cause !== 'timeout' && cause !== 'status') {
      const { candidates } = destination.pool.rotation;
      if (attempts === null || candidates.some((endpoint) => !this.tried.includes(endpoint))) return 0;
    }
    return this.#waitBefore(this.#account.attempts);
  }

  /** @param tries so far */
  #waitBefore(tries: number): number {
    const { destination, context } = this.#account;
    const { backoffBaseMs, backoffMaxMs } = destination.retryRules.policy;
    return backOffMs(backoffBaseMs, backoffMaxMs, tries - 1, context.random);
  }

  /** The attempt under way has come to its end. */
  settled(outcome: 'success' | 'failure'): void {
    if (this.#reason === null) return;
    this.#account.destination.observer.retried(this.#reason, outcome);
    this.#reason = null;
  }

  /** Bytes of an answer that was given up have come. @returns whether it is worth reading on */
  drops(bytes: number): boolean {
    this.#dropped += bytes;
    return this.#dropped <= MAX_DROPPED_BYTES;
  }

  /** Begins the wait: `then` is called once, unless the exchange ends before. */
  wait(ms: number, then: () => void): void {
    this.#dropped = 0;
    this.#timer = this.#account.context.clock.setTimer(() => {
      this.#timer = null;
      then();
    }, ms);
  }

  /** The exchange has ended: a retry that was granted and will not be made is another request's. */
  stop(): void {
    if (this.#timer === null) return;
    this.#timer.cancel();
    this.#timer = null;
    this.#account.destination.retryBudget.giveBack(this.#granted);
  }
}
