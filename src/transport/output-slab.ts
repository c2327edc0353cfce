const SLAB_BYTES = 128 * 1024;
/** Below this a piece that has to wait is copied to memory of its own. */
const SHORT_BYTES = 32 * 1024;

/** Where what is gathered goes: a byte socket. */
export interface SlabOwner {
  /** Bytes that wait in its queue. */
  readonly queued: number;
  /** @returns whether the memory is still in use afterwards */
  send(buffer: Buffer, start: number, end: number): boolean;
}

/**
 * One output buffer for the whole process: what one read event makes for one peer is gathered here and leaves in one
 * write. After a write whose bytes the kernel took at once (`writableLength === 0`) the same memory is used again; only
 * when the socket kept it is a new slab made. Since an event writes to one peer nearly always, one slab is enough; a
 * change of peer sends what was gathered.
 */
export class OutputSlab {
  buffer = Buffer.allocUnsafeSlow(SLAB_BYTES);
  length = 0;
  #owner: SlabOwner | null = null;
  #flushQueued = false;
  readonly #flushLater = (): void => {
    this.#flushQueued = false;
    this.flush();
  };

  /**
   * Makes room for `bytes` more towards `socket`. The caller writes to `buffer` from `length` and then sets `length`.
   */
  reserve(socket: SlabOwner, bytes: number): void {
    if (this.#owner !== socket) {
      this.flush();
      this.#owner = socket;
    }
    if (this.length + bytes > this.buffer.length) {
      this.flush();
      this.#owner = socket;
      if (bytes > this.buffer.length) this.buffer = Buffer.allocUnsafeSlow(bytes);
    }
    if (!this.#flushQueued && !ReadEvent.running) {
      // Outside of a read event (a timer, a fresh connection) nobody else would send it.
      this.#flushQueued = true;
      process.nextTick(this.#flushLater);
    }
  }

  /** Sends what was gathered. Called at the end of every read event. */
  flush(): void {
    const owner = this.#owner;
    if (owner === null) return;
    this.#owner = null;
    const length = this.length;
    this.length = 0;
    if (length === 0) return;
    if (length < SHORT_BYTES && owner.queued > 0) {
      // It will wait behind others, and would keep a whole slab: a slow reader of short pieces would hold hundreds.
      const own = Buffer.allocUnsafeSlow(length);
      this.buffer.copy(own, 0, 0, length);
      owner.send(own, 0, length);
      return;
    }
    const kept = owner.send(this.buffer, 0, length);
    if (kept) this.buffer = Buffer.allocUnsafeSlow(SLAB_BYTES);
  }

  /** Sends what was gathered for `socket`, before it writes by another way or closes. */
  flushFor(socket: SlabOwner): void {
    if (this.#owner === socket) this.flush();
  }

  /** Throws away what was gathered for `socket`, which is being destroyed. */
  forget(socket: SlabOwner): void {
    if (this.#owner !== socket) return;
    this.#owner = null;
    this.length = 0;
  }
}

/** Whether a read event is being handled right now (its end flushes the slab), and how many there were. */
export const ReadEvent = { running: false, count: 0 };

/** The slab that all connections share: the process has one thread, and an event ends before the next begins. */
export const outputSlab = new OutputSlab();
