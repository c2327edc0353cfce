import { loadConfig } from '../../src/config/load.ts';
import type { Config } from '../../src/config/types.ts';
import type { SharedDestination, SharedPool } from '../../src/fleet/budgets.ts';
import { ShareBook } from '../../src/fleet/share-book.ts';
import type { CarpoolEvent } from '../../src/observer.ts';
import { ConnectionLimit } from '../../src/pool/connection-limit.ts';
import type { Demand } from '../../src/pool/demand.ts';
import { TestClock } from '../test-clock.ts';

/** A pool that opens what it wants as far as it may, at once, and closes slowly if it is told to. */
export class FakePool implements SharedPool {
  readonly limit: ConnectionLimit;
  /** Requests that want a connection, and sockets that are no part of the pool. */
  wants = 0;
  tunnels = 0;
  floor = 0;
  /** Connections that carry something long, and are not given up. */
  stuck = 0;
  #open = 0;

  constructor(maxConnections = 1024) {
    this.limit = new ConnectionLimit(maxConnections, () => this.tunnels);
  }

  get open(): number {
    return this.#open;
  }

  get demand(): Demand {
    const busy = Math.min(this.wants, this.#open);
    const waiting = Math.max(0, this.wants - this.#open);
    return { counted: this.#open, open: this.#open + this.tunnels, busy, waiting, peak: busy };
  }

  /** Other requests come than before. */
  want(wants: number): void {
    this.wants = wants;
    this.limitChanged();
  }

  limitChanged(): void {
    this.#open = Math.max(this.stuck, Math.min(this.limit.current, this.wants));
  }
}

/** The configuration that a file without a word in it makes. */
export const DEFAULTS: Config = loadConfig({ file: null, env: {}, flags: [] }).config;

export class FakeDestination implements SharedDestination {
  readonly name: string;
  readonly pool: FakePool;
  budget: number | null;
  closed = false;

  constructor(name: string, budget: number | null, pool = new FakePool()) {
    this.name = name;
    this.budget = budget;
    this.pool = pool;
  }

  get policy(): SharedDestination['policy'] {
    return { ...DEFAULTS.defaults, fleetMaxConnections: this.budget };
  }
}

/** A book over destinations that the test makes, and what was told. */
export function shareBook(destinations: SharedDestination[], clock = new TestClock()) {
  const told: CarpoolEvent[] = [];
  const events = { emit: (event: CarpoolEvent) => void told.push(event) };
  const book = new ShareBook({ destinations: () => destinations, clock, events });
  const types = (): string[] => told.map(({ type }) => type);
  return { book, clock, events, told, types, destinations };
}
