import type { Clock } from '../clock.ts';
import type { FlagOptions } from '../config/flags.ts';

/** Exit codes, after sysexits.h where it has one. */
export const EXIT = { ok: 0, failure: 1, usage: 64, config: 78 } as const;

/** What the command line needs from the process around it, so that tests run it inside their own. */
export type CliDeps = {
  readonly version: string;
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Text as it is, line ends included. */
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** All of standard input, for the commands that take `-`, unless it is stopped before its end. Rejects with a CliError. */
  readonly input: (stopped: AbortSignal) => Promise<string>;
  /** Columns of the terminal that reads `out`, or null: a file or a pipe, which gets plain tables of full width. */
  readonly columns: number | null;
  /** Lines of that terminal, or null. Both are what they are now: it may be resized. */
  readonly rows: number | null;
  /** Calls `stop` when the command is told to end (Ctrl-C, SIGTERM, SIGHUP); what is returned takes that back. */
  readonly interrupted: (stop: () => void) => () => void;
  /** Runs the sidecar until it ends; resolves with the exit code. */
  readonly run: (options: FlagOptions) => Promise<number>;
  /** `carpool demo` with the arguments that follow; resolves with the exit code. */
  readonly demo: (args: readonly string[]) => Promise<number>;
};

/** A command that could not do its work, in words for the person at the terminal. */
export class CliError extends Error {
  readonly exitCode: number;
  constructor(message: string, exitCode: number = EXIT.failure) {
    super(message);
    this.name = 'CliError';
    this.exitCode = exitCode;
  }
}
