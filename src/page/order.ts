import type { DestinationRow, Finding } from '../status/types.ts';
import { RANK, standingOf } from './standing.ts';

/** By what the table of destinations can be sorted. */
export type SortKey =
  | 'name'
  | 'state'
  | 'requests'
  | 'failed'
  | 'connections'
  | 'pending'
  | 'endpoints'
  | 'reuse'
  | 'p50'
  | 'p99';
export type Sort = { readonly key: SortKey; readonly descending: boolean };

/** The most urgent on top. */
export const FIRST_SORT: Sort = { key: 'state', descending: true };

const VALUES: Readonly<Record<Exclude<SortKey, 'name' | 'state'>, (row: DestinationRow) => number>> = {
  requests: (row) => row.requestsPerSecond,
  failed: (row) => row.failedShare,
  connections: (row) => row.utilization,
  pending: (row) => row.pending,
  endpoints: (row) => row.endpointsReady,
  reuse: (row) => row.reuseShare ?? -1,
  p50: (row) => row.p50Ms ?? -1,
  p99: (row) => row.p99Ms ?? -1,
};

/** Names in the order of the table. Equal ones stand by name, so that nothing moves without a reason. */
export function sortedNames(
  rows: ReadonlyMap<string, DestinationRow>,
  findings: readonly Finding[],
  { key, descending }: Sort,
  filter: string,
): readonly string[] {
  const wanted = filter.trim().toLowerCase();
  const sign = descending ? -1 : 1;
  const keyed: { name: string; value: number }[] = [];
  for (const row of rows.values()) {
    if (wanted !== '' && !`${row.name} ${row.label}`.toLowerCase().includes(wanted)) continue;
    const value = key === 'name' ? 0 : key === 'state' ? RANK[standingOf(row, findings).level] : VALUES[key](row);
    keyed.push({ name: row.name, value });
  }
  keyed.sort((a, b) => {
    if (a.value !== b.value) return (a.value - b.value) * sign;
    const byName = a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
    return key === 'name' ? byName * sign : byName;
  });
  return keyed.map(({ name }) => name);
}
