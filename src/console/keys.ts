import {
  closeDestination,
  FINDING_ROW,
  filterOf,
  openDestination,
  type Shown,
  type Sort,
  TABS,
  type Tab,
  type WatchState,
  withCursor,
} from './watch-state.ts';

/** A key as Node's readline tells of it. */
export type KeyPress = {
  readonly name?: string | undefined;
  readonly sequence?: string | undefined;
  readonly ctrl?: boolean | undefined;
  readonly meta?: boolean | undefined;
  readonly shift?: boolean | undefined;
};

const NAMED = new Set(['up', 'down', 'left', 'right', 'pageup', 'pagedown', 'home', 'end', 'escape', 'backspace']);
/** A filter longer than this is no filter. */
const LONGEST_FILTER = 100;

/** One word or one character for a key: `up`, `enter`, `ctrl-c`, `q`, `Q`; empty for what is none of ours. */
export function nameOfKey({ name, sequence, ctrl, meta, shift }: KeyPress): string {
  if (name === 'return' || name === 'enter') return 'enter';
  if (ctrl) return name === undefined ? '' : `ctrl-${name}`;
  if (name === 'tab') return shift ? 'backtab' : 'tab';
  if (name !== undefined && NAMED.has(name)) return name;
  if (meta || sequence === undefined || /[\u0000-\u001f\u007f-\u009f]/.test(sequence)) return '';
  return sequence;
}

/** What a key does: the one function that moves the state, but for what `settle` does to keep the cursor in sight. */
export function press(state: WatchState, key: string, shown: Shown): WatchState {
  if (key === 'ctrl-c') return { ...state, ended: true };
  if (state.typing) return type(state, key);
  if (key === 'p') return { ...state, paused: !state.paused };
  if (state.place.kind === 'help') {
    if (key === 'q' || key === 'escape' || key === '?' || key === 'enter')
      return { ...state, place: state.place.back, scroll: 0 };
    return scrolled(state, key, shown);
  }
  if (key === '?') return { ...state, place: { kind: 'help', back: state.place }, scroll: 0 };
  const tab = tabOf(key, state.tab);
  if (tab !== null) return toTab(state, tab, shown);
  if (key === 'q' || key === 'escape' || key === 'left' || key === 'backspace') return back(state, key);
  if (state.place.kind === 'words' || shown.lines > 0) return scrolled(state, key, shown);
  return inList(state, key, shown);
}

function type(state: WatchState, key: string): WatchState {
  const filter = filterOf(state);
  if (key === 'enter') return { ...state, typing: false };
  if (key === 'escape') return { ...withFilter(state, ''), typing: false };
  if (key === 'backspace') return withFilter(state, [...filter].slice(0, -1).join(''));
  if (key === 'ctrl-u') return withFilter(state, '');
  if ([...key].length !== 1 || filter.length >= LONGEST_FILTER) return state;
  return withFilter(state, filter + key);
}

function withFilter(state: WatchState, filter: string): WatchState {
  return state.opened === null ? { ...state, filter } : { ...state, innerFilter: filter };
}

function tabOf(key: string, now: Tab): Tab | null {
  const number = key.length === 1 ? '123456'.indexOf(key) : -1;
  if (number >= 0) return TABS[number] ?? null;
  const step = key === 'tab' ? 1 : key === 'backtab' ? -1 : 0;
  return step === 0 ? null : (TABS[(TABS.indexOf(now) + step + TABS.length) % TABS.length] ?? null);
}

/** Connections and endpoints are those of one destination: of the open one, or of the one under the cursor. */
function toTab(state: WatchState, tab: Tab, { destination }: Shown): WatchState {
  const next: WatchState = { ...state, place: { kind: 'list' }, tab, scroll: 0 };
  if (state.opened !== null || (tab !== 'connections' && tab !== 'endpoints') || destination === null) return next;
  return openDestination(state, destination, tab);
}

/** One step back: out of the words, off the filter, to all destinations, and by `q` out of the program. */
function back(state: WatchState, key: string): WatchState {
  if (state.place.kind === 'words') return { ...state, place: { kind: 'list' }, scroll: 0 };
  if (key === 'escape' && filterOf(state) !== '') return withFilter(state, '');
  if (state.opened !== null) return closeDestination(state);
  if (state.tab !== 'destinations') return { ...state, tab: 'destinations', scroll: 0 };
  return key === 'q' ? { ...state, ended: true } : state;
}

/** Whether `q` ends the program: there is nothing to go back to. */
export function endsByQ({ place, opened, tab }: WatchState): boolean {
  return place.kind === 'list' && opened === null && tab === 'destinations';
}

function scrolled(state: WatchState, key: string, { page, lines }: Shown): WatchState {
  const to = moved(key, state.scroll, page, lines);
  if (to === null) return state;
  return { ...state, scroll: Math.max(0, Math.min(to, lines - page)) };
}

function inList(state: WatchState, key: string, shown: Shown): WatchState {
  const { keys, page, columns } = shown;
  const cursor = state.cursors[state.tab];
  const to = moved(key, cursor.index, page, keys.length);
  if (to !== null) {
    const index = Math.max(0, Math.min(to, keys.length - 1));
    // At the head of the events one wants to see what comes.
    const follows = state.tab === 'events' && index === 0;
    return withCursor(state, { key: follows ? null : (keys[index] ?? null), index, top: cursor.top });
  }
  switch (key) {
    case 'enter':
    case 'right':
      return enter(state, shown);
    case '/':
      return { ...state, typing: true };
    case 's':
    case '>':
      return sorted(state, 1, columns);
    case '<':
      return sorted(state, -1, columns);
    case 'r': {
      const sort = state.sorts[state.tab];
      return withSort(state, { ...sort, reversed: !sort.reversed });
    }
    default:
      return state;
  }
}

function enter(state: WatchState, { keys, destination }: Shown): WatchState {
  const key = keys[state.cursors[state.tab].index];
  if (key === undefined) return state;
  if (key.startsWith(FINDING_ROW) || state.tab === 'findings')
    return { ...state, place: { kind: 'words', of: 'findings', key }, scroll: 0 };
  if (state.tab === 'events' || state.tab === 'errors')
    return { ...state, place: { kind: 'words', of: state.tab, key }, scroll: 0 };
  return state.tab === 'destinations' && destination !== null ? openDestination(state, destination) : state;
}

/** Where a key moves to, in rows or lines, or null: it moves nothing. */
function moved(key: string, from: number, page: number, length: number): number | null {
  switch (key) {
    case 'up':
    case 'k':
      return from - 1;
    case 'down':
    case 'j':
      return from + 1;
    case 'pageup':
      return from - page;
    case 'pagedown':
    case ' ':
      return from + page;
    case 'home':
    case 'g':
      return 0;
    case 'end':
    case 'G':
      return length - 1;
    default:
      return null;
  }
}

function sorted(state: WatchState, step: number, columns: readonly string[]): WatchState {
  const orders = [null, ...columns];
  const next = (orders.indexOf(state.sorts[state.tab].column) + step + orders.length) % orders.length;
  return withSort(state, { column: orders[next] ?? null, reversed: false });
}

function withSort(state: WatchState, sort: Sort): WatchState {
  return { ...state, sorts: { ...state.sorts, [state.tab]: sort } };
}
