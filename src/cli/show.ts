import type { CliDeps } from './deps.ts';
import { findingsText } from './finding-lines.ts';
import type { JsonObject } from './json-reader.ts';
import { type ColorChoice, type Paper, paint, paperOf } from './paper.ts';
import { Redraw } from './redraw.ts';
import { type Column, type Row, table } from './table.ts';
import { fitText } from './text-width.ts';
import { age, isoTime } from './times.ts';
import { type Absence, watch } from './watching.ts';

export type Format = 'table' | 'json';

/** How a command is to show what it finds. */
export type Showing = {
  readonly output: Format;
  readonly color: ColorChoice;
  /** Milliseconds between two looks, or null: one look. */
  readonly watchMs: number | null;
  /** The command as it was typed, for the head of a terminal that is drawn again and again. */
  readonly title: string;
};

/** What one look has found. */
export type Shown = {
  readonly json: unknown;
  /** The text of a table; empty where there is nothing. */
  readonly text: (paper: Paper) => string;
  /** What is said where there is nothing. */
  readonly empty: string;
  /** What stands under the table. */
  readonly findings: readonly JsonObject[];
};

/** How long a terminal says that the sidecar is back, in milliseconds. */
const BACK_MS = 10_000;

/**
 * Shows what `look` finds, once or again and again. Off a terminal standard output has the rows alone: the findings go to
 * standard error.
 */
export async function show(
  look: (stopped: AbortSignal | undefined) => Promise<Shown>,
  showing: Showing,
  deps: CliDeps,
): Promise<void> {
  const { watchMs } = showing;
  if (watchMs === null) {
    const shown = await look(undefined);
    if (showing.output === 'json') return printJson(shown.json, deps);
    const paper = paperOf(deps, showing.color);
    if (!printTable(shown, paper, deps)) deps.err(`${shown.empty}\n`);
    const under = paper.width === null ? deps.err : deps.out;
    if (shown.findings.length > 0) under(findingsText(shown.findings, paper));
    return;
  }
  // A dumb terminal cannot be drawn over.
  const onTerminal = deps.columns !== null && deps.env.TERM !== 'dumb' && showing.output === 'table';
  const screen = onTerminal ? new Screen(showing, deps) : new Stream(showing, deps);
  try {
    await watch(
      {
        intervalMs: watchMs,
        look,
        seen: (shown, back) => screen.seen(shown, back),
        away: (absence) => screen.away(absence),
      },
      deps,
    );
  } finally {
    screen.end();
  }
}

/** Tables or JSON documents one after the other, for a file or another program. */
class Stream {
  readonly #showing: Showing;
  readonly #deps: CliDeps;
  #first = true;
  #absent = false;
  #under = '';

  constructor(showing: Showing, deps: CliDeps) {
    this.#showing = showing;
    this.#deps = deps;
  }

  seen(shown: Shown, back: Absence | null): void {
    const { out, err, clock } = this.#deps;
    if (back !== null) err(`${cameBack(back, clock.now())}\n`);
    this.#absent = false;
    if (this.#showing.output === 'json') {
      out(`${JSON.stringify(shown.json)}\n`);
      return;
    }
    const paper = paperOf(this.#deps, this.#showing.color);
    const text = shown.text(paper);
    if (text === '' && this.#first) err(`${shown.empty}\n`);
    else if (text !== '') out(this.#first ? text : `\n${text}`);
    this.#first = text === '' && this.#first;
    const under = findingsText(shown.findings, paper);
    if (under !== this.#under) err(under);
    this.#under = under;
  }

  away(absence: Absence): void {
    if (!this.#absent) this.#deps.err(`${wentAway(absence)}\n`);
    this.#absent = true;
  }

  end(): void {}
}

/** A terminal that is drawn again and again. */
class Screen {
  readonly #showing: Showing;
  readonly #deps: CliDeps;
  readonly #redraw: Redraw;
  #last: Shown | null = null;
  #back: { readonly words: string; readonly until: number } | null = null;

  constructor(showing: Showing, deps: CliDeps) {
    this.#showing = showing;
    this.#deps = deps;
    this.#redraw = new Redraw(deps);
  }

  seen(shown: Shown, back: Absence | null): void {
    const now = this.#deps.clock.now();
    if (back !== null) this.#back = { words: cameBack(back, now), until: now + BACK_MS };
    else if (this.#back !== null && now > this.#back.until) this.#back = null;
    this.#last = shown;
    this.#draw(this.#back?.words ?? '', false);
  }

  away(absence: Absence): void {
    const seconds = age(this.#deps.clock.now() - absence.since);
    this.#draw(`! away for ${seconds}, what stands below is old: ${absence.message.split('\n')[0]}`, true);
  }

  end(): void {
    this.#redraw.end();
  }

  #draw(news: string, stale: boolean): void {
    const paper = paperOf(this.#deps, this.#showing.color);
    const width = paper.width ?? 80;
    const every = age(this.#showing.watchMs ?? 0);
    const time = isoTime(this.#deps.clock.wall());
    const head = fitText(`${this.#showing.title}  every ${every}, ${time}, Ctrl-C ends`, width);
    const said = news === '' ? '' : paint(fitText(news, width), stale ? 'red' : 'green', paper);
    const last = this.#last;
    const text = last === null ? '' : last.text(paper) || `${fitText(last.empty, width)}\n`;
    const under = last === null ? '' : findingsText(last.findings, paper);
    this.#redraw.draw(`${paint(head, 'dim', paper)}\n${said}\n${text}${under}`, paper);
  }
}

export const wentAway = ({ message }: Absence): string => `carpool: ${message}; it is tried again`;

export const cameBack = ({ since }: Absence, now: number): string => `the sidecar is back after ${age(now - since)}`;

/** A table as `Shown.text` has it: nothing where there are no rows. */
export function tableText(columns: readonly Column[], rows: readonly Row[]): (paper: Paper) => string {
  return (paper) => (rows.length === 0 ? '' : table(columns, rows, paper));
}

function printTable(shown: Shown, paper: Paper, deps: CliDeps): boolean {
  const text = shown.text(paper);
  if (text !== '') deps.out(text);
  return text !== '';
}

function printJson(value: unknown, deps: CliDeps): void {
  deps.out(`${JSON.stringify(value, null, 2)}\n`);
}
