/** Character classes of RFC 9110 and RFC 9112 as byte tables: one look-up a byte, no strings. */

const TOKEN_PUNCTUATION = "!#$%&'*+-.^_`|~";

const isAlphaNumeric = (byte: number): boolean =>
  (byte >= 48 && byte <= 57) || (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122);

const table = (fill: (byte: number) => number): Uint8Array => {
  const bytes = new Uint8Array(256);
  for (let byte = 0; byte < 256; byte++) bytes[byte] = fill(byte);
  return bytes;
};

/** The lower-case byte of a token character (RFC 9110 section 5.6.2), 0 for every other byte. */
export const TOKEN_LOWER = table((byte) => {
  if (!isAlphaNumeric(byte) && !TOKEN_PUNCTUATION.includes(String.fromCharCode(byte))) return 0;
  return byte >= 65 && byte <= 90 ? byte + 32 : byte;
});

/** 1 for what may stand in a field value: HTAB, SP, VCHAR, obs-text (RFC 9110 section 5.5). */
export const FIELD_VALUE = table((byte) => (byte === 9 || (byte >= 32 && byte !== 127) ? 1 : 0));

/**
 * 1 for what may stand in a request target: VCHAR but `#`, for a fragment is never sent (RFC 9112 section 3.2). Wider than RFC
 * 3986 by the likes of `|` and `"`, which real clients send and every server takes.
 */
export const TARGET = table((byte) => (byte > 32 && byte < 127 && byte !== 35 ? 1 : 0));

/** 1 for what stands in a registered name that DNS or a Service can have, and `~` (RFC 3986 unreserved). */
export const HOST_NAME = table((byte) =>
  isAlphaNumeric(byte) || byte === 45 || byte === 46 || byte === 95 || byte === 126 ? 1 : 0,
);

/** Value of a hexadecimal digit, 255 for every other byte. */
export const HEX_DIGIT = table((byte) => {
  if (byte >= 48 && byte <= 57) return byte - 48;
  if (byte >= 97 && byte <= 102) return byte - 87;
  if (byte >= 65 && byte <= 70) return byte - 55;
  return 255;
});

export const CR = 13;
export const LF = 10;
export const SP = 32;
export const HTAB = 9;
export const COLON = 58;

/** A native call costs more than a few bytes copied by hand. */
const SHORT = 24;

/**
 * Copies `from[start..end)` to `to` from `at`, where there must be room.
 *
 * @returns the offset behind the copy
 */
export function copyBytes(from: Buffer, start: number, end: number, to: Buffer, at: number): number {
  const length = end - start;
  if (length > SHORT) from.copy(to, at, start, end);
  else for (let index = 0; index < length; index++) to[at + index] = from[start + index] ?? 0;
  return at + length;
}

/** Whether `buffer[start..end)` equals `lower` (lower-case ASCII) without regard to case. */
export function equalsIgnoringCase(buffer: Buffer, start: number, end: number, lower: string): boolean {
  if (end - start !== lower.length) return false;
  for (let index = 0; index < lower.length; index++) {
    const byte = buffer[start + index] ?? 0;
    const folded = byte >= 65 && byte <= 90 ? byte + 32 : byte;
    if (folded !== lower.charCodeAt(index)) return false;
  }
  return true;
}
