import { readFileSync } from 'node:fs';
import { fileVersion } from '../transport/tls-files.ts';

const LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:[ \t]*([\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)[ \t]*$/;

/**
 * Fields for the collector from a mounted Secret, a line `name: value` each. The file is looked at for each batch; while what is there is of no use,
 * what was read before serves on. Nothing of its content is in a message.
 */
export class HeadersFile {
  readonly #path: string;
  readonly #onFault: (message: string) => void;
  #version = '';
  #fields: Record<string, string> = {};

  /** @param onFault what is wrong with the file; told once for each version of it */
  constructor(path: string, onFault: (message: string) => void) {
    this.#path = path;
    this.#onFault = onFault;
  }

  /** The fields as the file has them now. */
  current(): Record<string, string> {
    const version = fileVersion(this.#path);
    if (version === this.#version) return this.#fields;
    this.#version = version;
    try {
      const fields: Record<string, string> = {};
      for (const [index, line] of readFileSync(this.#path, 'utf8').split('\n').entries()) {
        if (/^\s*(#|$)/.test(line)) continue;
        const match = LINE.exec(line.replace(/\r$/, ''));
        if (match === null) throw new Error(`line ${index + 1} is no field: write name: value`);
        fields[(match[1] ?? '').toLowerCase()] = match[2] ?? '';
      }
      this.#fields = fields;
    } catch (error) {
      this.#onFault(`telemetry.tracing.headersFile ${this.#path}: ${error instanceof Error ? error.message : error}`);
    }
    return this.#fields;
  }
}
