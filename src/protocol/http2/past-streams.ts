/** How a stream that is no more ended: not known (never seen, or long ago), in both directions, reset by us, reset by the peer. */
export const UNKNOWN = 0;
export const ENDED = 1;
export const WE_RESET = 2;
export const PEER_RESET = 3;
export type PastHow = typeof UNKNOWN | typeof ENDED | typeof WE_RESET | typeof PEER_RESET;

const REMEMBERED = 64;

/**
 * Streams that ended a short while ago: what still comes for them is judged by how they ended (RFC 9113 section 5.1, closed).
 */
export class PastStreams {
  #ids: Int32Array | null = null;
  #hows: Uint8Array | null = null;

  add(id: number, how: PastHow): void {
    this.#ids ??= new Int32Array(REMEMBERED);
    this.#hows ??= new Uint8Array(REMEMBERED);
    const slot = (id >>> 1) % REMEMBERED;
    this.#ids[slot] = id;
    this.#hows[slot] = how;
  }

  how(id: number): number {
    const slot = (id >>> 1) % REMEMBERED;
    return this.#ids?.[slot] === id ? (this.#hows?.[slot] ?? UNKNOWN) : UNKNOWN;
  }
}
