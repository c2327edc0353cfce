import type { Clock } from '../clock.ts';
import type { EndpointPool } from './endpoint-pool.ts';

/**
 * Which endpoints take new requests now. Tiers as kube-proxy has them: ready ones; else those out of an answer; else
 * those that terminate and still serve. Ejected ones are left out, except when nothing else is there: the last endpoint
 * is always tried.
 */
export class Rotation {
  /** At least one where any endpoint is known and not gone. Made anew at each change, never changed in place. */
  candidates: readonly EndpointPool[] = [];
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  update(endpoints: readonly EndpointPool[]): void {
    let tier = endpoints.filter((endpoint) => endpoint.state === 'ready');
    if (tier.length === 0) tier = endpoints.filter((endpoint) => endpoint.state === 'suspended');
    if (tier.length === 0) tier = endpoints.filter((endpoint) => endpoint.state === 'terminating');
    const now = this.#clock.now();
    const fit = tier.filter((endpoint) => {
      const { ejection } = endpoint.health;
      if (ejection.state === 'none') return true;
      if (ejection.state === 'ejected') return now >= ejection.until && ejection.by === 'failures';
      return ejection.by === 'failures';
    });
    this.candidates = fit.length > 0 ? fit : tier;
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
