import type { LimitStats } from './stats.ts';

/**
 * How many connections a destination may have: what is configured, as far as the load (pool.scaling) and this sidecar's
 * share of a fleet's budget let it.
 */
export class ConnectionLimit {
  #configured: number;
  #scaled: number | null = null;
  #share: number | null = null;
  #awaited = false;
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

  /** Nobody has said yet what the share is: until then it is 0. */
  get awaited(): boolean {
    return this.#awaited;
  }

  /** The limit, and whose it is where it is not the pool's own, for people. */
  get words(): string {
    if (this.#awaited) return 'limit 0 until the fleet’s coordinator has answered';
    return this.current < this.#own
      ? `limit ${this.current}, this sidecar’s share of the fleet’s budget`
      : `limit ${this.current}`;
  }

  /** What helps who waits for a connection, where it is not the pool's own limit that keeps it from one. */
  get advice(): { readonly hint?: string } {
    if (this.#awaited)
      return {
        hint: 'The fleet’s coordinator has not said yet how many connections this sidecar may have: look for fleet_failover in the log, at fleet.redis.url or fleet.service, or raise pool.acquireTimeout above the 2 s that this may take.',
      };
    if (this.current >= this.#own) return {};
    return {
      hint: 'This sidecar’s share of the fleet’s budget is used up: raise fleet.maxConnections, or look for slow responses that hold connections.',
    };
  }

  /** What the load has made of the limit, or null: it is as configured. */
  get scaled(): number | null {
    return this.#scaled;
  }

  /** @param budget what the share is one of */
  stats(budget: number | null): LimitStats {
    return { configured: this.#configured, scaled: this.#scaled, share: this.#share, budget };
  }

  configure(configured: number): void {
    this.#configured = configured;
    this.#update();
  }

  scale(limit: number | null): void {
    this.#scaled = limit;
    this.#update();
  }

  /**
   * @param share 0 is a share too: nothing may be opened
   * @param awaited it is 0 because nobody has said yet what it is
   */
  setShare(share: number | null, awaited = false): void {
    this.#share = share;
    this.#awaited = awaited;
  }

  #update(): void {
    this.#own = this.#scaled ?? this.#configured;
  }
}
