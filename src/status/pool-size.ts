/** Room above what is needed on average: bursts, and connections that are just being replaced. */
export const HEADROOM = 1.5;
/** A pool smaller than this has no room for a burst, … */
export const SMALLEST_POOL = 10;
/** … and one that is larger hides an upstream that is too slow. */
export const LARGEST_POOL = 1000;
/** One step is no larger: of requests that pile up nobody can say how many connections they need. */
export const LARGEST_STEP = 4;

export type PoolSize = {
  /** Requests in progress at a time in one pod (Little's law). */
  readonly concurrency: number;
  /** With headroom, before the bounds. */
  readonly wanted: number;
  readonly maxConnections: number;
};

const within = (value: number): number => Math.min(Math.max(value, SMALLEST_POOL), LARGEST_POOL);

/** How many connections a sidecar needs for `rps` requests a second of `latencyMs` each. */
export function poolSize(rps: number, latencyMs: number): PoolSize {
  const concurrency = (rps * latencyMs) / 1000;
  // A hair less before rounding up: 0.3 × 100 is a little over 30 in binary.
  const wanted = Math.ceil(concurrency * HEADROOM - 1e-9);
  return { concurrency, wanted, maxConnections: within(wanted) };
}

/**
 * What decided a limit. `load`: what its load needs. `queue`: what was there at a time, or as much of it as one step goes.
 * `step`: half as much again as there is. `smallest`, `largest`: the bounds of any pool.
 */
export type LimitBy = 'load' | 'queue' | 'step' | 'smallest' | 'largest';

/**
 * The next limit of a pool that is too small: what its load needs, half as much again as there is, and what was there at a
 * time, whichever is most. A pool that is full serves less than what is asked of it, so one step need not be the last.
 * @param needed connections by `poolSize`
 * @param limit the limit in force
 * @param atATime requests that had a connection, and those that waited
 */
export function limitStep(
  needed: number,
  limit: number,
  atATime: number,
): { readonly to: number; readonly by: LimitBy } {
  const queue = Math.min(atATime, limit * LARGEST_STEP);
  const step = Math.ceil(limit * HEADROOM);
  const most = Math.max(needed, queue, step);
  const to = within(most);
  if (to !== most) return { to, by: to > most ? 'smallest' : 'largest' };
  return { to, by: needed === most ? 'load' : queue === most ? 'queue' : 'step' };
}

/** The next limit alone. */
export function nextLimit(needed: number, limit: number, atATime: number): number {
  return limitStep(needed, limit, atATime).to;
}
