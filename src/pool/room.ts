import type { DestinationPolicy } from '../config/types.ts';
import type { EventSink } from '../observer.ts';
import type { Capacity } from './capacity.ts';
import { ConnectionLimit } from './connection-limit.ts';
import type { EndpointPool } from './endpoint-pool.ts';
import { LoadScaling, type ScalingBounds } from './load-scaling.ts';
import { retireOldestIdle } from './totals.ts';

/** What the room of a destination asks of its surroundings. */
export type RoomContext = {
  readonly name: string;
  /** Those that discovery names, by their ids. */
  readonly endpoints: ReadonlyMap<string, EndpointPool>;
  /** Those that it forgot, and that still have something open. */
  readonly leaving: ReadonlySet<EndpointPool>;
  readonly capacity: Capacity;
  readonly events: EventSink;
};

/** How many connections a destination has and may have, and which idle one goes where there is no room. */
export class Room {
  readonly limit: ConnectionLimit;
  readonly #context: RoomContext;
  #scaling: LoadScaling | null = null;
  /** The limit was lowered, and what is above it has not gone yet. */
  #lowered = false;

  constructor(policy: DestinationPolicy, now: number, context: RoomContext) {
    this.#context = context;
    this.limit = new ConnectionLimit(policy.pool.maxConnections, () => this.#outside());
    this.configure(policy, now);
  }

  /** Takes another policy. `limitChanged` must follow. */
  configure(policy: DestinationPolicy, now: number): void {
    const { name, events } = this.#context;
    this.limit.configure(policy.pool.maxConnections);
    if (policy.pool.scaling === 'load') {
      this.#scaling ??= new LoadScaling(name, this.limit, events, now);
      this.#scaling.configured(this.#bounds(policy));
    } else {
      this.#scaling?.end();
      this.#scaling = null;
    }
  }

  /** Connections that count in the limit. */
  get counted(): number {
    let count = 0;
    for (const endpoint of this.#context.endpoints.values()) count += endpoint.counted;
    return count;
  }

  /** What the upstream sees from here beside these: draining connections, tunnels, what is left at endpoints that are gone. */
  #outside(): number {
    const { endpoints, leaving } = this.#context;
    let count = 0;
    for (const { draining, dialingTunnels, tunnels } of endpoints.values())
      count += draining + dialingTunnels + tunnels.size;
    for (const { open, dialing, tunnels } of leaving) count += open.size + dialing + tunnels.size;
    return count;
  }

  /** Those that count and can take no more requests: carrying all that they can, or being opened for a request. */
  get taken(): number {
    let taken = 0;
    for (const { busy, draining, shared, dialing, dialingTunnels, riders } of this.#context.endpoints.values())
      taken += busy - draining - shared.length + Math.min(dialing - dialingTunnels, riders);
    return Math.max(0, taken);
  }

  /** Whether there is room for another connection to `endpoint`, after closing the oldest idle one of another if need be. */
  at(endpoint: EndpointPool, now: number): boolean {
    if (this.counted < this.limit.current) return true;
    // Its own idle ones are the last to go: they were not fit for this request, but may be for another.
    if ((this.closeOldestIdle(endpoint) || this.closeOldestIdle(null)) && this.counted < this.limit.current)
      return true;
    return this.#scaling?.growForWaiting(now) === true && this.counted < this.limit.current;
  }

  /** @param except not one of this endpoint @returns whether there was one */
  closeOldestIdle(except: EndpointPool | null): boolean {
    const { endpoints } = this.#context;
    if (except === null) return retireOldestIdle(endpoints.values());
    return retireOldestIdle([...endpoints.values()].filter((endpoint) => endpoint !== except));
  }

  /** One went idle at `endpoint`: `pool.maxIdle` holds. */
  capIdle(maxIdle: number, endpoint: EndpointPool): void {
    if (maxIdle === 0) return;
    let idle = 0;
    for (const each of this.#context.endpoints.values()) idle += each.idle.length;
    if (idle > maxIdle && !this.closeOldestIdle(null)) endpoint.idle[0]?.retire('idle_timeout');
  }

  /**
   * Closes the oldest idle connection where it is of use to somebody: one that is out keeps its own for when it is back.
   * @param before only one that has been idle since then or longer
   */
  closeSurplus(before: number): boolean {
    return retireOldestIdle(
      [...this.#context.endpoints.values()].filter(({ usable }) => usable),
      before,
    );
  }

  /** The limit is another one: idle connections above it close now, and busy ones when they are free. */
  limitChanged(): void {
    while (this.counted > this.limit.current && this.closeOldestIdle(null));
    this.#lowered = this.counted > this.limit.current;
  }

  /** Whether a connection that is free must go, for the limit was lowered. */
  get over(): boolean {
    // Of a share there is the less the more of it others than the pool use.
    if (this.#lowered || this.limit.share !== null) this.#lowered = this.counted > this.limit.current;
    return this.#lowered;
  }

  /**
   * Once a tick: the limit follows the load where it is to.
   * @param peak the most connections in use or being opened at once in the last half minute
   * @returns whether it is another one: `limitChanged` must follow
   */
  scale(now: number, peak: number, policy: DestinationPolicy): boolean {
    return this.#scaling?.run(now, peak, this.#bounds(policy)) ?? false;
  }

  #bounds({ pool, scaling }: DestinationPolicy): ScalingBounds {
    const least = pool.minConnections === 'auto' ? 0 : pool.minConnections;
    return { cooldownMs: scaling.cooldownMs, least, most: this.#context.capacity.max };
  }
}
