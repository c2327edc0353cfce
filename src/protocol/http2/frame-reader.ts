import {
  BLOCK_TOO_LONG,
  DEPENDS_ON_ITSELF,
  type FrameFault,
  frameFault,
  NO_INCREMENT,
  NO_PREFACE,
  NOT_SETTINGS,
  PADDING,
  PRIORITY_SIZE,
  type Role,
  settingFault,
} from './frame-rules.ts';
import {
  FLAG_ACK,
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
  FLAG_PADDED,
  FLAG_PRIORITY,
  FRAME_CONTINUATION,
  FRAME_DATA,
  FRAME_GOAWAY,
  FRAME_HEADER_BYTES,
  FRAME_HEADERS,
  FRAME_PING,
  FRAME_PRIORITY,
  FRAME_RST_STREAM,
  FRAME_SETTINGS,
  FRAME_WINDOW_UPDATE,
  MAX_FRAME_BYTES,
  PREFACE,
} from './frame-types.ts';
import { SplitBlock } from './split-block.ts';
import { SplitFrame } from './split-frame.ts';

/**
 * What a frame reader tells, in the order of the bytes. Every call may call back into the reader (`stop`). Ranges are
 * valid until the call returns.
 */
export interface FrameSink {
  /** A whole field block, its CONTINUATIONs joined. */
  frameHeaders(stream: number, buffer: Buffer, start: number, end: number, endStream: boolean): void;
  /**
   * A piece of a DATA frame, as it came; a DATA frame without bytes is one call with `start === end`.
   * @param flowBytes what it takes of both windows: padding and the byte of its length count too (RFC 9113 section 6.9.1)
   * @param endStream true only with the last piece of the frame
   * @param first whether the piece begins a frame, for who counts frames
   */
  frameData(
    stream: number,
    buffer: Buffer,
    start: number,
    end: number,
    flowBytes: number,
    endStream: boolean,
    first: boolean,
  ): void;
  frameReset(stream: number, code: number): void;
  /** One setting, its value checked; unknown ones too. */
  frameSetting(id: number, value: number): void;
  /** A SETTINGS frame, no ACK, is over: it is to be acknowledged. */
  frameSettingsEnd(): void;
  frameSettingsAck(): void;
  /** Eight bytes from `start`. */
  framePing(buffer: Buffer, start: number): void;
  framePingAck(buffer: Buffer, start: number): void;
  /** The range holds the debug data. */
  frameGoaway(lastStream: number, code: number, buffer: Buffer, start: number, end: number): void;
  /** Stream 0 is the connection. `increment` is above zero. */
  frameWindowUpdate(stream: number, increment: number): void;
  /** A PRIORITY frame, only to be counted. */
  framePriority(stream: number): void;
  /** A frame of a type that we do not know, only to be counted. */
  frameUnknown(type: number): void;
  /** A stream error of a frame by itself: an increment of zero, a PRIORITY frame of a wrong length, or on itself. */
  frameStreamError(stream: number, code: number, rule: string): void;
  /** A connection error. Nothing is told afterwards. */
  frameConnectionError(code: number, rule: string): void;
}

// Where the reading stands.
const OPENING = 0;
const FRAME = 1;
const PAD_LENGTH = 2;
const DATA = 3;
const SKIP = 4;
const STOPPED = 5;

const uint31 = (buffer: Buffer, at: number): number => uint32(buffer, at) & 0x7fffffff;

const uint32 = (buffer: Buffer, at: number): number =>
  (((buffer[at] ?? 0) << 24) | ((buffer[at + 1] ?? 0) << 16) | ((buffer[at + 2] ?? 0) << 8) | (buffer[at + 3] ?? 0)) >>>
  0;

/**
 * Cuts frames out of a byte stream, whatever the splits, and refuses what is malformed by itself (RFC 9113 sections 3.4, 4
 * and 6); what needs to know the streams is its owner's. Frames are read where they stand; only one that is split over
 * reads is copied, and DATA never.
 */
