const SLOT_MS = 1000;
/** Slots of the window. */
const SLOTS = 10;

/** No retry was granted. */
export const NONE_LEFT = -1;

/**
 * How many tries that are not provably safe a destination may see: a share of the requests of the last 10 s. In an outage
 * each request would else become several, and the upstream could not come back for the load.
 *
 * Windows that end with a retry can be laid side by side over all of time, so the share holds over any time, too.
 */
export class RetryBudget {
  /** By number of the second, modulo SLOTS; the current one is not in `#requests` yet. */
  readonly #requests = new Float64Array(SLOTS);
  readonly #retries = new Float64Array(SLOTS);
  /** The sums over the window, without the requests of the current second. */
  #requestsBefore = 0;
  #retriesInAll = 0;
  /** The number of the current second, and when it ends. */
  #slot = 0;
  #endsAt = 0;
  /** Requests of the current second. */
  #current = 0;

  /** A request has come. @param now monotonic ms */
  request(now: number): void {
    if (now >= this.#endsAt) this.#advance(now);
    this.#current++;
  }

  /**
   * Asks for one retry.
   * @param share of the requests in the window
   * @param minimum so many are allowed in a window whatever the share
   * @returns what `giveBack` takes, or NONE_LEFT
   */
  take(now: number, share: number, minimum: number): number {
    if (now >= this.#endsAt) this.#advance(now);
    const allowed = Math.max(minimum, share * (this.#requestsBefore + this.#current));
    if (this.#retriesInAll + 1 > allowed) return NONE_LEFT;
    this.#retriesInAll++;
    this.#add(this.#retries, 1, this.#slot);
    return this.#slot;
  }

  /** A retry that was granted was not made. @param granted what `take` returned */
  giveBack(granted: number): void {
    // What has left the window has been given back already.
    if (granted < 0 || this.#slot - granted >= SLOTS) return;
    this.#add(this.#retries, -1, granted);
    this.#retriesInAll--;
  }

  #add(slots: Float64Array, count: number, slot: number): void {
    slots[slot % SLOTS] = (slots[slot % SLOTS] ?? 0) + count;
  }

  /** Seconds have passed: those that leave the window leave the sums. */
  #advance(now: number): void {
    const slot = Math.floor(now / SLOT_MS);
    this.#add(this.#requests, this.#current, this.#slot);
    this.#requestsBefore += this.#current;
    this.#current = 0;
    for (let step = Math.min(SLOTS, slot - this.#slot); step > 0; step--) {
      const at = (slot - step + 1) % SLOTS;
      this.#requestsBefore -= this.#requests[at] ?? 0;
      this.#retriesInAll -= this.#retries[at] ?? 0;
      this.#requests[at] = 0;
      this.#retries[at] = 0;
    }
    this.#slot = slot;
    this.#endsAt = (slot + 1) * SLOT_MS;
  }
}
