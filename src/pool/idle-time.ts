/**
 * How long a connection of one destination may be idle and still be trusted: what the server advertises
 * (`Keep-Alive: timeout`), what its own closes have taught, or a default, each less a margin, under the cap.
 *
 * Learning: an idle connection that the peer closes after `d` teaches that its idle time-out is at most `d`. Closes
 * for other reasons (a restart closes all idle connections, at whatever idle time they have) look the same, so a close
 * teaches nothing where connections were seen to survive longer idle times, unless it comes again. Too low a value only
 * costs handshakes; to find out that it may be higher, now and then one idle connection is left alone past the learned
 * time (`probeUntilMs`): when it survives, the value goes up.
 */

const UNKNOWN_MS = 50_000;
const CAP_MS = 300_000;
/** A close after less than this teaches nothing by itself: servers that restart look like that. */
const SHORTEST_LESSON_MS = 400;
/** So many contradicting closes in a row are believed after all: the server's time-out was lowered. */
const CONTRADICTIONS = 3;
/** Connections that close together were closed by one cause. */
const BURST_MS = 1000;
const PROBE_EVERY_MS = 300_000;
const PROBE_FACTOR = 1.5;

export type IdleTimeSource = 'default' | 'configured' | 'advertised' | 'learned';

const withoutMargin = (ms: number): number => Math.max(ms / 2, ms - Math.max(500, ms * 0.1));

export class IdleTime {
  #cap: number;
  #configured: boolean;
  #advertisedMs: number | null = null;
  #learnedMs: number | null = null;
  /** The longest idle time after which a connection still carried an exchange, since the last lesson. */
  #survivedMs = 0;
  #contradictions = 0;
  #lastProbeAt = 0;
  #lastCloseAt = Number.NEGATIVE_INFINITY;
  /** Until when an idle connection is trusted; read for each request. */
  effectiveMs = 0;
  source: IdleTimeSource = 'default';
  /** True once the server's own time-out is known. */
  known = false;

  /** @param configuredMs the user's cap, or null */
  constructor(configuredMs: number | null) {
    this.#cap = configuredMs ?? CAP_MS;
    this.#configured = configuredMs !== null;
    this.#settle();
  }

  /** A reload changed the user's cap; what was learned stays. */
  setConfigured(configuredMs: number | null): void {
    this.#cap = configuredMs ?? CAP_MS;
    this.#configured = configuredMs !== null;
    this.#settle();
  }

  get learnedMs(): number | null {
    return this.#learnedMs;
  }

  advertised(ms: number): void {
    // A server that says 0 or 1 s closes at once or nearly: a second is the least that a pool can work with.
    this.#advertisedMs = ms;
    this.#settle();
  }

  /** A connection that was idle for `ms` carried an exchange to its response. */
  survived(ms: number): void {
    if (ms > this.#survivedMs) this.#survivedMs = ms;
    this.#contradictions = 0;
  }

  /**
   * The peer closed a connection that had been idle for `ms`.
   * @returns the new learned value where this taught one, else null
   */
  closedAfter(ms: number, now: number): number | null {
    const burst = now - this.#lastCloseAt < BURST_MS;
    this.#lastCloseAt = now;
    if (this.#learnedMs !== null && ms > this.#learnedMs) {
      // A probe outlived what was learned: the truth lies higher.
      this.#learnedMs = ms;
      this.#settle();
      return ms;
    }
    // A restart closes all at once, whatever their idle times: the longest of them is what may be believed.
    if (burst) return null;
    if (ms < SHORTEST_LESSON_MS || ms < this.#survivedMs * 0.9) {
      if (++this.#contradictions < CONTRADICTIONS || ms < 50) return null;
      this.#survivedMs = 0;
    }
    this.#contradictions = 0;
    if (this.#learnedMs !== null && ms > this.#learnedMs * 0.98) return null;
    this.#learnedMs = ms;
    this.#settle();
    return ms;
  }

  /** Whether one idle connection should now be left alone past its time, to see how long the server really waits. */
  startProbe(now: number): boolean {
    if (this.#learnedMs === null || this.effectiveMs >= this.#cap || now - this.#lastProbeAt < PROBE_EVERY_MS)
      return false;
    this.#lastProbeAt = now;
    return true;
  }

  /** How long a probe is left alone. */
  get probeUntilMs(): number {
    return Math.min((this.#learnedMs ?? this.#cap) * PROBE_FACTOR, this.#cap);
  }

  /** A probe was idle for `ms` and is still open. */
  probeSurvived(ms: number): void {
    if (this.#learnedMs === null || ms <= this.#learnedMs) return;
    this.#learnedMs = ms;
    this.#settle();
  }

  #settle(): void {
    this.known = this.#advertisedMs !== null || this.#learnedMs !== null;
    let least = this.known || this.#configured ? this.#cap : UNKNOWN_MS;
    this.source = this.#configured ? 'configured' : 'default';
    if (this.#advertisedMs !== null && withoutMargin(this.#advertisedMs) < least) {
      least = withoutMargin(this.#advertisedMs);
      this.source = 'advertised';
    }
    if (this.#learnedMs !== null && withoutMargin(this.#learnedMs) < least) {
      least = withoutMargin(this.#learnedMs);
      this.source = 'learned';
    }
    if (this.known && this.source === 'default') this.source = this.#learnedMs !== null ? 'learned' : 'advertised';
    this.effectiveMs = least;
  }
}
