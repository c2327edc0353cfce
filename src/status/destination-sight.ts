import { censusOf } from '../pool/totals.ts';
import { type MinuteFigures, NO_FIGURES } from './destination-history.ts';
import { share } from './figures.ts';
import type { DestinationSight, Unreached } from './findings/sight.ts';
import { type SeenDestination, utilizationOf } from './seen-destination.ts';
import type { DestinationRow } from './types.ts';

/** As many endpoints that are unfit, or that cannot be reached, are named. */
const MAX_NAMED = 5;

/** What is seen of a destination: numbers that are kept anyway, and no connection one by one. @param label its metric label now @param now monotonic ms */
export function sightOf(
  destination: SeenDestination,
  label: string,
  figures: MinuteFigures | null,
  now: number,
): DestinationSight {
  const { places } = destination.pool;
  const minute = figures ?? NO_FIGURES;
  const { limit, ...summary } = destination.summary();
  const census = censusOf(destination.pool.allEndpoints);
  const row: DestinationRow = {
    name: summary.name,
    label,
    configured: summary.configured,
    paused: summary.paused,
    connecting: summary.connecting,
    active: summary.active,
    idle: summary.idle,
    draining: summary.draining,
    pending: summary.pending,
    maxConnections: summary.maxConnections,
    utilization: share(utilizationOf(destination), 1),
    ...census,
    discovery: {
      source: summary.discovery.source,
      state: summary.discovery.state,
      error: summary.discovery.error,
    },
    breaker: summary.breaker.state,
    signals: summary.signals,
    ...minute.row,
  };
  return {
    row,
    policy: destination.policy,
    limit,
    places: { counted: places.counted, taken: places.taken },
    ended: minute.ended,
    serviceMs: minute.serviceMs,
    http2: row.active + row.idle > 0 && http2Alone(destination),
    unreached: unreachedOf(destination, now),
    unfit: census.endpointsUnfit === 0 ? [] : unfitOf(destination),
  };
}

/** Two of one name: one that a reload replaced goes on until its last exchange has ended. Its connections count. */
export function together(one: DestinationSight, closing: DestinationSight): DestinationSight {
  const { row } = one;
  const { connecting, active, idle, draining, pending } = closing.row;
  return {
    ...one,
    row: {
      ...row,
      connecting: row.connecting + connecting,
      active: row.active + active,
      idle: row.idle + idle,
      draining: row.draining + draining,
      pending: row.pending + pending,
    },
  };
}

function http2Alone({ pool }: SeenDestination): boolean {
  for (const { open } of pool.allEndpoints) for (const { spoken } of open) if (spoken !== 'http2') return false;
  return true;
}

function unfitOf({ pool }: SeenDestination): DestinationSight['unfit'] {
  const unfit: { id: string; state: 'ejected' | 'failing' }[] = [];
  for (const { spec, shownState } of pool.allEndpoints)
    if ((shownState === 'ejected' || shownState === 'failing') && unfit.length < MAX_NAMED)
      unfit.push({ id: spec.id, state: shownState });
  return unfit;
}

function unreachedOf({ pool }: SeenDestination, now: number): readonly Unreached[] {
  const unreached: Unreached[] = [];
  for (const { spec, connectsFailed, shownState } of pool.allEndpoints) {
    if (connectsFailed === null || connectsFailed.tls || shownState !== 'ready') continue;
    const { count, errno, message, at } = connectsFailed;
    const cause = message.includes(errno) ? message : `${errno} ${message}`;
    unreached.push({ id: spec.id, connects: count, cause, timedOut: errno === 'ETIMEDOUT', agoMs: now - at });
    if (unreached.length === MAX_NAMED) break;
  }
  return unreached;
}
