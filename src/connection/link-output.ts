import type { Head } from '../protocol/head.ts';
import { trailersBlockBound, writeTrailersBlock } from '../protocol/http2/block-writer.ts';
import type { FloodBudget } from '../protocol/http2/flood-budget.ts';
import {
  FIRST_WINDOW,
  FLAG_END_STREAM,
  FRAME_DATA,
  FRAME_HEADER_BYTES,
  MAX_FRAME_BYTES,
  MAX_WINDOW,
} from '../protocol/http2/frame-types.ts';
import {
  CONTINUATION_ROOM,
  headersFrames,
  writeFrameHeader,
  writeGoaway,
  writePing,
  writeReset,
  writeSettings,
  writeSettingsAck,
  writeWindowUpdate,
} from '../protocol/http2/frame-writer.ts';
import type { ByteSocket } from '../transport/byte-socket.ts';
import { TurnOutput } from '../transport/turn-output.ts';
import { type BufferAccount, type LinkStream, SendQueue } from './link-stream.ts';

/** So many streams that are gone may stand in line. */
const LEAST_GONE = 32;

/**
 * What one HTTP/2 connection sends: frames into its output of this turn, bodies as far as the windows and the socket let them,
 * the rest in queues that are served in turn (RFC 9113 section 5.2).
 */
export class LinkOutput {
  /** The connection's send window. */
  window = FIRST_WINDOW;
  /** What a new stream may send at first: the peer's SETTINGS_INITIAL_WINDOW_SIZE. */
  firstWindow = FIRST_WINDOW;
  readonly #turn: TurnOutput;
  readonly #socket: ByteSocket;
  readonly #account: BufferAccount;
  /** What the peer may send grows with what it is sent. */
  readonly #floods: FloodBudget;
  /** Streams with a queue and an open window, first come first served. */
  #waiting: LinkStream[] = [];
  /** How many of them are gone. */
  #gone = 0;
  /** Where the last frame of `#lastStream` begins, while it stands in the output: END_STREAM may still be put on it. */
  #lastFrame = 0;
  #lastStream = 0;
  #lastFlush = -1;
  #pumping = false;

  constructor(socket: ByteSocket, account: BufferAccount, floods: FloodBudget) {
    this.#floods = floods;
    this.#socket = socket;
    this.#account = account;
    this.#turn = new TurnOutput(socket);
  }

  // --- frames of the connection

  settings(preface: Buffer | null, pairs: readonly (readonly [number, number])[]): void {
    const turn = this.#turn;
    turn.reserve((preface?.length ?? 0) + FRAME_HEADER_BYTES + 6 * pairs.length);
    if (preface !== null) turn.length += preface.copy(turn.buffer, turn.length);
    turn.length = writeSettings(turn.buffer, turn.length, pairs);
  }

  settingsAck(): void {
    this.#turn.reserve(FRAME_HEADER_BYTES);
    this.#turn.length = writeSettingsAck(this.#turn.buffer, this.#turn.length);
  }

  ping(ack: boolean, payload: Buffer, start: number): void {
    this.#turn.reserve(FRAME_HEADER_BYTES + 8);
    this.#turn.length = writePing(this.#turn.buffer, this.#turn.length, ack, payload, start);
  }

  goaway(lastStream: number, code: number, debug: Buffer | null): void {
    this.#turn.reserve(FRAME_HEADER_BYTES + 8 + (debug?.length ?? 0));
    this.#turn.length = writeGoaway(this.#turn.buffer, this.#turn.length, lastStream, code, debug);
  }

  windowUpdate(stream: number, increment: number): void {
    this.#turn.reserve(FRAME_HEADER_BYTES + 4);
    this.#turn.length = writeWindowUpdate(this.#turn.buffer, this.#turn.length, stream, increment);
  }

  reset(stream: number, code: number): void {
    this.#turn.reserve(FRAME_HEADER_BYTES + 4);
    this.#turn.length = writeReset(this.#turn.buffer, this.#turn.length, stream, code);
  }

  // --- heads

