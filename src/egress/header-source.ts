import type { Clock } from '../clock.ts';
import type { HeadersPolicy } from '../config/types.ts';
import type { EventSink } from '../observer.ts';
import { FieldEdits } from '../protocol/field-edits.ts';
import { SecretFile } from './secret-file.ts';

/** One field that is set: its text, or the file that has it. */
type Part = { readonly name: string; readonly prefix: string; readonly text: string; readonly file: SecretFile | null };

/**
 * What `headers.set` and `headers.remove` of one destination make of its requests. A field whose file was never of use is left out, and
 * so is the app's own of that name: a request without its key is refused upstream, and one with another's key would be worse.
 */
export class HeaderSource {
  readonly #clock: Clock;
  readonly #parts: readonly Part[];
  readonly #files: readonly SecretFile[];
  readonly #left: readonly string[];
  readonly #key: string;
  #edits: FieldEdits;
  /** The sum of the files' versions that `#edits` was made of. */
  #version = 0;

  private constructor(destination: string, headers: HeadersPolicy, clock: Clock, events: EventSink) {
    this.#clock = clock;
    this.#key = keyOf(headers);
    this.#parts = headers.set.map(({ name, value, file, prefix }) => ({
      name,
      prefix,
      text: value ?? '',
      file: file === null ? null : new SecretFile({ path: file, destination, clock, events }),
    }));
    this.#files = this.#parts.flatMap(({ file }) => file ?? []);
    this.#left = [...headers.set.map(({ name }) => name), ...headers.remove];
    this.#edits = this.#make();
    this.current();
  }

  /**
   * The source of a policy; `before` where that says the same, so that what its files held last is not forgotten.
   * @param destination whom events about its files name
   * @returns null: the policy changes nothing
   */
  static of(
    destination: string,
    headers: HeadersPolicy,
    clock: Clock,
    events: EventSink,
    before: HeaderSource | null = null,
  ): HeaderSource | null {
    if (headers.set.length === 0 && headers.remove.length === 0) return null;
    if (before !== null && before.#key === keyOf(headers)) return before;
    return new HeaderSource(destination, headers, clock, events);
  }

  /** What is in force now: the same object as before where no file has changed. */
  current(): FieldEdits {
    if (this.#files.length === 0) return this.#edits;
    const now = this.#clock.now();
    let version = 0;
    for (const file of this.#files) {
      file.look(now);
      version += file.version;
    }
    if (version !== this.#version) {
      this.#version = version;
      this.#edits = this.#make();
    }
    return this.#edits;
  }

  #make(): FieldEdits {
    const set: (readonly [string, string])[] = [];
    for (const { name, prefix, text, file } of this.#parts) {
      const value = file === null ? text : file.value;
      if (value !== null) set.push([name, `${prefix}${value}`]);
    }
    return new FieldEdits(set, this.#left);
  }
}

const keyOf = ({ set, remove }: HeadersPolicy): string => JSON.stringify([set, remove]);
