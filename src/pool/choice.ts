import { Affinity } from './affinity.ts';
import type { EndpointPool } from './endpoint-pool.ts';
import type { Balancer } from './lease.ts';
import type { Rotation } from './rotation.ts';

/** Which endpoint a request goes to: the balancer's pick among those in rotation, or the one of the session affinity. */
export class Choice {
  readonly #rotation: Rotation;
  #balancer: Balancer;
  #affinity: Affinity | null = null;

  constructor(rotation: Rotation, balancer: Balancer) {
    this.#rotation = rotation;
    this.#balancer = balancer;
  }

  setBalancer(balancer: Balancer): void {
    this.#balancer = balancer;
  }

  /** All requests go to the endpoint that `key` picks, while it is in rotation; null: as the balancer says. */
  setAffinity(key: string | null): void {
    if (key === (this.#affinity?.key ?? null)) return;
    this.#affinity = key === null ? null : new Affinity(key, this.#rotation);
  }

  /** The one endpoint of all requests, or null: each is picked. */
  get only(): EndpointPool | null {
    return this.#affinity === null ? null : this.#affinity.chosen();
  }

  /** An endpoint that was not tried yet where there is one; null: there is none at all. */
  pick(tried: readonly EndpointPool[], now: number, key: number): EndpointPool | null {
    const all = this.#rotation.candidates;
    if (all.length === 0) return null;
    const balancer = this.#affinity ?? this.#balancer;
    if (tried.length === 0) return balancer.pick(all, now, key);
    const others = all.filter((endpoint) => !tried.includes(endpoint));
    return balancer.pick(others.length > 0 ? others : all, now, key);
  }
}
