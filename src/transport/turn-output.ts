import type { SlabOwner } from './output-slab.ts';

const SLAB_BYTES = 128 * 1024;
/** Below this a piece that has to wait is copied to memory of its own, so that no whole slab waits with it. */
const SHORT_BYTES = 32 * 1024;
/** Slabs that are kept for the next turns. */
const MAX_SPARE = 8;

const NONE = Buffer.alloc(0);
const spare: Buffer[] = [];

/** Outputs with something to send in this turn, and the list of the turn before, to be used again. */
let dirty: TurnOutput[] = [];
let cleared: TurnOutput[] = [];
let scheduled = false;

function flushAll(): void {
  scheduled = false;
  const outputs = dirty;
  dirty = cleared;
  for (let index = 0; index < outputs.length; index++) outputs[index]?.flush();
  outputs.length = 0;
  cleared = outputs;
}

/**
 * What one connection that many exchanges share sends: everything that a turn of the event loop makes for it is gathered and
 * leaves in one write at the end of the turn. One write for many exchanges is what makes HTTP/2 cheap.
 */
export class TurnOutput {
  /** Write here from `length` on, after `reserve`. */
  buffer: Buffer = NONE;
  length = 0;
  /** Counts flushes: whoever remembers a place in `buffer` knows by it whether it still is one. */
  flushes = 0;
  readonly #socket: SlabOwner;
  #listed = false;

  constructor(socket: SlabOwner) {
    this.#socket = socket;
  }

  /** Makes room for `bytes` more. */
  reserve(bytes: number): void {
    if (this.length + bytes > this.buffer.length) {
      this.flush();
      this.buffer =
        bytes > SLAB_BYTES ? Buffer.allocUnsafeSlow(bytes) : (spare.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES));
    }
    if (this.#listed) return;
    this.#listed = true;
    dirty.push(this);
    if (scheduled) return;
    scheduled = true;
    setImmediate(flushAll);
  }

  /** Sends what was gathered. */
  flush(): void {
    this.#listed = false;
    this.flushes++;
    const { buffer, length } = this;
    this.buffer = NONE;
    this.length = 0;
    if (length === 0) {
      giveBack(buffer);
      return;
    }
    if (length < SHORT_BYTES && this.#socket.queued > 0) {
      this.#socket.send(Buffer.from(buffer.subarray(0, length)), 0, length);
      giveBack(buffer);
    } else if (!this.#socket.send(buffer, 0, length)) giveBack(buffer);
  }

  /** Throws away what was gathered: the socket is being destroyed. */
  forget(): void {
    giveBack(this.buffer);
    this.buffer = NONE;
    this.length = 0;
    this.flushes++;
  }
}

function giveBack(buffer: Buffer): void {
  if (buffer.length === SLAB_BYTES && spare.length < MAX_SPARE) spare.push(buffer);
}
