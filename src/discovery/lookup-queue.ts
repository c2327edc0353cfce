/**
 * Bounds how many lookups run at once, so that many names (or slow nameservers) do not open a socket each. What waits
 * for a first answer goes before what only refreshes one. It holds at most one entry a name; whoever waits here
 * bounds the wait itself and leaves.
 */
export class LookupQueue {
  readonly #limit: number;
  readonly #first = new Set<() => void>();
  readonly #again = new Set<() => void>();
  #running = 0;

  /** @param limit lookups at once */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Lookups under way. */
  get running(): number {
    return this.#running;
  }

  /**
   * Calls `start` when there is room, perhaps before this returns; then `done` has to be called once, when the lookup
   * is over.
   * @returns leaves the queue; does nothing once `start` was called
   */
  enter(start: () => void, urgent: boolean): () => void {
    if (this.#running < this.#limit) {
      this.#running++;
      start();
      return () => {};
    }
    const queue = urgent ? this.#first : this.#again;
    queue.add(start);
    return () => queue.delete(start);
  }

  done(): void {
    this.#running--;
    const queue = this.#first.size > 0 ? this.#first : this.#again;
    const [next] = queue;
    if (!next) return;
    queue.delete(next);
    this.#running++;
    next();
  }
}
