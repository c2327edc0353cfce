import { type Paper, paint, type Style } from './paper.ts';
import { fitText, textWidth } from './text-width.ts';

/** One column; numbers stand on the right. */
export type Column = {
  readonly title: string;
  readonly align: 'left' | 'right';
  /** Where the terminal is narrow, the column with the highest goes first; without it, it stays. */
  readonly drop?: number;
};

/** What stands in a row, in a style where it is out of the ordinary. */
export type Cell = string | { readonly text: string; readonly style: Style | null };

export type Row = readonly Cell[];

/** Which columns are shown, by index, and how wide each is. */
export type Layout = { readonly shown: readonly number[]; readonly widths: readonly number[] };

const GAP = '  ';
/** Other columns go before one of text has fewer characters than this … */
const COMFORTABLE = 16;
/** … and it is never cut below this many. */
const NARROWEST = 6;

export const left = (title: string, drop?: number): Column => column(title, 'left', drop);
export const right = (title: string, drop?: number): Column => column(title, 'right', drop);

function column(title: string, align: Column['align'], drop: number | undefined): Column {
  return drop === undefined ? { title, align } : { title, align, drop };
}

/**
 * A table with its titles. On a terminal no line is longer than it is wide: first the least important columns go, then
 * columns of text are cut. Elsewhere nothing is cut, and a row is a line.
 */
export function table(columns: readonly Column[], rows: readonly Row[], paper: Paper): string {
  const layout = layOut(columns, rows, paper);
  const titles = drawRow(
    columns,
    columns.map(({ title }) => ({ text: title, style: 'bold' as const })),
    layout,
    paper,
  );
  const body = rows.map((row) => drawRow(columns, row, layout, paper)).join('');
  const gone = columns.filter((_, i) => !layout.shown.includes(i)).map(({ title }) => title);
  if (gone.length === 0 || paper.width === null) return titles + body;
  const note = fitText(`(too narrow for ${gone.join(', ')}; -o json has all)`, paper.width);
  return `${titles}${body}${paint(note, 'dim', paper)}\n`;
}

/** @param atLeast widths of an earlier table that this one goes on with */
export function layOut(
  columns: readonly Column[],
  rows: readonly Row[],
  { width }: Paper,
  atLeast: readonly number[] = [],
): Layout {
  const widths = columns.map(({ title }, i) => {
    let widest = Math.max(title.length, atLeast[i] ?? 0);
    for (const row of rows) widest = Math.max(widest, textWidth(printable(textOf(row[i]))));
    return widest;
  });
  const shown = columns.map((_, i) => i);
  if (width !== null) fit(columns, widths, shown, width);
  return { shown, widths };
}

/** Takes columns out of `shown`, and characters from the widest columns of text, until a line fits. */
function fit(columns: readonly Column[], widths: number[], shown: number[], width: number): void {
  const room = width + GAP.length;
  const isText = (i: number): boolean => columns[i]?.align === 'left';
  const total = (of: (i: number) => number): number => shown.reduce((sum, i) => sum + of(i) + GAP.length, 0);
  const comfort = (i: number): number => (isText(i) ? Math.min(widths[i] ?? 0, COMFORTABLE) : (widths[i] ?? 0));
  while (total(comfort) > room) {
    const [next] = shown
      .filter((i) => columns[i]?.drop !== undefined)
      .sort((a, b) => (columns[b]?.drop ?? 0) - (columns[a]?.drop ?? 0));
    if (next === undefined) break;
    shown.splice(shown.indexOf(next), 1);
  }
  const own = (i: number): number => widths[i] ?? 0;
  for (let excess = total(own) - room; excess > 0; excess--) {
    const widest = shown.filter((i) => isText(i) && own(i) > NARROWEST).sort((a, b) => own(b) - own(a))[0];
    if (widest === undefined) break;
    widths[widest] = own(widest) - 1;
  }
  while (shown.length > 1 && total(own) > room) shown.pop();
  const [first = 0] = shown;
  widths[first] = Math.min(own(first), width);
}

/** One line of a table, with its end. */
export function drawRow(columns: readonly Column[], row: Row, { shown, widths }: Layout, paper: Paper): string {
  let line = '';
  let spaces = 0;
  for (const [place, i] of shown.entries()) {
    const cell = row[i] ?? '';
    const width = widths[i] ?? 0;
    const text = fitText(printable(textOf(cell)), width);
    const rest = width - textWidth(text);
    const before = columns[i]?.align === 'right' ? rest : 0;
    spaces += (place === 0 ? 0 : GAP.length) + before;
    // Spaces are written only where something follows: no line ends in them.
    if (text !== '') {
      line += ' '.repeat(spaces) + paint(text, typeof cell === 'string' ? null : cell.style, paper);
      spaces = 0;
    }
    spaces += rest - before;
  }
  return `${line}\n`;
}

function textOf(cell: Cell | undefined): string {
  return typeof cell === 'string' ? cell : (cell?.text ?? '');
}

/**
 * Names come from what the app asked for: control characters must not reach the terminal, nor those that turn the
 * direction of the text after them.
 */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, '?');
}
