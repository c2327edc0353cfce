import type { Clock } from '../clock.ts';
import { type CliDeps, CliError, EXIT } from './deps.ts';

/** While nobody answers: since when (of the clock), and what was said. */
export type Absence = { readonly since: number; readonly message: string };

type State = { readonly kind: 'here' } | ({ readonly kind: 'away' } & Absence);

export type Watched<T> = {
  readonly intervalMs: number;
  readonly look: (stopped: AbortSignal) => Promise<T>;
  /** An answer; `back` where the looks before it failed. */
  readonly seen: (value: T, back: Absence | null) => void;
  /** A look that failed, each time. */
  readonly away: (absence: Absence) => void;
};

/**
 * Looks again and again until the command is told to end. A sidecar that goes away is waited for.
 * @throws CliError where the very first look fails, or the command was wrong
 */
export async function watch<T>(watched: Watched<T>, deps: Pick<CliDeps, 'clock' | 'interrupted'>): Promise<void> {
  const { clock } = deps;
  const ending = new AbortController();
  const takeBack = deps.interrupted(() => ending.abort());
  let state: State = { kind: 'here' };
  try {
    for (let first = true; !ending.signal.aborted; first = false) {
      let value: T;
      try {
        value = await watched.look(ending.signal);
      } catch (error) {
        if (ending.signal.aborted) return;
        if (!(error instanceof CliError) || first || error.exitCode === EXIT.usage) throw error;
        state = { kind: 'away', since: state.kind === 'away' ? state.since : clock.now(), message: error.message };
        watched.away(state);
        await pause(watched.intervalMs, clock, ending.signal);
        continue;
      }
      if (ending.signal.aborted) return;
      const back: Absence | null = state.kind === 'away' ? state : null;
      state = { kind: 'here' };
      watched.seen(value, back);
      await pause(watched.intervalMs, clock, ending.signal);
    }
  } finally {
    takeBack();
  }
}

function pause(ms: number, clock: Clock, stopped: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (stopped.aborted) return resolve();
    const end = () => {
      timer.cancel();
      stopped.removeEventListener('abort', end);
      resolve();
    };
    const timer = clock.setTimer(end, ms);
    stopped.addEventListener('abort', end);
  });
}
