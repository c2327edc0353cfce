import type { CloseReason } from '../observer.ts';

const FIRST_MS = 1000;
const LONGEST_MS = 30_000;
/** A connection that has stood for so long was worth opening. */
const SETTLED_MS = 5000;
/** What ends a connection by the endpoint's will. */
const BY_PEER: ReadonlySet<CloseReason> = new Set(['upstream_closed', 'error', 'protocol_error', 'goaway']);

/** Whether connections are opened ahead to one endpoint: not for a while where the last ones failed, and longer each time. */
export class WarmBackoff {
  #failures = 0;
  #until = 0;

  /** @param dialing connects under way to the endpoint: after a failure it is tried by one at a time */
  allows(now: number, dialing: number): boolean {
    return this.#failures === 0 || (now >= this.#until && dialing === 0);
  }

  /** A connect failed; several at once are one failure. */
  failed(now: number): void {
    if (now < this.#until) return;
    this.#until = now + Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 10);
  }

  /** A connection ended that carried nothing: one that the endpoint closes right away is as bad as none. */
  closedUnused(reason: CloseReason, ageMs: number, now: number): void {
    if (ageMs < SETTLED_MS && BY_PEER.has(reason)) this.failed(now);
  }

  /** A connection to the endpoint stands, for `ageMs` already. */
  stands(ageMs: number): void {
    if (ageMs >= SETTLED_MS) this.#failures = 0;
  }
}
