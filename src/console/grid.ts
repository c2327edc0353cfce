import { fitText, textWidth } from '../cli/text-width.ts';
import type { Line, Span } from './line.ts';
import { span } from './line.ts';

/** One column of a list, and what it costs to leave it out. */
export type GridColumn = {
  readonly title: string;
  readonly align: 'left' | 'right';
  /** Columns of the highest rank go first where the screen is narrow; 0 stays always. */
  readonly rank: number;
  /** It may be cut down to so many cells; absent: it may not be cut. */
  readonly least?: number;
  /** A history: what is cut off is its beginning. */
  readonly newestLast?: boolean;
};

/** A column of rows of one kind. */
export type ListColumn<T> = GridColumn & {
  readonly cell: (row: T) => Span;
  /** What it is sorted by: numbers begin with the greatest, text with the first of the alphabet. */
  readonly order: (row: T) => number | string;
};

/** A row; cells stand in the order of the columns. */
export type GridRow = { readonly key: string; readonly cells: readonly Span[] };

const GAP = 2;
/** Before each row: `> ` is the cursor. */
const MARK = 2;

/**
 * Cells for each column, 0 for one that is left out.
 * @param widest of each column, the cells of its widest content
 * @param room cells for all of them and the gaps between
 */
export function fitColumns(columns: readonly GridColumn[], widest: readonly number[], room: number): number[] {
  const natural = columns.map(({ title }, i) => Math.max(textWidth(title), widest[i] ?? 0));
  const least = columns.map((column, i) => Math.min(natural[i] ?? 0, column.least ?? Number.POSITIVE_INFINITY));
  const kept = new Set(columns.keys());
  const need = (widths: readonly number[]): number => {
    let cells = -GAP;
    for (const i of kept) cells += (widths[i] ?? 0) + GAP;
    return cells;
  };
  while (need(least) > room) {
    let dearest = -1;
    for (const i of kept) if ((columns[i]?.rank ?? 0) > (columns[dearest]?.rank ?? 0)) dearest = i;
    if (dearest < 0) break;
    kept.delete(dearest);
  }
  const widths = natural.map((width, i) => (kept.has(i) ? width : 0));
  for (let excess = need(widths) - room; excess > 0; excess--) {
    let widestOne = -1;
    for (const i of kept)
      if ((widths[i] ?? 0) > (least[i] ?? 0) && (widths[i] ?? 0) > (widths[widestOne] ?? 0)) widestOne = i;
    if (widestOne < 0) break;
    widths[widestOne] = (widths[widestOne] ?? 0) - 1;
  }
  return widths;
}

/** The titles, with an arrow at the column by which rows are sorted (null: none), and as many rows as `rows` has. */
export function gridLines(
  columns: readonly GridColumn[],
  rows: readonly GridRow[],
  screenColumns: number,
  sorted: { readonly column: string | null; readonly falling: boolean },
  selected: string | null,
): { readonly head: Line; readonly body: readonly Line[] } {
  const titled = columns.map((column) =>
    column.title === sorted.column ? { ...column, title: `${column.title}${sorted.falling ? '▼' : '▲'}` } : column,
  );
  const widest = columns.map((_, i) => Math.max(0, ...rows.map(({ cells }) => textWidth(cells[i]?.text ?? ''))));
  const widths = fitColumns(titled, widest, screenColumns - MARK);
  const gap = span(' '.repeat(GAP));
  const fill = (cells: readonly Span[], mark: string): Span[] => {
    const spans: Span[] = [span(mark)];
    for (const [i, column] of titled.entries()) {
      const width = widths[i] ?? 0;
      if (width === 0) continue;
      if (spans.length > 1) spans.push(gap);
      const cell = cells[i] ?? span('');
      const text = column.newestLast ? cell.text.slice(-width) : cell.text;
      spans.push(span(placed(text, width, column.align), cell.style));
    }
    return spans;
  };
  return {
    head: {
      spans: fill(
        titled.map(({ title }) => span(title, 'bold')),
        ' '.repeat(MARK),
      ),
      selected: false,
    },
    body: rows.map(({ key, cells }) => {
      const here = key === selected;
      return { spans: fill(cells, here ? '> ' : '  '), selected: here };
    }),
  };
}

/** Text in exactly so many cells. */
function placed(text: string, width: number, align: 'left' | 'right'): string {
  const cut = fitText(text, width);
  const free = ' '.repeat(Math.max(0, width - textWidth(cut)));
  return align === 'left' ? cut + free : free + cut;
}
