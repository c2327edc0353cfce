/** More than this nobody would keep idle at one endpoint. */
const MAX_KEPT = 4096;

/**
 * What an endpoint's idle connections would be if connections were pooled (`mode: observe`): moments, and no sockets. Each request has a
 * connection of its own, which closes behind it; here it is as if it went idle then.
 */
export class VirtualIdle {
  /** Since when each would be idle (monotonic ms); the newest last. */
  readonly #since: number[] = [];
  #tunnels = 0;

  /**
   * A request has begun. Where a connection would have been idle then, it has taken the one that was used last.
   * @param at when it began (monotonic ms): what ended later was of no use to it
   * @param trustedMs how long an idle connection is trusted
   * @param maxIdleMs how long one may have been idle for this request
   * @returns whether it would have found one
   */
  begun(at: number, trustedMs: number, maxIdleMs: number): boolean {
    const since = this.#since;
    let index = since.length - 1;
    while (index >= 0 && (since[index] ?? 0) > at) index--;
    if (index < 0) return false;
    const idleMs = at - (since[index] ?? 0);
    if (idleMs > trustedMs) {
      // So were all before it, for still longer.
      since.splice(0, index + 1);
      return false;
    }
    if (idleMs > maxIdleMs) return false;
    since.splice(index, 1);
    return true;
  }

  /** A request's connection is about to leave as a tunnel: it would not have gone idle. */
  becomesTunnel(): void {
    this.#tunnels++;
  }

  /** A request is over, and its connection closed for nothing but that. @param max pool.maxConnections */
  ended(now: number, max: number): void {
    if (this.#tunnels > 0) this.#tunnels--;
    else if (this.#since.push(now) > Math.min(max, MAX_KEPT)) this.#since.shift();
  }
}
