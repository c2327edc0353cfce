import { readFileSync, statSync } from 'node:fs';
import type { Clock } from '../clock.ts';
import type { EventSink } from '../observer.ts';
import { fileVersion } from '../transport/tls-files.ts';

/** Files are looked at this often at most, when what they hold is needed. */
const LOOK_EVERY_MS = 1000;
/** What a field's value may be long, and a file that is to hold one. */
const MAX_VALUE = 8192;
const MAX_FILE_BYTES = 64 * 1024;

/** Bytes that a field's value may have, without white space around (RFC 9110 section 5.5). */
const VALUE = /^[\x21-\x7e\x80-\xff](?:[\x20-\x7e\t\x80-\xff]*[\x21-\x7e\x80-\xff])?$/;

export type SecretFileOptions = {
  readonly path: string;
  /** Whom an event about the file names. */
  readonly destination: string;
  readonly clock: Clock;
  readonly events: EventSink;
  /** Says what is wrong with a value besides its bytes, in words that hold nothing of it; null: nothing. */
  readonly check?: (value: string) => string | null;
};

/**
 * One line of a mounted Secret, followed while it is in use: it is looked at when it is needed, once a second at most. While what is there is of
 * no use, what was read before serves on. Its content is in no event and no message.
 */
export class SecretFile {
  /** Another number whenever `value` is another one. */
  version = 0;
  readonly #options: SecretFileOptions;
  #value: string | null = null;
  #loaded: string | null = null;
  /** The version of the file that was told of as useless. */
  #refused: string | null = null;
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(options: SecretFileOptions) {
    this.#options = options;
  }

  /** What the file holds, in latin1, or held when it was of use last; null: it never was. */
  get value(): string | null {
    return this.#value;
  }

  /** Looks whether the file has changed, where it is time to. @param now monotonic ms */
  look(now: number): void {
    if (now - this.#lookedAt < LOOK_EVERY_MS) return;
    this.#lookedAt = now;
    const { path, destination, events } = this.#options;
    const version = fileVersion(path);
    if (version === this.#loaded) this.#refused = null;
    if (version === (this.#refused ?? this.#loaded)) return;
    const { value, fault } = this.#read();
    if (value === null) {
      this.#refused = version;
      const message = this.#value === null ? `${path} ${fault}` : `${path} ${fault}; what was read before serves on`;
      events.emit({ type: 'secret_file_refused', destination, file: path, message });
      return;
    }
    const first = this.#loaded === null;
    this.#loaded = version;
    this.#refused = null;
    if (value === this.#value) return;
    this.#value = value;
    this.version++;
    if (!first) events.emit({ type: 'secret_file_changed', destination, file: path });
  }

  #read(): { readonly value: string | null; readonly fault: string } {
    const no = (fault: string) => ({ value: null, fault });
    const { path, check } = this.#options;
    let text: string;
    try {
      const stats = statSync(path);
      // Reading a pipe would wait for whoever writes it.
      if (!stats.isFile()) return no('is no file');
      if (stats.size > MAX_FILE_BYTES) return no(`is longer than ${MAX_FILE_BYTES} bytes`);
      text = readFileSync(path, 'latin1');
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : error;
      return no(`cannot be read: ${String(code)}`);
    }
    const value = text.replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, '');
    if (value === '') return no('is empty');
    if (value.length > MAX_VALUE) return no(`holds more than ${MAX_VALUE} bytes`);
    if (!VALUE.test(value)) return no('holds more than one line, or a byte that no field may have');
    const fault = check?.(value) ?? null;
    return fault === null ? { value, fault: '' } : no(fault);
  }
}
