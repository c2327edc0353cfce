import { EMPTY, type Line, line, span, styled } from './line.ts';
import { wrap } from './wrap.ts';

const KEYS: readonly (readonly [string, string])[] = [
  ['up down, k j', 'one row; PgUp PgDn Home End: many'],
  ['Enter', 'open what the cursor is on: a destination, a finding, an error, an event'],
  ['q, Esc', 'back; q ends the program where there is nothing to go back to'],
  ['1 to 6, Tab', 'destinations (of an open one: its summary), connections, endpoints, events, errors, findings'],
  ['s or >, <', 'sort by the next column, by the one before'],
  ['r', 'sort the other way round'],
  ['/', 'show rows that contain a text; Esc shows all again'],
  ['p', 'let the display stand still, and go on'],
  ['Ctrl-L', 'draw the screen anew'],
  ['Ctrl-Z', 'suspend; fg goes on'],
  ['Ctrl-C', 'end the program'],
];

/** The keys, and what the signs mean. */
export function help(columns: number): readonly Line[] {
  return [
    styled('Keys', 'bold'),
    ...KEYS.flatMap(([key, text]) =>
      wrap(text, columns - 16).map((part, i) => line('  ', span((i === 0 ? key : '').padEnd(14), 'accent'), part)),
    ),
    EMPTY,
    styled('Signs', 'bold'),
    line('  CONNS   connections of the limit in force; WAIT: requests that wait for one'),
    line('  USE     of that limit; from 70% on in yellow, from 85% on in red'),
    line('  REQ/S, FAIL%, P50, P99, REUSE%   over the last minute'),
    line('  REQUESTS   requests in 5 seconds each, the newest on the right'),
    line('  !       there is a finding about it: 6, or Enter'),
  ];
}
