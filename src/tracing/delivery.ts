import type { Clock, Timer } from '../clock.ts';

/** A batch under way to the collector: it has one outcome, by its deadline at the latest. */
export class Delivery {
  #over: ((error: Error | null) => void) | null;
  #deadline: Timer | null = null;

  /** @param over told once */
  constructor(over: (error: Error | null) => void) {
    this.#over = over;
  }

  /** @param giveUp called where the deadline has passed, to free what it holds */
  begin(clock: Clock, ms: number, giveUp: () => void): void {
    this.#deadline = clock.setTimer(() => {
      this.over(new Error(`the collector did not answer within ${ms} ms`));
      giveUp();
    }, ms);
  }

  over(error: Error | null): void {
    const over = this.#over;
    this.#over = null;
    this.#deadline?.cancel();
    this.#deadline = null;
    over?.(error);
  }
}
