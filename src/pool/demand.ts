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
