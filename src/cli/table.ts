/** One column; numbers stand on the right. */
export type Column = { readonly title: string; readonly align: 'left' | 'right' };

const GAP = '  ';
/** A column is never cut below this many characters. */
const NARROWEST = 6;

/**
 * A table. With `columns` (a terminal) the widest text columns are cut until a row fits on a line; without, nothing is
 * cut and nothing but text is written.
 */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[], width: number | null): string {
  const clean = rows.map((row) => row.map(printable));
  const widths = columns.map(({ title }, i) => Math.max(title.length, ...clean.map((row) => row[i]?.length ?? 0)));
  if (width !== null) fit(widths, columns, width);
  const line = (cells: readonly string[]) =>
    columns
      .map(({ align }, i) => cell(cells[i] ?? '', widths[i] ?? 0, align))
      .join(GAP)
      .trimEnd();
  return [columns.map(({ title }) => title), ...clean].map((cells) => `${line(cells)}\n`).join('');
}

/** Takes a character from the widest left-aligned column until the line fits or none may give more. */
function fit(widths: number[], columns: readonly Column[], width: number): void {
  let excess = widths.reduce((sum, each) => sum + each, 0) + GAP.length * (widths.length - 1) - width;
  while (excess > 0) {
    let widest = -1;
    for (const [i, each] of widths.entries())
      if (columns[i]?.align === 'left' && each > NARROWEST && each > (widths[widest] ?? 0)) widest = i;
    if (widest < 0) return;
    widths[widest] = (widths[widest] ?? 0) - 1;
    excess--;
  }
}

function cell(text: string, width: number, align: 'left' | 'right'): string {
  const cut = text.length > width ? `${text.slice(0, width - 1)}…` : text;
  return align === 'left' ? cut.padEnd(width) : cut.padStart(width);
}

/** Names come from what the app asked for: control characters must not reach the terminal. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?');
}
