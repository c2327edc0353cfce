/**
 * One connection of the app while its bytes are requests, or not known to be yet: an HTTP/1.1 or HTTP/2 session, or one whose
 * first bytes are still looked at. A tunnel is none.
 */
export interface DownstreamSession {
  /** Exchanges under way. */
  readonly busy: number;
  /** Once a second: its time-outs. `now` is monotonic, in ms. */
  tick(now: number): void;
  /** A stop: answers say that the connection ends, and it closes when it has been idle for `idleMs`. */
  drain(now: number, idleMs: number): void;
  /** Closes now; what is under way is cut. */
  destroy(): void;
}