export class FrameReader {
  /** The first bytes of the server were no frame at all: it speaks something else, HTTP/1.1 maybe. */
  notHttp2 = false;
  readonly #role: Role;
  readonly #sink: FrameSink;
  #state: number;
  /** Bytes of the preface that have come. */
  #preface = 0;
  /** No SETTINGS frame was seen yet. */
  #first = true;
  /** A frame, not DATA, that has not come whole. */
  readonly #split = new SplitFrame();
  readonly #block: SplitBlock;
  /** DATA: its stream, what is left of it, how much of that is padding; SKIP: what is left. */
  #stream = 0;
  #left = 0;
  #padding = 0;
  #endStream = false;
  #firstPiece = false;
  /** The length of the padding was read, and its byte is not yet told. */
  #owedFlow = 0;

  /**
   * @param role whose side we are: a server expects the preface
   * @param maxBlockBytes what a field block in several frames may have
   */
  constructor(role: Role, sink: FrameSink, maxBlockBytes: number) {
    this.#role = role;
    this.#sink = sink;
    this.#block = new SplitBlock(maxBlockBytes);
    this.#state = role === 'server' ? OPENING : FRAME;
  }

  /** Whether a field block, or the preface, has begun and its end has not come: it has a deadline (rule 25). */
  get blockUnderWay(): boolean {
    return this.#block.stream !== 0 || this.#split.type === FRAME_HEADERS || this.#state === OPENING;
  }

  /** While a field block is told: how many of its CONTINUATION frames were tiny without need. */
  get tinyContinuations(): number {
    return this.#block.tiny;
  }

  /** Nothing more is told. */
  stop(): void {
    this.#state = STOPPED;
    this.#split.clear();
    this.#block.clear();
  }

