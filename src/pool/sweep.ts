import type { Clock } from '../clock.ts';
import type { EndpointPool } from './endpoint-pool.ts';
import type { PoolCore } from './pool-core.ts';

const WINDOW_MS = 30_000;
/** A kept-warm pool opens the replacement of an aging connection this long before its time. */
const REPLACE_BEFORE_MS = 2000;
const TICK_SLACK_MS = 500;

/** The upkeep of one destination's idle connections, once a tick. */
export class Sweep {
  readonly #pool: PoolCore;
  /** The most connections in use at once, in this window and in the one before. */
  #peak = 0;
  #previousPeak = 0;
  #windowEnds: number;
  #sweptAt = Number.NEGATIVE_INFINITY;

  constructor(pool: PoolCore, clock: Clock) {
    this.#pool = pool;
    this.#windowEnds = clock.now() + WINDOW_MS;
  }

  /** Called once a tick; sweeps when `pool.sweepInterval` has passed. */
  run(now: number): void {
    // The tick that is nearest to the interval's end, not the first behind it.
    if (now - this.#sweptAt < this.#pool.policy.pool.sweepIntervalMs - TICK_SLACK_MS) return;
    this.#sweptAt = now;
    this.#closeOld(now);
    this.#cutOverdue(now);
    this.#trim(now);
    this.#keepWarm(now);
  }

  #closeOld(now: number): void {
    const { idleTime } = this.#pool;
    for (const endpoint of this.#pool.endpoints) {
      for (const connection of [...endpoint.shared]) if (now >= connection.expiresAt) connection.retire('max_age');
      for (const connection of [...endpoint.idle]) {
        const idleMs = now - connection.idleSince;
        if (connection === endpoint.probe) {
          if (idleMs < idleTime.probeUntilMs && now < connection.expiresAt) continue;
          idleTime.probeSurvived(idleMs);
          connection.retire('idle_timeout');
        } else if (now >= connection.expiresAt) connection.retire('max_age');
        else if (idleMs >= idleTime.effectiveMs && !this.#leftAsProbe(endpoint, connection, now))
          connection.retire('idle_timeout');
      }
    }
  }

  /** `pool.maxAgeGrace`: how long past its age a connection may finish an exchange; 0: as long as that takes. */
  #cutOverdue(now: number): void {
    const { maxAgeGraceMs } = this.#pool.policy.pool;
    if (maxAgeGraceMs === 0) return;
    for (const endpoint of this.#pool.allEndpoints) {
      for (const connection of [...endpoint.open]) {
        if (connection.state !== 'idle' && now >= connection.expiresAt + maxAgeGraceMs) connection.destroy('max_age');
      }
    }
  }

  #leftAsProbe(endpoint: EndpointPool, connection: EndpointPool['probe'], now: number): boolean {
    if (endpoint.probe !== null || connection === null || !this.#pool.idleTime.startProbe(now)) return false;
    endpoint.probe = connection;
    return true;
  }

  /** The most connections that were busy at once since the last sweep; the sum over endpoints, so never too low. */
  #takePeak(): number {
    let peak = 0;
    for (const endpoint of this.#pool.endpoints) {
      peak += endpoint.peak;
      endpoint.peak = endpoint.busy;
    }
    return peak;
  }

  /** How many connections the peak of the last half minute needed, and the warm floor needs. */
  get needed(): number {
    let since = 0;
    for (const endpoint of this.#pool.endpoints) since += endpoint.peak;
    return Math.max(this.#peak, this.#previousPeak, since, this.#pool.floor, 1);
  }

  /** Closes idle connections that the peak of the last half minute did not need. */
  #trim(now: number): void {
    let busy = 0;
    let idle = 0;
    for (const endpoint of this.#pool.endpoints) {
      busy += endpoint.busy;
      // One that is not ready keeps its idle connections for when it is again: they are no surplus.
      if (endpoint.state !== 'unready') idle += endpoint.idle.length;
    }
    this.#peak = Math.max(this.#peak, busy, this.#takePeak());
    if (now >= this.#windowEnds) {
      this.#previousPeak = this.#peak;
      this.#peak = busy;
      this.#windowEnds = now + WINDOW_MS;
    }
    const kept = Math.max(this.needed, this.#pool.levelled(now));
    // The replacement of an aging connection stands beside it until that one retires.
    for (let surplus = busy + idle - kept - this.#aging(now); surplus > 0; surplus--) {
      if (!this.#pool.giveUpSurplus()) break;
    }
  }

  /** Idle connections of a kept-warm pool that are so old that their replacements are open. */
  #aging(now: number): number {
    if (this.#pool.floor === 0) return 0;
    let aging = 0;
    for (const endpoint of this.#pool.endpoints) {
      for (const connection of endpoint.idle) if (now >= connection.expiresAt - REPLACE_BEFORE_MS) aging++;
    }
    return aging;
  }

  /** Keeps the warm floor open, and opens the replacement of an aging connection before its time. */
  #keepWarm(now: number): void {
    const { floor } = this.#pool;
    if (floor === 0) return;
    let fresh = 0;
    for (const endpoint of this.#pool.endpoints) {
      fresh += endpoint.dialing;
      for (const connection of endpoint.open) {
        if (connection.state !== 'draining' && now < connection.expiresAt - REPLACE_BEFORE_MS) fresh++;
      }
    }
    for (; fresh < floor; fresh++) {
      const endpoint = fewestConnections(this.#pool.rotation.candidates);
      if (endpoint === null || !this.#pool.warm(endpoint)) return;
    }
  }
}

function fewestConnections(endpoints: readonly EndpointPool[]): EndpointPool | null {
  let fewest: EndpointPool | null = null;
  for (const endpoint of endpoints) if (fewest === null || endpoint.counted < fewest.counted) fewest = endpoint;
  return fewest;
}
