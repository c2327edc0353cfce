import type { Clock } from '../clock.ts';
import type { EndpointPool } from './endpoint-pool.ts';

/** A peak is remembered for one window at least, and for two at most. */
const WINDOW_MS = 30_000;

/**
 * The most connections of one destination that were in use at once: the sum over its endpoints of the most at each, for
 * a request goes to one endpoint and not to whichever has a connection left.
 */
export class RecentPeak {
  /** In this window and in the one before. */
  #current = 0;
  #previous = 0;
  #windowEnds: number;
  readonly #endpoints: ReadonlyMap<string, EndpointPool>;
  /** Of the time between the last two ticks. */
  last = 0;
  /** In use or being opened for a request, at the last tick. */
  #now = 0;

  constructor(endpoints: ReadonlyMap<string, EndpointPool>, clock: Clock) {
    this.#endpoints = endpoints;
    this.#windowEnds = clock.now() + WINDOW_MS;
  }

  /** Once a tick. */
  run(now: number): void {
    let busy = 0;
    let connecting = 0;
    this.last = 0;
    for (const endpoint of this.#endpoints.values()) {
      this.last += endpoint.peak;
      endpoint.peak = endpoint.busy;
      busy += endpoint.busy;
      connecting += Math.min(endpoint.dialing - endpoint.dialingTunnels, endpoint.riders);
    }
    this.#now = busy + connecting;
    this.#current = Math.max(this.#current, this.last);
    if (now < this.#windowEnds) return;
    this.#previous = this.#current;
    this.#current = busy;
    this.#windowEnds = now + WINDOW_MS;
  }

  /** How many connections the last half minute needed. */
  get recent(): number {
    let since = 0;
    for (const endpoint of this.#endpoints.values()) since += endpoint.peak;
    return Math.max(this.#current, this.#previous, since);
  }

  /** As `recent`, and what is being opened for a request now. */
  get wanted(): number {
    return Math.max(this.recent, this.#now);
  }
}
