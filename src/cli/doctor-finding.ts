import type { Clock } from '../clock.ts';
import type { Environment } from '../config/environment.ts';
import type { Config } from '../config/types.ts';
import type { Target } from './http-call.ts';

export type FindingStatus = 'ok' | 'warn' | 'fail';

/** One thing that `carpool doctor` looked at. */
export type Finding = {
  /** What was looked at, in a word or two. */
  readonly check: string;
  readonly status: FindingStatus;
  /** What was found. */
  readonly message: string;
  /** What to do about it; null where it is well. */
  readonly remedy: string | null;
  /** What to type or to set, as it is; absent: nothing. */
  readonly lines?: readonly string[];
};

/** Takes the findings of one check. */
export interface FindingSink {
  ok(message: string): void;
  warn(message: string, remedy: string, lines?: readonly string[]): void;
  fail(message: string, remedy: string, lines?: readonly string[]): void;
}

/** What the checks look at. */
export type DoctorContext = {
  readonly clock: Clock;
  /** The variables of this process: those of the sidecar's container, where it runs there. */
  readonly env: Environment;
  readonly config: Config;
  readonly version: string;
  /** Destinations to look at, as the user wrote them. */
  readonly destinations: readonly string[];
  /** The running sidecar that the user named, or null: the one that the configuration is of. */
  readonly named: Target | null;
};

/** One check. What it says after `stopped` is aborted is not heard any more. */
export type Check = {
  readonly name: string;
  run(findings: FindingSink, stopped: AbortSignal): Promise<void> | void;
};

/** Longer than the slowest check takes that is bounded at each of its steps. */
const CHECK_LIMIT_MS = 15_000;

/** Runs one check, whatever it does: it is ended after a time, and a fault in it is a finding. */
async function runOne(check: Check, clock: Clock): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const stop = new AbortController();
  const take = (status: FindingStatus, message: string, remedy: string | null, lines: readonly string[] = []): void => {
    if (stop.signal.aborted) return;
    findings.push({ check: check.name, status, message, remedy, ...(lines.length > 0 ? { lines } : {}) });
  };
  const sink: FindingSink = {
    ok: (message) => take('ok', message, null),
    warn: (message, remedy, lines) => take('warn', message, remedy, lines),
    fail: (message, remedy, lines) => take('fail', message, remedy, lines),
  };
  await new Promise<void>((resolve) => {
    const end = (): void => {
      timer.cancel();
      stop.abort();
      resolve();
    };
    const timer = clock.setTimer(() => {
      sink.fail(
        `not done after ${CHECK_LIMIT_MS / 1000} s`,
        'Run it once more: something that it waits for is very slow.',
      );
      end();
    }, CHECK_LIMIT_MS);
    void (async () => check.run(sink, stop.signal))().then(end, (error: unknown) => {
      const words = error instanceof Error ? error.message : String(error);
      sink.fail(`the check itself failed: ${words}`, 'This is a fault of carpool: please report it.');
      end();
    });
  });
  return findings;
}

/** Runs all checks beside each other; their findings come in the order of the checks. */
export async function runChecks(checks: readonly Check[], clock: Clock): Promise<readonly Finding[]> {
  return (await Promise.all(checks.map((check) => runOne(check, clock)))).flat();
}
