import type { EndpointPool, EndpointState } from './endpoint-pool.ts';

/** Best first. Endpoints in any other state take no request, whatever else there is. */
const TIERS = ['ready', 'suspended', 'terminating_serving'] as const satisfies readonly EndpointState[];

/**
 * Which endpoints take new requests now. Tiers as kube-proxy has them: ready ones; else those out of an answer; else
 * those that terminate and still serve; else none. Ejected ones are left out, except when nothing else is there: the
 * last endpoint is always tried. One on trial, or doubted, is in rotation, but not for every request: see `admits`.
 */
export class Rotation {
  /** Made anew at each change, never changed in place. */
  candidates: readonly EndpointPool[] = [];
  /** New endpoints whose first connection is being opened ahead: left out for that moment, while there are others. */
  readonly joining = new Set<EndpointPool>();
  #tier: EndpointState = 'ready';

  update(endpoints: readonly EndpointPool[]): void {
    let tier: readonly EndpointPool[] = [];
    for (const state of TIERS) {
      tier = endpoints.filter((endpoint) => endpoint.state === state);
      this.#tier = state;
      if (tier.length > 0) break;
    }
    const fit = tier.filter((endpoint) => this.#fit(endpoint));
    const here = fit.filter((endpoint) => !this.joining.has(endpoint));
    this.candidates = here.length > 0 ? here : fit.length > 0 ? fit : tier;
  }

  #fit({ health, checked }: EndpointPool): boolean {
    if (checked === 'failing') return false;
    if (!health.out) return true;
    return health.ejection.state === 'trial' && health.by === 'failures';
  }

  /** Out of rotation by what this sidecar itself has seen, and not by what discovery says. */
  #out({ health, checked }: EndpointPool): boolean {
    return health.out || checked === 'failing';
  }

  /**
   * Whether a request may go to an endpoint now. To one that something speaks against only the one that tries it, while
   * there are others; where there are none, all may.
   */
  admits(endpoint: EndpointPool, now: number): boolean {
    const { health } = endpoint;
    if (!health.suspect || health.mayTry(now, endpoint.outstanding)) return true;
    for (const each of this.candidates) if (!each.health.suspect) return false;
    return true;
  }

  /**
   * Whether even an open connection of an endpoint is not for a request that waits. Where only its connects failed, those
   * that it has are as good as any.
   */
  shuns(endpoint: EndpointPool, now: number): boolean {
    return endpoint.health.by === 'failures' && !this.admits(endpoint, now);
  }

  /** Whether an endpoint takes requests, or would but for its ejection. One out of an answer still helps out who waits. */
  takes(endpoint: EndpointPool): boolean {
    const { state, checked } = endpoint;
    if (checked === 'failing' && !this.candidates.includes(endpoint)) return false;
    return state === 'ready' || state === 'suspended' || (state === 'terminating_serving' && this.#tier === state);
  }

  /** Whether a terminating endpoint goes on serving, for there is no better one. */
  get lastTier(): boolean {
    return this.#tier === 'terminating_serving';
  }

  /** At most half of the ready endpoints may be out, so a single one never is. */
  mayEject(endpoints: readonly EndpointPool[]): boolean {
    return this.#overCap(endpoints) < 0;
  }

  /** Where more than half of the ready endpoints are out: the one that is out longest, or null. */
  tooMany(endpoints: readonly EndpointPool[]): EndpointPool | null {
    if (this.#overCap(endpoints) <= 0) return null;
    let longest: EndpointPool | null = null;
    for (const endpoint of endpoints) {
      if (endpoint.state !== 'ready' || !endpoint.health.out) continue;
      if (longest === null || endpoint.health.outSince < longest.health.outSince) longest = endpoint;
    }
    return longest;
  }

  /** How many more are out than may be; below 0: how many more may go. */
  #overCap(endpoints: readonly EndpointPool[]): number {
    let ready = 0;
    let out = 0;
    for (const endpoint of endpoints) {
      if (endpoint.state !== 'ready') continue;
      ready++;
      if (this.#out(endpoint)) out++;
    }
    return out - Math.floor(ready / 2);
  }
}
