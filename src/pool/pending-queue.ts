import type { Clock } from '../clock.ts';
import type { PooledConnection } from '../connection/upstream.ts';
import type { CarpoolError } from '../errors.ts';
import type { Choice } from './choice.ts';
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
  readonly #choice: Choice | null;

  /** @param choice knows which endpoint a request keeps to; null: to none */
  constructor(clock: Clock, choice: Choice | null = null) {
    this.#clock = clock;
    this.#choice = choice;
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
   * The one that has waited longest among those that may use a connection to `endpoint`, which has room, or null.
   * @param others whether there are other endpoints
   * @param instead the endpoint that all requests are for which it has not failed, or null
   */
  firstFor(
    endpoint: EndpointPool,
    connection: PooledConnection,
    others: boolean,
    instead: EndpointPool | null,
  ): Pending | null {
    const choice = this.#choice?.steady === true ? this.#choice : null;
    // An endpoint that failed this request is passed over only while there are others.
    for (const entry of this.#entries) {
      if (entry.waiter.tunnel || (others && entry.tried.includes(endpoint))) continue;
      if (instead !== null && !entry.tried.includes(instead)) continue;
      if (!endpoint.fits(connection.spoken, entry.waiter.need)) continue;
      // What has just come free may be as stale as the one that failed it. It makes room for a new one, if nothing is under way for it.
      if (entry.waiter.fresh && connection.spoken === 'http1' && connection.requests > 0) {
        if (entry.dials.size === 0) return null;
        continue;
      }
      if (choice === null || choice.suits(entry, endpoint, this.#clock.now())) return entry;
      // Nothing can come free where it belongs: this connection makes room for one there, or serves it where it cannot, being in use.
      if (this.#stranded(entry, choice)) return connection.leases > 0 ? entry : null;
    }
    return null;
  }

  /** Whether a limit keeps a request from an endpoint that has no connection at all. */
  #stranded(entry: Pending, choice: Choice): boolean {
    return entry.dials.size === 0 && choice.ownOf(entry, this.#clock.now())?.counted === 0;
  }

  /** The one that has waited longest of those that no connect is under way for and that may wait for this one, or null. */
  firstLimitedFor(handle: DialHandle): Pending | null {
    const choice = this.#choice?.steady === true ? this.#choice : null;
    for (const entry of this.#entries) {
      if (entry.dials.size > 0 || !handle.suits(entry)) continue;
      if (choice === null || choice.suits(entry, handle.endpoint, this.#clock.now())) return entry;
    }
    return null;
  }

  find(waiter: LeaseWaiter): Pending | null {
    for (const entry of this.#entries) if (entry.waiter === waiter) return entry;
    return null;
  }

  all(): Pending[] {
    return [...this.#entries];
  }

  /** Nobody waits any longer: each hears this. */
  failAll(error: CarpoolError): void {
    for (const entry of this.all()) {
      // One that fails may take others with it: they hear nothing any more.
      if (!this.remove(entry)) continue;
      entry.leaveDials();
      entry.waiter.acquireFailed(error);
    }
  }
}
