/**
 * Integers with a prefix of some bits of a byte (RFC 7541 section 5.1).
 *
 * No integer of a field block that can be obeyed is large: table indices, the length of a string that lies in the block, a size of at most 4,096.
 * So three bytes behind the prefix are enough for any, and a fourth may come where zeros pad.
 */

const MAX_INTEGER = 1 << 22;

/**
 * Reads the integer whose first byte is at `at`; `mask` has the bits of its prefix.
 *
 * @returns the value times 8 plus the number of bytes it took, -1 where it is too large or does not end before `end`
 */
export function readInteger(buffer: Buffer, at: number, end: number, mask: number): number {
  if (at >= end) return -1;
  let value = (buffer[at] ?? 0) & mask;
  if (value < mask) return value * 8 + 1;
  let shift = 0;
  for (let bytes = 2; bytes <= 5; bytes++) {
    const next = at + bytes - 1;
    if (next >= end) return -1;
    const byte = buffer[next] ?? 0;
    value += (byte & 127) * 2 ** shift;
    if (byte < 128) return value > MAX_INTEGER ? -1 : value * 8 + bytes;
    shift += 7;
  }
  return -1;
}

/** Writes `value` at `at`, with `first` for the bits above the prefix of `mask`; at most four bytes for what is below 2^21. */
export function writeInteger(out: Buffer, at: number, first: number, mask: number, value: number): number {
  if (value < mask) {
    out[at] = first | value;
    return at + 1;
  }
  out[at] = first | mask;
  let to = at + 1;
  let rest = value - mask;
  while (rest >= 128) {
    out[to++] = (rest & 127) | 128;
    rest >>>= 7;
  }
  out[to] = rest;
  return to + 1;
}
