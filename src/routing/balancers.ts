import type { Balancer as BalancerName, DestinationPolicy } from '../config/types.ts';
import type { EndpointPool } from '../pool/endpoint-pool.ts';
import type { Balancer } from '../pool/lease.ts';
import { slowStartOf, withSlowStart } from './slow-start.ts';
import { StickyBalancer } from './sticky.ts';

/** An endpoint slower than another by less than this factor, or this many milliseconds, counts as equally fast. */
const SLOWER_FACTOR = 3;
const SLOWER_MS = 2;
/** One that is idle and slower by more than this is noticed by the app. */
const MUCH_SLOWER_MS = 50;

/**
 * The better of two: fewer exchanges under way, each weighted by the endpoint's recent latency where one is clearly slower
 * than the other. The weight is on what is under way and not on the endpoint itself: a single slow answer (the first of a
 * new pod, a collection of garbage) must not keep an endpoint from its share, and one that is slow for good holds itself
 * back, for what it has under way stays there for long. Where nothing is under way at either, only one that is slower by
 * so much that an app would notice gets less, in the proportion of their speeds, so that it can show that it is better now.
 */
function lessLoaded(a: EndpointPool, b: EndpointPool, now: number, random: () => number): EndpointPool {
  const latencyA = a.latency.at(now);
  const latencyB = b.latency.at(now);
  const aSlower = latencyA > latencyB;
  const slow = aSlower ? latencyA : latencyB;
  const quick = aSlower ? latencyB : latencyA;
  let loadA = a.outstanding;
  let loadB = b.outstanding;
  if (slow > quick * SLOWER_FACTOR && slow - quick > SLOWER_MS) {
    const times = slow / Math.max(quick, 1);
    if (aSlower) loadA *= times;
    else loadB *= times;
    if (loadA === loadB && slow - quick > MUCH_SLOWER_MS) return aSlower === random() * times < 1 ? a : b;
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
      return lessLoaded(candidates[one] ?? first(candidates), candidates[other] ?? first(candidates), now, random);
    },
  };
}

/** Each endpoint in turn. */
function roundRobin(): Balancer {
  let turn = 0;
  return {
    pick(candidates) {
      turn = (turn + 1) % Math.max(1, candidates.length);
      return candidates[turn] ?? first(candidates);
    },
  };
}

/** The least loaded of all; the turn begins at another endpoint each time, so that equals share. */
function leastLoaded(random: () => number): Balancer {
  let turn = 0;
  return {
    pick(candidates, now) {
      turn = (turn + 1) % candidates.length;
      let best = candidates[turn] ?? first(candidates);
      for (let step = 1; step < candidates.length; step++) {
        best = lessLoaded(best, candidates[(turn + step) % candidates.length] ?? best, now, random);
      }
      return best;
    },
  };
}

/**
 * A balancer as a policy wants it, with state of its own.
 * @param slowStartMs 0: new endpoints take their share at once; as they do with `sticky`, whose keys would only go to and fro
 * @param bounded with `sticky`: an endpoint that has too much is passed over
 */
export function makeBalancer(name: BalancerName, random: () => number, slowStartMs = 0, bounded = true): Balancer {
  if (name === 'sticky') return new StickyBalancer(powerOfTwoChoices(random), bounded);
  const balancer = byName(name, random);
  return slowStartMs === 0 ? balancer : withSlowStart(balancer, byName(name, random), slowStartMs);
}

/** Where all requests have one key, the pod's address, there is no bound: it would spread them over all endpoints. */
const isBounded = ({ sticky }: DestinationPolicy): boolean => sticky.by !== 'address';

/** The balancer that a policy wants. */
export function balancerOf(policy: DestinationPolicy, random: () => number): Balancer {
  return makeBalancer(policy.balancer, random, slowStartOf(policy), isBounded(policy));
}

/** Whether the balancer of one policy does for the other too, with what it remembers. */
export function sameBalancer(a: DestinationPolicy, b: DestinationPolicy): boolean {
  return a.balancer === b.balancer && slowStartOf(a) === slowStartOf(b) && isBounded(a) === isBounded(b);
}

function byName(name: Exclude<BalancerName, 'sticky'>, random: () => number): Balancer {
  switch (name) {
    case 'round_robin':
      return roundRobin();
    case 'least_loaded':
      return leastLoaded(random);
    default:
      return powerOfTwoChoices(random);
  }
}
