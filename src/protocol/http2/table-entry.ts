import { TOKEN_LOWER } from '../bytes.ts';
import { fieldId } from '../field-names.ts';

/*
 * An entry of the static or the dynamic table: eight 16-bit words, and bytes: its line as text, `name: value` and CRLF, with its coded
 * form behind it, which needs no table but the static one.
 */
export const ENTRY_WORDS = 8;
/** Where its bytes begin. */
export const ENTRY_START = 0;
export const ENTRY_NAME = 1;
export const ENTRY_VALUE = 2;
/** The part of the coded form up to its value: how a literal says this name. */
export const ENTRY_CODED_NAME = 3;
export const ENTRY_CODED = 4;
/** What `fieldOf` says. */
export const ENTRY_FIELD = 5;
/** What is wrong with it: FIELD_GOOD, BAD_NAME or BAD_VALUE. */
export const ENTRY_FLAW = 6;

export const FIELD_GOOD = 0;
export const BAD_NAME = 1;
export const BAD_VALUE = 2;

/** Fills entry `index` of `entries`. */
export function setEntry(
  entries: Uint16Array,
  index: number,
  start: number,
  nameLength: number,
  valueLength: number,
  codedName: number,
  coded: number,
  field: number,
  flaw: number,
): void {
  const at = index * ENTRY_WORDS;
  entries[at + ENTRY_START] = start;
  entries[at + ENTRY_NAME] = nameLength;
  entries[at + ENTRY_VALUE] = valueLength;
  entries[at + ENTRY_CODED_NAME] = codedName;
  entries[at + ENTRY_CODED] = coded;
  entries[at + ENTRY_FIELD] = field;
  entries[at + ENTRY_FLAW] = flaw;
}

/** Pseudo-header fields (RFC 9113 section 8.3, RFC 8441), beyond the ids of fields. */
export const PSEUDO = 64;
export const PSEUDO_METHOD = 64;
export const PSEUDO_SCHEME = 65;
export const PSEUDO_AUTHORITY = 66;
export const PSEUDO_PATH = 67;
export const PSEUDO_STATUS = 68;
export const PSEUDO_PROTOCOL = 69;
export const PSEUDO_UNKNOWN = 70;

const PSEUDO_NAMES: readonly (readonly [Buffer, number])[] = (
  [
    [':path', PSEUDO_PATH],
    [':method', PSEUDO_METHOD],
    [':scheme', PSEUDO_SCHEME],
    [':status', PSEUDO_STATUS],
    [':protocol', PSEUDO_PROTOCOL],
    [':authority', PSEUDO_AUTHORITY],
  ] as const
).map(([name, id]) => [Buffer.from(name, 'latin1'), id]);

/** What the name at `buffer[start..end)` stands for: an id of a field, or of a pseudo-header field. */
export function fieldOf(buffer: Buffer, start: number, end: number): number {
  if (buffer[start] !== 58 || start === end) return fieldId(buffer, start, end);
  for (let index = 0; index < PSEUDO_NAMES.length; index++) {
    const pseudo = PSEUDO_NAMES[index];
    if (pseudo === undefined || pseudo[0].length !== end - start) continue;
    const name = pseudo[0];
    let at = 1;
    while (at < name.length && buffer[start + at] === name[at]) at++;
    if (at === name.length) return pseudo[1];
  }
  return PSEUDO_UNKNOWN;
}

/** Whether the name at `buffer[start..end)` is a lower-case token (RFC 9113 section 8.2.1). */
export function nameIsGood(buffer: Buffer, start: number, end: number): boolean {
  let at = start;
  while (at < end && TOKEN_LOWER[buffer[at] ?? 0] === buffer[at] && buffer[at] !== 0) at++;
  return at === end && end > start;
}
