import type { Clock } from '../clock.ts';
import type { EndpointPool } from './endpoint-pool.ts';
import type { PoolCore } from './pool-core.ts';
import { Rebalance } from './rebalance.ts';
import { RecentPeak } from './recent-peak.ts';
import type { Room } from './room.ts';
import { Sweep } from './sweep.ts';
import { WarmFloor } from './warm-floor.ts';

/** What is done once a tick about how many connections a destination has: not for a request, but for those to come. */
export class Upkeep {
  readonly #pool: PoolCore;
  readonly #room: Room;
  readonly #peak: RecentPeak;
  readonly #floor: WarmFloor;
  readonly #rebalance: Rebalance;
  readonly #sweep: Sweep;

  /** @param endpoints those that discovery names */
  constructor(pool: PoolCore, room: Room, endpoints: ReadonlyMap<string, EndpointPool>, clock: Clock) {
    this.#pool = pool;
    this.#room = room;
    this.#peak = new RecentPeak(endpoints, clock);
    this.#floor = new WarmFloor(pool, clock);
    this.#rebalance = new Rebalance(pool);
    this.#sweep = new Sweep(pool, room, this.#floor, this.#rebalance);
  }

  /** How many connections are kept warm. */
  get floor(): number {
    return this.#floor.size;
  }

  /** How many connections the peak of the last half minute needed, and the warm floor needs; at least 1. */
  get needed(): number {
    return Math.max(this.#peak.recent, this.#floor.size, 1);
  }

  /** New endpoints have come beside others. */
  newcomers(endpoints: readonly EndpointPool[]): void {
    this.#rebalance.begin(endpoints);
  }

  /** @returns whether the limit is another one now */
  run(now: number): boolean {
    this.#rebalance.run(now);
    this.#peak.run(now);
    this.#floor.learn(this.#peak.last, now);
    const scaled = this.#room.scale(now, this.#peak.wanted, this.#pool.policy);
    if (scaled) this.#room.limitChanged();
    this.#sweep.run(now);
    return scaled;
  }
}
