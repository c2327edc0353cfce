import type { Clock, Timer } from '../clock.ts';
import { readText } from './config-file.ts';
import { type Explanation, explain, explanationLines } from './explain.ts';
import { FileWatch } from './file-watch.ts';
import type { LoadedConfig } from './load.ts';
import { ConfigProblems, type Problem } from './problems.ts';

/** The file is read when it has been quiet for this long, … */
const QUIET_MS = 250;
/** … and at the latest this long after the first change. */
const LATEST_MS = 2000;
/** Where changes are not told (NFS, no inotify watches left) they are found by looking. */
const LOOK_MS = 30_000;

/** What a reload came to. */
export type ReloadOutcome =
  | {
      readonly outcome: 'changed';
      readonly loaded: LoadedConfig;
      readonly explanation: Explanation;
      readonly lines: readonly string[];
    }
  | { readonly outcome: 'unchanged'; readonly lines: readonly string[] }
  | { readonly outcome: 'refused'; readonly problems: readonly Problem[]; readonly lines: readonly string[] };

export type ConfigWatcherOptions = {
  /** The file to watch, or null: only `reload` does something. */
  readonly file: string | null;
  /** The configuration that the process started with. */
  readonly loaded: LoadedConfig;
  /** Reads all sources again; throws ConfigProblems. */
  readonly load: () => LoadedConfig;
  readonly clock: Clock;
  /** A new configuration that differs from the last. */
  readonly onChanged: (loaded: LoadedConfig, explanation: Explanation, lines: readonly string[]) => void;
  /** A configuration that was refused whole; the last good one stays. */
  readonly onRefused: (problems: readonly Problem[], lines: readonly string[]) => void;
  /** What is read is what is in force: a file that was refused may have been put right. */
  readonly onUnchanged?: () => void;
  /** Something to tell that changes nothing, e.g. a directory that cannot be watched. */
  readonly onWarning?: (message: string) => void;
};

/**
 * Watches the configuration file. An edit, another file renamed over it, and the swap of links in a mounted ConfigMap
 * are all seen; the same content again is nothing; a configuration with a problem is refused whole.
 */
export class ConfigWatcher {
  readonly #options: ConfigWatcherOptions;
  readonly #watch: FileWatch | null;
  #current: LoadedConfig;
  /** What the file held when it was last read, good or not: the same again is not told twice. */
  #lastSeen: string;
  #quiet: Timer | null = null;
  #latest: Timer | null = null;
  #look: Timer | null = null;
  #closed = false;

  constructor(options: ConfigWatcherOptions) {
    this.#options = options;
    this.#current = options.loaded;
    this.#lastSeen = `text ${options.loaded.text ?? ''}`;
    if (options.file === null) {
      this.#watch = null;
      return;
    }
    this.#watch = new FileWatch(options.file, () => this.#changed());
    this.#followLinks();
    this.#lookLater();
  }

  /** The last configuration that was accepted. */
  get current(): LoadedConfig {
    return this.#current;
  }

  /** Reads all sources now, also when the file is the same; the callbacks are called as for a change of the file. */
  reload(): ReloadOutcome {
    this.#cancelWaits();
    this.#lastSeen = this.#see();
    let loaded: LoadedConfig;
    try {
      loaded = this.#options.load();
    } catch (error) {
      const refused = error instanceof ConfigProblems ? error : unexpected(this.#options.file, error);
      const lines = ['the configuration was refused, the last good one stays', ...refused.lines];
      this.#options.onRefused(refused.problems, lines);
      return { outcome: 'refused', problems: refused.problems, lines };
    }
    const changes = explain(this.#current.config, loaded.config);
    this.#current = loaded;
    const count = changes.applied.length + changes.newConnections.length + changes.restart.length;
    if (count === 0) {
      this.#options.onUnchanged?.();
      return { outcome: 'unchanged', lines: ['no setting changed'] };
    }
    // What waits for a restart is told each time, until the restart or until it is as it was at the start.
    const restart = explain(this.#options.loaded.config, loaded.config).restart;
    const explanation: Explanation = { ...changes, restart };
    const lines = explanationLines(explanation);
    this.#options.onChanged(loaded, explanation, lines);
    return { outcome: 'changed', loaded, explanation, lines };
  }

  /** Stops watching; no callback follows. */
  close(): void {
    this.#closed = true;
    this.#cancelWaits();
    this.#look?.cancel();
    this.#watch?.close();
  }

  /** The file as text, or why it cannot be read, in a form that can be compared. */
  #see(): string {
    if (this.#options.file === null) return '';
    const read = readText(this.#options.file);
    return 'text' in read ? `text ${read.text}` : `refused ${read.refused}`;
  }

  #changed(): void {
    if (this.#closed) return;
    this.#quiet?.cancel();
    this.#quiet = this.#options.clock.setTimer(() => this.#check(), QUIET_MS);
    this.#latest ??= this.#options.clock.setTimer(() => this.#check(), LATEST_MS);
  }

  #check(): void {
    this.#cancelWaits();
    this.#followLinks();
    if (this.#see() !== this.#lastSeen) this.reload();
  }

  #followLinks(): void {
    for (const failure of this.#watch?.refresh() ?? [])
      this.#options.onWarning?.(`${failure}; it is looked at every ${LOOK_MS / 1000} s`);
  }

  #lookLater(): void {
    this.#look = this.#options.clock.setTimer(() => {
      this.#check();
      if (!this.#closed) this.#lookLater();
    }, LOOK_MS);
  }

  #cancelWaits(): void {
    this.#quiet?.cancel();
    this.#latest?.cancel();
    this.#quiet = null;
    this.#latest = null;
  }
}

/** A reload runs from a timer: a fault in it must cost the reload, not the process. */
function unexpected(file: string | null, error: unknown): ConfigProblems {
  const message = `could not be read: ${error instanceof Error ? error.message : String(error)}`;
  return new ConfigProblems([{ where: file ?? 'configuration', path: '', message }]);
}
