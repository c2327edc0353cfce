import type { EndpointPool } from './endpoint-pool.ts';
import type { PoolCore } from './pool-core.ts';
import type { Rebalance } from './rebalance.ts';
import type { Room } from './room.ts';
import type { WarmFloor } from './warm-floor.ts';

const TICK_SLACK_MS = 500;
/** As long as a peak is remembered. */
const SURPLUS_AFTER_MS = 30_000;

/** The upkeep of one destination's idle connections, once a tick. */
export class Sweep {
  readonly #pool: PoolCore;
  readonly #room: Room;
  readonly #floor: WarmFloor;
  readonly #rebalance: Rebalance;
  #sweptAt = Number.NEGATIVE_INFINITY;

  constructor(pool: PoolCore, room: Room, floor: WarmFloor, rebalance: Rebalance) {
    this.#pool = pool;
    this.#room = room;
    this.#floor = floor;
    this.#rebalance = rebalance;
  }

  /** Called once a tick; sweeps when `pool.sweepInterval` has passed. */
  run(now: number): void {
    // The tick that is nearest to the interval's end, not the first behind it.
    if (now - this.#sweptAt < this.#pool.policy.pool.sweepIntervalMs - TICK_SLACK_MS) return;
    this.#sweptAt = now;
    this.#closeOld(now);
    this.#cutOverdue(now);
    this.#trim(now);
    this.#floor.keep(now);
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

  /**
   * Closes idle connections that the last half minute did not need: above its peak, and not used in it. A trickle that goes
   * round several endpoints has a peak of one, and uses a connection to each.
   */
  #trim(now: number): void {
    let busy = 0;
    let idle = 0;
    for (const endpoint of this.#pool.endpoints) {
      busy += endpoint.busy;
      // One that is out keeps its idle connections for when it is back: they are no surplus.
      if (endpoint.usable) idle += endpoint.idle.length;
    }
    const kept = Math.max(this.#pool.needed, this.#rebalance.level(now));
    // The replacement of a connection that goes soon stands beside it until then.
    for (let surplus = busy + idle - kept - this.#floor.leaving(now); surplus > 0; surplus--) {
      if (!this.#room.closeSurplus(now - SURPLUS_AFTER_MS)) break;
    }
  }
}
