import { parse } from 'yaml';
import type { Clock } from '../clock.ts';
import { WatchedFile } from '../discovery/watched-file.ts';
import type { InjectionSettings } from '../injection/settings.ts';
import { readInjectionSettings } from '../injection/settings-schema.ts';

/** How often the file is looked at, in milliseconds; the kubelet takes a minute to bring a change of the ConfigMap to it. */
const LOOK_MS = 5_000;

export type SettingsReports = {
  readonly applied: (settings: InjectionSettings) => void;
  /** The file is refused whole; the last good settings stay. */
  readonly refused: (problems: readonly string[]) => void;
};

/** The settings of injection: the file that the chart mounts, read again when it changes. */
export class SettingsFile {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #reports: SettingsReports;
  #file: WatchedFile | null = null;
  #read: string | null = null;
  #settings: InjectionSettings | null = null;

  constructor(path: string, clock: Clock, reports: SettingsReports) {
    this.#path = path;
    this.#clock = clock;
    this.#reports = reports;
  }

  /** The last that were good, or null. */
  get current(): InjectionSettings | null {
    return this.#settings;
  }

  start(): void {
    this.#file = new WatchedFile(this.#path, this.#clock, LOOK_MS, (text) => this.#take(text));
    this.#take(this.#file.text);
  }

  /** Reads it at once. */
  look(): void {
    this.stop();
    this.start();
  }

  stop(): void {
    this.#file?.close();
    this.#file = null;
  }

  #take(text: string): void {
    if (text === this.#read) return;
    this.#read = text;
    const read = readSettings(text);
    if ('problems' in read) {
      this.#reports.refused(read.problems.map((problem) => `${this.#path}: ${problem}`));
      return;
    }
    this.#settings = read.settings;
    this.#reports.applied(read.settings);
  }
}

function readSettings(text: string): ReturnType<typeof readInjectionSettings> {
  if (text.trim() === '') return { problems: ['the file is not there, or empty'] };
  try {
    return readInjectionSettings(parse(text));
  } catch (error) {
    return {
      problems: [`it is no YAML: ${error instanceof Error ? (error.message.split('\n', 1)[0] ?? '') : 'unknown'}`],
    };
  }
}
