/*
 * Copies of four bytes at a time. Most strings of a head are too long to be copied byte by byte, and too short for a native call, which costs
 * about 40 ns whatever it copies.
 */

/** What may be read or written behind the end of a range that is copied by words: its memory must go so far. */
export const WORD_SLACK = 8;

export const viewOf = (buffer: Buffer): DataView => new DataView(buffer.buffer, buffer.byteOffset, buffer.length);

let lastBuffer: Buffer = Buffer.alloc(0);
let lastView: DataView = viewOf(lastBuffer);

/** The view of a buffer that others read into, which mostly is the one that was asked for before. */
export function sourceView(buffer: Buffer): DataView {
  if (buffer !== lastBuffer) {
    lastBuffer = buffer;
    lastView = viewOf(buffer);
  }
  return lastView;
}

/**
 * Copies `from[start..end)` to `to` from `at`, and up to WORD_SLACK bytes of nonsense behind.
 *
 * @returns the offset behind the copy
 */
export function copyWords(from: DataView, start: number, end: number, to: DataView, at: number): number {
  const length = end - start;
  for (let index = 0; index < length; index += 8) {
    const low = from.getInt32(start + index, true);
    const high = from.getInt32(start + index + 4, true);
    to.setInt32(at + index, low, true);
    to.setInt32(at + index + 4, high, true);
  }
  return at + length;
}

/**
 * Copies a field value as `copyWords` does.
 *
 * @returns whether no byte of it is a control byte; false too where that is to be looked at byte by byte: with HTAB, or close to the end of `from`
 */
export function copyText(from: DataView, start: number, end: number, to: DataView, at: number): boolean {
  const length = end - start;
  if (end + WORD_SLACK > from.byteLength) {
    for (let index = 0; index < length; index++) to.setUint8(at + index, from.getUint8(start + index));
    return length === 0;
  }
  let doubt = 0;
  let index = 0;
  for (; index + 4 <= length; index += 4) {
    const word = from.getInt32(start + index, true);
    to.setInt32(at + index, word, true);
    // The high bit of each byte below 32, and of each that is 127 (and perhaps of bytes above one of those).
    doubt |= (word - 0x20202020) & ~word;
    const deletes = word ^ 0x7f7f7f7f;
    doubt |= (deletes - 0x01010101) & ~deletes;
  }
  for (; index < length; index++) {
    const byte = from.getUint8(start + index);
    to.setUint8(at + index, byte);
    if (byte < 32 || byte === 127) doubt = -1;
  }
  return (doubt & 0x80808080) === 0;
}
