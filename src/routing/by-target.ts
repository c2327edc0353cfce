import type { EndpointPool } from '../pool/endpoint-pool.ts';
import { mix } from '../pool/hash.ts';
import type { Balancer } from '../pool/lease.ts';

/** A target with endpoints in rotation. */
type Group = { readonly turn: Turn; readonly members: EndpointPool[] };

/** What is remembered of a target: its balancer, and how far it is behind its share (smooth weighted round robin). */
type Turn = { readonly target: string; readonly balancer: Balancer; behind: number };

/** Another spread of keys than the one within a target: else each target would have a part of the keys that its balancer does not spread. */
const OTHERWISE = 0x5bd1e995;

/**
 * First a target by its weight, then an endpoint of it as the destination's balancer says. Requests go in turns, so that of each hundred exactly
 * so many go to a target as its weight says; where the balancer is steady, those with one key always go to the same target while the weights stay.
 * What would go to a target without an endpoint in rotation goes to the others.
 * @param make a balancer for one target @param weights by target, read at each choice
 */
export function byTarget(make: () => Balancer, weights: ReadonlyMap<string, number>): Balancer {
  const steady = make().steady === true;
  const turns = new Map<string, Turn>();
  let grouped: readonly EndpointPool[] | null = null;
  let groups: readonly Group[] = [];

  const turnOf = (target: string): Turn => {
    const known = turns.get(target);
    if (known !== undefined) return known;
    const turn = { target, balancer: make(), behind: 0 };
    turns.set(target, turn);
    return turn;
  };

  /** The groups of `candidates`, an array that never changes; the usual one is asked for again and again. */
  const groupsOf = (candidates: readonly EndpointPool[]): readonly Group[] => {
    if (candidates === grouped) return groups;
    const found = new Map<string, Group>();
    for (const endpoint of candidates) {
      const target = endpoint.spec.target ?? '';
      const group = found.get(target) ?? { turn: turnOf(target), members: [] };
      group.members.push(endpoint);
      found.set(target, group);
    }
    for (const target of turns.keys()) if (!weights.has(target) && !found.has(target)) turns.delete(target);
    grouped = candidates;
    // In the same order in every sidecar, whoever was found first: a key has one target everywhere.
    groups = [...found.values()].sort((a, b) => (a.turn.target < b.turn.target ? -1 : 1));
    return groups;
  };

  const weightOf = ({ turn }: Group): number => weights.get(turn.target) ?? 0;

  const inTurn = (among: readonly Group[], total: number): Group | undefined => {
    let next = among[0];
    for (const group of among) {
      group.turn.behind += weightOf(group);
      if (next === undefined || group.turn.behind > next.turn.behind) next = group;
    }
    if (next !== undefined) next.turn.behind -= total;
    return next;
  };

  const byKey = (among: readonly Group[], total: number, key: number): Group | undefined => {
    let rest = ((mix(key ^ OTHERWISE) >>> 0) / 2 ** 32) * total;
    for (const group of among) {
      rest -= weightOf(group);
      if (rest < 0) return group;
    }
    return among[0];
  };

  return {
    ...(steady ? { steady } : {}),
    pick(candidates, now, key, tried) {
      const all = groupsOf(candidates);
      const among = steady && tried !== undefined && tried.length > 0 ? untried(all, tried) : all;
      let total = 0;
      for (const group of among) total += weightOf(group);
      const one = among.length === 1 ? among[0] : steady && key >= 0 ? byKey(among, total, key) : inTurn(among, total);
      if (one === undefined) throw new Error('a balancer was asked to choose among no endpoints');
      return one.turn.balancer.pick(one.members, now, key, tried);
    },
  };
}

/** The targets where something is left to be tried, where there are such. */
function untried(groups: readonly Group[], tried: readonly EndpointPool[]): readonly Group[] {
  const left = groups.filter(({ members }) => members.some((endpoint) => !tried.includes(endpoint)));
  return left.length > 0 ? left : groups;
}
