/** Where memory that is held for exchanges is accounted (forward/buffer-budget.ts). */
export interface BufferAccount {
  charge(bytes: number): void;
  release(bytes: number): void;
  /** Whether a peer may be let send `bytes` more before it has to wait; `unpromise` gives them back. */
  promise(bytes: number): boolean;
  unpromise(bytes: number): void;
  /** So much of the budget is used that nothing more is asked for on behalf of those who take nothing. */
  readonly constrained: boolean;
}

/** A stream's first receive window, and that of its connection (RFC 9113 section 6.9.2). */
export const FIRST_RECEIVE_WINDOW = 65_535;

/** The least memory of a piece, so that many short ranges do not cost an object each; and the most, a frame. */
const LEAST_PIECE_BYTES = 1024;
const MOST_PIECE_BYTES = 16 * 1024;

type Piece = { readonly buffer: Buffer; start: number; end: number };

/** Bytes that a stream could not send yet, in order. */
export class SendQueue {
  readonly #pieces: Piece[] = [];
  #first = 0;
  bytes = 0;

  /** Copies a range to the end of the queue. */
  push(buffer: Buffer, start: number, end: number): void {
    this.bytes += end - start;
    let at = start;
    while (at < end) {
      const last = this.#pieces.at(-1);
      const room = last === undefined ? 0 : last.buffer.length - last.end;
      if (last === undefined || room === 0) {
        const size = Math.min(Math.max(end - at, LEAST_PIECE_BYTES), MOST_PIECE_BYTES);
        this.#pieces.push({ buffer: Buffer.allocUnsafe(size), start: 0, end: 0 });
        continue;
      }
      const length = Math.min(room, end - at);
      buffer.copy(last.buffer, last.end, at, at + length);
      last.end += length;
      at += length;
    }
  }

  /** The first piece that is left; only while `bytes` > 0. */
  get piece(): { readonly buffer: Buffer; readonly start: number; readonly end: number } {
    const piece = this.#pieces[this.#first];
    if (piece === undefined) throw new Error('a send queue has no piece');
    return piece;
  }

  /** The first `bytes` of `piece` have left. */
  take(bytes: number): void {
    const piece = this.#pieces[this.#first];
    if (piece === undefined) return;
    this.bytes -= bytes;
    piece.start += bytes;
    if (piece.start < piece.end) return;
    this.#first++;
    if (this.#first < this.#pieces.length) return;
    this.#pieces.length = 0;
    this.#first = 0;
  }
}

/**
 * One stream of an HTTP/2 connection, whoever opened it: its windows, what waits to be sent, and which directions have ended
 * (RFC 9113 section 5.1). What its frames mean is the business of those that extend it.
 */
export abstract class LinkStream {
  readonly id: number;
  /** What we may send still; negative after the peer lowered its first window. */
  sendWindow: number;
  /** What the peer may send still. */
  receiveWindow = FIRST_RECEIVE_WINDOW;
  /** What `receiveWindow` is brought back to. */
  receiveTarget = FIRST_RECEIVE_WINDOW;
  /** The receiver takes no more for now: no credit is given. */
  paused = false;
  /** END_STREAM was sent, or what waits to be sent ends with it. */
  localEnded = false;
  /** END_STREAM came. */
  remoteEnded = false;
  /** Bytes of DATA that must still come by Content-Length; -1: not told. */
  bodyLeft = -1;
  queue: SendQueue | null = null;
  /** The block of trailers that follow the queue, or null. */
  queuedTrailers: Buffer | null = null;
  /** It stands in the list of those that wait to send. */
  waiting = false;
  /** It was told that it may not send more, and has to hear when it may. */
  blocked = false;
  /** It is gone, by a reset or because both directions have ended. */
  closed = false;

  /** When it was opened (monotonic ms). */
  readonly openedAt: number;

  constructor(id: number, sendWindow: number, openedAt: number) {
    this.id = id;
    this.openedAt = openedAt;
    this.sendWindow = sendWindow;
  }

  /** What was asked of us is done: a reset of the peer's takes no work back. */
  get answered(): boolean {
    return this.localEnded && this.queue === null;
  }

  /** A piece of the body, without padding; valid during the call. */
  abstract onData(buffer: Buffer, start: number, end: number): void;
  /** The peer's direction has ended; called once, last of its direction. */
  abstract onRemoteEnd(): void;
  /** What waited has left: there is room again. */
  abstract onWritable(): void;
  /** The peer has reset it: it is closed. */
  abstract onReset(code: number): void;
  /** The peer broke a rule on it; it has been reset from here. `rule` in words. */
  abstract onMalformed(rule: string): void;
}
