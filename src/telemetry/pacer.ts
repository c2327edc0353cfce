import { setImmediate as nextTurn } from 'node:timers/promises';

/** A slice of work after which requests get their turn, in milliseconds. */
const SLICE_MS = 2;

/**
 * Cuts long work off the request path (a scrape, /stats) into slices, so that no request waits for the whole of it.
 * Real time, not the injected clock: it measures the work itself and decides nothing else.
 */
export class Pacer {
  #sliceStart = performance.now();

  /** Call between two pieces of work; waits for the event loop's next turn when the slice is used up. */
  async breathe(): Promise<void> {
    if (performance.now() - this.#sliceStart < SLICE_MS) return;
    await nextTurn();
    this.#sliceStart = performance.now();
  }
}
