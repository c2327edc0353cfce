import type { Clock } from '../clock.ts';
import type { Spoken } from '../connection/upstream.ts';
import type { EndpointPool } from './endpoint-pool.ts';
import type { LeaseWaiter } from './lease.ts';
import type { DialHandle, Pending } from './pending.ts';

/**
 * Requests that wait, first in first out. It is bounded by its user (`pool.maxPending`), and every entry has a timer
 * that ends its wait.
 */
export class PendingQueue {
  readonly #entries = new Set<Pending>();
  #tunnels = 0;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** How many of them are tunnels. */
  get tunnels(): number {
    return this.#tunnels;
  }

  /** In the order of arrival; they may leave meanwhile. */
  [Symbol.iterator](): Iterator<Pending> {
    return this.#entries.values();
  }

  /** Those in the queue that no connect is under way for: a limit keeps them. */
  get limited(): number {
    let count = 0;
    for (const entry of this.#entries) if (entry.dials.size === 0) count++;
    return count;
  }

  /** Puts a request into the queue; where it is there already it keeps its turn, and only its deadline is another. */
  add(entry: Pending, waitMs: number, expired: (entry: Pending) => void): void {
    if (entry.waiter.tunnel && !this.#entries.has(entry)) this.#tunnels++;
    this.#entries.add(entry);
    entry.timer?.cancel();
    entry.timer = this.#clock.setTimer(() => {
      if (this.remove(entry)) expired(entry);
    }, waitMs);
  }

  has(entry: Pending): boolean {
    return this.#entries.has(entry);
  }

  /** @returns whether it was waiting */
  remove(entry: Pending): boolean {
    entry.timer?.cancel();
    entry.timer = null;
    const waited = this.#entries.delete(entry);
    if (waited && entry.waiter.tunnel) this.#tunnels--;
    return waited;
  }

  /**
   * The one that has waited longest among those that may use a connection to `endpoint` that speaks so, or null.
   * @param others whether there are other endpoints
   * @param instead the endpoint that all requests are for which it has not failed, or null
   */
  firstFor(endpoint: EndpointPool, spoken: Spoken, others: boolean, instead: EndpointPool | null): Pending | null {
    // An endpoint that failed this request is passed over only while there are others.
    for (const entry of this.#entries) {
      if (entry.waiter.tunnel || (others && entry.tried.includes(endpoint))) continue;
      if (instead !== null && !entry.tried.includes(instead)) continue;
      if (endpoint.fits(spoken, entry.waiter.need)) return entry;
    }
    return null;
  }

  /** The one that has waited longest of those that no connect is under way for and that may wait for this one, or null. */
  firstLimitedFor(handle: DialHandle): Pending | null {
    for (const entry of this.#entries) if (entry.dials.size === 0 && handle.suits(entry)) return entry;
    return null;
  }

  find(waiter: LeaseWaiter): Pending | null {
    for (const entry of this.#entries) if (entry.waiter === waiter) return entry;
    return null;
  }

  all(): Pending[] {
    return [...this.#entries];
  }
}
