import type { EndpointPool } from './endpoint-pool.ts';

/** What a destination's pool has and wants, for who divides a budget or watches it. */
export type Demand = {
  /** Connections that are open or being opened, draining ones and tunnels' dials aside or not: see `open`. */
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
  let open = 0;
  let busy = 0;
  for (const endpoint of endpoints) {
    open += endpoint.open.size + endpoint.dialing + endpoint.tunnels.size;
    busy += endpoint.busy - endpoint.draining + endpoint.dialing;
  }
  return { counted, open, busy, waiting, peak };
}