  /**
   * Makes room for a field block of at most `bound` bytes.
   * @returns where in `buffer` the block begins; `endHeaders` must follow
   */
  beginHeaders(bound: number): number {
    this.#turn.reserve(FRAME_HEADER_BYTES + bound + CONTINUATION_ROOM);
    return this.#turn.length + FRAME_HEADER_BYTES;
  }

  get buffer(): Buffer {
    return this.#turn.buffer;
  }

  /** The block ends at `end`. */
  endHeaders(stream: LinkStream, end: number, endStream: boolean): void {
    const turn = this.#turn;
    this.#remember(stream);
    turn.length = headersFrames(turn.buffer, turn.length, end, stream.id, endStream);
    if (endStream) stream.localEnded = true;
  }

  #remember(stream: LinkStream): void {
    this.#lastFrame = this.#turn.length;
    this.#lastStream = stream.id;
    this.#lastFlush = this.#turn.flushes;
  }

  // --- bodies

  /**
   * Sends a range of a body, or queues what the windows do not let out yet.
   * @returns false: send no more until `onWritable`
   */
  data(stream: LinkStream, buffer: Buffer, start: number, end: number): boolean {
    if (stream.closed) return true;
    let at = start;
    if (stream.queue === null) {
      while (at < end) {
        const length = Math.min(end - at, MAX_FRAME_BYTES, stream.sendWindow, this.window);
        if (length <= 0 || this.#socket.full) break;
        this.#frame(stream, buffer, at, at + length);
        at += length;
      }
      if (at === end) return true;
    }
    this.#enqueue(stream, buffer, at, end);
    stream.blocked = true;
    return false;
  }

  #frame(stream: LinkStream, buffer: Buffer, start: number, end: number): void {
    const length = end - start;
    const turn = this.#turn;
    turn.reserve(FRAME_HEADER_BYTES + length);
    this.#remember(stream);
    const at = writeFrameHeader(turn.buffer, turn.length, length, FRAME_DATA, 0, stream.id);
    buffer.copy(turn.buffer, at, start, end);
    turn.length = at + length;
    stream.sendWindow -= length;
    this.window -= length;
    this.#floods.dataSent();
  }

  #enqueue(stream: LinkStream, buffer: Buffer, start: number, end: number): void {
    stream.queue ??= new SendQueue();
    stream.queue.push(buffer, start, end);
    this.#account.charge(end - start);
    this.#wait(stream);
  }

  #wait(stream: LinkStream): void {
    if (stream.waiting || stream.sendWindow <= 0) return;
    stream.waiting = true;
    this.#waiting.push(stream);
  }

  /** Ends the stream's direction with END_STREAM: on its last frame, where that has not left yet. */
  end(stream: LinkStream): void {
    if (stream.localEnded || stream.closed) return;
    stream.localEnded = true;
    if (stream.queue === null) this.#endNow(stream);
  }

  #endNow(stream: LinkStream): void {
    const turn = this.#turn;
    if (stream.id === this.#lastStream && turn.flushes === this.#lastFlush && turn.length > 0) {
      const flags = this.#lastFrame + 4;
      turn.buffer[flags] = (turn.buffer[flags] ?? 0) | FLAG_END_STREAM;
      return;
    }
    turn.reserve(FRAME_HEADER_BYTES);
    turn.length = writeFrameHeader(turn.buffer, turn.length, 0, FRAME_DATA, FLAG_END_STREAM, stream.id);
  }

  /** Ends the stream's direction with those trailers of `head` that may pass. */
  trailers(stream: LinkStream, head: Head): void {
    if (stream.localEnded || stream.closed) return;
    const bound = trailersBlockBound(head);
    if (stream.queue === null) {
      const at = this.beginHeaders(bound);
      this.endHeaders(stream, writeTrailersBlock(head, this.buffer, at), true);
      return;
    }
    const block = Buffer.allocUnsafe(bound);
    stream.queuedTrailers = Buffer.from(block.subarray(0, writeTrailersBlock(head, block, 0)));
    this.#account.charge(stream.queuedTrailers.length);
    stream.localEnded = true;
  }

  /** The peer lets a stream (null: the connection) send more. @returns false: the window would pass its bound */
  credit(stream: LinkStream | null, increment: number): boolean {
    if (stream === null) {
      this.window += increment;
      if (this.window > MAX_WINDOW) return false;
    } else {
      stream.sendWindow += increment;
      if (stream.sendWindow > MAX_WINDOW) return false;
      if (stream.queue !== null || stream.blocked) this.#wait(stream);
    }
    this.pump();
    return true;
  }

  /** The peer's first window has changed; `stream` gets the difference (RFC 9113 section 6.9.2). @returns false: over its bound */
  shift(stream: LinkStream, by: number): boolean {
    stream.sendWindow += by;
    if (stream.queue !== null || stream.blocked) this.#wait(stream);
    return stream.sendWindow <= MAX_WINDOW;
  }

  /** Sends what waits, a frame of each stream in turn, as far as the connection's window and the socket go. */
  pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    const waiting = this.#waiting;
    let next = 0;
    while (next < waiting.length && this.window > 0 && !this.#socket.full) {
      const stream = waiting[next++];
      if (stream === undefined) break;
      stream.waiting = false;
      if (stream.closed) {
        this.#gone--;
        continue;
      }
      // Those that are not done yet stand in line again, behind the others.
      if (stream.queue !== null) this.#serve(stream, stream.queue);
      else this.#unblock(stream);
    }
    if (next === waiting.length) waiting.length = 0;
    else if (next > 0) this.#waiting = waiting.slice(next);
    this.#pumping = false;
  }

  #serve(stream: LinkStream, queue: SendQueue): void {
    const { buffer, start, end } = queue.piece;
    const length = Math.min(end - start, MAX_FRAME_BYTES, stream.sendWindow, this.window);
    if (length > 0) {
      this.#frame(stream, buffer, start, start + length);
      queue.take(length);
      this.#account.release(length);
    }
    if (queue.bytes > 0) {
      this.#wait(stream);
      return;
    }
    stream.queue = null;
    if (stream.queuedTrailers !== null) {
      const trailers = stream.queuedTrailers;
      this.#account.release(trailers.length);
      stream.queuedTrailers = null;
      const at = this.beginHeaders(trailers.length);
      this.endHeaders(stream, at + trailers.copy(this.buffer, at), true);
    } else if (stream.localEnded) this.#endNow(stream);
    if (stream.localEnded) this.onEnded(stream);
    else this.#unblock(stream);
  }

  #unblock(stream: LinkStream): void {
    if (!stream.blocked) return;
    stream.blocked = false;
    stream.onWritable();
  }

  /** Whether a body would leave now. @returns false: `onWritable` follows when it would */
  ready(stream: LinkStream): boolean {
    if (stream.queue === null && stream.sendWindow > 0 && this.window > 0 && !this.#socket.full) return true;
    stream.blocked = true;
    this.#wait(stream);
    return false;
  }

  /** A stream whose end had to wait has sent it. Set by the link. */
  onEnded: (stream: LinkStream) => void = () => {};

  /** A stream is gone: what it would have sent is thrown away. */
  drop(stream: LinkStream): void {
    if (stream.waiting) this.#leaveLine();
    if (stream.queue === null) return;
    this.#account.release(stream.queue.bytes + (stream.queuedTrailers?.length ?? 0));
    stream.queue = null;
    stream.queuedTrailers = null;
  }

  /** One that waits is gone. The line is cleared of such when they are most of it: with a window that stays shut nobody else does. */
  #leaveLine(): void {
    this.#gone++;
    if (this.#pumping || this.#gone < LEAST_GONE || 2 * this.#gone < this.#waiting.length) return;
    this.#waiting = this.#waiting.filter(({ closed }) => !closed);
    this.#gone = 0;
  }

  flush(): void {
    this.#turn.flush();
  }

  forget(): void {
    this.#turn.forget();
  }
}
