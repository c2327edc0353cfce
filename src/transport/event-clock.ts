import type { Clock, Timer } from '../clock.ts';
import { ReadEvent } from './output-slab.ts';

/**
 * A clock that is read once in a read event: what happens in one event happens at one time, and a request would else ask
 * the time seven times. Outside of read events it is the clock below.
 */
export class EventClock implements Clock {
  readonly #clock: Clock;
  #event = -1;
  #now = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    if (!ReadEvent.running) return this.#clock.now();
    if (this.#event !== ReadEvent.count) {
      this.#event = ReadEvent.count;
      this.#now = this.#clock.now();
    }
    return this.#now;
  }

  wall(): number {
    return this.#clock.wall();
  }

  setTimer(callback: () => void, delayMs: number): Timer {
    return this.#clock.setTimer(callback, delayMs);
  }
}
