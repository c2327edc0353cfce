/**
 * The one source of time. Everything that measures, waits or expires takes a `Clock`, so that tests move time instead
 * of waiting for it, and so that a jump of the wall clock (NTP, a suspended node) never closes a connection: `now` is
 * monotonic.
 */
export interface Clock {
  /** Monotonic milliseconds, with fractions. Only differences mean something. */
  now(): number;
  /** Milliseconds since the epoch, for people and log lines; never for deadlines. */
  wall(): number;
  /** Calls `callback` once after `delayMs`. The handle must be cancelled by whoever owns the wait. */
  setTimer(callback: () => void, delayMs: number): Timer;
}

/** A wait that was started by `Clock.setTimer`. Cancelling twice, or after it fired, does nothing. */
export interface Timer {
  cancel(): void;
}

class SystemTimer implements Timer {
  readonly #handle: NodeJS.Timeout;
  constructor(callback: () => void, delayMs: number) {
    // A deadline may be over by a fraction, and Node warns of what is negative. It fires at once for delays over
    // 2^31-1 ms; a day is as good as never for any wait in here.
    this.#handle = setTimeout(callback, Math.min(Math.max(delayMs, 0), 86_400_000));
    // A pending wait must not keep a process alive whose sockets are all closed.
    this.#handle.unref();
  }
  cancel(): void {
    clearTimeout(this.#handle);
  }
}

/** The real clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  setTimer: (callback, delayMs) => new SystemTimer(callback, delayMs),
};
