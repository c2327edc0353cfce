import type { DestinationConfig, HostPattern } from '../config/types.ts';

/** Whether `host` (lower case) and `port` fit a pattern; `*` stands for one label. */
export function matchesPattern(pattern: HostPattern, host: string, port: number): boolean {
  if (pattern.port !== null && pattern.port !== port) return false;
  const name = host.endsWith('.') ? host.slice(0, -1) : host;
  if (!pattern.host.includes('*')) return pattern.host === name;
  const wanted = pattern.host.split('.');
  const labels = name.split('.');
  return wanted.length === labels.length && wanted.every((label, index) => label === '*' || label === labels[index]);
}

/** The entry of the configuration for a destination, or null. A literal name wins over a `*`, a port over none, then the first. */
export function findEntry(entries: readonly DestinationConfig[], host: string, port: number): DestinationConfig | null {
  let best: DestinationConfig | null = null;
  let bestRank = -1;
  for (const entry of entries) {
    if (!matchesPattern(entry.match, host, port)) continue;
    const rank = (entry.match.host.includes('*') ? 0 : 2) + (entry.match.port === null ? 0 : 1);
    if (rank > bestRank) {
      best = entry;
      bestRank = rank;
    }
  }
  return best;
}
