import { FRAME_HEADER_BYTES } from './frame-types.ts';

/** What the memory may keep between frames: an idle connection has to be cheap. */
const KEPT_BYTES = 512;

/** A frame that is split over reads, as far as it has come. */
export class SplitFrame {
  /** The bytes that came; its memory is larger. */
  buffer: Buffer | null = null;
  /** How many came; 0: no frame is split. */
  bytes = 0;

  /** The length of the payload; only with the whole header here. */
  get payloadLength(): number {
    const { buffer } = this;
    return buffer === null ? 0 : ((buffer[0] ?? 0) << 16) | ((buffer[1] ?? 0) << 8) | (buffer[2] ?? 0);
  }

  /** Type of the frame, or -1 while its header is not whole. */
  get type(): number {
    return this.bytes < FRAME_HEADER_BYTES ? -1 : (this.buffer?.[3] ?? -1);
  }

  /**
   * Takes bytes of `buffer[start..end)` until `wanted` are here. The memory grows with what came, not with what was announced.
   * @returns the offset behind those that were taken
   */
  fill(wanted: number, buffer: Buffer, start: number, end: number): number {
    const take = Math.min(wanted - this.bytes, end - start);
    const bytes = this.bytes + take;
    if (this.buffer === null || this.buffer.length < bytes) {
      const larger = Buffer.allocUnsafeSlow(bytes <= 64 ? 64 : 2 * bytes);
      this.buffer?.copy(larger, 0, 0, this.bytes);
      this.buffer = larger;
    }
    buffer.copy(this.buffer, this.bytes, start, start + take);
    this.bytes = bytes;
    return start + take;
  }

  /** The frame was read, or is of no more interest. */
  clear(): void {
    this.bytes = 0;
    if (this.buffer !== null && this.buffer.length > KEPT_BYTES) this.buffer = null;
  }
}
