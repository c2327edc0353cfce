import { addressPort } from '../discovery/ip-address.ts';
import type { EndpointPool } from '../pool/endpoint-pool.ts';
import { hashText, mix } from '../pool/hash.ts';

/** Places of one endpoint on the ring: its share differs from an even one by 9 % (one standard deviation). */
const PLACES = 128;
/** Places that share a bucket, on average. */
const CROWD = 4;
/** Places are numbers from 0 to 2³¹ − 1. */
const RING_BITS = 31;

/**
 * What an endpoint is hashed by: where it is, and nothing else that only this sidecar knows. Of two families the lesser text, for which of
 * them is the first one is each sidecar's own matter.
 */
function nameOf({ spec: { address, otherAddress, port } }: EndpointPool): string {
  const lesser = otherAddress !== undefined && otherAddress < address ? otherAddress : address;
  return addressPort(lesser, port);
}

type Named = { readonly endpoint: EndpointPool; readonly name: string };

const byName = (a: Named, b: Named): number => {
  const left = a.name === b.name ? a.endpoint.spec.id : a.name;
  const right = a.name === b.name ? b.endpoint.spec.id : b.name;
  return left < right ? -1 : left > right ? 1 : 0;
};

/**
 * Consistent hashing (Karger and others 1997): each endpoint has many places on a ring, and a key belongs to the first place at or after
 * its own. One endpoint more or less moves only the keys that are its own. Two sidecars that know the same endpoints make the same ring,
 * in whatever order they heard of them. It is never changed.
 */
export class HashRing {
  /** In the order of their names: where two places fall together, that order decides, and it is the same everywhere. */
  readonly endpoints: readonly EndpointPool[];
  /** How many places there are. */
  readonly size: number;
  /** Places in order, and whose they are (an index into `endpoints`). */
  readonly #places: Int32Array;
  readonly #owners: Int32Array;
  /** The ring is cut into equal parts, and this is the first place of each: they are so many that no search is needed. */
  readonly #firsts: Int32Array;
  readonly #shift: number;

  constructor(endpoints: readonly EndpointPool[]) {
    const named = endpoints.map((endpoint) => ({ endpoint, name: nameOf(endpoint) })).sort(byName);
    this.endpoints = named.map(({ endpoint }) => endpoint);
    this.size = named.length * PLACES;
    this.#places = new Int32Array(this.size);
    this.#owners = new Int32Array(this.size);
    this.#shift = RING_BITS - Math.max(0, Math.floor(Math.log2(Math.max(1, this.size / CROWD))));
    const parts = 2 ** (RING_BITS - this.#shift);
    this.#firsts = new Int32Array(parts + 1);
    this.#fill(named);
  }

  /** A counting sort by part of the ring, and an insertion sort within each: places are spread evenly. */
  #fill(named: readonly Named[]): void {
    const unsorted = new Int32Array(this.size);
    const firsts = this.#firsts;
    named.forEach(({ name }, owner) => {
      // Two hashes: with one, two endpoints whose hashes are close to each other would have most of their places together.
      const base = hashText(name);
      const other = hashText(`${name}/`);
      for (let index = 0; index < PLACES; index++) {
        const place = mix(mix(base + index) ^ other) >>> 1;
        unsorted[owner * PLACES + index] = place;
        const next = (place >>> this.#shift) + 1;
        firsts[next] = (firsts[next] ?? 0) + 1;
      }
    });
    for (let part = 1; part < firsts.length; part++) firsts[part] = (firsts[part] ?? 0) + (firsts[part - 1] ?? 0);
    const ends = firsts.slice();
    for (let index = 0; index < this.size; index++)
      this.#insert(unsorted[index] ?? 0, Math.floor(index / PLACES), ends);
  }

  #insert(place: number, owner: number, ends: Int32Array): void {
    const part = place >>> this.#shift;
    const first = this.#firsts[part] ?? 0;
    let at = ends[part] ?? 0;
    ends[part] = at + 1;
    // Owners come in their order, so that of equal places the first owner's is first.
    for (; at > first && (this.#places[at - 1] ?? 0) > place; at--) {
      this.#places[at] = this.#places[at - 1] ?? 0;
      this.#owners[at] = this.#owners[at - 1] ?? 0;
    }
    this.#places[at] = place;
    this.#owners[at] = owner;
  }

  /** The number of the place that a key belongs to. @param key from 0 to 2³¹ − 1 */
  placeOf(key: number): number {
    let at = this.#firsts[key >>> this.#shift] ?? 0;
    while (at < this.size && (this.#places[at] ?? 0) < key) at++;
    return at === this.size ? 0 : at;
  }

  /** Whose a place is, as an index into `endpoints`. */
  ownerAt(place: number): number {
    return this.#owners[place] ?? 0;
  }
}
