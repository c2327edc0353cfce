import { TOKEN_LOWER } from '../bytes.ts';
import { ENTRY_WORDS, fieldOf, setEntry } from './table-entry.ts';
import { viewOf, WORD_SLACK } from './words.ts';

/** The static table of HPACK (RFC 7541 appendix A). */
const STATIC: readonly (readonly [name: string, value: string])[] = [
  [':authority', ''],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  [':status', '200'],
  [':status', '204'],
  [':status', '206'],
  [':status', '304'],
  [':status', '400'],
  [':status', '404'],
  [':status', '500'],
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ['accept-language', ''],
  ['accept-ranges', ''],
  ['accept', ''],
  ['access-control-allow-origin', ''],
  ['age', ''],
  ['allow', ''],
  ['authorization', ''],
  ['cache-control', ''],
  ['content-disposition', ''],
  ['content-encoding', ''],
  ['content-language', ''],
  ['content-length', ''],
  ['content-location', ''],
  ['content-range', ''],
  ['content-type', ''],
  ['cookie', ''],
  ['date', ''],
  ['etag', ''],
  ['expect', ''],
  ['expires', ''],
  ['from', ''],
  ['host', ''],
  ['if-match', ''],
  ['if-modified-since', ''],
  ['if-none-match', ''],
  ['if-range', ''],
  ['if-unmodified-since', ''],
  ['last-modified', ''],
  ['link', ''],
  ['location', ''],
  ['max-forwards', ''],
  ['proxy-authenticate', ''],
  ['proxy-authorization', ''],
  ['range', ''],
  ['referer', ''],
  ['refresh', ''],
  ['retry-after', ''],
  ['server', ''],
  ['set-cookie', ''],
  ['strict-transport-security', ''],
  ['transfer-encoding', ''],
  ['user-agent', ''],
  ['vary', ''],
  ['via', ''],
  ['www-authenticate', ''],
];

export const STATIC_ENTRIES = STATIC.length;

/** The first index of each name that pseudo-header fields and a few others are written with. */
export const STATIC_AUTHORITY = 1;
export const STATIC_METHOD = 2;
export const STATIC_PATH = 4;
export const STATIC_SCHEME = 6;
export const STATIC_STATUS = 8;
export const STATIC_ACCEPT_ENCODING = 16;

/** The entries as `DynamicTable` has its own (table-entry.ts); index 1 is the entry at 0. The coded form is the index itself. */
export const staticEntries = new Uint16Array(STATIC.length * ENTRY_WORDS);
export const staticView: DataView = (() => {
  const parts: Buffer[] = [];
  let at = 0;
  for (const [index, [name, value]] of STATIC.entries()) {
    const line = Buffer.from(`${name}: ${value}\r\n`, 'latin1');
    const field = fieldOf(line, 0, name.length);
    setEntry(staticEntries, index, at, name.length, value.length, 0, 1, field, 0);
    parts.push(line, Buffer.from([0x80 | (index + 1)]));
    at += line.length + 1;
  }
  return viewOf(Buffer.concat([...parts, Buffer.alloc(WORD_SLACK)]));
})();

/*
 * Names of regular fields by hash of length, first and last byte: the index of the first candidate, and of the next one with
 * the same hash.
 */
const BUCKETS = 128;
const byHash = new Uint8Array(BUCKETS);
const nextOf = new Uint8Array(STATIC.length + 1);
const names: Buffer[] = [Buffer.alloc(0)];

const hashOf = (length: number, first: number, last: number): number => (length * 7 + first * 3 + last) & (BUCKETS - 1);

for (const [at, [name]] of STATIC.entries()) {
  names.push(Buffer.from(name, 'latin1'));
  if (name.startsWith(':')) continue;
  const hash = hashOf(name.length, name.charCodeAt(0), name.charCodeAt(name.length - 1));
  nextOf[at + 1] = byHash[hash] ?? 0;
  byHash[hash] = at + 1;
}

/** The index of the regular field name at `buffer[start..end)`, whatever the case of its letters; 0 where there is none. */
export function staticNameIndex(buffer: Buffer, start: number, end: number): number {
  const length = end - start;
  const first = TOKEN_LOWER[buffer[start] ?? 0] ?? 0;
  const last = TOKEN_LOWER[buffer[end - 1] ?? 0] ?? 0;
  for (let index = byHash[hashOf(length, first, last)] ?? 0; index !== 0; index = nextOf[index] ?? 0) {
    const name = names[index];
    if (name === undefined || name.length !== length) continue;
    let at = 0;
    while (at < length && TOKEN_LOWER[buffer[start + at] ?? 0] === name[at]) at++;
    if (at === length) return index;
  }
  return 0;
}
