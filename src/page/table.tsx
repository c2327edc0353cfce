import type { ComponentChildren, JSX } from 'preact';
import { useVisibleRows } from './use-visible-rows.ts';

/** A column: its words, and how it is called in the style sheet, which hides the less needed ones on narrow screens. */
export type Column = {
  readonly key: string;
  readonly words: string;
  /** What they mean, where they do not say it all. */
  readonly about?: string;
  readonly numeric?: boolean;
};

type Props<T> = {
  readonly caption: string;
  readonly columns: readonly Column[];
  readonly items: readonly T[];
  /** A `tr` with `data-row`, keyed. */
  readonly row: (item: T, index: number) => JSX.Element;
  readonly empty: string;
  /** All rows are drawn, each as high as its words need: for tables of some hundred rows at most that change seldom. */
  readonly whole?: boolean;
  /** What stands in the head of a column in the place of its words. */
  readonly head?: (column: Column) => ComponentChildren;
  readonly sorted?: { readonly key: string; readonly descending: boolean };
};

/** A real table, of which only the rows on the screen are drawn where it is long. */
export function Table<T>({ caption, columns, items, row, empty, whole = false, head, sorted }: Props<T>): JSX.Element {
  const { body, first, end, above, below } = useVisibleRows(items.length, whole);
  return (
    <table aria-rowcount={whole ? undefined : items.length + 1}>
      <caption class="hidden">{caption}</caption>
      <thead>
        <tr aria-rowindex={whole ? undefined : 1}>
          {columns.map((column) => (
            <th
              key={column.key}
              scope="col"
              title={column.about}
              class={`${column.key} ${column.numeric ? 'numeric' : ''}`}
              aria-sort={sorted?.key !== column.key ? undefined : sorted.descending ? 'descending' : 'ascending'}
            >
              {head === undefined ? column.words : head(column)}
            </th>
          ))}
        </tr>
      </thead>
      <tbody ref={body}>
        {above > 0 && <Gap height={above} columns={columns.length} />}
        {items.slice(first, end).map((item, index) => row(item, first + index))}
        {below > 0 && <Gap height={below} columns={columns.length} />}
        {items.length === 0 && (
          <tr>
            <td class="empty" colSpan={columns.length}>
              {empty}
            </td>
          </tr>
        )}
      </tbody>
    </table>
  );
}

/** The place of rows that are not drawn. */
function Gap({ height, columns }: { readonly height: number; readonly columns: number }): JSX.Element {
  return (
    // biome-ignore lint/a11y/noAriaHiddenOnFocusable: no row is focusable
    <tr class="gap" aria-hidden="true">
      <td colSpan={columns} style={{ height: `${height}px` }} />
    </tr>
  );
}
