import { Head } from '../head.ts';
import { sourceView, viewOf } from './words.ts';

const SLOTS = 16;
/** Larger blocks are not remembered. */
export const MEMO_BLOCK_BYTES = 512;
/** What the heads of one memo may take together, and what one takes beside its bytes. */
const MEMO_BYTES = 32_768;
const SLOT_BYTES = 1024;
const FIELD_BYTES = 18;

type Slot = {
  readonly hash: number;
  readonly key: DataView;
  readonly kind: number;
  /** The generation of the dynamic table, or ANY_GENERATION where the block does not refer to it. */
  readonly generation: number;
  readonly head: Head;
  readonly bytes: number;
};

/** No generation that a table has: the block means the same whatever the table holds. */
export const ANY_GENERATION = 0.5;

/** The hash of a block that is read as `kind`. Whoever wants finds two that have the same, so it is no more than where to look. */
export function blockHash(view: DataView, start: number, end: number, kind: number): number {
  let hash = kind + end - start;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    hash = Math.imul(hash ^ view.getInt32(at, true), 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  for (; at < end; at++) hash = Math.imul(hash ^ view.getUint8(at), 16777619);
  return hash;
}

/**
 * Heads of field blocks that came before on the same connection. A block is remembered at its second sight; each has the one slot of its
 * hash. Who looks up (`find`) and did not find asks then whether to `admit`.
 */
export class BlockMemo {
  readonly #slots: (Slot | null)[] = new Array(SLOTS).fill(null);
  readonly #seen = new Int32Array(SLOTS);
  #bytes = 0;
  #hash = 0;

  /** The head of the block at `buffer[start..end)`; `kind` says as what it was read. */
  find(buffer: Buffer, start: number, end: number, kind: number, generation: number): Head | null {
    const view = sourceView(buffer);
    const hash = blockHash(view, start, end, kind);
    this.#hash = hash;
    const slot = this.#slots[(hash ^ (hash >>> 16)) & (SLOTS - 1)];
    if (slot === null || slot === undefined || slot.hash !== hash || slot.kind !== kind) return null;
    if (slot.generation !== generation && slot.generation !== ANY_GENERATION) return null;
    const { key } = slot;
    const length = key.byteLength;
    if (length !== end - start) return null;
    let same = 0;
    while (same + 4 <= length && key.getInt32(same) === view.getInt32(start + same)) same += 4;
    while (same < length && key.getUint8(same) === view.getUint8(start + same)) same++;
    return same === length ? slot.head : null;
  }

  /** Whether the block that was looked up last came before. Asking counts as a sight. */
  get secondSight(): boolean {
    const index = (this.#hash ^ (this.#hash >>> 16)) & (SLOTS - 1);
    if (this.#seen[index] === this.#hash) return true;
    this.#seen[index] = this.#hash;
    return false;
  }

  /** Remembers `head` for the block that was looked up last. */
  admit(buffer: Buffer, start: number, end: number, kind: number, generation: number, head: Head): void {
    const index = (this.#hash ^ (this.#hash >>> 16)) & (SLOTS - 1);
    // The value of `:protocol` stands before the start line.
    const textStart = head.protocolEnd > head.protocolStart ? head.protocolStart : head.start;
    const text = head.end - textStart;
    const coded = head.codedEnd - head.codedStart;
    const bytes = end - start + text + coded + FIELD_BYTES * (head.fieldCount + 1) + SLOT_BYTES;
    const held = this.#bytes - (this.#slots[index]?.bytes ?? 0);
    if (head.coded === null || held + bytes > MEMO_BYTES) return;
    const own = Buffer.allocUnsafeSlow(text + coded + end - start);
    head.buffer.copy(own, 0, textStart, head.end);
    head.coded.copy(own, text, head.codedStart, head.codedEnd);
    buffer.copy(own, text + coded, start, end);
    const copy = new Head(head.fieldCount);
    copy.lasting = true;
    copy.copyFrom(head, own, -textStart, text);
    this.#slots[index] = {
      hash: this.#hash,
      key: viewOf(own.subarray(text + coded)),
      kind,
      generation,
      head: copy,
      bytes,
    };
    this.#bytes = held + bytes;
  }
}
