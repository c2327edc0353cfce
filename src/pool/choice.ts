import { Affinity } from './affinity.ts';
import type { EndpointPool } from './endpoint-pool.ts';
import type { Balancer } from './lease.ts';
import type { Pending } from './pending.ts';
import type { Rotation } from './rotation.ts';

const NONE: readonly EndpointPool[] = [];

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
    const picked = this.#among(all, tried, now, key);
    return !picked.health.suspect || this.#rotation.admits(picked, now) ? picked : this.#instead(all, tried, now, key);
  }

  #among(all: readonly EndpointPool[], tried: readonly EndpointPool[], now: number, key: number): EndpointPool {
    const balancer: Balancer = this.#affinity ?? this.#balancer;
    if (tried.length === 0 || balancer.steady === true) return balancer.pick(all, now, key, tried);
    const others = all.filter((endpoint) => !tried.includes(endpoint));
    return balancer.pick(others.length > 0 ? others : all, now, key);
  }

  /** Where something speaks against the one that was picked: one of those that a request may go to now, untried if there is one. */
  #instead(all: readonly EndpointPool[], tried: readonly EndpointPool[], now: number, key: number): EndpointPool {
    const fit = all.filter((endpoint) => this.#rotation.admits(endpoint, now));
    const untried = fit.filter((endpoint) => !tried.includes(endpoint));
    const chosen = untried.length > 0 ? untried : fit;
    // A steady balancer knows all of them by heart, and is told which to pass over.
    const passed = all.filter((endpoint) => !chosen.includes(endpoint));
    return this.steady ? this.#balancer.pick(all, now, key, passed) : this.#among(chosen, NONE, now, key);
  }

  /** Whether requests wait for the endpoint that their key picks, and not for any. */
  get steady(): boolean {
    return this.#affinity === null && this.#balancer.steady === true;
  }

  /** The endpoint that a request which waits keeps to as things stand now; null: any will do. */
  ownOf({ waiter, tried }: Pending, now: number): EndpointPool | null {
    return waiter.sticky < 0 || !this.steady ? null : this.pick(tried, now, waiter.sticky);
  }

  /** Whether a request that waits may be served by `endpoint`: it keeps to none, or to this one, or a connect to it was begun for it. */
  suits(entry: Pending, endpoint: EndpointPool, now: number, sharing = false): boolean {
    for (const handle of entry.dials) if (handle.endpoint === endpoint) return true;
    const own = this.ownOf(entry, now);
    // Where nothing can come free at its own endpoint, a connection that is in use elsewhere is better than none.
    return own === null || own === endpoint || (sharing && own.counted === 0);
  }
}
