import { TOKEN_LOWER } from './bytes.ts';
import { writeInteger } from './http2/prefix-integer.ts';
import { staticNameIndex } from './http2/static-table.ts';

/** A literal that no table may keep, here or further on (RFC 7541 section 6.2.3). */
const NEVER_INDEXED = 0x10;

/**
 * What a destination changes in the fields of its requests: fields that are left out, and lines that come in their place.
 * Made once for many requests; a writer asks it for each field. The head itself stays as it is, for it may be read again.
 */
export class FieldEdits {
  /** Whole lines for HTTP/1.1, each with its CRLF. */
  readonly lines: Buffer;
  /** The same fields as literals that are never indexed: what is set is a secret more often than not (RFC 7541 section 7.1.3). */
  readonly block: Buffer;
  /** Names in lower case, by their length. */
  readonly #names: (readonly Uint8Array[] | undefined)[] = [];
  readonly #base: FieldEdits | null;

  /**
   * @param set fields that are added, in latin1; names in lower case
   * @param left names in lower case of all fields that are left out
   * @param base edits to which these are added, or null
   */
  constructor(
    set: readonly (readonly [name: string, value: string])[],
    left: readonly string[],
    base: FieldEdits | null = null,
  ) {
    const lines = Buffer.from(set.map(([name, value]) => `${name}: ${value}\r\n`).join(''), 'latin1');
    const literals = set.map(([name, value]) => literal(name, value));
    this.lines = base === null ? lines : Buffer.concat([base.lines, lines]);
    this.block = Buffer.concat(base === null ? literals : [base.block, ...literals]);
    this.#base = base;
    for (const name of left) {
      const others = this.#names[name.length] ?? [];
      this.#names[name.length] = [...others, Buffer.from(name, 'latin1')];
    }
  }

  /** Whether the field whose name is `buffer[start..end)` is left out. */
  drops(buffer: Buffer, start: number, end: number): boolean {
    if (this.#base?.drops(buffer, start, end) === true) return true;
    const names = this.#names[end - start];
    if (names === undefined) return false;
    for (let index = 0; index < names.length; index++) {
      const name = names[index];
      if (name === undefined) break;
      let at = 0;
      while (at < name.length && TOKEN_LOWER[buffer[start + at] ?? 0] === name[at]) at++;
      if (at === name.length) return true;
    }
    return false;
  }
}

/** A field that stands for itself, by the static table's name where it has one. */
function literal(name: string, value: string): Buffer {
  const nameBytes = Buffer.from(name, 'latin1');
  const valueBytes = Buffer.from(value, 'latin1');
  const out = Buffer.alloc(nameBytes.length + valueBytes.length + 12);
  const index = staticNameIndex(nameBytes, 0, nameBytes.length);
  let to = writeInteger(out, 0, NEVER_INDEXED, 15, index);
  if (index === 0) {
    to = writeInteger(out, to, 0, 127, nameBytes.length);
    to += nameBytes.copy(out, to);
  }
  to = writeInteger(out, to, 0, 127, valueBytes.length);
  to += valueBytes.copy(out, to);
  return out.subarray(0, to);
}
