import { setImmediate as nextTurn } from 'node:timers/promises';

/** A slice of work after which requests get their turn, in milliseconds. */
const SLICE_MS = 1;

/**
 * Cuts long work off the request path (a scrape, /stats) into slices, so that no request waits for the whole of it.
 * Real time, not the injected clock: it measures the work itself and decides nothing else.
 */
export class Pacer {
  #sliceStart = performance.now();

  /** Whether the slice is used up. Where pieces are many and small, ask before `breathe`: a promise for each would cost more than they do. */
  get due(): boolean {
    return performance.now() - this.#sliceStart >= SLICE_MS;
  }

  /** Call between two pieces of work; waits for the event loop's next turn when the slice is used up. */
  async breathe(): Promise<void> {
    if (!this.due) return;
    await nextTurn();
    this.#sliceStart = performance.now();
  }
}
