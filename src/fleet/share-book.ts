import type { Clock } from '../clock.ts';
import type { EventSink } from '../observer.ts';
import { type Budgeted, budgeted, type SharedDestination } from './budgets.ts';

/** How often the share of one destination is logged while it changes all the time, … */
const TOLD_EVERY_MS = 10_000;
/** … and how long one has stayed that is logged before, so that the last line is what is in force. */
const STAYED_MS = 3000;

type Page = {
  share: number;
  /** Since when. */
  since: number;
  peers: number;
  budget: number;
  /** What was told last, and when. */
  told: number | null;
  toldAt: number;
  /** That there are more sidecars than connections was told. */
  short: boolean;
};

export type ShareBookOptions = {
  readonly destinations: () => Iterable<SharedDestination>;
  readonly clock: Clock;
  readonly events: EventSink;
};

/** Gives shares to pools, remembers them, and tells of them: at once the first time, then sparingly. */
export class ShareBook {
  readonly #options: ShareBookOptions;
  readonly #pages = new Map<string, Page>();

  constructor(options: ShareBookOptions) {
    this.#options = options;
  }

  /** The destinations that have a budget now. Others have no share. */
  budgeted(): readonly Budgeted[] {
    const { destinations } = this.#options;
    for (const { policy, pool, closed } of destinations()) {
      if (closed || policy.fleetMaxConnections !== null || pool.limit.share === null) continue;
      pool.limit.setShare(null);
      pool.limitChanged();
    }
    const found = budgeted(destinations());
    if (this.#pages.size > found.length) {
      const names = new Set(found.map(({ name }) => name));
      for (const name of this.#pages.keys()) if (!names.has(name)) this.#pages.delete(name);
    }
    return found;
  }

  /**
   * A destination may have so many connections.
   * @param peers sidecars that share its budget, as far as known; 0: not known
   */
  give({ name, budget, pool, elsewhere }: Budgeted, share: number, peers: number): void {
    const { limit } = pool;
    const left = Math.max(0, share - elsewhere);
    const awaited = share === 0 && peers === 0;
    if (limit.share !== left || limit.awaited !== awaited) {
      limit.setShare(left, awaited);
      pool.limitChanged();
    } else {
      // A tunnel that came or went has moved the limit, and nobody has told the pool.
      const { counted, waiting } = pool.demand;
      if (counted > limit.current || (waiting > 0 && counted < limit.current)) pool.limitChanged();
    }
    const page = this.#pages.get(name);
    const now = this.#options.clock.now();
    const never = Number.NEGATIVE_INFINITY;
    if (page === undefined)
      this.#pages.set(name, { share, since: now, peers, budget, told: null, toldAt: never, short: false });
    else {
      if (page.share !== share) page.since = now;
      page.share = share;
      page.peers = peers;
      page.budget = budget;
    }
  }

  /** Whether a destination was given a share before. */
  has(name: string): boolean {
    return this.#pages.has(name);
  }

  /** What a destination has; 0: nothing yet. */
  share(name: string): number {
    return this.#pages.get(name)?.share ?? 0;
  }

  /** Logs what is new. Now and then, for shares that follow demand change all the time. */
  tell(): void {
    const { clock, events } = this.#options;
    const now = clock.now();
    for (const [destination, page] of this.#pages) {
      const { share, since, budget, peers } = page;
      const due = now - page.toldAt >= TOLD_EVERY_MS || now - since >= STAYED_MS;
      if (peers > 0 && share !== page.told && due) {
        page.told = share;
        page.toldAt = now;
        events.emit({ type: 'fleet_share', destination, share, budget, peers });
      }
      const short = peers > budget;
      if (short && !page.short) events.emit({ type: 'fleet_short', destination, budget, peers });
      page.short = short;
    }
  }

  /** Nobody divides any more. */
  close(): void {
    this.#pages.clear();
  }
}
