import type { EndpointPool } from './endpoint-pool.ts';
import { totalsOf } from './totals.ts';

/** What a destination's pool has and wants, for who divides a budget or watches it. */
export type Demand = {
  /** Connections that are open or being opened, but for draining ones and tunnels. */
  readonly counted: number;
  /** All sockets that the upstream sees from here: draining ones too, connects under way among them. */
  readonly open: number;
  /** Of `counted`: carrying an exchange, or being opened. */
  readonly busy: number;
  /** Requests that wait because a limit keeps them from a connection. */
  readonly waiting: number;
  /** The most connections in use at once in the last half minute or more. */
  readonly peak: number;
};

/** Adds it up over these endpoints. */
export function demandOf(endpoints: readonly EndpointPool[], counted: number, waiting: number, peak: number): Demand {
  const { connecting, active, idle, draining } = totalsOf(endpoints);
  const tunnels = endpoints.reduce((sum, endpoint) => sum + endpoint.tunnels.size, 0);
  return { counted, open: connecting + active + idle + draining + tunnels, busy: active + connecting, waiting, peak };
}
