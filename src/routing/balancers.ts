import type { Balancer as BalancerName } from '../config/types.ts';
import type { EndpointPool } from '../pool/endpoint-pool.ts';
import type { Balancer } from '../pool/lease.ts';
import { withSlowStart } from './slow-start.ts';

/** An endpoint slower than another by less than this factor, or this many milliseconds, counts as equally fast. */
const SLOWER_FACTOR = 3;
const SLOWER_MS = 2;

/** A trial endpoint with a request under way must not get another before that one has told how it is. */
const onTrial = (endpoint: EndpointPool): boolean => endpoint.health.out && endpoint.outstanding > 0;

/**
 * The load that a choice compares: exchanges under way, weighted by recent latency where one endpoint is clearly slower
 * than the other. Small differences of latency do not count, else all of a light load would go to one endpoint.
 */
function lessLoaded(a: EndpointPool, b: EndpointPool, now: number): EndpointPool {
  if (onTrial(a) !== onTrial(b)) return onTrial(a) ? b : a;
  let loadA = a.outstanding + 1;
  let loadB = b.outstanding + 1;
  const latencyA = a.latency.at(now);
  const latencyB = b.latency.at(now);
  if (latencyA > latencyB * SLOWER_FACTOR && latencyA - latencyB > SLOWER_MS) loadA *= latencyA / Math.max(latencyB, 1);
  else if (latencyB > latencyA * SLOWER_FACTOR && latencyB - latencyA > SLOWER_MS) {
    loadB *= latencyB / Math.max(latencyA, 1);
  }
  return loadB < loadA ? b : a;
}

const first = (candidates: readonly EndpointPool[]): EndpointPool => {
  const endpoint = candidates[0];
  if (endpoint === undefined) throw new Error('a balancer was asked to choose among no endpoints');
  return endpoint;
};

/** Power of two choices (Mitzenmacher 2001): two different endpoints at random, the less loaded one. */
function powerOfTwoChoices(random: () => number): Balancer {
  return {
    pick(candidates, now) {
      const count = candidates.length;
      if (count === 1) return first(candidates);
      const one = Math.floor(random() * count);
      let other = Math.floor(random() * (count - 1));
      if (other >= one) other++;
      return lessLoaded(candidates[one] ?? first(candidates), candidates[other] ?? first(candidates), now);
    },
  };
}

/** Each endpoint in turn. */
function roundRobin(): Balancer {
  let turn = 0;
  return {
    pick(candidates) {
      for (let skipped = 0; skipped < candidates.length; skipped++) {
        turn = (turn + 1) % candidates.length;
        const endpoint = candidates[turn] ?? first(candidates);
        if (!onTrial(endpoint)) return endpoint;
      }
      return first(candidates);
    },
  };
}

/** The least loaded of all; the turn begins at another endpoint each time, so that equals share. */
function leastLoaded(): Balancer {
  let turn = 0;
  return {
    pick(candidates, now) {
      turn = (turn + 1) % candidates.length;
      let best = candidates[turn] ?? first(candidates);
      for (let step = 1; step < candidates.length; step++) {
        best = lessLoaded(best, candidates[(turn + step) % candidates.length] ?? best, now);
      }
      return best;
    },
  };
}

/** A balancer as a policy wants it, with state of its own. @param slowStartMs 0: new endpoints take their share at once */
export function makeBalancer(name: BalancerName, random: () => number, slowStartMs = 0): Balancer {
  const balancer = byName(name, random);
  return slowStartMs === 0 ? balancer : withSlowStart(balancer, byName(name, random), slowStartMs);
}

function byName(name: BalancerName, random: () => number): Balancer {
  switch (name) {
    case 'round_robin':
      return roundRobin();
    case 'least_loaded':
      return leastLoaded();
    default:
      return powerOfTwoChoices(random);
  }
}
