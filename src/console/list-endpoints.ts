import type { EndpointRow } from '../status/types.ts';
import { age, latency, unlessNone } from './figures.ts';
import type { ListColumn } from './grid.ts';
import { type Style, span } from './line.ts';

/** As often in ten minutes, and it looks as if its readiness probe could not make up its mind. */
const OFTEN = 6;

const STYLES: Readonly<Record<EndpointRow['state'], Style>> = {
  ready: 'good',
  suspended: 'warning',
  unready: 'warning',
  terminating: 'warning',
  removed: 'dim',
  ejected: 'bad',
  failing: 'bad',
};

/** Columns of the endpoints of one destination. */
export const endpointColumns: readonly ListColumn<EndpointRow>[] = [
  { title: 'ENDPOINT', align: 'left', rank: 0, least: 14, cell: ({ id }) => span(id), order: ({ id }) => id },
  {
    title: 'STATE',
    align: 'left',
    rank: 0,
    cell: ({ state, ejectedForMs }) =>
      span(state === 'ejected' && ejectedForMs > 0 ? `ejected ${age(ejectedForMs)}` : state, STYLES[state]),
    order: ({ state }) => state,
  },
  {
    title: 'SERVES',
    align: 'left',
    rank: 4,
    cell: ({ inRotation }) => span(inRotation ? 'yes' : 'no', inRotation ? 'plain' : 'warning'),
    order: ({ inRotation }) => (inRotation ? 'yes' : 'no'),
  },
  {
    title: 'RUNNING',
    align: 'right',
    rank: 2,
    cell: ({ outstanding }) => span(String(outstanding)),
    order: ({ outstanding }) => outstanding,
  },
  {
    title: 'CONNS',
    align: 'right',
    rank: 1,
    cell: (row) => span(String(connections(row))),
    order: connections,
  },
  {
    title: 'LATENCY',
    align: 'right',
    rank: 5,
    cell: ({ latencyMs }) => span(latency(latencyMs)),
    order: ({ latencyMs }) => latencyMs,
  },
  {
    title: 'CONNECT',
    align: 'right',
    rank: 8,
    cell: ({ connectMs }) => span(latency(connectMs)),
    order: ({ connectMs }) => connectMs ?? -1,
  },
  {
    title: 'FAILURES',
    align: 'right',
    rank: 6,
    cell: ({ consecutiveFailures }) => span(String(consecutiveFailures), unlessNone(consecutiveFailures)),
    order: ({ consecutiveFailures }) => consecutiveFailures,
  },
  {
    title: 'CHECK',
    align: 'left',
    rank: 7,
    cell: ({ check }) => span(check ?? '-', check === 'failing' ? 'bad' : 'plain'),
    order: ({ check }) => check ?? '-',
  },
  {
    title: 'CHANGES/10M',
    align: 'right',
    rank: 3,
    cell: ({ changes }) => span(String(changes), changes >= OFTEN ? 'warning' : 'plain'),
    order: ({ changes }) => changes,
  },
  {
    title: 'IDLE TIME',
    align: 'left',
    rank: 9,
    cell: ({ idleTimeMs, idleTimeSource }) => span(`${age(idleTimeMs)} ${idleTimeSource}`),
    order: ({ idleTimeMs }) => idleTimeMs,
  },
];

function connections({ active, idle, draining, connecting }: EndpointRow): number {
  return active + idle + draining + connecting;
}
