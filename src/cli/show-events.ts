import type { CliDeps } from './deps.ts';
import { wrapped } from './finding-lines.ts';
import { type JsonObject, listAt, numberAt, textAt } from './json-reader.ts';
import { paperOf, type Style } from './paper.ts';
import { cameBack, type Showing, wentAway } from './show.ts';
import { type Asking, askStatus, namesAndLabels, refuseUnknown, uptimeIn } from './status-reading.ts';
import { drawRow, layOut, left, type Row } from './table.ts';
import { age, isoTime, timeOfDay } from './times.ts';
import { watch } from './watching.ts';

/** Which events are meant. */
export type EventFilter = {
  readonly destination: string | null;
  /** Types, or parts of them up to an underscore (`endpoint`); none: all. */
  readonly types: readonly string[];
  /** Milliseconds before the sidecar's now, or null. */
  readonly sinceMs: number | null;
};

const ON_TERMINAL = [left('TIME'), left('SEVERITY', 2), left('TYPE', 3), left('DESTINATION'), left('ENDPOINT', 4)];
const ON_A_LINE = [...ON_TERMINAL, left('WHAT')];
const STYLES: Readonly<Record<string, Style>> = { error: 'red', warning: 'yellow' };

/** `carpool events`: the oldest first, and with --watch each new one as it comes. */
export async function showEvents(
  asking: Omit<Asking, 'stopped'>,
  filter: EventFilter,
  showing: Showing,
  deps: CliDeps,
): Promise<void> {
  // Of a destination that is gone, or not there yet, there may be events: the sidecar is not asked for one.
  const look = (stopped: AbortSignal | undefined) => askStatus({ ...asking, stopped });
  const { watchMs } = showing;
  const first = new EventTail(filter, showing, deps);
  if (watchMs === null) return first.whole(await look(undefined));
  let absent = false;
  await watch(
    {
      intervalMs: watchMs,
      look,
      seen: (status, back) => {
        if (back !== null) deps.err(`${cameBack(back, deps.clock.now())}\n`);
        absent = false;
        first.more(status);
      },
      away: (absence) => {
        if (!absent) deps.err(`${wentAway(absence)}\n`);
        absent = true;
      },
    },
    deps,
  );
}

/** Prints events, each once: what was printed is known by its sequence. */
class EventTail {
  readonly #filter: EventFilter;
  readonly #showing: Showing;
  readonly #deps: CliDeps;
  /** Of the newest event that was seen; null: none was looked for yet. */
  #sequence: number | null = null;
  #uptimeMs = 0;
  #widths: readonly number[] = [];

  constructor(filter: EventFilter, showing: Showing, deps: CliDeps) {
    this.#filter = filter;
    this.#showing = showing;
    this.#deps = deps;
  }

