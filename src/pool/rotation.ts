import type { Clock } from '../clock.ts';
import type { EndpointPool, EndpointState } from './endpoint-pool.ts';

/** Best first. Endpoints in any other state take no request, whatever else there is. */
const TIERS = ['ready', 'suspended', 'terminating_serving'] as const satisfies readonly EndpointState[];

/**
 * Which endpoints take new requests now. Tiers as kube-proxy has them: ready ones; else those out of an answer; else
 * those that terminate and still serve; else none. Ejected ones are left out, except when nothing else is there: the
 * last endpoint is always tried.
 */
export class Rotation {
  /** Made anew at each change, never changed in place. */
  candidates: readonly EndpointPool[] = [];
  /** New endpoints whose first connection is being opened ahead: left out for that moment, while there are others. */
  readonly joining = new Set<EndpointPool>();
  #tier: EndpointState = 'ready';
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

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

  #fit({ health: { ejection } }: EndpointPool): boolean {
    if (ejection.state === 'none') return true;
    if (ejection.state === 'ejected') return this.#clock.now() >= ejection.until && ejection.by === 'failures';
    return ejection.by === 'failures';
  }

  /** Whether an endpoint takes requests, or would but for its ejection. One out of an answer still helps out who waits. */
  takes({ state }: EndpointPool): boolean {
    return state === 'ready' || state === 'suspended' || (state === 'terminating_serving' && this.#tier === state);
  }

  /** Whether a terminating endpoint goes on serving, for there is no better one. */
  get lastTier(): boolean {
    return this.#tier === 'terminating_serving';
  }

  /** At most half of the ready endpoints may be out, so a single one never is. */
  mayEject(endpoints: readonly EndpointPool[]): boolean {
    let ready = 0;
    let out = 0;
    for (const endpoint of endpoints) {
      if (endpoint.state !== 'ready') continue;
      ready++;
      if (endpoint.health.out) out++;
    }
    return out < Math.floor(ready / 2);
  }
}
