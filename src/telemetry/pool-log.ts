import type { Logger } from './log.ts';

/** What a line says of a destination. A destination (routing/destination.ts) is one. */
export interface LoggedDestination {
  readonly name: string;
  readonly pool: {
    readonly pending: { readonly size: number };
    totals(): {
      readonly active: number;
      readonly idle: number;
      readonly connecting: number;
      readonly draining: number;
    };
  };
}

/** A line for each pool that has connections, every `telemetry.poolLogInterval`. */
export class PoolLog {
  readonly #logger: Logger;
  #loggedAt = 0;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Once a tick. @param intervalMs 0: no lines */
  tick(now: number, intervalMs: number, destinations: () => Iterable<LoggedDestination>): void {
    if (intervalMs === 0 || now - this.#loggedAt < intervalMs) return;
    if (this.#loggedAt > 0) for (const destination of destinations()) this.#log(destination);
    this.#loggedAt = now;
  }

  #log({ name, pool }: LoggedDestination): void {
    const totals = pool.totals();
    if (totals.active + totals.idle + totals.connecting + totals.draining === 0) return;
    this.#logger.info({ destination: name, ...totals, pending: pool.pending.size }, 'pool');
  }
}
