/** The lists, in the order of their numbers; of an open destination the first is a summary of it. */
export const TABS = ['destinations', 'connections', 'endpoints', 'events', 'errors', 'findings'] as const;
export type Tab = (typeof TABS)[number];

/** Where the cursor of a list stands: on a row, which it follows when rows change their order. */
export type Cursor = {
  /** The row's key, or null: on whatever stands at `index`. */
  readonly key: string | null;
  readonly index: number;
  /** The first row that is on the screen. */
  readonly top: number;
};

/** The title of the column by which a list is sorted (null: the sidecar's order), and whether the other way round than usual. */
export type Sort = { readonly column: string | null; readonly reversed: boolean };

/** What fills the screen below the header. */
export type Place =
  | { readonly kind: 'list' }
  /** A finding, an event or an error with all its words. */
  | { readonly kind: 'words'; readonly of: 'findings' | 'events' | 'errors'; readonly key: string }
  | { readonly kind: 'help'; readonly back: Exclude<Place, { readonly kind: 'help' }> };

export type WatchState = {
  readonly place: Place;
  readonly tab: Tab;
  /** The destination that is open, or null: all of them are shown. */
  readonly opened: string | null;
  readonly cursors: Readonly<Record<Tab, Cursor>>;
  readonly sorts: Readonly<Record<Tab, Sort>>;
  /** What rows have to contain: one for all, and one for the open destination. */
  readonly filter: string;
  readonly innerFilter: string;
  /** The filter is being typed. */
  readonly typing: boolean;
  /** The display stands still. */
  readonly paused: boolean;
  /** The first line of words, help or a summary that is on the screen. */
  readonly scroll: number;
  readonly ended: boolean;
};

/** What a key has to know of the frame that was on the screen when it was pressed. */
export type Shown = {
  /** Keys of the rows, in their order. Those of findings in the overview begin with FINDING_ROW. */
  readonly keys: readonly string[];
  /** How many of them stand above the list. */
  readonly above: number;
  /** Rows, or lines, on the screen at once. */
  readonly page: number;
  /** Lines of words, help or a summary; 0: it is a list. */
  readonly lines: number;
  /** Titles of the list's columns. */
  readonly columns: readonly string[];
  /** Of the row under the cursor the destination, where it is about one. */
  readonly destination: string | null;
};

export const FINDING_ROW = 'finding ';

const START: Cursor = { key: null, index: 0, top: 0 };
/** The busiest destinations first; connections and endpoints as the sidecar has them; the newest and the worst first. */
const SORTS: Readonly<Record<Tab, Sort>> = {
  destinations: { column: 'USE', reversed: false },
  connections: { column: null, reversed: false },
  endpoints: { column: null, reversed: false },
  events: { column: null, reversed: false },
  errors: { column: 'COUNT', reversed: false },
  findings: { column: null, reversed: false },
};

const CURSORS: Readonly<Record<Tab, Cursor>> = {
  destinations: START,
  connections: START,
  endpoints: START,
  events: START,
  errors: START,
  findings: START,
};

export const FIRST_STATE: WatchState = {
  place: { kind: 'list' },
  tab: 'destinations',
  opened: null,
  cursors: CURSORS,
  sorts: SORTS,
  filter: '',
  innerFilter: '',
  typing: false,
  paused: false,
  scroll: 0,
  ended: false,
};

/** What the rows on the screen have to contain. */
export function filterOf(state: WatchState): string {
  return state.opened === null ? state.filter : state.innerFilter;
}

/** All of a destination, at its summary; cursors of the lists of another one mean nothing there. */
export function openDestination(state: WatchState, name: string, tab: Tab = 'destinations'): WatchState {
  const { destinations } = state.cursors;
  return {
    ...state,
    place: { kind: 'list' },
    tab,
    opened: name,
    cursors: { ...CURSORS, destinations },
    innerFilter: '',
    typing: false,
    scroll: 0,
  };
}

/** Back to all destinations. */
export function closeDestination(state: WatchState): WatchState {
  const { destinations } = state.cursors;
  return { ...state, tab: 'destinations', opened: null, cursors: { ...CURSORS, destinations }, scroll: 0 };
}

/**
 * Puts the cursor of the list on its row, where that has moved to, and the row on the screen.
 * @param above how many of the first keys stand above the list, always in sight
 * @param page rows of the list on the screen
 */
export function settle(state: WatchState, keys: readonly string[], above: number, page: number): WatchState {
  const cursor = state.cursors[state.tab];
  const found = cursor.key === null ? -1 : keys.indexOf(cursor.key);
  const index = Math.max(0, Math.min(found >= 0 ? found : cursor.index, keys.length - 1));
  const row = index - above;
  const last = Math.max(0, keys.length - above - page);
  const near = row < 0 ? cursor.top : Math.max(row - page + 1, Math.min(cursor.top, row));
  const top = Math.max(0, Math.min(last, near));
  if (index === cursor.index && top === cursor.top) return state;
  return withCursor(state, { key: cursor.key, index, top });
}

export function withCursor(state: WatchState, cursor: Cursor): WatchState {
  return { ...state, cursors: { ...state.cursors, [state.tab]: cursor } };
}
