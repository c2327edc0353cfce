import type { EndpointPool } from '../pool/endpoint-pool.ts';
import type { Balancer } from '../pool/lease.ts';
import { HashRing } from './hash-ring.ts';

/** An endpoint takes at most this much of what an even spread would give it. */
const LOAD_BOUND = 1.25;
/**
 * So many exchanges of one sidecar are no burden on an endpoint, whatever the others have. A sidecar sees little of an endpoint's load, and with
 * few exchanges under way an even spread is one or two for each: every chance meeting of two keys would part them from their endpoints.
 */
const NO_BURDEN = 8;

const NOBODY: readonly EndpointPool[] = [];

const sameMembers = (before: readonly EndpointPool[], now: readonly EndpointPool[]): boolean =>
  before.length === now.length && before.every((endpoint, index) => endpoint === now[index]);

/** The ring of one set of endpoints, and what is under way at all of them together. */
class Circle {
  readonly #ring: HashRing;
  /** Endpoints keep it (`EndpointPool.tally`), so that a choice need not add them up. */
  readonly #tally = { total: 0 };

  constructor(candidates: readonly EndpointPool[]) {
    this.#ring = new HashRing(candidates);
    this.#claim();
  }

  #claim(): void {
    this.#tally.total = 0;
    for (const endpoint of this.#ring.endpoints) {
      endpoint.tally = this.#tally;
      this.#tally.total += endpoint.outstanding;
    }
  }

  /** @param bounded an endpoint that has too much is passed over */
  pick(key: number, tried: readonly EndpointPool[], bounded: boolean): EndpointPool {
    const { endpoints, size } = this.#ring;
    let place = this.#ring.placeOf(key);
    const home = this.#at(place);
    if (home.tally !== this.#tally) this.#claim();
    const most = bounded
      ? Math.max(NO_BURDEN, Math.ceil((LOAD_BOUND * (this.#tally.total + 1)) / endpoints.length))
      : Number.POSITIVE_INFINITY;
    let spare: EndpointPool | null = null;
    for (let step = 0; step < size; step++) {
      const endpoint = this.#at(place);
      place = place + 1 === size ? 0 : place + 1;
      if (tried.length > 0 && tried.includes(endpoint)) continue;
      const { outstanding } = endpoint;
      if (outstanding < most) return endpoint;
      spare ??= endpoint;
    }
    return spare ?? home;
  }

  #at(place: number): EndpointPool {
    const endpoint = this.#ring.endpoints[this.#ring.ownerAt(place)];
    if (endpoint === undefined) throw new Error('a balancer was asked to choose among no endpoints');
    return endpoint;
  }
}

/**
 * Consistent hashing with bounded loads (Mirrokni, Thorup and Zadimoghaddam 2016): a key goes to its endpoint on the ring, and while that one
 * has more than its bound, or was tried already, to the next one. A new endpoint takes its keys at once: `slowStart` would send them back and forth.
 */
export class StickyBalancer implements Balancer {
  readonly steady = true;
  readonly #bounded: boolean;
  readonly #keyless: Balancer;
  /** By the array that they were made for, which is never changed in place. */
  readonly #circles = new WeakMap<readonly EndpointPool[], Circle>();
  #seen: readonly EndpointPool[] | null = null;
  #circle: Circle | null = null;

  /**
   * @param keyless for requests without a key
   * @param bounded false where all requests have one key, the pod's address: the bound would spread them over all endpoints
   */
  constructor(keyless: Balancer, bounded: boolean) {
    this.#keyless = keyless;
    this.#bounded = bounded;
  }

  pick(candidates: readonly EndpointPool[], now: number, key: number, tried = NOBODY): EndpointPool {
    const only = candidates[0];
    if (candidates.length === 1 && only !== undefined) return only;
    if (key >= 0) return this.#circleOf(candidates).pick(key, tried, this.#bounded);
    const others = tried.length === 0 ? candidates : candidates.filter((endpoint) => !tried.includes(endpoint));
    return this.#keyless.pick(others.length > 0 ? others : candidates, now, key);
  }

  #circleOf(candidates: readonly EndpointPool[]): Circle {
    if (candidates === this.#seen && this.#circle !== null) return this.#circle;
    // A rotation is often made anew with the same endpoints in it.
    const last = this.#seen !== null && sameMembers(this.#seen, candidates) ? this.#circle : null;
    const circle = last ?? this.#circles.get(candidates) ?? new Circle(candidates);
    this.#circles.set(candidates, circle);
    this.#seen = candidates;
    this.#circle = circle;
    return circle;
  }
}
