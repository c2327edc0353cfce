import { wrapped } from './finding-lines.ts';
import { type JsonObject, listAt, numberAt, textAt } from './json-reader.ts';
import { type Paper, paint } from './paper.ts';
import type { Shown } from './show.ts';
import { type Asking, askStatus, findingsIn, namesAndLabels, refuseUnknown } from './status-reading.ts';
import { drawRow, layOut, left, type Row, right, table } from './table.ts';
import { age, isoTime } from './times.ts';

const ON_TERMINAL = [left('CODE'), left('DESTINATION'), right('STATUS', 2), right('COUNT'), right('LAST')];
const ON_A_LINE = [
  left('CODE'),
  left('DESTINATION'),
  right('STATUS'),
  right('COUNT'),
  left('LAST'),
  left('MESSAGE'),
  left('HINT'),
];

/** `carpool errors`: what carpool answered itself, by code and destination, with what to do about it. */
export async function lookAtErrors(asking: Asking, destination: string | null): Promise<Shown> {
  // A destination that never answered may be known by its errors alone: the sidecar is not asked for it.
  const status = await askStatus(asking);
  const names = destination === null ? null : namesAndLabels(status, destination);
  const errors = listAt(status, 'errors').filter((row) => names === null || names.has(textAt(row, 'destination')));
  if (destination !== null && errors.length === 0) refuseUnknown(status, destination);
  const now = numberAt(status, 'time');
  const about = destination === null ? '' : ` for ${destination}`;
  return {
    json: errors.map(Object.fromEntries),
    text: (paper) => (errors.length === 0 ? '' : errorsText(errors, now, paper)),
    empty: `no error yet: carpool has answered no request${about} itself`,
    findings: findingsIn(status, destination),
  };
}

function errorsText(errors: readonly JsonObject[], now: number, paper: Paper): string {
  if (paper.width === null) return table(ON_A_LINE, errors.map(lineRow), paper);
  const rows = errors.map((error) => terminalRow(error, now));
  const layout = layOut(ON_TERMINAL, rows, paper);
  const titles = ON_TERMINAL.map(({ title }) => ({ text: title, style: 'bold' as const }));
  let text = drawRow(ON_TERMINAL, titles, layout, paper);
  for (const [i, row] of rows.entries()) {
    const error = errors[i];
    text += drawRow(ON_TERMINAL, row, layout, paper);
    if (error === undefined) continue;
    for (const line of wrapped(textAt(error, 'lastMessage'), paper, 2)) text += `  ${paint(line, 'dim', paper)}\n`;
    const hint = textAt(error, 'hint');
    if (hint === '') continue;
    for (const [at, line] of wrapped(hint, paper, 4).entries()) text += `${at === 0 ? '  → ' : '    '}${line}\n`;
  }
  return text;
}

function terminalRow(error: JsonObject, now: number): Row {
  return [
    { text: textAt(error, 'code'), style: 'bold' },
    textAt(error, 'destination'),
    statusOf(error),
    String(numberAt(error, 'count')),
    `${age(Math.max(0, now - numberAt(error, 'lastTime')))} ago`,
  ];
}

function lineRow(error: JsonObject): Row {
  return [
    textAt(error, 'code'),
    textAt(error, 'destination'),
    statusOf(error),
    String(numberAt(error, 'count')),
    isoTime(numberAt(error, 'lastTime')),
    textAt(error, 'lastMessage') || '-',
    textAt(error, 'hint') || '-',
  ];
}

/** 0: nobody was left to answer. */
const statusOf = (error: JsonObject): string => (numberAt(error, 'status') > 0 ? textAt(error, 'status') : '-');
