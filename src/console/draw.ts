import type { StatusSnapshot } from '../status/types.ts';
import { findingBlock } from './finding-lines.ts';
import { gridLines } from './grid.ts';
import { header } from './header.ts';
import { help } from './help.ts';
import { endsByQ } from './keys.ts';
import { EMPTY, type Line, line, span, styled } from './line.ts';
import type { Link } from './link.ts';
import { findingKeys } from './list-reports.ts';
import { type List, listOf } from './lists.ts';
import { summary } from './summary.ts';
import { filterOf, type Shown, settle, type WatchState } from './watch-state.ts';
import { words } from './words.ts';

export type Size = { readonly columns: number; readonly rows: number };

/** What a frame is made of. */
export type Model = {
  /** The answer that is on the screen; not the newest one while the display is paused. */
  readonly shown: StatusSnapshot | null;
  readonly link: Link;
  /** Monotonic. */
  readonly now: number;
  readonly intervalMs: number;
};

/** Lines for the screen (as many as it has), the state with its cursor in sight, and what the next key has to know. */
export type Frame = { readonly lines: readonly Line[]; readonly state: WatchState; readonly shown: Shown };

/** Below this there is no room for any of the views. */
export const SMALLEST: Size = { columns: 40, rows: 10 };
const NOTHING: Shown = { keys: [], above: 0, page: 1, lines: 0, columns: [], destination: null };

/** Draws what the state says of what the sidecar says. */
export function draw(state: WatchState, model: Model, size: Size): Frame {
  const { columns, rows } = size;
  if (columns < SMALLEST.columns || rows < SMALLEST.rows) return tooSmall(state, size);
  const above = header(model.shown, model.link, state, { now: model.now, columns, intervalMs: model.intervalMs });
  const room = rows - above.length - 1;
  const { body, state: settled, shown } = bodyOf(state, model.shown, columns, room);
  const filled = [...body.slice(0, room), ...new Array<Line>(Math.max(0, room - body.length)).fill(EMPTY)];
  return { lines: [...above, ...filled, footer(settled, shown)], state: settled, shown };
}

function tooSmall(state: WatchState, { columns, rows }: Size): Frame {
  const text = [
    `${columns}×${rows} is too small:`,
    `${SMALLEST.columns}×${SMALLEST.rows} it takes,`,
    '80×24 is good.',
    'Ctrl-C ends',
  ];
  return { lines: text.slice(0, rows).map((part) => line(part)), state, shown: NOTHING };
}

type Body = { readonly body: readonly Line[]; readonly state: WatchState; readonly shown: Shown };

function bodyOf(state: WatchState, snapshot: StatusSnapshot | null, columns: number, room: number): Body {
  const { place, opened, tab } = state;
  if (place.kind === 'help') return scrolling(help(columns), state, room);
  if (snapshot === null) return scrolling([], state, room);
  if (place.kind === 'words') return scrolling(words(place.of, place.key, snapshot, columns), state, room);
  if (opened !== null && tab === 'destinations') return scrolling(summary(opened, snapshot, columns), state, room);
  const list = listOf(tab, snapshot, state);
  return tab === 'destinations'
    ? overview(list, state, snapshot, columns, room)
    : previewed(list, state, snapshot, columns, room);
}

function scrolling(lines: readonly Line[], state: WatchState, room: number): Body {
  const scroll = Math.max(0, Math.min(state.scroll, lines.length - room));
  return {
    body: lines.slice(scroll, scroll + room),
    state: scroll === state.scroll ? state : { ...state, scroll },
    shown: { ...NOTHING, page: room, lines: Math.max(1, lines.length), destination: state.opened },
  };
}

/** Of what has more words than a row has room for, those of the row under the cursor stand below the list. */
function previewed(list: List, state: WatchState, snapshot: StatusSnapshot, columns: number, room: number): Body {
  const { tab } = state;
  const rows = Math.min(list.keys.length, Math.floor(room / 2) - 1);
  if ((tab !== 'findings' && tab !== 'errors') || rows < 1) return listed(list, [], [], state, columns, room);
  const { body, state: settled, shown } = listed(list, [], [], state, columns, rows + 1);
  const key = shown.keys[settled.cursors[tab].index] ?? '';
  const rule = styled('─'.repeat(columns), 'dim');
  return { body: [...body, rule, ...words(tab, key, snapshot, columns)], state: settled, shown };
}

