import { main } from '../../src/cli/cli.ts';
import type { CliDeps } from '../../src/cli/deps.ts';
import { TestClock } from '../test-clock.ts';

/** A command that runs on until it is interrupted: its clock is moved, and what it has written is read, in between. */
export class WatchedCli {
  readonly clock = new TestClock();
  out = '';
  err = '';
  /** Each text as it was written. */
  readonly writes: string[] = [];
  columns: number | null;
  rows: number | null;
  #stop: (() => void) | null = null;
  readonly ended: Promise<number>;
  hasEnded = false;

  constructor(argv: readonly string[], size: { columns: number; rows: number } | null, env: CliDeps['env'] = {}) {
    this.columns = size?.columns ?? null;
    this.rows = size?.rows ?? null;
    const self = this;
    this.ended = main(argv, {
      version: '1.2.3',
      clock: this.clock,
      env,
      out: (text) => {
        self.out += text;
        self.writes.push(text);
      },
      err: (text) => {
        self.err += text;
      },
      input: () => Promise.resolve(''),
      get columns() {
        return self.columns;
      },
      get rows() {
        return self.rows;
      },
      interrupted: (stop) => {
        self.#stop = stop;
        return () => {
          self.#stop = null;
        };
      },
      run: () => Promise.resolve(0),
      demo: () => Promise.resolve(0),
    }).finally(() => {
      this.hasEnded = true;
    });
  }

  /** Whether something would be told of a Ctrl-C now. */
  get listens(): boolean {
    return this.#stop !== null;
  }

  /** Presses Ctrl-C. @returns the exit code */
  interrupt(): Promise<number> {
    this.#stop?.();
    return this.ended;
  }

  /** Lets the command go on, at the pace of its clock, until something is so. */
  async until(what: () => boolean, stepMs = 100): Promise<void> {
    for (let rounds = 0; !what(); rounds++) {
      if (rounds > 20_000) throw new Error(`in vain; out: ${this.out.slice(-2000)}\nerr: ${this.err.slice(-2000)}`);
      if (this.hasEnded) throw new Error(`it has ended; out: ${this.out.slice(-2000)}\nerr: ${this.err.slice(-2000)}`);
      // Only what waits for its next look is moved on: a call has a deadline of its own, far away.
      if (rounds % 20 === 19) this.clock.advance(stepMs);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
