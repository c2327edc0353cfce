/**
 * How many connections a destination may have: what is configured, as far as the load (pool.scaling) and this sidecar's
 * share of a fleet's budget let it.
 */
export class ConnectionLimit {
  #configured: number;
  #scaled: number | null = null;
  #share: number | null = null;
  /** The limit in force. */
  current: number;

  constructor(configured: number) {
    this.#configured = configured;
    this.current = configured;
  }

  get configured(): number {
    return this.#configured;
  }

  /** This sidecar's share of the fleet's budget, or null: there is none. */
  get share(): number | null {
    return this.#share;
  }

  /** What the load has made of the limit, or null: it is as configured. */
  get scaled(): number | null {
    return this.#scaled;
  }

  configure(configured: number): void {
    this.#configured = configured;
    this.#update();
  }

  scale(limit: number | null): void {
    this.#scaled = limit;
    this.#update();
  }

  /** @param share 0 is a share too: nothing may be opened */
  setShare(share: number | null): void {
    this.#share = share;
    this.#update();
  }

  #update(): void {
    const own = this.#scaled ?? this.#configured;
    this.current = this.#share === null ? own : Math.min(own, this.#share);
  }
}
