import type { EndpointPool } from './endpoint-pool.ts';
import { hashText } from './hash.ts';
import type { Balancer } from './lease.ts';
import type { Rotation } from './rotation.ts';

/**
 * Sends all requests to one endpoint (a Service's session affinity): the one that the key picks among those in rotation
 * by rendezvous hashing. It stays with it until that endpoint leaves the rotation, also when others come.
 */
export class Affinity implements Balancer {
  readonly key: string;
  readonly #rotation: Rotation;
  /** The candidates for which the choice was made last. */
  #seen: readonly EndpointPool[] | null = null;
  #chosen: EndpointPool | null = null;

  constructor(key: string, rotation: Rotation) {
    this.key = key;
    this.#rotation = rotation;
  }

  /** The endpoint of all requests, or null where none is in rotation. */
  chosen(): EndpointPool | null {
    const { candidates } = this.#rotation;
    if (candidates !== this.#seen) {
      this.#seen = candidates;
      if (this.#chosen === null || !candidates.includes(this.#chosen)) this.#chosen = this.#highest(candidates);
    }
    return this.#chosen;
  }

  pick(candidates: readonly EndpointPool[]): EndpointPool {
    const chosen = this.chosen();
    if (chosen !== null && (candidates === this.#seen || candidates.includes(chosen))) return chosen;
    // A retry, which goes elsewhere; the next request does not.
    const other = this.#highest(candidates);
    if (other === null) throw new Error('a balancer was asked to choose among no endpoints');
    return other;
  }

  #highest(candidates: readonly EndpointPool[]): EndpointPool | null {
    let best: EndpointPool | null = null;
    let bestWeight = -1;
    for (const endpoint of candidates) {
      const weight = hashText(`${this.key}|${endpoint.spec.id}`);
      if (weight <= bestWeight) continue;
      best = endpoint;
      bestWeight = weight;
    }
    return best;
  }
}
