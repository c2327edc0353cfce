import type { ConnectionRow } from '../status/types.ts';
import { age } from './figures.ts';
import type { ListColumn } from './grid.ts';
import { span } from './line.ts';

/** Columns of the connections of one destination. */
export const connectionColumns: readonly ListColumn<ConnectionRow>[] = [
  { title: 'ID', align: 'right', rank: 4, cell: ({ id }) => span(String(id)), order: ({ id }) => id },
  {
    title: 'ENDPOINT',
    align: 'left',
    rank: 0,
    least: 14,
    cell: ({ endpoint }) => span(endpoint),
    order: ({ endpoint }) => endpoint,
  },
  {
    title: 'STATE',
    align: 'left',
    rank: 0,
    cell: ({ state }) => span(state, state === 'draining' ? 'warning' : state === 'active' ? 'good' : 'plain'),
    order: ({ state }) => state,
  },
  {
    title: 'PROTOCOL',
    align: 'left',
    rank: 5,
    cell: ({ protocol }) => span(protocol),
    order: ({ protocol }) => protocol,
  },
  { title: 'AGE', align: 'right', rank: 1, cell: ({ ageMs }) => span(age(ageMs)), order: ({ ageMs }) => ageMs },
  {
    title: 'IDLE',
    align: 'right',
    rank: 6,
    cell: ({ idleMs }) => span(idleMs === null ? '-' : age(idleMs)),
    order: ({ idleMs }) => idleMs ?? -1,
  },
  {
    title: 'REQUESTS',
    align: 'right',
    rank: 2,
    cell: ({ requests }) => span(String(requests)),
    order: ({ requests }) => requests,
  },
  {
    title: 'STREAMS',
    align: 'right',
    rank: 7,
    cell: ({ streams }) => span(String(streams)),
    order: ({ streams }) => streams,
  },
  {
    title: 'CLOSES BECAUSE',
    align: 'left',
    rank: 3,
    least: 14,
    cell: ({ reason }) => span(reason ?? '-'),
    order: ({ reason }) => reason ?? '-',
  },
];
