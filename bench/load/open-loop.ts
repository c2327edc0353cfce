import { type Clock, systemClock, type Timer } from '../../src/clock.ts';
import { percentile } from '../rig/statistics.ts';
import { ClientConnection, type Outcome } from './client-connection.ts';
import { ThreadTicker, type Ticker } from './ticker.ts';

/** A load of fixed arrival rate. */
export type OpenLoopOptions = {
  readonly port: number;
  /** Requests per second, evenly spaced. */
  readonly rate: number;
  readonly seconds: number;
  /** Seconds at the start whose latencies are left out: the generator itself is compiled in them. Failures count. */
  readonly warmSeconds?: number;
  /** Connections at most; a request that finds none free waits, and its wait counts. */
  readonly connections: number;
  /** From the sending of a request until its client gives up and closes the connection. */
  readonly timeoutMs: number;
  /** The bytes of the request with this number. */
  readonly request: (index: number) => Buffer;
};

export type OpenLoopResult = {
  readonly offered: number;
  readonly answered: number;
  /** Exchanges without a 2xx or 3xx answer, by kind: `timeout`, `reset`, `closed`, `truncated`, `unconnected`, `503` … */
  readonly failures: Readonly<Record<string, number>>;
  /** Of good answers after the warm-up, from the moment at which the request was due. Null where there was none. */
  readonly p50Us: number | null;
  readonly p99Us: number | null;
  readonly maxUs: number | null;
  /** How late this generator itself was with the start of a request: the part of the latency that is its own. */
  readonly lateP50Us: number | null;
  readonly lateP99Us: number | null;
};

/** Due times are sums of fractions: a request is not put off by a whole tick for the last digit of one. */
const ROUNDING_MS = 0.001;

/**
 * Sends requests when they are due, whether earlier ones have been answered or not, and counts latency from the due
 * time. A closed loop waits for a slow answer before it asks again and so leaves out the requests that would have been
 * slow too (coordinated omission); this one does not.
 */
export class OpenLoop {
  readonly #options: OpenLoopOptions;
  readonly #clock: Clock;
  readonly #ticker: Ticker;
  readonly #idle: ClientConnection[] = [];
  readonly #queue: number[] = [];
  readonly #latencies: number[] = [];
  readonly #lateness: number[] = [];
  readonly #failures = new Map<string, number>();
  readonly #total: number;
  /** The first request whose latency counts. */
  readonly #first: number;
  #answered = 0;
  #connections = 0;
  #startedAt: number | null = null;
  #due = 0;
  #ended = 0;
  #resolve: (result: OpenLoopResult) => void = () => {};

  constructor(options: OpenLoopOptions, clock: Clock = systemClock, ticker: Ticker = new ThreadTicker()) {
    this.#options = options;
    this.#clock = clock;
    this.#ticker = ticker;
    this.#first = Math.round(options.rate * (options.warmSeconds ?? 0));
    this.#total = this.#first + Math.round(options.rate * options.seconds);
  }

  /** Runs the load; resolves when each request has ended, by its time-out at the latest. */
  run(): Promise<OpenLoopResult> {
    return new Promise((resolve) => {
      this.#resolve = resolve;
      this.#ticker.start(1000 / this.#options.rate, (lateMs) => this.#tick(lateMs));
    });
  }

  #dueAt(index: number): number {
    return (this.#startedAt ?? 0) + (index * 1000) / this.#options.rate;
  }

  #tick(lateMs: number): void {
    const now = this.#clock.now();
    // The first request is due with the first tick: that the ticker took time to start is nobody's latency.
    this.#startedAt ??= now - lateMs;
    while (this.#due < this.#total && this.#dueAt(this.#due) <= now + ROUNDING_MS) {
      const index = this.#due++;
      if (index >= this.#first) this.#lateness.push(now - this.#dueAt(index));
      const connection = this.#take();
      if (connection === null) this.#queue.push(index);
      else this.#send(connection, index);
    }
    if (this.#due === this.#total) this.#ticker.stop();
  }

  /** The connection used last, so that few are in use at a low rate; or a new one below the limit; or null. */
  #take(): ClientConnection | null {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      if (idle.usable) return idle;
      this.#connections--;
    }
    if (this.#connections >= this.#options.connections) return null;
    this.#connections++;
    return new ClientConnection(this.#options.port);
  }

  #send(connection: ClientConnection, index: number): void {
    const timer: Timer = this.#clock.setTimer(() => {
      connection.destroy();
      this.#end(connection, index, 'timeout');
    }, this.#options.timeoutMs);
    connection.send(this.#options.request(index), (outcome) => {
      timer.cancel();
      this.#end(connection, index, failureOf(outcome));
    });
  }

  #end(connection: ClientConnection, index: number, failure: string | null): void {
    if (failure === null) {
      this.#answered++;
      if (index >= this.#first) this.#latencies.push(this.#clock.now() - this.#dueAt(index));
    } else this.#failures.set(failure, (this.#failures.get(failure) ?? 0) + 1);
    this.#idle.push(connection);
    const waiting = this.#queue.shift();
    if (waiting !== undefined) {
      const next = this.#take();
      if (next !== null) this.#send(next, waiting);
    }
    if (++this.#ended === this.#total) this.#finish();
  }

  #finish(): void {
    for (const connection of this.#idle) connection.destroy();
    const latencies = Float64Array.from(this.#latencies).sort();
    const lateness = Float64Array.from(this.#lateness).sort();
    this.#resolve({
      offered: this.#total,
      answered: this.#answered,
      failures: Object.fromEntries(this.#failures),
      p50Us: microseconds(percentile(latencies, 0.5)),
      p99Us: microseconds(percentile(latencies, 0.99)),
      maxUs: microseconds(percentile(latencies, 1)),
      lateP50Us: microseconds(percentile(lateness, 0.5)),
      lateP99Us: microseconds(percentile(lateness, 0.99)),
    });
  }
}

function failureOf(outcome: Outcome): string | null {
  if (outcome.kind !== 'answered') return outcome.kind;
  return outcome.status >= 200 && outcome.status < 400 ? null : String(outcome.status);
}

function microseconds(milliseconds: number | null): number | null {
  return milliseconds === null ? null : Math.round(milliseconds * 1000);
}
