import type { StatusSnapshot } from '../status/types.ts';
import type { GridColumn, GridRow, ListColumn } from './grid.ts';
import { connectionColumns } from './list-connections.ts';
import { destinationColumns } from './list-destinations.ts';
import { endpointColumns } from './list-endpoints.ts';
import { errorColumns, eventColumns, findingColumns, findingKeys } from './list-reports.ts';
import { filterOf, type Tab, type WatchState } from './watch-state.ts';

export type ListRow = GridRow & { readonly destination: string | null };

/** A list as it stands: filtered and in its order. Cells are made of the rows that are drawn. */
export type List = {
  readonly columns: readonly GridColumn[];
  readonly keys: readonly string[];
  /** How many rows there are without the filter. */
  readonly total: number;
  readonly sorted: { readonly column: string | null; readonly falling: boolean };
  /** The rows from one to another. */
  readonly rows: (from: number, to: number) => readonly ListRow[];
  /** The destination that a row is about, by its place in the list. */
  readonly destination: (index: number) => string | null;
};

type Kind<T> = {
  readonly columns: readonly ListColumn<T>[];
  readonly key: (row: T) => string;
  readonly destination: (row: T) => string | null;
};

/** The rows of a tab: of the open destination alone where there is one. */
export function listOf(tab: Tab, snapshot: StatusSnapshot, state: WatchState): List {
  const { opened } = state;
  const { detail } = snapshot;
  const shown = detail !== null && detail.name === opened ? detail : null;
  const mine = (name: string | null): boolean => opened === null || name === opened;
  switch (tab) {
    case 'destinations': {
      const columns = destinationColumns(snapshot);
      return arrange(
        snapshot.destinations,
        { columns, key: ({ name }) => name, destination: ({ name }) => name },
        tab,
        state,
      );
    }
    case 'connections':
      return arrange(
        shown?.connections ?? [],
        { columns: connectionColumns, key: ({ id }) => String(id), destination: () => opened },
        tab,
        state,
      );
    case 'endpoints':
      return arrange(
        shown?.endpoints ?? [],
        { columns: endpointColumns, key: ({ id }) => id, destination: () => opened },
        tab,
        state,
      );
    case 'events':
      return arrange(
        snapshot.events.filter(({ destination }) => mine(destination)),
        { columns: eventColumns(opened === null), key: ({ sequence }) => String(sequence), destination: destinationOf },
        tab,
        state,
      );
    case 'errors': {
      // Errors are counted by label, which is the name of a destination or that of its entry.
      const label = snapshot.destinations.find(({ name }) => name === opened)?.label ?? opened;
      const named = (text: string): string | null =>
        snapshot.destinations.find((row) => row.label === text)?.name ?? null;
      return arrange(
        snapshot.errors.filter(({ destination }) => opened === null || destination === label),
        {
          columns: errorColumns(opened === null),
          key: ({ code, destination }) => `${code} ${destination}`,
          destination: ({ destination }) => named(destination),
        },
        tab,
        state,
      );
    }
    case 'findings': {
      const keys = findingKeys(snapshot.findings);
      return arrange(
        snapshot.findings.filter(({ destination }) => mine(destination)),
        { columns: findingColumns(opened === null), key: (row) => keys.get(row) ?? '', destination: destinationOf },
        tab,
        state,
      );
    }
  }
}

function destinationOf({ destination }: { readonly destination: string | null }): string | null {
  return destination;
}

function arrange<T>(all: readonly T[], kind: Kind<T>, tab: Tab, state: WatchState): List {
  const { columns, key } = kind;
  const wanted = filterOf(state).toLowerCase();
  const rows =
    wanted === ''
      ? [...all]
      : all.filter((row) => columns.some(({ cell }) => cell(row).text.toLowerCase().includes(wanted)));
  const sort = state.sorts[tab];
  const column = columns.find(({ title }) => title === sort.column);
  let falling = false;
  if (column !== undefined) {
    // An empty list has no first row to tell what it is sorted by; any direction will do.
    const byNumber = rows.length > 0 && rows.some((row) => typeof column.order(row) === 'number');
    falling = byNumber !== sort.reversed;
    const direction = falling ? -1 : 1;
    rows.sort((a, b) => direction * compare(column.order(a), column.order(b)) || compare(key(a), key(b)));
  } else if (sort.reversed) rows.reverse();
  return {
    columns,
    keys: rows.map(key),
    total: all.length,
    sorted: { column: column?.title ?? null, falling },
    rows: (from, to) =>
      rows.slice(from, to).map((row) => ({
        key: key(row),
        cells: columns.map(({ cell }) => cell(row)),
        destination: kind.destination(row),
      })),
    destination: (index) => {
      const row = rows[index];
      return row === undefined ? null : kind.destination(row);
    },
  };
}

function compare(a: number | string, b: number | string): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0;
}
