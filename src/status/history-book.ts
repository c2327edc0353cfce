import { DestinationHistory, POINT_MS } from './destination-history.ts';
import { type SeenDestination, utilizationOf } from './seen-destination.ts';

/** Destinations with a history; of more, those longest without requests have none. */
const MAX_HISTORIES = 200;

/** The histories of the destinations that have had requests. Kept always, for who looks later. */
export class HistoryBook {
  readonly #histories = new Map<SeenDestination, DestinationHistory>();
  /** Those that had to do without, with how many of their requests are older than the history that they may get again. */
  readonly #without = new WeakMap<SeenDestination, number>();
  #pointAt: number;
  #lastPointAt: number;
  /** Points that have ended since the start. */
  #points = 0;

  constructor(now: number) {
    this.#pointAt = now + POINT_MS;
    this.#lastPointAt = now;
  }

  /** Rises by one with each point. */
  get points(): number {
    return this.#points;
  }

  /** Once a tick: ends a point where it is time to. */
  tick(now: number, destinations: () => Iterable<SeenDestination>): void {
    if (now < this.#pointAt) return;
    // A process that stood still goes on with the next point: what came meanwhile is in this one.
    while (this.#pointAt <= now) this.#pointAt += POINT_MS;
    this.#points++;
    const gone = new Set(this.#histories.keys());
    for (const destination of destinations()) {
      gone.delete(destination);
      this.of(destination, now)?.add(destination.observer, utilizationOf(destination), destination.pending, now);
    }
    for (const destination of gone) this.#histories.delete(destination);
    this.#lastPointAt = now;
  }

  /** The history of a destination; null: it has had no request yet, or others need the place more. */
  of(destination: SeenDestination, now: number): DestinationHistory | null {
    const known = this.#histories.get(destination);
    if (known !== undefined) return known;
    const { observer, pending } = destination;
    const past = this.#without.get(destination);
    if (observer.ended === (past ?? 0) && pending === 0) return null;
    if (this.#histories.size >= MAX_HISTORIES && !this.#dropQuietest(now)) {
      this.#without.set(destination, observer.ended);
      return null;
    }
    const history = new DestinationHistory(this.#lastPointAt, past === undefined ? null : observer);
    this.#histories.set(destination, history);
    return history;
  }

  /** Gives up the history that is longest without requests. @returns whether there is one without any in its last point */
  #dropQuietest(now: number): boolean {
    let quietest: [SeenDestination, DestinationHistory] | null = null;
    for (const entry of this.#histories)
      if (quietest === null || entry[1].busyAt < quietest[1].busyAt) quietest = entry;
    if (quietest === null || quietest[1].busyAt > now - 2 * POINT_MS) return false;
    this.#histories.delete(quietest[0]);
    this.#without.set(quietest[0], quietest[0].observer.ended);
    return true;
  }
}
