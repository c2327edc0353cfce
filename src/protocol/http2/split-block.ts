import { MAX_FRAME_BYTES } from './frame-types.ts';

/** CONTINUATION frames of one field block, empty ones among them. A peer that fills its frames needs four for 64 KiB. */
const MAX_CONTINUATIONS = 32;
/** One that carries less, and is not the last, is one that no honest peer needs. */
const TINY_BYTES = 1024;

/** A field block in several frames, HEADERS and CONTINUATIONs (RFC 9113 section 6.10), within bounds. */
export class SplitBlock {
  /** The stream of the block that is under way, or 0. */
  stream = 0;
  /** Its HEADERS frame had END_STREAM. */
  endStream = false;
  /** The bytes that came; its memory is larger, and is given up with the block. */
  buffer: Buffer | null = null;
  bytes = 0;
  /** CONTINUATION frames of this block, or the last one, that were tiny without need. */
  tiny = 0;
  readonly #maxBytes: number;
  readonly #maxContinuations: number;
  #continuations = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#maxContinuations = Math.max(MAX_CONTINUATIONS, (2 * maxBytes) / MAX_FRAME_BYTES);
  }

  /** Begins with what a HEADERS frame without END_HEADERS has. @returns false: it is too long */
  begin(stream: number, endStream: boolean, buffer: Buffer, start: number, end: number): boolean {
    this.stream = stream;
    this.endStream = endStream;
    this.#continuations = 0;
    return this.#add(buffer, start, end);
  }

  /** Adds what a CONTINUATION frame has. @returns false: it is too long, or in too many pieces */
  continue(buffer: Buffer, start: number, end: number, last: boolean): boolean {
    if (!last && end - start < TINY_BYTES) this.tiny++;
    return ++this.#continuations <= this.#maxContinuations && this.#add(buffer, start, end);
  }

  #add(buffer: Buffer, start: number, end: number): boolean {
    const bytes = this.bytes + (end - start);
    if (bytes > this.#maxBytes) return false;
    if (this.buffer === null || this.buffer.length < bytes) {
      const larger = Buffer.allocUnsafeSlow(Math.min(this.#maxBytes, 2 * bytes));
      this.buffer?.copy(larger, 0, 0, this.bytes);
      this.buffer = larger;
    }
    buffer.copy(this.buffer, this.bytes, start, end);
    this.bytes = bytes;
    return true;
  }

  clear(): void {
    this.stream = 0;
    this.buffer = null;
    this.bytes = 0;
  }
}
