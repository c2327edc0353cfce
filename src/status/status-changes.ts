import { Pacer } from '../telemetry/pacer.ts';
import type { Look, StatusModel } from './status-model.ts';
import type { DestinationRow, StatusSnapshot } from './types.ts';

/** Of a `StatusUpdate` what all readers get: JSON without its last brace, or null: it takes a whole snapshot. */
type Shared = string | null;

/**
 * Tells readers what has changed since they were told last. They are told at the same moments, so that what they share is
 * compared and written once; only the detail is each reader's own.
 */
export class StatusChanges {
  readonly #model: StatusModel;
  /** Rows by name, and the other parts, as they were written last. */
  #rows = new Map<string, string>();
  #findings = '';
  #errors = '';
  #lastEvent = 0;
  #look: Look | null = null;
  /** All of this look but a detail, once a reader needed it. */
  #whole: StatusSnapshot | null = null;
  #points = 0;
  /** Written at this look already, by the name that was asked for. */
  readonly #details = new Map<string, string>();

  constructor(model: StatusModel) {
    this.#model = model;
  }

  /** Looks at everything. Not to be called again before it has ended. @returns what an update says of it to every reader */
  async look(): Promise<Shared> {
    const model = this.#model;
    this.#look = await model.look();
    const { time, sidecar, findings, errors, destinations } = this.#look;
    this.#details.clear();
    this.#whole = null;
    // Who misses a point gets them all: an update holds one of each destination.
    const missed = model.points - this.#points > 1;
    let text = JSON.stringify({ time, sidecar }).slice(0, -1);
    const found = JSON.stringify(findings);
    if (found !== this.#findings) text += `,"findings":${found}`;
    this.#findings = found;
    text += await this.#rowsChanged(destinations);
    if (model.points !== this.#points) text += `,"points":${JSON.stringify(model.lastPoints())}`;
    this.#points = model.points;
    const wrong = JSON.stringify(errors);
    if (wrong !== this.#errors) text += `,"errors":${wrong}`;
    this.#errors = wrong;
    if (model.lastEvent !== this.#lastEvent) text += `,"events":${JSON.stringify(model.events(this.#lastEvent))}`;
    this.#lastEvent = model.lastEvent;
    return missed ? null : text;
  }

  /** All that there is at the last look but a detail, so that the next update goes on from here. */
  async snapshot(): Promise<StatusSnapshot> {
    // Made once: what happens while readers are told is for the next update.
    this.#whole ??= this.#model.snapshot(this.#look ?? (await this.#model.look()), null);
    return this.#whole;
  }

  /** The detail as JSON, at this look. */
  detail(destination: string): string {
    let text = this.#details.get(destination);
    if (text === undefined) {
      text = JSON.stringify(this.#model.detail(destination));
      this.#details.set(destination, text);
    }
    return text;
  }

  /** Each row is written once, and what it says is compared as it was written. */
  async #rowsChanged(destinations: readonly DestinationRow[]): Promise<string> {
    const pacer = new Pacer();
    const before = this.#rows;
    const rows = new Map<string, string>();
    let changed = '';
    for (const row of destinations) {
      const text = JSON.stringify(row);
      rows.set(row.name, text);
      if (before.get(row.name) !== text) changed += changed === '' ? text : `,${text}`;
      if (pacer.due) await pacer.breathe();
    }
    const removed = [...before.keys()].filter((name) => !rows.has(name));
    this.#rows = rows;
    const gone = removed.length === 0 ? '' : `,"removed":${JSON.stringify(removed)}`;
    return changed === '' ? gone : `,"destinations":[${changed}]${gone}`;
  }
}
