import { Worker } from 'node:worker_threads';

/** Calls back at a steady pace until it is stopped. Injected into the load generator, so that tests need no time. */
export interface Ticker {
  /** `tick` is told how many milliseconds ago it was due. */
  start(intervalMs: number, tick: (lateMs: number) => void): void;
  stop(): void;
}

/**
 * A pace finer than a millisecond, which timers of the event loop cannot keep: a thread sleeps on a futex and wakes
 * this one by a message. Spinning instead would take the core from the origin that shares it.
 */
export class ThreadTicker implements Ticker {
  #worker: Worker | null = null;

  start(intervalMs: number, tick: (lateMs: number) => void): void {
    this.#worker = new Worker(new URL('./ticker-thread.ts', import.meta.url), { workerData: intervalMs });
    this.#worker.on('message', (dueMs: unknown) => {
      if (typeof dueMs === 'number') tick(monotonicMs() - dueMs);
    });
  }

  stop(): void {
    this.#worker?.terminate().catch(() => {
      // It has ended already.
    });
    this.#worker = null;
  }
}

/** Monotonic milliseconds that mean the same in every thread, which `performance.now` does not. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
