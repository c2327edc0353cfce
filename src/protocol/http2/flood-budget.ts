/**
 * What a peer may send that makes work without a use, over time (rule 21). Work with a use has bounds of its own: windows,
 * the number of streams at once, limits of heads.
 */

/** PING, SETTINGS, PRIORITY and frames of unknown types. */
export const FLOOD_CONTROL = 0;
/** DATA frames without bytes and without END_STREAM. */
export const FLOOD_EMPTY_DATA = 1;
export const FLOOD_WINDOW_UPDATE = 2;
/** Streams that we had to reset for what the peer sent on them ("MadeYouReset", CVE-2025-8671). For its own, see `peerReset`. */
export const FLOOD_RESET = 3;
/** CONTINUATION frames that were small for no reason. */
export const FLOOD_TINY_CONTINUATION = 4;

export type FloodKind =
  | typeof FLOOD_CONTROL
  | typeof FLOOD_EMPTY_DATA
  | typeof FLOOD_WINDOW_UPDATE
  | typeof FLOOD_RESET
  | typeof FLOOD_TINY_CONTINUATION;

const WINDOW_MS = 10_000;

/**
 * What is free in each window, by kind. 1,000 control frames: nghttp2 lets as many answers queue up, Go 10,000; they cost less
 * than a request each. Empty DATA: some stacks flush with it once a message. Resets: Envoy's 500, which is above what an app
 * gives up at once when it cancels all that it has open. CONTINUATIONs: a block of 64 KiB needs four, and none of them small.
 */
const FREE = [1000, 500, 1000, 500, 100] as const;

/**
 * Each DATA frame that we send earns these. Control: gRPC for Go measures its bandwidth with a PING for each round trip in
 * which it gets DATA, and on loopback a round trip is no longer than a frame. WINDOW_UPDATE: one for the stream and one for
 * the connection, twice over for who credits halves of a frame (Envoy allows 10).
 */
const CONTROL_EARNED = 1;
const UPDATES_EARNED = 4;
/** Each stream that the peer opens earns these: a larger window for it, and a flush before there is a byte. */
const UPDATES_EARNED_BY_STREAM = 2;
const EMPTY_DATA_EARNED = 2;

/**
 * A stream that was open for longer cost the peer a place among its concurrent streams for that time, and that is what
 * bounds it: an app whose upstream hangs gives up all its calls, each at its deadline, and is honest.
 */
const QUICK_RESET_MS = 100;

/**
 * Counts, for one connection and windows of 10 s, what a peer sends that makes work without a use. A note is an increment
 * and two comparisons. What is earned by work with a use lasts until the end of the window after it, for credit for what was
 * sent comes late when a reader is slow.
 */
export class FloodBudget {
  #windowEnd = 0;
  readonly #counts = new Int32Array(FREE.length);
  /** What was done in this window and in the one before it. */
  #sent = 0;
  #sentBefore = 0;
  #opened = 0;
  #openedBefore = 0;

  /** We sent a DATA frame. */
  dataSent(): void {
    this.#sent++;
  }

  /** The peer opened a stream. */
  streamOpened(now: number): void {
    if (now >= this.#windowEnd) this.#nextWindow(now);
    this.#opened++;
  }

  /**
   * The peer did something of `kind`, `times` over.
   * @returns false when it was too much: the connection has earned ENHANCE_YOUR_CALM
   */
  note(kind: FloodKind, now: number, times = 1): boolean {
    if (now >= this.#windowEnd) this.#nextWindow(now);
    const count = (this.#counts[kind] ?? 0) + times;
    this.#counts[kind] = count;
    return count <= (FREE[kind] ?? 0) || count <= this.#allowed(kind);
  }

  /**
   * The peer reset a stream of its own that was not answered to the end, opened at `openedAt` ("rapid reset", CVE-2023-44487).
   * @returns false when it was too much, as `note`
   */
  peerReset(now: number, openedAt: number): boolean {
    return now - openedAt > QUICK_RESET_MS || this.note(FLOOD_RESET, now);
  }

  /** What a peer may do that has used up what is free. */
  #allowed(kind: FloodKind): number {
    const sent = this.#sent + this.#sentBefore;
    const opened = this.#opened + this.#openedBefore;
    switch (kind) {
      case FLOOD_CONTROL:
        return FREE[kind] + CONTROL_EARNED * sent;
      case FLOOD_EMPTY_DATA:
        return FREE[kind] + EMPTY_DATA_EARNED * opened;
      case FLOOD_WINDOW_UPDATE:
        return FREE[kind] + UPDATES_EARNED * sent + UPDATES_EARNED_BY_STREAM * opened;
      case FLOOD_RESET:
        // At most half of what it opens: hedged calls are one of two, and the rest is work that is paid for (Envoy's rule).
        return opened / 2;
      case FLOOD_TINY_CONTINUATION:
        return FREE[kind];
    }
  }

  #nextWindow(now: number): void {
    this.#sentBefore = this.#sent;
    this.#openedBefore = this.#opened;
    this.#sent = 0;
    this.#opened = 0;
    this.#counts.fill(0);
    this.#windowEnd = now + WINDOW_MS;
  }
}
