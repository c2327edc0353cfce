import type { DestinationRow, EndpointRow, Finding, Severity } from '../status/types.ts';

/** How something stands, in a word or two; level `good` where nothing is the matter. */
export type Standing = { readonly level: Severity | 'good'; readonly words: string };

/** The order of urgency. */
export const RANK: Readonly<Record<Standing['level'], number>> = { error: 3, warning: 2, info: 1, good: 0 };

/** Of its limit: from 70 % on a pool is busy, from 85 % on it is nearly full. */
export function fullness(utilization: number): Standing {
  if (utilization > 0.85) return { level: 'error', words: 'high' };
  if (utilization >= 0.7) return { level: 'warning', words: 'busy' };
  return { level: 'good', words: '' };
}

/** From 1 % of failed requests on it is worth a look, from 5 % on it is urgent: as `carpool watch` has it. */
export function failing(share: number | null): Standing['level'] {
  if (share === null || share < 0.01) return 'good';
  return share < 0.05 ? 'warning' : 'error';
}

/** The share of a destination's requests that failed; null where none was sent. */
export function failedOf({ requestsPerSecond, failedShare }: DestinationRow): number | null {
  return requestsPerSecond === 0 && failedShare === 0 ? null : failedShare;
}

/** How a destination stands, the most urgent first: what it does itself, then the worst finding about it. */
export function standingOf(row: DestinationRow, findings: readonly Finding[]): Standing {
  const own = ownStanding(row);
  let worst: Standing['level'] = 'good';
  for (const { destination, severity } of findings)
    if (destination === row.name && RANK[severity] > RANK[worst]) worst = severity;
  if (RANK[own.level] >= RANK[worst]) return own;
  return { level: worst, words: own.level === 'good' ? FOUND[worst] : own.words };
}

const FOUND: Readonly<Record<Standing['level'], string>> = {
  error: 'in trouble',
  warning: 'needs a look',
  info: 'a note',
  good: 'well',
};

function ownStanding(row: DestinationRow): Standing {
  if (row.breaker === 'open') return { level: 'error', words: 'breaker open' };
  if (row.endpointsTotal > 0 && row.endpointsReady === 0) return { level: 'error', words: 'no endpoint ready' };
  if (row.paused) return { level: 'warning', words: 'paused' };
  if (row.breaker === 'half_open') return { level: 'warning', words: 'breaker probing' };
  if (row.discovery.error !== null) return { level: 'warning', words: 'discovery fails' };
  if (row.endpointsUnfit > 0) return { level: 'warning', words: `${row.endpointsUnfit} unfit` };
  const signal = row.signals[0];
  if (signal !== undefined) return { level: 'warning', words: SIGNALS[signal] ?? signal.replaceAll('_', ' ') };
  return { level: 'good', words: 'well' };
}

/** What the sidecar warns of, in a word or two. */
const SIGNALS: Readonly<Record<string, string>> = {
  pending: 'many wait',
  errors: 'many fail',
  utilization: 'pool full',
};

/** An endpoint's state as a person reads it. */
export function endpointStanding({ state, changes }: EndpointRow): Standing {
  const level = ENDPOINT_LEVELS[state];
  return level === 'good' && changes >= 3 ? { level: 'warning', words: 'ready, changing' } : { level, words: state };
}

const ENDPOINT_LEVELS: Readonly<Record<EndpointRow['state'], Standing['level']>> = {
  ready: 'good',
  suspended: 'info',
  unready: 'warning',
  terminating: 'info',
  removed: 'info',
  ejected: 'error',
  failing: 'error',
};
