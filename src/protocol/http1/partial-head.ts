import { CR, LF } from '../bytes.ts';

/**
 * Keeps the bytes of a head that did not arrive whole, and tells when scanning it again is worth while: when a blank
 * line was seen, or when the bytes have doubled since the last scan. So a head that drips in byte by byte costs linear
 * work, and a broken one is still refused soon.
 */
export class PartialHead {
  #held: Buffer | null = null;
  #length = 0;
  #scanAt = 0;
  #lineStart = false;

  get empty(): boolean {
    return this.#length === 0;
  }

  get length(): number {
    return this.#length;
  }

  /** Takes `buffer[start..end)`, the bytes that follow what is held. */
  add(buffer: Buffer, start: number, end: number): void {
    const needed = this.#length + (end - start);
    if (this.#held === null || this.#held.length < needed) {
      const larger = Buffer.allocUnsafeSlow(Math.max(1024, 2 ** Math.ceil(Math.log2(needed))));
      this.#held?.copy(larger, 0, 0, this.#length);
      this.#held = larger;
    }
    buffer.copy(this.#held, this.#length, start, end);
    let blank = false;
    for (let at = start; at < end; at++) {
      const byte = buffer[at];
      // LF LF counts too: the scanner has to see, and refuse, a head whose lines end with a bare LF.
      if (byte === LF) {
        if (this.#lineStart) blank = true;
        this.#lineStart = true;
      } else if (byte !== CR) this.#lineStart = false;
    }
    this.#length = needed;
    if (blank) this.#scanAt = 0;
  }

  /** Whether a scan may now find something new. Asking counts as the scan. */
  worthScanning(): boolean {
    if (this.#length < this.#scanAt) return false;
    this.#scanAt = this.#length * 2;
    return true;
  }

  /** The held bytes; valid until the next `add` or `clear`. */
  bytes(): Buffer {
    return (this.#held ?? Buffer.alloc(0)).subarray(0, this.#length);
  }

  clear(): void {
    this.#held = null;
    this.#length = 0;
    this.#scanAt = 0;
    this.#lineStart = false;
  }
}
