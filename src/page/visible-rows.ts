/** Rows beyond the edges that are drawn too, so that the next one is there before it is seen, or reached by the keyboard. */
const MARGIN = 8;

/** Which rows of a long table are drawn: from `first` to before `end`. */
export type Visible = { readonly first: number; readonly end: number };

/**
 * The rows that are on the screen, and a margin. In steps of the margin, so that scrolling by a row changes nothing.
 * @param top where the first row begins, in pixels below the screen's upper edge; negative when it was scrolled past
 */
export function visibleRows(rows: number, rowHeight: number, top: number, screen: number): Visible {
  if (rowHeight <= 0) return { first: 0, end: Math.min(rows, 40) };
  const seenFirst = Math.floor(-top / rowHeight);
  const seenEnd = Math.ceil((screen - top) / rowHeight);
  const first = Math.floor((seenFirst - MARGIN) / MARGIN) * MARGIN;
  const end = Math.ceil((seenEnd + MARGIN) / MARGIN) * MARGIN;
  const held = Math.min(Math.max(first, 0), Math.max(0, rows - 1));
  return { first: held, end: Math.max(Math.min(end, rows), Math.min(rows, held + 1)) };
}
