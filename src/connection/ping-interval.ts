const MOST_DOUBLINGS = 6;

/** How long an HTTP/2 connection of one destination may be quiet before it is asked by PING whether it is still there. */
export class PingInterval {
  readonly #configuredMs: () => number;
  #doublings = 0;

  /** @param configuredMs `http2.pingAfter` as it stands; 0: never */
  constructor(configuredMs: () => number) {
    this.#configuredMs = configuredMs;
  }

  /** Milliseconds; Infinity: never. */
  get ms(): number {
    const configured = this.#configuredMs();
    return configured === 0 ? Number.POSITIVE_INFINITY : configured * 2 ** this.#doublings;
  }

  /** The server said `too_many_pings` (gRPC's keepalive enforcement): half as often from now on. */
  tooMany(): void {
    if (this.#doublings < MOST_DOUBLINGS) this.#doublings++;
  }
}
