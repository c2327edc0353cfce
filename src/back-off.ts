/**
 * How long to wait after the n-th failure in a row: `baseMs`, doubling up to `mostMs`, at random between the half and the whole of that, so that
 * those who failed together come back apart ("equal jitter").
 * @param doublings failures before this one @param random from 0 to 1
 */
export function backOffMs(baseMs: number, mostMs: number, doublings: number, random: () => number): number {
  return (Math.min(mostMs, baseMs * 2 ** doublings) * (1 + random())) / 2;
}
