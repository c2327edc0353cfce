import { clockTime } from '../cli/times.ts';
import type { ErrorRow, EventRow, StatusSnapshot } from '../status/types.ts';
import { wholeFinding } from './finding-lines.ts';
import { EMPTY, type Line, line, span, styled } from './line.ts';
import { findingKeys, severityStyle } from './list-reports.ts';
import { wrap } from './wrap.ts';

/** A finding, an error or an event with all its words. */
export function words(
  of: 'findings' | 'events' | 'errors',
  key: string,
  snapshot: StatusSnapshot,
  columns: number,
): readonly Line[] {
  if (of === 'findings') {
    for (const [finding, its] of findingKeys(snapshot.findings)) if (its === key) return wholeFinding(finding, columns);
    return [styled('It is over: the sidecar does not find this any more.', 'good')];
  }
  if (of === 'errors') {
    const row = snapshot.errors.find(({ code, destination }) => `${code} ${destination}` === key);
    return row === undefined ? [line('The sidecar does not tell of this error any more.')] : errorWords(row, columns);
  }
  const row = snapshot.events.find(({ sequence }) => String(sequence) === key);
  return row === undefined
    ? [line('The sidecar has forgotten this event: it keeps the newest 200.')]
    : eventWords(row, columns);
}

function errorWords(
  { code, destination, count, status, lastTime, lastMessage, hint }: ErrorRow,
  columns: number,
): Line[] {
  const answered = status === 0 ? 'nobody was left to answer' : `answered with ${status}`;
  return [
    line(span(code, 'bad'), `  ${destination}`),
    line(span(`${count} since the start, ${answered}; the last at ${clockTime(lastTime)}`, 'dim')),
    EMPTY,
    ...wrap(lastMessage, columns).map((text) => line(text)),
    EMPTY,
    styled('What to do', 'bold'),
    ...wrap(hint, columns).map((text) => line(text)),
  ];
}

function eventWords(
  { time, type, severity, destination, endpoint, reason, count, text }: EventRow,
  columns: number,
): Line[] {
  const facts: readonly (readonly [string, string | null])[] = [
    ['destination', destination],
    ['endpoint', endpoint],
    ['reason', reason],
    ['times', count > 1 ? String(count) : null],
  ];
  return [
    line(span(type, severityStyle(severity)), `  ${severity}, ${clockTime(time)}`),
    EMPTY,
    ...wrap(text, columns).map((part) => line(part)),
    EMPTY,
    ...facts.filter(([, value]) => value !== null).map(([name, value]) => line(`${name.padEnd(13)}${value}`)),
  ];
}
