/** How a stream that is not open ended: not at all, for it never was; in both directions; reset by us; reset by the peer; or long ago. */
export const UNKNOWN = 0;
export const ENDED = 1;
export const WE_RESET = 2;
export const PEER_RESET = 3;
export const FORGOTTEN = 4;
export type PastHow = typeof UNKNOWN | typeof ENDED | typeof WE_RESET | typeof PEER_RESET | typeof FORGOTTEN;

const REMEMBERED = 256;

/**
 * Streams that ended a short while ago: what still comes for them is judged by how they ended (RFC 9113 section 5.1, closed). Of the
 * last ids it knows each; what came before is forgotten.
 */
export class PastStreams {
  #ids: Int32Array | null = null;
  #hows: Uint8Array | null = null;

  add(id: number, how: PastHow): void {
    this.#ids ??= new Int32Array(REMEMBERED);
    this.#hows ??= new Uint8Array(REMEMBERED);
    const slot = (id >>> 1) % REMEMBERED;
    // One that lived for long is forgotten at once, rather than a later one that ended before it.
    if ((this.#ids[slot] ?? 0) > id) return;
    this.#ids[slot] = id;
    this.#hows[slot] = how;
  }

  /** @param last the highest id that was used */
  how(id: number, last: number): PastHow {
    if (id <= last - 2 * REMEMBERED) return FORGOTTEN;
    const slot = (id >>> 1) % REMEMBERED;
    if (this.#ids?.[slot] !== id) return UNKNOWN;
    const how = this.#hows?.[slot];
    return how === ENDED || how === WE_RESET || how === PEER_RESET ? how : UNKNOWN;
  }
}