  whole(status: JsonObject): void {
    const events = this.#wanted(status);
    const { out, err } = this.#deps;
    if (this.#showing.output === 'json') out(`${JSON.stringify(events.map(Object.fromEntries), null, 2)}\n`);
    else if (events.length === 0) err(`${this.#none(status)}\n`);
    else this.#print(events, numberAt(status, 'time'));
  }

  more(status: JsonObject): void {
    const all = listAt(status, 'events');
    const newest = Math.max(0, ...all.map((event) => numberAt(event, 'sequence')));
    const before = this.#sequence;
    const restarted = before !== null && this.#isRestarted(status, newest);
    if (restarted) this.#deps.err('the sidecar was restarted: its events begin anew\n');
    const known = before === null || restarted ? 0 : before;
    // What came again has a new sequence, and was not missed.
    const oldest = Math.min(...all.map((event) => numberAt(event, 'first') || numberAt(event, 'sequence')));
    // Closes and other events are kept apart: a gap is certain only where even the oldest is too new.
    if (before !== null && !restarted && all.length > 0 && oldest > before + 1)
      this.#deps.err(`${oldest - before - 1} events or more came and went between two looks: --watch with less\n`);
    this.#sequence = newest;
    this.#uptimeMs = uptimeIn(status) ?? 0;
    const events = this.#wanted(status).filter((event) => numberAt(event, 'sequence') > known);
    if (before === null && events.length === 0 && this.#showing.output === 'table')
      this.#deps.err(`${this.#none(status)}; waiting for the next\n`);
    this.#print(events, numberAt(status, 'time'));
  }

  /** A restarted sidecar counts from the beginning, and has been up for less long than it was. */
  #isRestarted(status: JsonObject, newest: number): boolean {
    return newest < (this.#sequence ?? 0) || (uptimeIn(status) ?? this.#uptimeMs) < this.#uptimeMs;
  }

  /** The oldest first, as in a log. */
  #wanted(status: JsonObject): JsonObject[] {
    const { destination, types, sinceMs } = this.#filter;
    const names = destination === null ? null : namesAndLabels(status, destination);
    const from = sinceMs === null ? 0 : numberAt(status, 'time') - sinceMs;
    return listAt(status, 'events')
      .filter((event) => names === null || names.has(textAt(event, 'destination')))
      .filter((event) => types.length === 0 || types.some((type) => isOfType(textAt(event, 'type'), type)))
      .filter((event) => numberAt(event, 'time') >= from)
      .sort((a, b) => numberAt(a, 'sequence') - numberAt(b, 'sequence'));
  }

  /** Why there is nothing to print. @throws CliError where there can be nothing: no such destination, no such type */
  #none(status: JsonObject): string {
    const { destination, types, sinceMs } = this.#filter;
    const events = listAt(status, 'events');
    if (destination !== null && !events.some((event) => textAt(event, 'destination') === destination))
      refuseUnknown(status, destination);
    const seen = [...new Set(events.map((event) => textAt(event, 'type')))].sort();
    const parts = [
      ...(types.length > 0 ? [` of type ${types.join(' or ')}`] : []),
      ...(destination === null ? [] : [` of ${destination}`]),
      ...(sinceMs === null ? [] : [` in the last ${age(sinceMs)}`]),
    ].join('');
    return `no event${parts} is kept${types.length > 0 && seen.length > 0 ? `; there are: ${seen.join(', ')}` : ''}`;
  }

  /** @param now the sidecar's */
  #print(events: readonly JsonObject[], now: number): void {
    const { out } = this.#deps;
    if (this.#showing.output === 'json') {
      for (const event of events) out(`${JSON.stringify(Object.fromEntries(event))}\n`);
      return;
    }
    if (events.length === 0) return;
    const paper = paperOf(this.#deps, this.#showing.color);
    const onTerminal = paper.width !== null;
    const columns = onTerminal ? ON_TERMINAL : ON_A_LINE;
    const timed = (event: JsonObject): string => {
      const time = numberAt(event, 'time');
      return onTerminal ? timeOfDay(time, now) : isoTime(time);
    };
    const rows = events.map((event) => eventRow(event, timed(event)));
    const layout = layOut(columns, rows, paper, this.#widths);
    let text = '';
    if (this.#widths.length === 0)
      text += drawRow(
        columns,
        columns.map(({ title }) => ({ text: title, style: 'bold' as const })),
        layout,
        paper,
      );
    this.#widths = layout.widths;
    for (const [i, row] of rows.entries()) {
      text += drawRow(columns, row, layout, paper);
      const event = events[i];
      if (!onTerminal || event === undefined) continue;
      for (const line of wrapped(wordsOf(event), paper, 2)) text += `  ${line}\n`;
    }
    out(text);
  }
}

/** On a terminal the words go over lines of their own: there is no column for the last of the cells. */
function eventRow(event: JsonObject, time: string): Row {
  const severity = textAt(event, 'severity');
  return [
    time,
    { text: severity, style: STYLES[severity] ?? null },
    textAt(event, 'type'),
    textAt(event, 'destination') || '-',
    textAt(event, 'endpoint') || '-',
    wordsOf(event),
  ];
}

/** What happened, and why. */
function wordsOf(event: JsonObject): string {
  const count = numberAt(event, 'count');
  const text = textAt(event, 'text');
  return count > 1 ? `${text} (${count} times)` : text;
}

/** `endpoint` means all of `endpoint_ejected`, `endpoint_restored` …; a whole type means itself. */
function isOfType(type: string, wanted: string): boolean {
  return type === wanted || type.startsWith(`${wanted}_`);
}
