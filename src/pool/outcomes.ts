/**
 * What becomes of the requests of a destination as a whole, whichever endpoint they went to: its circuit breaker listens.
 * Times are monotonic milliseconds; `sentAt` tells when the attempt went out, so that late news of old ones can be told.
 */
export interface OutcomeListener {
  /** A response began that is no failure. */
  answered(sentAt: number): void;
  /** Such a response came to its end. */
  completed(): void;
  /** An attempt failed, or no connection could be made for a request. */
  failed(cause: string, sentAt: number, now: number): void;
  /** The app left before a response began. */
  left(sentAt: number): void;
}
