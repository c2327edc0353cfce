import type { Clock } from '../clock.ts';

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

/** Why an endpoint is out of rotation for a while, and how it comes back. */
export type Ejection =
  | { readonly state: 'none' }
  /** Out until `until`; `by` tells how it is tried again: a background connect, or one trial request. */
  | { readonly state: 'ejected'; readonly until: number; readonly by: 'connect' | 'failures' }
  /** Its time is over: a connect in the background, or the next request alone, decides. */
  | { readonly state: 'trial'; readonly by: 'connect' | 'failures' };

const CONNECT_EJECTION_MS = 1000;
const CONNECT_EJECTION_MAX_MS = 30_000;
const MAX_GROWTH = 5;

/**
 * Local evidence about one endpoint: failures in a row, and ejection with a growing time. Whether the ejection counts
 * (never the last endpoint, at most half of them) is the destination's to say.
 */
export class EndpointHealth {
  ejection: Ejection = { state: 'none' };
  consecutiveFailures = 0;
  #ejections = 0;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get out(): boolean {
    return this.ejection.state !== 'none';
  }

  /** Which evidence put it out, or null. */
  get by(): 'connect' | 'failures' | null {
    return this.ejection.state === 'none' ? null : this.ejection.by;
  }

  /** Milliseconds that are left of the ejection. */
  get remainingMs(): number {
    return this.ejection.state === 'ejected' ? Math.max(0, this.ejection.until - this.#clock.now()) : 0;
  }

  /** @returns for how long (ms) */
  eject(by: 'connect' | 'failures', baseMs: number): number {
    const growth = 2 ** Math.min(this.#ejections, MAX_GROWTH);
    const most = by === 'connect' ? CONNECT_EJECTION_MAX_MS : baseMs * 5;
    const forMs = Math.min((by === 'connect' ? CONNECT_EJECTION_MS : baseMs) * growth, most);
    this.#ejections++;
    this.ejection = { state: 'ejected', until: this.#clock.now() + forMs, by };
    return forMs;
  }

  /** Moves an ejection whose time is over to its trial. @returns whether it did */
  expire(now: number): boolean {
    if (this.ejection.state !== 'ejected' || now < this.ejection.until) return false;
    this.ejection = { state: 'trial', by: this.ejection.by };
    return true;
  }

  /** An answer came, or a connection was made. @returns whether this ended an ejection */
  recovered(): boolean {
    this.consecutiveFailures = 0;
    if (this.ejection.state === 'none') return false;
    this.ejection = { state: 'none' };
    this.#ejections = 0;
    return true;
  }
}
