import type { Clock, Timer } from '../clock.ts';
import type { DestinationPolicy } from '../config/types.ts';
import { CarpoolError } from '../errors.ts';
import type { LeaseWaiter } from '../pool/lease.ts';

/** Requests that came before the first answer of discovery, in the order of arrival. */
export class FirstAnswer {
  readonly #waiting = new Map<LeaseWaiter, Timer>();
  readonly #name: string;
  readonly #clock: Clock;

  /** @param name of the destination */
  constructor(name: string, clock: Clock) {
    this.#name = name;
    this.#clock = clock;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Waits for `timeouts.connect`. @throws CarpoolError where too many do */
  add(waiter: LeaseWaiter, { pool, timeouts }: DestinationPolicy): void {
    const name = this.#name;
    if (this.#waiting.size >= pool.maxPending)
      throw new CarpoolError('POOL_PENDING_FULL', `${name}: ${this.#waiting.size} requests wait for its first address`);
    const timer = this.#clock.setTimer(() => {
      this.#waiting.delete(waiter);
      waiter.acquireFailed(new CarpoolError('DNS_TIMEOUT', `${name}: no answer within ${timeouts.connectMs} ms`));
    }, timeouts.connectMs);
    this.#waiting.set(waiter, timer);
  }

  /** @returns whether it was waiting */
  remove(waiter: LeaseWaiter): boolean {
    this.#waiting.get(waiter)?.cancel();
    return this.#waiting.delete(waiter);
  }

  /** The first one leaves: it, or null. */
  shift(): LeaseWaiter | null {
    for (const waiter of this.#waiting.keys()) {
      this.remove(waiter);
      return waiter;
    }
    return null;
  }
}
