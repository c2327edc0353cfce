import type { Clock, Timer } from './clock.ts';
import type { Config, DestinationPolicy } from './config/types.ts';

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

/** Often enough that the shortest limit in force is kept within about a tenth; once a second where all are long. */
export function tickIntervalMs(config: Config): number {
  const limits = [config.listener.headTimeoutMs, config.listener.idleTimeoutMs];
  const add = ({ timeouts }: DestinationPolicy): void => {
    limits.push(timeouts.responseMs, timeouts.bodyIdleMs, timeouts.writeMs, timeouts.streamIdleMs);
  };
  add(config.defaults);
  for (const { policy } of config.destinations) add(policy);
  const shortest = Math.min(...limits.filter((ms) => ms > 0));
  return Math.max(50, Math.min(1000, shortest / 8));
}
