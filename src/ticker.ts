import type { Clock, Timer } from './clock.ts';

/** Calls its listeners about once an interval: the one coarse wheel for idle times, ages and deadlines. */
export class Ticker {
  readonly #clock: Clock;
  readonly #listeners: ((now: number) => void)[] = [];
  #intervalMs: number;
  #timer: Timer | null = null;

  constructor(clock: Clock, intervalMs: number) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
  }

  add(listener: (now: number) => void): void {
    this.#listeners.push(listener);
  }

  setInterval(intervalMs: number): void {
    this.#intervalMs = intervalMs;
    if (this.#timer !== null) this.start();
  }

  start(): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.setTimer(() => {
      const now = this.#clock.now();
      this.start();
      for (const listener of this.#listeners) listener(now);
    }, this.#intervalMs);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }
}
