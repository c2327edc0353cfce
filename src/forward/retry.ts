import type { AttemptFailure } from '../connection/upstream.ts';
import type { RetryRules } from '../routing/retry-rules.ts';

/** So many tries what is safe by its kind may cost, outside of the retry budget. */
export const MAX_ATTEMPTS = 3;

/** Ends of the message of an error that another try might have spared the app: why there was none. */
export const NOT_KEPT = ', and the request cannot be sent again, for its body was longer than retry.replayBytes';
export const NO_MEMORY =
  ', and the request cannot be sent again, for memory was too short to keep it (limits.bufferBytes)';
export const BUDGET_USED_UP = ', and it is not sent again, for the retry budget is used up (retry.budget)';
export const NO_TIME = ', and its deadline leaves no time for another try';

/**
 * How an attempt ended. `unprocessed`: the upstream provably did not act on it. `stale`: a connection that was used before ended, and not a byte
 * of an answer came. `reset`: a new connection did so, or one stream was reset. `timeout`: no answer in timeouts.response.
 * `status`: an answer with a status that policy names.
 */
export type RetryCause = 'unprocessed' | 'stale' | 'reset' | 'timeout' | 'status';

/** @param reused the connection had carried an exchange before @returns null: nothing that another try could mend */
export function causeOf(failure: AttemptFailure, reused: boolean): RetryCause | null {
  if (failure.responseStarted) return null;
  if (failure.unprocessed) return 'unprocessed';
  if (failure.code !== 'UPSTREAM_CLOSED' && failure.code !== 'UPSTREAM_RESET') return null;
  return reused && failure.connectionLost ? 'stale' : 'reset';
}

/**
 * Whether a failure says something about its endpoint: a stale connection does not, nor one that is shut down in order;
 * everything else does.
 */
export function tellsOfEndpoint(failure: AttemptFailure, reused: boolean): boolean {
  const stale = reused && failure.connectionLost && !failure.responseStarted;
  return !stale && (!failure.unprocessed || failure.connectionLost);
}

export type RetryQuestion = {
  readonly cause: RetryCause;
  /** Tries so far. */
  readonly attempts: number;
  /** It may be sent twice: its method is idempotent, or the status says that the server did not act. */
  readonly repeatable: boolean;
  /** A stale connection has cost a try already. */
  readonly retriedStale: boolean;
  /** So has a reset, within the budget. */
  readonly retriedReset: boolean;
  /** The request has come to its end. */
  readonly complete: boolean;
  /** The whole request so far is kept. */
  readonly kept: boolean;
  readonly rules: RetryRules;
};

/**
 * `safe`: at once, outside of the budget. `in_budget`: where the budget allows. `not_repeatable`, `not_kept`: another try would have been safe by its
 * kind, but not with this request: its method, or its body is over the replay limit. `no`: never.
 */
export type RetryVerdict = 'safe' | 'in_budget' | 'not_repeatable' | 'not_kept' | 'no';

/**
 * The one table of retries:
 *
 * | cause | which requests | tries in all | budget |
 * |---|---|---|---|
 * | unprocessed | all | 3 | outside |
 * | stale | idempotent | one more, of 3 | outside |
 * | reset; unprocessed and stale beyond that | complete and idempotent (unprocessed: all) | retry.attempts; where that is null one more, of 3 | within |
 * | timeout | complete and idempotent | retry.attempts | within |
 * | status | complete; statusCodes: idempotent; unsafeStatuses: all | retry.attempts | within |
 *
 * A connection that was reused and closes before a byte of a response most likely was closed for being idle; but a server
 * that applied a POST and then closed looks just the same, so only idempotent methods are sent again then (RFC 9110 section 9.2.2).
 */
export function mayRetry(question: RetryQuestion): RetryVerdict {
  const { cause, attempts, kept, rules, retriedReset } = question;
  const unprocessed = cause === 'unprocessed';
  const repeatable = unprocessed || question.repeatable;
  if (attempts < MAX_ATTEMPTS && (unprocessed || (cause === 'stale' && !question.retriedStale))) {
    if (!repeatable) return 'not_repeatable';
    return kept ? 'safe' : 'not_kept';
  }
  const kind = cause === 'timeout' || cause === 'status' ? cause : 'reset';
  const oneMore = kind === 'reset' && rules.oneReset && !retriedReset && attempts < MAX_ATTEMPTS;
  if (!question.complete || !repeatable || (attempts >= rules.tries(kind) && !oneMore)) return 'no';
  return kept ? 'in_budget' : 'not_kept';
}
