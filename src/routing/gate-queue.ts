import type { EndpointPool } from '../pool/endpoint-pool.ts';
import type { LeaseWaiter } from '../pool/lease.ts';

/** A request that waits at a gate. */
export type Held = {
  readonly waiter: LeaseWaiter;
  readonly tried: readonly EndpointPool[];
  /** It was past the gate before, and needs no token of the rate limit any more. */
  readonly passed: boolean;
  /** Since when it waits for what it waits for now (monotonic ms). */
  since: number;
};

/** Requests that wait at a gate, first in first out: `since` never falls from one to the next. It is bounded by its user. */
export class GateQueue {
  #held = new Map<LeaseWaiter, Held>();

  get size(): number {
    return this.#held.size;
  }

  get first(): Held | null {
    for (const held of this.#held.values()) return held;
    return null;
  }

  /** In the order of arrival; they may leave meanwhile. */
  [Symbol.iterator](): Iterator<Held> {
    return this.#held.values();
  }

  add(held: Held): void {
    this.#held.set(held.waiter, held);
  }

  /** Puts those who were past the gate already before all others, in their order. */
  addFirst(before: readonly Held[]): void {
    const behind = this.#held;
    this.#held = new Map(before.map((held) => [held.waiter, held]));
    for (const [waiter, held] of behind) this.#held.set(waiter, held);
  }

  /** @returns whether it was waiting */
  remove(waiter: LeaseWaiter): boolean {
    return this.#held.delete(waiter);
  }

  /** All wait for something else from now on. */
  restart(now: number): void {
    for (const held of this.#held.values()) held.since = now;
  }
}
