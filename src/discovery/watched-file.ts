import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Clock, Timer } from '../clock.ts';

/**
 * The text of a small file that may change under us, read again every `intervalMs` and compared.
 *
 * Reading is what sees every way in which such files change: written in place, renamed over, a symlink in their path
 * swapped (ConfigMap mounts), or the host's file behind a bind mount (a pod's /etc/hosts and /etc/resolv.conf), for
 * which inotify on the directory inside the container says nothing. A few hundred bytes every few seconds cost less
 * than a lookup.
 */
export class WatchedFile {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #changed: (text: string) => void;
  #text: string;
  #timer: Timer | null;

  /** Reads the file at once (a missing one counts as empty), then calls `changed` with each new text until closed. */
  constructor(path: string, clock: Clock, intervalMs: number, changed: (text: string) => void) {
    this.#path = path;
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#changed = changed;
    try {
      this.#text = readFileSync(path, 'utf8');
    } catch {
      this.#text = '';
    }
    this.#timer = this.#schedule();
  }

  /** The text as last read. */
  get text(): string {
    return this.#text;
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #schedule(): Timer {
    return this.#clock.setTimer(() => void this.#check(), this.#intervalMs);
  }

  async #check(): Promise<void> {
    let text = this.#text;
    try {
      text = await readFile(this.#path, 'utf8');
    } catch {
      // Missing or unreadable is most likely the middle of a replacement: what was read last goes on.
    }
    if (!this.#timer) return;
    this.#timer = this.#schedule();
    if (text === this.#text) return;
    this.#text = text;
    this.#changed(text);
  }
}
