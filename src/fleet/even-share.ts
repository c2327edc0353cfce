/**
 * The same part of a budget for everyone; what does not divide goes to the first ones, one each.
 * @param peers sidecars that share it, this one among them
 * @param rank this one's place among them, from 0, in an order that all see alike; null: not known, so that it gets none of the remainder
 */
export function evenShare(budget: number, peers: number, rank: number | null): number {
  const count = Math.max(1, peers);
  const share = Math.floor(budget / count);
  return rank !== null && rank < budget % count ? share + 1 : share;
}