/** The worst findings above the destinations; the cursor goes through both. */
function overview(list: List, state: WatchState, snapshot: StatusSnapshot, columns: number, room: number): Body {
  // A third of the screen, and what the destinations leave free.
  const most = Math.max(4, Math.floor(room / 3), room - 1 - Math.max(1, list.keys.length));
  const keys = findingKeys(snapshot.findings);
  const block = findingBlock(snapshot.findings, columns, most, null);
  const head: Head[] = block.map(({ line: text, finding }) => {
    const row = finding === null ? undefined : snapshot.findings[finding];
    return {
      line: text,
      key: row === undefined ? null : (keys.get(row) ?? null),
      destination: row?.destination ?? null,
    };
  });
  const calm =
    head.length > 0 ? head : [{ line: styled('  nothing found: all is well', 'good'), key: null, destination: null }];
  return listed(
    list,
    calm,
    head.filter(({ key }) => key !== null),
    state,
    columns,
    room,
  );
}

/** A line above a list; where it has a key the cursor goes there too. */
type Head = { readonly line: Line; readonly key: string | null; readonly destination: string | null };

function listed(
  list: List,
  above: readonly Head[],
  choices: readonly Head[],
  before: WatchState,
  columns: number,
  room: number,
): Body {
  const page = Math.max(1, room - above.length - 1);
  const keys = [...choices.map(({ key }) => key ?? ''), ...list.keys];
  // The cursor begins on the first row of the list.
  const untouched = before.cursors[before.tab];
  const started: WatchState =
    untouched.key === null && untouched.index === 0 && choices.length > 0 && list.keys[0] !== undefined
      ? {
          ...before,
          cursors: { ...before.cursors, [before.tab]: { key: list.keys[0], index: choices.length, top: 0 } },
        }
      : before;
  const state = settle(started, keys, choices.length, page);
  const { index, top } = state.cursors[state.tab];
  const selected = keys[index] ?? null;
  const { head, body } = gridLines(list.columns, list.rows(top, top + page), columns, list.sorted, selected);
  const destination =
    index < choices.length ? (choices[index]?.destination ?? null) : list.destination(index - choices.length);
  return {
    body: [
      ...above.map(({ line: text, key }) => (key !== null && key === selected ? chosen(text) : text)),
      head,
      ...body,
      ...(list.keys.length === 0 ? [styled(`  ${nothingIn(list, state)}`, 'dim')] : []),
    ],
    state,
    shown: {
      keys,
      above: choices.length,
      page,
      lines: 0,
      columns: list.columns.map(({ title }) => title),
      destination,
    },
  };
}

function chosen({ spans }: Line): Line {
  const [, ...rest] = spans;
  return { spans: [span('> '), ...rest], selected: true };
}

function nothingIn(list: List, { tab, opened }: WatchState): string {
  if (list.total > 0) return `none of ${list.total} contains that text: Esc shows all`;
  if (opened === null && (tab === 'connections' || tab === 'endpoints'))
    return 'choose a destination first: 1, and Enter on it';
  return tab === 'destinations' ? 'no destination yet: one appears with its first request' : `no ${tab}`;
}

function footer(state: WatchState, { keys, above, lines, page }: Shown): Line {
  const filter = filterOf(state);
  if (state.typing) return line(span(`/${filter}`, 'bold'), '_  Enter keeps it, Esc shows all');
  const row = keys.length === 0 ? -1 : state.cursors[state.tab].index - above;
  const parts = [
    ...(filter === '' ? [] : [span(` /${filter} `, 'bold')]),
    ...(lines > page ? [span(` ${state.scroll + 1}-${Math.min(lines, state.scroll + page)} of ${lines} `)] : []),
    ...(lines === 0 && row >= 0 ? [span(` ${row + 1} of ${keys.length - above} `)] : []),
    span(` q ${endsByQ(state) ? 'quit' : 'back'}  ? help  / filter  s sort  Enter open  Tab next  p pause`, 'dim'),
  ];
  return line(...parts);
}
