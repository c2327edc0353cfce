import type { DestinationPolicy } from '../config/types.ts';
import type { EndpointPool } from '../pool/endpoint-pool.ts';
import type { Balancer } from '../pool/lease.ts';

/** What a new endpoint begins with, of its whole share. */
const FIRST_SHARE = 0.1;
/** Requests that a new endpoint may take at once when it was not picked for a while. */
const MOST_CREDIT = 5;

/** How slowly an endpoint that has failed its health checks comes back where `slowStart` is off. */
const BACK_IN_MS = 10_000;

/** How long new endpoints, and those that pass their health checks again, take less than their share; 0: no time. */
export const slowStartOf = ({ slowStartMs, healthCheck }: DestinationPolicy): number =>
  slowStartMs > 0 || !healthCheck.enabled ? slowStartMs : BACK_IN_MS;

type Credit = { requests: number; picks: number };

/**
 * Lets a balancer's new endpoints in slowly (`slowStart`): each earns its requests at a rate that grows from a tenth of
 * an even share to the whole, whichever way the balancer picks it, and what it has not earned goes to the others.
 * @param others a balancer of the same kind for those, so that the turns of one do not disturb the other
 */
export function withSlowStart(balancer: Balancer, others: Balancer, slowStartMs: number): Balancer {
  const credits = new WeakMap<EndpointPool, Credit>();
  let picks = 0;
  const share = ({ newSince }: EndpointPool, now: number): number =>
    newSince === null ? 1 : FIRST_SHARE + ((1 - FIRST_SHARE) * (now - newSince)) / slowStartMs;

  /** Whether a new endpoint has earned a request; it is spent. */
  const earned = (endpoint: EndpointPool, rate: number): boolean => {
    const credit = credits.get(endpoint) ?? { requests: 0, picks };
    const requests = Math.min(MOST_CREDIT, credit.requests + (picks - credit.picks) * rate);
    credits.set(endpoint, { requests: requests >= 1 ? requests - 1 : requests, picks });
    return requests >= 1;
  };

  return {
    pick(candidates, now, key) {
      picks++;
      const picked = balancer.pick(candidates, now, key);
      if (picked.newSince === null) return picked;
      const part = share(picked, now);
      if (part >= 1 || earned(picked, part / candidates.length)) return picked;
      const old = candidates.filter((endpoint) => share(endpoint, now) >= 1);
      return old.length > 0 ? others.pick(old, now, key) : picked;
    },
  };
}
