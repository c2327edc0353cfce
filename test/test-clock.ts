import type { Clock, Timer } from '../src/clock.ts';

type Wait = { at: number; sequence: number; callback: () => void };

/** A clock that stands still until `advance` moves it; due timers run in order of their time, then of their start. */
export class TestClock implements Clock {
  #now = 1_000_000;
  #wall = Date.UTC(2026, 0, 1);
  #sequence = 0;
  readonly #waits = new Set<Wait>();

  now(): number {
    return this.#now;
  }

  wall(): number {
    return this.#wall;
  }

  /** How many timers are still waiting; a test that ends with more than it started with has found a leak. */
  get waiting(): number {
    return this.#waits.size;
  }

  setTimer(callback: () => void, delayMs: number): Timer {
    const wait: Wait = { at: this.#now + Math.max(0, delayMs), sequence: this.#sequence++, callback };
    this.#waits.add(wait);
    return { cancel: () => this.#waits.delete(wait) };
  }

  /** Moves time by `ms`, running every timer that falls due on the way at its own moment. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      let next: Wait | undefined;
      for (const wait of this.#waits)
        if (wait.at <= end && (!next || wait.at < next.at || (wait.at === next.at && wait.sequence < next.sequence)))
          next = wait;
      if (!next) break;
      this.#waits.delete(next);
      this.#wall += next.at - this.#now;
      this.#now = next.at;
      next.callback();
    }
    this.#wall += end - this.#now;
    this.#now = end;
  }

  /** Moves the wall clock alone, as NTP or an administrator does. */
  jumpWall(ms: number): void {
    this.#wall += ms;
  }
}
