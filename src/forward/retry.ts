import type { AttemptFailure } from '../connection/upstream.ts';

/** A request makes at most so many attempts, whatever their reasons. */
export const MAX_ATTEMPTS = 3;

/** Why a request that provably was not processed is not sent again. */
export const NOT_KEPT = 'and the request cannot be sent again, for its body was longer than retry.replayBytes';

export type RetryQuestion = {
  readonly failure: AttemptFailure;
  readonly attempts: number;
  readonly idempotent: boolean;
  /** The connection had carried an exchange before. */
  readonly reused: boolean;
  /** An attempt on a reused connection was retried already. */
  readonly retriedStale: boolean;
  /** The whole request so far is kept. */
  readonly replayable: boolean;
};

/**
 * `retry`: another attempt is safe. `lost`: it would have been safe by its kind, but the request cannot be repeated (its
 * method, or its body is over the replay limit). `no`: never.
 *
 * What the upstream provably did not act on is sent again whatever the method. A connection that was reused and closes
 * before a byte of a response most likely was closed for being idle; but a server that applied a POST and then closed
 * looks just the same, so only idempotent methods are sent again then, once (RFC 9110 section 9.2.2).
 */
export function mayRetry(question: RetryQuestion): 'retry' | 'lost' | 'no' {
  const { failure } = question;
  if (failure.responseStarted || question.attempts >= MAX_ATTEMPTS) return 'no';
  const closed = failure.code === 'UPSTREAM_CLOSED' || failure.code === 'UPSTREAM_RESET';
  const stale = question.reused && failure.connectionLost && closed;
  if (!failure.unprocessed && (!stale || question.retriedStale)) return 'no';
  if (!failure.unprocessed && !question.idempotent) return 'lost';
  return question.replayable ? 'retry' : 'lost';
}
