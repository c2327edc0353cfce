import type { Clock } from '../clock.ts';
import type { DestinationConfig } from '../config/types.ts';
import type { CarpoolError } from '../errors.ts';
import { DestinationObserver } from '../observer.ts';
import { addCounters, moveCounters } from './counters.ts';

/** The label that all destinations without one of their own share. */
export const OTHER_LABEL = 'other';

/** How long a label stays with a destination that counts nothing: 15 minutes. */
export const LABEL_IDLE_MS = 900_000;

/** Opening a destination looks for idle labels at most this often, so that a flood of names costs little. */
const REFRESH_MS = 10_000;
/** After this many destinations `drain` offers its caller a pause. */
const DRAIN_STEP = 200;

/** What one `destination` label value stands for, and everything that was counted under it. */
export type LabelGroup = { readonly label: string; readonly total: DestinationObserver };

/** Keeps the words of errors by label. */
export interface ErrorNotes {
  note(label: string, error: CarpoolError): void;
}

type Group = {
  readonly label: string;
  readonly total: DestinationObserver;
  /** Belongs to a `destinations[]` entry: takes no slot. */
  configured: boolean;
  readonly members: Set<Entry>;
  lastActive: number;
};

type Entry = { readonly name: string; readonly observer: DestinationObserver; group: Group };

/**
 * The label of a configured destination: its name, or its pattern as written. A pattern with `*` is one label for all
 * that it matches, because what the app asks for must not decide how many series there are.
 */
export function configuredLabel(config: DestinationConfig): string {
  if (config.name !== null) return config.name;
  return config.match.port === null ? config.match.host : `${config.match.host}:${config.match.port}`;
}

/**
 * Decides which destinations have a metric label of their own, so that the number of series is bounded whatever names
 * the app uses: configured ones always, others by arrival while there is a slot, the rest share `other`.
 *
 * Every destination counts into an observer of its own for as long as it lives. `collect` moves what was counted since
 * the last time into the total of the label that the destination has at that moment. So a label can change hands at
 * any time without the request path knowing, no total ever goes down, and nothing is counted under two labels.
 *
 * When a slot is freed its series end, and what they had counted is not added to `other`: that would look like a burst
 * of old requests in every `rate()`. `totals` keeps it.
 */
export class DestinationLabels {
  readonly #clock: Clock;
  readonly #idleMs: number;
  #maxDestinations: number;
  readonly #entries = new Map<DestinationObserver, Entry>();
  readonly #byName = new Map<string, Entry>();
  readonly #groups = new Map<string, Group>();
  /** Destinations under `other` that were busy since the last time, by arrival: next in line for a free slot. */
  readonly #waiting = new Set<Entry>();
  /** What labels that were freed had counted. */
  readonly #archive = new DestinationObserver('freed');
  readonly #errors: ErrorNotes | null;
  #slotsUsed = 0;
  #refreshedAt = Number.NEGATIVE_INFINITY;

  /** @param options.idleMs how long a label outlives the last sign of life; 15 minutes unless a test says otherwise */
  constructor(options: { clock: Clock; maxDestinations: number; idleMs?: number; errors?: ErrorNotes }) {
    this.#clock = options.clock;
    this.#maxDestinations = options.maxDestinations;
    this.#errors = options.errors ?? null;
    this.#idleMs = options.idleMs ?? LABEL_IDLE_MS;
  }

  /** After a reload: labels already given stay until they are idle. */
  setMaxDestinations(maxDestinations: number): void {
    this.#maxDestinations = maxDestinations;
  }

  /**
   * A destination begins. The observer is its own until `close`; its `label` field is the label at this moment, which
   * may change (`labelOf`).
   * @param name `host:port`
   * @param label from `configuredLabel`, or null where no `destinations[]` entry matches
   */
  open(name: string, label: string | null): DestinationObserver {
    const group = this.#groupFor(label ?? name, label !== null);
    const observer = new DestinationObserver(group.label);
    const entry: Entry = { name, observer, group };
    const errors = this.#errors;
    // By the label of that moment: it may have another one by then.
    if (errors !== null) observer.onError = (error) => errors.note(entry.group.label, error);
    group.members.add(entry);
    this.#entries.set(observer, entry);
    this.#byName.set(name, entry);
    return observer;
  }

