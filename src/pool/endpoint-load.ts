import type { Clock } from '../clock.ts';
import { GrowingTime } from './growing-time.ts';

const DECAY_MS = 10_000;

/**
 * The recent latency of an endpoint as a peak-sensitive moving average: it jumps up to a worse value at once and comes
 * down over ten seconds, so that an endpoint that stops answering is left alone after a few requests (Finagle's
 * "peak EWMA"). Time without samples lets it come down too, so that the endpoint is tried again.
 */
export class EndpointLatency {
  #value = 0;
  #at = 0;

  observe(ms: number, now: number): void {
    const current = this.at(now);
    if (ms >= current) this.#value = ms;
    // Time brings it down by itself, and so must many answers within a moment.
    else this.#value = current * 0.9 + ms * 0.1;
    this.#at = now;
  }

  /** Milliseconds. */
  at(now: number): number {
    const passed = now - this.#at;
    return passed < 100 ? this.#value : this.#value * Math.exp(-passed / DECAY_MS);
  }
}

/** What spoke against an endpoint: connects that failed, or failures in a row. It tells how the endpoint is tried again. */
export type Evidence = 'connect' | 'failures';

/** Why an endpoint is out of rotation for a while, and how it comes back. */
export type Ejection =
  | { readonly state: 'none' }
  /** Out until `until`; `by` tells how it is tried again: a background connect, or one trial request. */
  | { readonly state: 'ejected'; readonly since: number; readonly until: number; readonly by: Evidence }
  /** Its time is over: a connect in the background, or the next request alone, decides. */
  | { readonly state: 'trial'; readonly since: number; readonly by: Evidence }
  /**
   * It would be ejected if not too many were out already. It stays in rotation, but while there are others it is left
   * alone until `until`, and tried as one on trial is from then on.
   */
  | { readonly state: 'doubted'; readonly until: number; readonly by: Evidence };

const CONNECT_EJECTION_MS = 1000;
const CONNECT_EJECTION_MAX_MS = 30_000;
/** A failing endpoint that may not be ejected is tried again within this time at most. */
const DOUBT_MS = 1000;
const DOUBT_MAX_MS = 10_000;
/** An ejection by failures is at most so many times `breaker.recovery` long. */
export const MOST_RECOVERIES = 5;

/**
 * Local evidence about one endpoint: failures in a row, and ejection with a growing time. Whether the ejection counts
 * (never the last endpoint, at most half of them) is the destination's to say.
 */
export class EndpointHealth {
  ejection: Ejection = { state: 'none' };
  consecutiveFailures = 0;
  /** When the request went out whose answer brought it back (monotonic ms): what went out before says nothing any more. */
  knownSince = Number.NEGATIVE_INFINITY;
  /** Something speaks against it: it is out, or doubted. */
  suspect = false;
  /** What was under way at the endpoint when its time was over, and is no trial. */
  #underWay = 0;
  readonly #growth: Readonly<Record<Evidence, GrowingTime>> = {
    connect: new GrowingTime(),
    failures: new GrowingTime(),
  };
  readonly #doubts = new GrowingTime();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Ejected, or on trial. */
  get out(): boolean {
    return this.ejection.state === 'ejected' || this.ejection.state === 'trial';
  }

  /** One request decides whether it comes back; where its connects failed a connect does, and no request. */
  get onTrial(): boolean {
    return this.ejection.state === 'trial' && this.ejection.by === 'failures';
  }

  /** Which evidence speaks against it, or null. */
  get by(): Evidence | null {
    return this.ejection.state === 'none' ? null : this.ejection.by;
  }

  /** Milliseconds that are left of the ejection. */
  get remainingMs(): number {
    return this.ejection.state === 'ejected' ? Math.max(0, this.ejection.until - this.#clock.now()) : 0;
  }

  /** When it went out (monotonic ms); infinite where it is not out. */
  get outSince(): number {
    const { ejection } = this;
    return ejection.state === 'ejected' || ejection.state === 'trial' ? ejection.since : Number.POSITIVE_INFINITY;
  }

  /** @param baseMs the shortest ejection by failures @returns for how long (ms) */
  eject(by: Evidence, baseMs: number): number {
    const now = this.#clock.now();
    const base = by === 'connect' ? CONNECT_EJECTION_MS : baseMs;
    const most = by === 'connect' ? CONNECT_EJECTION_MAX_MS : baseMs * MOST_RECOVERIES;
    const forMs = this.#growth[by].next(base, most, now);
    this.#become({ state: 'ejected', since: Math.min(this.outSince, now), until: now + forMs, by });
    return forMs;
  }

  /** What would eject it, if that were allowed. @param underWay exchanges of the endpoint */
  doubt(by: Evidence, underWay = 0): void {
    const now = this.#clock.now();
    if (this.ejection.state === 'doubted' && now < this.ejection.until) return;
    this.#underWay = underWay;
    this.#become({ state: 'doubted', until: now + this.#doubts.next(DOUBT_MS, DOUBT_MAX_MS, now), by });
  }

  /** Moves an ejection whose time is over to its trial. @param underWay exchanges of the endpoint @returns whether it did */
  expire(now: number, underWay = 0): boolean {
    const { ejection } = this;
    if (ejection.state !== 'ejected' || now < ejection.until) return false;
    this.#underWay = underWay;
    this.#become({ state: 'trial', since: ejection.since, by: ejection.by });
    return true;
  }

  /**
   * Whether its time is over and it is to be tried now, in the way that `ejection.by` says: by one request alone, or by a
   * connect in the background.
   */
  due(now: number): boolean {
    return this.ejection.state === 'trial' || (this.ejection.state === 'doubted' && now >= this.ejection.until);
  }

  /** Whether the request that is to try it may come now: its time is over, and none does that already. */
  mayTry(now: number, underWay: number): boolean {
    if (this.by !== 'failures' || !this.due(now)) return false;
    if (underWay < this.#underWay) this.#underWay = underWay;
    return underWay === this.#underWay;
  }

  /**
   * A response has begun, or a connection was made. Failures in a row are counted on until an exchange is complete: what
   * fails again before that has not recovered.
   * @returns whether this ended an ejection
   */
  recovered(): boolean {
    const { out } = this;
    if (this.ejection.state === 'none') return false;
    const now = this.#clock.now();
    for (const growth of [this.#growth.connect, this.#growth.failures, this.#doubts]) growth.well(now);
    this.#become({ state: 'none' });
    return out;
  }

  /** It is let in again without having shown anything: there are too few others. */
  readmit(underWay = 0): void {
    const { by, out } = this;
    if (out && by !== null) this.doubt(by, underWay);
  }

  #become(ejection: Ejection): void {
    this.ejection = ejection;
    this.suspect = ejection.state !== 'none';
  }
}
