import type { Clock } from '../clock.ts';
import type { CarpoolError, Misuse } from '../errors.ts';
import { RecentCount } from './recent-count.ts';
import type { ErrorRow } from './types.ts';

/** Kept at a time; beyond it the one whose last error is the oldest is forgotten. */
const MAX_KEPT = 500;
const MINUTE_MS = 60_000;
const TEN_MINUTES_MS = 600_000;

/** An error of one code at one destination, and how it stands now. */
export type ErrorSeen = ErrorRow & { readonly lastMinute: number; readonly lastTenMinutes: number };

/** Requests that a wrongly set proxy variable has led here. */
export type MisuseSeen = {
  readonly kind: Misuse;
  readonly count: number;
  readonly lastTenMinutes: number;
  /** Milliseconds since the epoch. */
  readonly lastTime: number;
  /** Milliseconds since then. */
  readonly agoMs: number;
  readonly lastMessage: string;
};

type Entry = {
  readonly code: string;
  readonly label: string;
  readonly recent: RecentCount;
  count: number;
  time: number;
  /** Of the last one. Its words alone: an error keeps the exchange that it was made in, with its buffers, through its stack. */
  status: number;
  message: string;
  hint: string;
};

type MisuseEntry = { readonly recent: RecentCount; count: number; time: number; at: number; message: string };

/**
 * The last words of each error code at each destination, with how often it came. It costs something only where there is
 * an error, and is bounded.
 */
export class ErrorBook {
  readonly #clock: Clock;
  /** By label, then by code. */
  readonly #entries = new Map<string, Map<string, Entry>>();
  readonly #misuses = new Map<Misuse, MisuseEntry>();
  #size = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param label the metric label of the destination, `-` where it belongs to none */
  note(label: string, error: CarpoolError): void {
    const time = this.#clock.wall();
    const now = this.#clock.now();
    const entry = this.#entries.get(label)?.get(error.code) ?? this.#begin(label, error, time);
    entry.count++;
    entry.time = time;
    entry.status = error.status;
    entry.message = error.message;
    entry.hint = error.hint;
    entry.recent.add(now);
    if (error.misuse !== null) this.#misused(error.misuse, error.message, time, now);
  }

  /** The newest first. */
  rows(): ErrorRow[] {
    return this.#all().map(rowOf);
  }

  /** The same, with how often each came lately. */
  seen(): ErrorSeen[] {
    const now = this.#clock.now();
    return this.#all().map((entry) => ({
      ...rowOf(entry),
      lastMinute: entry.recent.within(MINUTE_MS, now),
      lastTenMinutes: entry.recent.within(TEN_MINUTES_MS, now),
    }));
  }

  /** What requests tell of wrong proxy variables. */
  misuses(): MisuseSeen[] {
    const now = this.#clock.now();
    return [...this.#misuses].map(([kind, { recent, count, time, at, message }]) => ({
      kind,
      count,
      lastTenMinutes: recent.within(TEN_MINUTES_MS, now),
      lastTime: time,
      agoMs: now - at,
      lastMessage: message,
    }));
  }

  #all(): Entry[] {
    return [...this.#entries.values()].flatMap((codes) => [...codes.values()]).sort((a, b) => b.time - a.time);
  }

  #begin(label: string, error: CarpoolError, time: number): Entry {
    if (this.#size >= MAX_KEPT) this.#forgetOldest();
    const { code, status, message, hint } = error;
    const entry: Entry = { code, label, recent: new RecentCount(), count: 0, time, status, message, hint };
    const codes = this.#entries.get(label) ?? new Map<string, Entry>();
    codes.set(error.code, entry);
    this.#entries.set(label, codes);
    this.#size++;
    return entry;
  }

  #forgetOldest(): void {
    const oldest = this.#all().at(-1);
    if (oldest === undefined) return;
    const codes = this.#entries.get(oldest.label);
    codes?.delete(oldest.code);
    if (codes?.size === 0) this.#entries.delete(oldest.label);
    this.#size--;
  }

  #misused(kind: Misuse, message: string, time: number, now: number): void {
    let entry = this.#misuses.get(kind);
    if (entry === undefined) {
      entry = { recent: new RecentCount(), count: 0, time, at: now, message };
      this.#misuses.set(kind, entry);
    }
    entry.count++;
    entry.time = time;
    entry.at = now;
    entry.message = message;
    entry.recent.add(now);
  }
}

function rowOf({ code, label, count, time, status, message, hint }: Entry): ErrorRow {
  return { code, destination: label, count, status, lastTime: time, lastMessage: message, hint };
}