  /** The destination is gone; what it counted stays, and so does its label until it is idle. Twice does nothing. */
  close(observer: DestinationObserver): void {
    const entry = this.#entries.get(observer);
    if (!entry) return;
    this.#drainEntry(entry);
    this.#waiting.delete(entry);
    entry.group.members.delete(entry);
    this.#entries.delete(observer);
    if (this.#byName.get(entry.name) === entry) this.#byName.delete(entry.name);
  }

  /** The label under which a destination is counted now. */
  labelOf(name: string): string {
    return this.#byName.get(name)?.group.label ?? (this.#groups.has(name) ? name : OTHER_LABEL);
  }

  /** The labels in use with their totals as of the last `collect`. */
  groups(): Iterable<LabelGroup> {
    return this.#groups.values();
  }

  /** Brings the totals up to date, frees labels that are idle and gives freed ones to busy destinations. */
  collect(): void {
    for (const _ of this.drain()) {
      // The pauses that it offers are for callers who serve requests meanwhile.
    }
  }

  /** As `collect`, in steps: yields every couple of hundred destinations so that the caller may pause there. */
  *drain(): Generator<undefined> {
    let step = 0;
    this.#refreshedAt = this.#clock.now();
    for (const entry of this.#entries.values()) {
      this.#drainEntry(entry);
      if (++step % DRAIN_STEP === 0) yield undefined;
    }
    this.#freeIdle();
    this.#promote();
  }

  /** Everything counted since the start, whatever label it had; never goes down. As of the last `collect`. */
  totals(): DestinationObserver {
    const sum = new DestinationObserver('total');
    addCounters(this.#archive, sum);
    for (const group of this.#groups.values()) addCounters(group.total, sum);
    return sum;
  }

  #drainEntry(entry: Entry): void {
    if (!moveCounters(entry.observer, entry.group.total)) return;
    entry.group.lastActive = this.#clock.now();
    if (entry.group.label === OTHER_LABEL) this.#waiting.add(entry);
  }

  /** The group that a new destination joins. */
  #groupFor(label: string, configured: boolean): Group {
    const known = this.#groups.get(label);
    if (known) {
      if (configured && !known.configured && label !== OTHER_LABEL) {
        known.configured = true;
        this.#slotsUsed--;
      }
      known.lastActive = this.#clock.now();
      return known;
    }
    if (configured) return this.#create(label, true);
    if (this.#slotsUsed >= this.#maxDestinations) this.#refreshSlots();
    if (this.#slotsUsed < this.#maxDestinations) return this.#create(label, false);
    return this.#other();
  }

  #other(): Group {
    return this.#groups.get(OTHER_LABEL) ?? this.#create(OTHER_LABEL, true);
  }

  #create(label: string, configured: boolean): Group {
    const group: Group = {
      label,
      total: new DestinationObserver(label),
      configured,
      members: new Set(),
      lastActive: this.#clock.now(),
    };
    this.#groups.set(label, group);
    if (!configured) this.#slotsUsed++;
    return group;
  }

  /** Looks for idle labels without waiting for a scrape, for there may be none; only at those that hold a slot. */
  #refreshSlots(): void {
    const now = this.#clock.now();
    if (now - this.#refreshedAt < REFRESH_MS) return;
    this.#refreshedAt = now;
    for (const group of this.#groups.values())
      if (!group.configured) for (const entry of group.members) this.#drainEntry(entry);
    this.#freeIdle();
  }

  #freeIdle(): void {
    const now = this.#clock.now();
    for (const group of this.#groups.values()) {
      if (group.label === OTHER_LABEL || now - group.lastActive < this.#idleMs) continue;
      if (group.configured && group.members.size > 0) continue;
      this.#groups.delete(group.label);
      if (!group.configured) this.#slotsUsed--;
      for (const entry of group.members) this.#move(entry, this.#other());
      addCounters(group.total, this.#archive);
    }
  }

  /** Gives free slots to destinations that share `other` and were busy since the last time. */
  #promote(): void {
    for (const entry of this.#waiting) {
      if (!this.#entries.has(entry.observer) || entry.group.label !== OTHER_LABEL) continue;
      const group = this.#groups.get(entry.name);
      if (group) this.#move(entry, group);
      else if (this.#slotsUsed < this.#maxDestinations) this.#move(entry, this.#create(entry.name, false));
    }
    this.#waiting.clear();
  }

  #move(entry: Entry, group: Group): void {
    // Requests may have gone on since this one was drained, in the pauses of `drain`.
    moveCounters(entry.observer, entry.group.total);
    entry.group.members.delete(entry);
    entry.group = group;
    group.members.add(entry);
  }
}
