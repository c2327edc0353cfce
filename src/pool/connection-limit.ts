/**
 * How many connections a destination may have: what is configured, as far as the load (pool.scaling) and this sidecar's
 * share of a fleet's budget let it.
 */
export class ConnectionLimit {
  #configured: number;
  #scaled: number | null = null;
  #share: number | null = null;
  #own: number;
  readonly #outside: () => number;

  /** @param outside sockets that the upstream sees from here and that count in no limit of the pool, but in the share */
  constructor(configured: number, outside: () => number = () => 0) {
    this.#configured = configured;
    this.#own = configured;
    this.#outside = outside;
  }

  /** The limit in force. */
  get current(): number {
    if (this.#share === null) return this.#own;
    return Math.min(this.#own, Math.max(0, this.#share - this.#outside()));
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
  }

  #update(): void {
    this.#own = this.#scaled ?? this.#configured;
  }
}