  /** Reads `buffer[start..end)`, the bytes that follow those of the last call. */
  read(buffer: Buffer, start: number, end: number): void {
    let at = start;
    if (this.#state === OPENING) at = this.#readPreface(buffer, at, end);
    if (this.#split.bytes > 0 && at < end) at = this.#readSplit(this.#split, buffer, at, end);
    while (at < end) {
      switch (this.#state) {
        case FRAME: {
          const available = end - at;
          if (available < FRAME_HEADER_BYTES) {
            this.#split.fill(FRAME_HEADER_BYTES, buffer, at, end);
            return;
          }
          const length = ((buffer[at] ?? 0) << 16) | ((buffer[at + 1] ?? 0) << 8) | (buffer[at + 2] ?? 0);
          this.#begin(buffer, at, length);
          // DATA, and what is skipped, goes on in another state; or the header was all that there was to it.
          if (this.#state !== FRAME || buffer[at + 3] === FRAME_DATA) {
            at += FRAME_HEADER_BYTES;
            break;
          }
          if (available < FRAME_HEADER_BYTES + length) {
            this.#split.fill(FRAME_HEADER_BYTES + length, buffer, at, end);
            return;
          }
          this.#frame(buffer, at + FRAME_HEADER_BYTES, length);
          at += FRAME_HEADER_BYTES + length;
          break;
        }
        case PAD_LENGTH:
          this.#readPadLength(buffer, at);
          at++;
          break;
        case DATA:
          at = this.#readData(buffer, at, end);
          break;
        case SKIP: {
          const take = Math.min(this.#left, end - at);
          this.#left -= take;
          if (this.#left === 0) this.#state = FRAME;
          at += take;
          break;
        }
        default:
          return;
      }
    }
  }

  #readPreface(buffer: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end && this.#preface < PREFACE.length) {
      if (buffer[at] !== PREFACE[this.#preface]) {
        this.#fail(NO_PREFACE);
        return end;
      }
      at++;
      this.#preface++;
    }
    if (this.#preface === PREFACE.length) this.#state = FRAME;
    return at;
  }

  /** Goes on with a frame that came in part. */
  #readSplit(split: SplitFrame, buffer: Buffer, start: number, end: number): number {
    let at = start;
    if (split.bytes < FRAME_HEADER_BYTES) {
      at = split.fill(FRAME_HEADER_BYTES, buffer, at, end);
      if (split.buffer === null || split.bytes < FRAME_HEADER_BYTES) return at;
      this.#begin(split.buffer, 0, split.payloadLength);
      if (this.#state !== FRAME || split.type === FRAME_DATA) {
        split.clear();
        return at;
      }
    }
    const length = split.payloadLength;
    at = split.fill(FRAME_HEADER_BYTES + length, buffer, at, end);
    if (split.buffer === null || split.bytes < FRAME_HEADER_BYTES + length) return at;
    this.#frame(split.buffer, FRAME_HEADER_BYTES, length);
    split.clear();
    return at;
  }

  /** Judges the frame whose header stands at `at`, and moves to the state that reads what follows it. */
  #begin(buffer: Buffer, at: number, length: number): void {
    const type = buffer[at + 3] ?? 0;
    const flags = buffer[at + 4] ?? 0;
    const stream = uint31(buffer, at + 5);
    if (this.#first) {
      if (type !== FRAME_SETTINGS || length > MAX_FRAME_BYTES || (flags & FLAG_ACK) !== 0) {
        // Text and TLS records, read as a header, are longer than any frame; a GOAWAY is HTTP/2, though a wrong beginning.
        this.notHttp2 = this.#role === 'client' && length > MAX_FRAME_BYTES;
        this.#fail(NOT_SETTINGS);
        return;
      }
      this.#first = false;
    }
    const fault = frameFault(type, flags, length, stream, this.#block.stream);
    if (fault !== null) {
      this.#fail(fault);
      return;
    }
    if (type === FRAME_DATA) {
      this.#beginData(buffer, at, flags, length, stream);
      return;
    }
    if (type <= FRAME_CONTINUATION && (type !== FRAME_PRIORITY || length === 5)) return;
    this.#left = length;
    this.#state = SKIP;
    if (type === FRAME_PRIORITY) this.#sink.frameStreamError(stream, PRIORITY_SIZE.code, PRIORITY_SIZE.rule);
    else this.#sink.frameUnknown(type);
  }

  #beginData(buffer: Buffer, at: number, flags: number, length: number, stream: number): void {
    const endStream = (flags & FLAG_END_STREAM) !== 0;
    if (length === 0) {
      this.#sink.frameData(stream, buffer, at, at, 0, endStream, true);
      return;
    }
    this.#stream = stream;
    this.#left = length;
    this.#padding = 0;
    this.#owedFlow = 0;
    this.#endStream = endStream;
    this.#firstPiece = true;
    this.#state = (flags & FLAG_PADDED) !== 0 ? PAD_LENGTH : DATA;
  }

  #readPadLength(buffer: Buffer, at: number): void {
    this.#padding = buffer[at] ?? 0;
    this.#left--;
    if (this.#padding > this.#left) {
      this.#fail(PADDING);
      return;
    }
    this.#owedFlow = 1;
    this.#state = DATA;
    if (this.#left === 0) this.#readData(buffer, at + 1, at + 1);
  }

  /** One piece of DATA: bytes, then padding. */
  #readData(buffer: Buffer, start: number, end: number): number {
    const take = Math.min(this.#left, end - start);
    const bytes = Math.min(take, Math.max(0, this.#left - this.#padding));
    this.#left -= take;
    const last = this.#left === 0;
    if (last) this.#state = FRAME;
    const first = this.#firstPiece;
    this.#firstPiece = false;
    const flow = take + this.#owedFlow;
    this.#owedFlow = 0;
    this.#sink.frameData(this.#stream, buffer, start, start + bytes, flow, last && this.#endStream, first);
    return start + take;
  }

  /** A whole frame that is not DATA; its payload begins at `at`, behind its header. */
  #frame(buffer: Buffer, at: number, length: number): void {
    const flags = buffer[at - 5] ?? 0;
    const stream = uint31(buffer, at - 4);
    const sink = this.#sink;
    switch (buffer[at - 6]) {
      case FRAME_HEADERS:
        this.#headers(buffer, at, length, flags, stream);
        return;
      case FRAME_CONTINUATION:
        this.#continuation(buffer, at, at + length, (flags & FLAG_END_HEADERS) !== 0);
        return;
      case FRAME_WINDOW_UPDATE: {
        const increment = uint31(buffer, at);
        if (increment > 0) sink.frameWindowUpdate(stream, increment);
        else if (stream === 0) this.#fail(NO_INCREMENT);
        else sink.frameStreamError(stream, NO_INCREMENT.code, NO_INCREMENT.rule);
        return;
      }
      case FRAME_PING:
        if ((flags & FLAG_ACK) !== 0) sink.framePingAck(buffer, at);
        else sink.framePing(buffer, at);
        return;
      case FRAME_RST_STREAM:
        sink.frameReset(stream, uint32(buffer, at));
        return;
      case FRAME_SETTINGS:
        if ((flags & FLAG_ACK) !== 0) sink.frameSettingsAck();
        else this.#settings(buffer, at, at + length);
        return;
      case FRAME_PRIORITY:
        sink.framePriority(stream);
        if (uint31(buffer, at) === stream && this.#state !== STOPPED) {
          sink.frameStreamError(stream, DEPENDS_ON_ITSELF.code, DEPENDS_ON_ITSELF.rule);
        }
        return;
      case FRAME_GOAWAY:
        sink.frameGoaway(uint31(buffer, at), uint32(buffer, at + 4), buffer, at + 8, at + length);
    }
  }

  #settings(buffer: Buffer, start: number, end: number): void {
    for (let at = start; at < end; at += 6) {
      const id = ((buffer[at] ?? 0) << 8) | (buffer[at + 1] ?? 0);
      const value = uint32(buffer, at + 2);
      const fault = settingFault(this.#role, id, value);
      if (fault !== null) {
        this.#fail(fault);
        return;
      }
      this.#sink.frameSetting(id, value);
      if (this.#state === STOPPED) return;
    }
    this.#sink.frameSettingsEnd();
  }

  #headers(buffer: Buffer, at: number, length: number, flags: number, stream: number): void {
    let start = at;
    let end = at + length;
    if ((flags & FLAG_PADDED) !== 0) end -= buffer[start++] ?? 0;
    if ((flags & FLAG_PRIORITY) !== 0) {
      // The stream's error, but one that no client of today makes: the connection's spares us the half of a request.
      if (uint31(buffer, start) === stream) {
        this.#fail(DEPENDS_ON_ITSELF);
        return;
      }
      start += 5;
    }
    if (end < start) {
      this.#fail(PADDING);
      return;
    }
    const block = this.#block;
    block.tiny = 0;
    const endStream = (flags & FLAG_END_STREAM) !== 0;
    if ((flags & FLAG_END_HEADERS) !== 0) this.#sink.frameHeaders(stream, buffer, start, end, endStream);
    else if (!block.begin(stream, endStream, buffer, start, end)) this.#fail(BLOCK_TOO_LONG);
  }

  #continuation(buffer: Buffer, start: number, end: number, last: boolean): void {
    const block = this.#block;
    if (!block.continue(buffer, start, end, last)) {
      this.#fail(BLOCK_TOO_LONG);
      return;
    }
    if (!last) return;
    const { stream, buffer: joined, bytes, endStream } = block;
    block.clear();
    this.#sink.frameHeaders(stream, joined ?? buffer, 0, bytes, endStream);
  }

  #fail({ code, rule }: FrameFault): void {
    this.stop();
    this.#sink.frameConnectionError(code, rule);
  }
}
