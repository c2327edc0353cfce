const FIRST_SLOTS = 8;
const MAX_SLOTS = 256;

/**
 * The open streams of a connection by their ids. Ids of one side are every second number and mostly near each other, so
 * they find their place in a ring without hashing; a stream whose place is taken stands in a Map. The ring begins small,
 * for an idle connection has to be cheap, and grows when two streams meet in it. The id of a stream must not change while
 * it is in the table.
 */
export class StreamTable<S extends { readonly id: number }> {
  #ring: (S | null)[] = new Array<S | null>(FIRST_SLOTS).fill(null);
  #mask = FIRST_SLOTS - 1;
  #others: Map<number, S> | null = null;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): S | null {
    const stream = this.#ring[(id >>> 1) & this.#mask] ?? null;
    if (stream !== null && stream.id === id) return stream;
    return this.#others === null ? null : (this.#others.get(id) ?? null);
  }

  /** Adds `stream`; there must be none with its id. */
  set(stream: S): void {
    this.#size++;
    let slot = (stream.id >>> 1) & this.#mask;
    while (this.#ring[slot] !== null && this.#ring.length < MAX_SLOTS) {
      this.#grow();
      slot = (stream.id >>> 1) & this.#mask;
    }
    if (this.#ring[slot] === null) this.#ring[slot] = stream;
    else {
      this.#others ??= new Map();
      this.#others.set(stream.id, stream);
    }
  }

  /** Takes the stream out. @returns whether it was there */
  delete(id: number): boolean {
    const slot = (id >>> 1) & this.#mask;
    const stream = this.#ring[slot] ?? null;
    if (stream !== null && stream.id === id) this.#ring[slot] = null;
    else {
      if (this.#others === null || !this.#others.delete(id)) return false;
      if (this.#others.size === 0) this.#others = null;
    }
    this.#size--;
    return true;
  }

  /** Calls `visit` for each stream that is in the table now, and still is at its turn. Visitors may delete and add. */
  forEach(visit: (stream: S) => void): void {
    const streams: S[] = [];
    for (const stream of this.#ring) if (stream !== null) streams.push(stream);
    if (this.#others !== null) streams.push(...this.#others.values());
    for (const stream of streams) if (this.get(stream.id) === stream) visit(stream);
  }

  /** Doubles the ring. The Map is still empty then: it is used only beside a full-grown ring. */
  #grow(): void {
    const old = this.#ring;
    this.#ring = new Array<S | null>(old.length * 2).fill(null);
    this.#mask = this.#ring.length - 1;
    // Streams that had places of their own keep them apart.
    for (const stream of old) if (stream !== null) this.#ring[(stream.id >>> 1) & this.#mask] = stream;
  }
}
