import type { Clock } from '../clock.ts';
import type { PooledConnection } from '../connection/upstream.ts';
import type { EndpointPool } from './endpoint-pool.ts';
import { LearnedFloor } from './learned-floor.ts';
import type { PoolCore } from './pool-core.ts';

/** A kept-warm pool opens the replacement of a connection this long before its time. */
const REPLACE_BEFORE_MS = 2000;
/** Where idle connections are trusted for less than this they would go as soon as they are open: none is kept. */
const SHORTEST_IDLE_MS = 2000;
/** So many connects are begun in one tick: the rest follows with the ticks. */
const MOST_DIALS = 64;

/** The connections of one destination that are kept open though nobody uses them: `pool.minConnections`. */
export class WarmFloor {
  readonly #pool: PoolCore;
  /** Only where the floor is `auto`. */
  #learned: LearnedFloor | null = null;
  readonly #clock: Clock;

  constructor(pool: PoolCore, clock: Clock) {
    this.#pool = pool;
    this.#clock = clock;
  }

  /** How many connections are to be open. */
  get size(): number {
    const { minConnections } = this.#pool.policy.pool;
    if (minConnections !== 'auto') return minConnections;
    return this.#learned === null ? 0 : Math.min(this.#learned.at(this.#clock.now()), this.#pool.limit.current);
  }

  /**
   * Once a tick.
   * @param peak the most connections in use since the last one
   */
  learn(peak: number, now: number): void {
    const { pool, scaling } = this.#pool.policy;
    if (pool.minConnections !== 'auto') this.#learned = null;
    else {
      // What was seen at some time of a period says nothing about a period of another length.
      if (this.#learned?.periodMs !== scaling.windowMs) this.#learned = new LearnedFloor(scaling.windowMs, now);
      this.#learned.observe(peak, now);
    }
  }

  /** Idle connections that are no surplus, for their replacements stand beside them until they go. */
  leaving(now: number): number {
    if (this.size === 0) return 0;
    let leaving = 0;
    for (const endpoint of this.#pool.endpoints) {
      for (const connection of endpoint.idle) if (this.#leavesSoon(connection, now)) leaving++;
    }
    return leaving;
  }

  /** Opens what is missing, and the replacements of connections that go soon. */
  keep(now: number): void {
    const { size } = this;
    const { enabled, maxIdle } = this.#pool.policy.pool;
    if (size === 0 || !enabled || this.#pool.closed || this.#pool.resting) return;
    if (this.#pool.idleTime.effectiveMs < SHORTEST_IDLE_MS) return;
    let busy = 0;
    let staying = 0;
    for (const endpoint of this.#pool.endpoints) {
      busy += endpoint.busy;
      const { usable } = endpoint;
      if (usable) staying += endpoint.dialing - endpoint.dialingTunnels;
      for (const connection of endpoint.open) {
        endpoint.warming.stands(now - connection.createdAt);
        if (usable && connection.state !== 'draining' && !this.#leavesSoon(connection, now)) staying++;
      }
    }
    // What pool.maxIdle does not let stay would close as soon as it is open.
    const wanted = maxIdle === 0 ? size : Math.min(size, busy + maxIdle);
    for (let dials = 0; staying + dials < wanted && dials < MOST_DIALS; dials++) {
      const endpoint = this.#emptiest(now);
      if (endpoint === null || !this.#pool.warm(endpoint)) return;
    }
  }

  /** Whether a connection is about to be closed for its age, or for its idle time. */
  #leavesSoon(connection: PooledConnection, now: number): boolean {
    if (now >= connection.expiresAt - REPLACE_BEFORE_MS) return true;
    if (connection.state !== 'idle') return false;
    // One that tries how long the server really waits is past that, too.
    const { effectiveMs } = this.#pool.idleTime;
    return now - connection.idleSince >= effectiveMs - Math.min(REPLACE_BEFORE_MS, effectiveMs / 4);
  }

  /** The endpoint in rotation with the fewest connections, of those that are well; null: there is none. */
  #emptiest(now: number): EndpointPool | null {
    let fewest: EndpointPool | null = null;
    for (const endpoint of this.#pool.rotation.candidates) {
      if (!endpoint.usable || endpoint.state !== 'ready' || !endpoint.warming.allows(now, endpoint.dialing)) continue;
      if (fewest === null || endpoint.counted < fewest.counted) fewest = endpoint;
    }
    return fewest;
  }
}
