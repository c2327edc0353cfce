/*
 * Copies of four bytes at a time. Most strings of a head are too long to be copied byte by byte, and too short for a native call, which costs
 * about 40 ns whatever it copies.
 */

/** What may be read or written behind the end of a range that is copied by words: its memory must go so far. */
export const WORD_SLACK = 8;

export const viewOf = (buffer: Buffer): DataView => new DataView(buffer.buffer, buffer.byteOffset, buffer.length);

let lastBuffer = Buffer.alloc(0);
let lastView = viewOf(lastBuffer);

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
