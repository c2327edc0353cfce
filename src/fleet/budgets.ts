import type { DestinationPolicy } from '../config/types.ts';
import type { ConnectionLimit } from '../pool/connection-limit.ts';
import type { Demand } from '../pool/demand.ts';

/** What a share is given to: the pool of a destination. */
export interface SharedPool {
  readonly limit: ConnectionLimit;
  readonly demand: Demand;
  /** Connections that are kept warm. */
  readonly floor: number;
  /** `limit` is another one. */
  limitChanged(): void;
}

/** A destination as the router has it. */
export interface SharedDestination {
  readonly name: string;
  readonly policy: DestinationPolicy;
  readonly pool: SharedPool;
  /** It takes no new request. */
  readonly closed: boolean;
}

/** A destination with a budget. */
export type Budgeted = {
  readonly name: string;
  /** Connections of all sidecars together. */
  readonly budget: number;
  readonly pool: SharedPool;
  /** Sockets of pools that were replaced by this one and that still finish what they carry. */
  readonly elsewhere: number;
};

/** All destinations that have a budget, those of the same name as one. */
export function budgeted(destinations: Iterable<SharedDestination>): Budgeted[] {
  const live = new Map<string, Budgeted>();
  const closing: SharedDestination[] = [];
  for (const destination of destinations) {
    const { name, pool, policy, closed } = destination;
    if (closed) closing.push(destination);
    else if (policy.fleetMaxConnections !== null)
      live.set(name, { name, budget: policy.fleetMaxConnections, pool, elsewhere: 0 });
  }
  for (const { name, pool } of closing) {
    const heir = live.get(name);
    if (heir !== undefined) live.set(name, { ...heir, elsewhere: heir.elsewhere + pool.demand.open });
  }
  return [...live.values()];
}
