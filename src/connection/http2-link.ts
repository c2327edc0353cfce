import type { Head } from '../protocol/head.ts';
import { BLOCK_BROKEN, BLOCK_DONE, BlockReader } from '../protocol/http2/block-reader.ts';
import {
  FLOOD_CONTROL,
  FLOOD_EMPTY_DATA,
  FLOOD_RESET,
  FLOOD_TINY_CONTINUATION,
  FLOOD_WINDOW_UPDATE,
} from '../protocol/http2/flood-budget.ts';
import { FrameReader, type FrameSink } from '../protocol/http2/frame-reader.ts';
import {
  COMPRESSION_ERROR,
  FLOW_CONTROL_ERROR,
  PROTOCOL_ERROR,
  SETTING_INITIAL_WINDOW_SIZE,
  SETTING_MAX_CONCURRENT_STREAMS,
  STREAM_CLOSED,
} from '../protocol/http2/frame-types.ts';
import { FORGOTTEN, PEER_RESET, UNKNOWN, WE_RESET } from '../protocol/http2/past-streams.ts';
import type { ByteHandler, ByteSocket } from '../transport/byte-socket.ts';
import { type LinkContext, LinkCore } from './link-core.ts';
import type { LinkStream } from './link-stream.ts';
import { ReceiveWindows } from './receive-windows.ts';

/** A field block of so many bytes is read whatever the limit of heads is, so that its sender can be answered and the connection go on. */
const LEAST_BLOCK_BYTES = 256 * 1024;

/** A peer that has so much not read yet is not read either. */
const MOST_QUEUED_BYTES = 256 * 1024;

/** A connection that was quiet for so long needs no memory of heads. */
const FORGET_AFTER_MS = 30_000;

/**
 * One HTTP/2 connection of either side (RFC 9113): frames in, frames out, settings, windows, and the rules that hold for both.
 * What streams mean is for those that extend it: `Http2Session` at the app's side, `Http2Connection` upstream.
 */
export abstract class Http2Link<Stream extends LinkStream> extends LinkCore<Stream> implements ByteHandler, FrameSink {
  /** What the peer lets us open at once. */
  peerMaxStreams = Number.POSITIVE_INFINITY;
  /** Whether the peer's SETTINGS have come. */
  settled = false;
  /** When a frame was read last (monotonic ms). */
  readAt: number;
  protected readonly blocks: BlockReader;
  protected readonly reader: FrameReader;
  readonly #windows: ReceiveWindows;

  constructor(role: 'server' | 'client', socket: ByteSocket, context: LinkContext) {
    super(socket, context);
    this.readAt = context.clock.now();
    this.#windows = new ReceiveWindows(this.out, context.account, this.streams);
    this.blocks = new BlockReader(context.limits);
    this.reader = new FrameReader(role, this, Math.max(2 * context.limits.maxHeadBytes, LEAST_BLOCK_BYTES));
    socket.setHandler(this);
  }

  // --- for those that extend it

  /** A head has come for a stream that is not open: a new one, or a fault. */
  protected abstract headersOfNew(id: number, buffer: Buffer, start: number, end: number, endStream: boolean): void;
  /** A head has come for an open stream: a response, or trailers. */
  protected abstract headersOf(stream: Stream, buffer: Buffer, start: number, end: number, endStream: boolean): void;
  /** Whether DATA of `length` bytes may come on this stream now. @returns the rule that it breaks, or null */
  protected abstract mayCarryData(stream: Stream, length: number): string | null;
  /** The peer opens no new streams, or takes no more (RFC 9113 section 6.8). */
  protected abstract goingAway(lastStream: number, code: number, debug: string): void;
  /** The peer lets more or fewer streams be open. */
  protected abstract limitChanged(): void;

  // --- bytes

  onBytes(buffer: Buffer, length: number): void {
    this.readAt = this.clock.now();
    this.reader.read(buffer, 0, length);
    // Who asks on and takes no answers: DATA waits elsewhere, but heads and replies to PINGs would gather without bound.
    if (this.socket.queued > MOST_QUEUED_BYTES) this.socket.pause();
    if (!this.ended) this.#windows.creditConnection();
  }

  protected stopReading(): void {
    this.reader.stop();
    this.#windows.close();
  }

  onDrain(): void {
    this.socket.resume();
    this.out.pump();
  }

  /** A block for a stream that is gone: read, so that the table stays in step, and judged by how the stream ended. */
  protected headersOfPast(id: number, buffer: Buffer, start: number, end: number): void {
    if (!this.blocks.skip(buffer, start, end)) {
      this.connectionError(COMPRESSION_ERROR, 'a field block cannot be decoded');
      return;
    }
    const how = this.past.how(id, this.lastStream);
    if (how === WE_RESET || how === FORGOTTEN) return;
    if (how === UNKNOWN) this.connectionError(PROTOCOL_ERROR, 'HEADERS for a stream that is not open');
    else this.connectionError(STREAM_CLOSED, 'HEADERS for a stream that has ended');
  }

  /** Reads a request, response or trailers. @returns the head, or null where the stream or the connection is over */
  protected decoded(result: number): Head | null {
    if (result === BLOCK_DONE) return this.blocks.head;
    if (result === BLOCK_BROKEN) this.connectionError(COMPRESSION_ERROR, 'a field block cannot be decoded');
    return null;
  }

  // --- FrameSink

  frameHeaders(id: number, buffer: Buffer, start: number, end: number, endStream: boolean): void {
    const tiny = this.reader.tinyContinuations;
    if (tiny > 0 && !this.count(FLOOD_TINY_CONTINUATION, tiny)) return;
    const stream = this.streams.get(id);
    if (stream === null) this.headersOfNew(id, buffer, start, end, endStream);
    else if (stream.remoteEnded) {
      if (this.blocks.skip(buffer, start, end)) this.malformed(stream, STREAM_CLOSED, 'HEADERS came after END_STREAM');
      else this.connectionError(COMPRESSION_ERROR, 'a field block cannot be decoded');
    } else this.headersOf(stream, buffer, start, end, endStream);
  }

  frameData(
    id: number,
    buffer: Buffer,
    start: number,
    end: number,
    flowBytes: number,
    endStream: boolean,
    first: boolean,
  ): void {
    if (!this.#windows.spend(flowBytes)) {
      this.connectionError(FLOW_CONTROL_ERROR, 'more DATA came than the connection’s window allows');
      return;
    }
    const stream = this.streams.get(id);
    if (stream === null) {
      this.#dataOfPast(id);
      return;
    }
    if (first && start === end && !endStream && !this.count(FLOOD_EMPTY_DATA)) return;
    if (stream.remoteEnded) {
      this.malformed(stream, STREAM_CLOSED, 'DATA came after END_STREAM');
      return;
    }
    stream.receiveWindow -= flowBytes;
    if (stream.receiveWindow < 0) {
      this.malformed(stream, FLOW_CONTROL_ERROR, 'more DATA came than the stream’s window allows');
      return;
    }
    const length = end - start;
    const rule = this.mayCarryData(stream, length);
    if (rule !== null) {
      this.malformed(stream, PROTOCOL_ERROR, rule);
      return;
    }
    if (stream.bodyLeft >= 0) {
      stream.bodyLeft -= length;
      if (stream.bodyLeft < 0 || (endStream && stream.bodyLeft > 0)) {
        this.malformed(stream, PROTOCOL_ERROR, 'the body is not as long as Content-Length says');
        return;
      }
    }
    if (length > 0) stream.onData(buffer, start, end);
    if (stream.closed) return;
    if (endStream) this.remoteEnd(stream);
    else if (!stream.paused) this.#windows.creditStream(stream);
  }

  #dataOfPast(id: number): void {
    if (this.neverOpened(id)) {
      this.connectionError(PROTOCOL_ERROR, 'DATA for a stream that was never opened');
      return;
    }
    const how = this.past.how(id, this.lastStream);
    // What was on its way when we reset the stream is the peer's right, within its window.
    if (how === WE_RESET || how === FORGOTTEN) return;
    if (this.count(FLOOD_RESET)) this.out.reset(id, STREAM_CLOSED);
  }

  /** The peer's direction has ended. */
  protected remoteEnd(stream: Stream): void {
    stream.remoteEnded = true;
    stream.onRemoteEnd();
    this.settle(stream);
  }

  frameReset(id: number, code: number): void {
    const stream = this.streams.get(id);
    if (stream === null) {
      if (this.neverOpened(id)) this.connectionError(PROTOCOL_ERROR, 'RST_STREAM for a stream that was never opened');
      return;
    }
    const { answered } = stream;
    this.remove(stream, PEER_RESET);
    stream.onReset(code);
    if (!answered && !this.ended && !this.floods.peerReset(this.clock.now(), stream.openedAt)) this.calm();
  }

  frameSetting(id: number, value: number): void {
    if (id === SETTING_MAX_CONCURRENT_STREAMS) {
      this.peerMaxStreams = value;
      this.limitChanged();
    } else if (id === SETTING_INITIAL_WINDOW_SIZE) {
      const by = value - this.out.firstWindow;
      this.out.firstWindow = value;
      let fits = true;
      this.streams.forEach((stream) => {
        if (!this.out.shift(stream, by)) fits = false;
      });
      if (!fits) this.connectionError(FLOW_CONTROL_ERROR, 'SETTINGS make a window larger than it may be');
    }
  }

  frameSettingsEnd(): void {
    if (!this.settled) {
      this.settled = true;
      this.limitChanged();
    } else if (!this.count(FLOOD_CONTROL)) return;
    this.out.settingsAck();
    this.out.pump();
  }

  frameSettingsAck(): void {}
  framePing(buffer: Buffer, start: number): void {
    if (this.count(FLOOD_CONTROL)) this.out.ping(true, buffer, start);
  }

  framePingAck(): void {}

  frameGoaway(lastStream: number, code: number, buffer: Buffer, start: number, end: number): void {
    this.goingAway(lastStream, code, buffer.toString('latin1', start, Math.min(end, start + 200)));
  }

  frameWindowUpdate(id: number, increment: number): void {
    if (id === 0) {
      if (!this.count(FLOOD_WINDOW_UPDATE)) return;
      if (!this.out.credit(null, increment))
        this.connectionError(FLOW_CONTROL_ERROR, 'WINDOW_UPDATE makes the connection’s window larger than it may be');
      return;
    }
    const stream = this.streams.get(id);
    if (stream === null) {
      if (this.neverOpened(id))
        this.connectionError(PROTOCOL_ERROR, 'WINDOW_UPDATE for a stream that was never opened');
      else this.count(FLOOD_WINDOW_UPDATE);
      return;
    }
    if (!this.count(FLOOD_WINDOW_UPDATE)) return;
    if (!this.out.credit(stream, increment))
      this.malformed(stream, FLOW_CONTROL_ERROR, 'WINDOW_UPDATE makes the window larger than it may be');
  }

  framePriority(): void {
    this.count(FLOOD_CONTROL);
  }

  frameUnknown(): void {
    this.count(FLOOD_CONTROL);
  }

  frameStreamError(id: number, code: number, rule: string): void {
    const stream = this.streams.get(id);
    if (stream !== null) this.malformed(stream, code, rule);
    else if (this.neverOpened(id)) this.connectionError(PROTOCOL_ERROR, rule);
    else if (this.count(FLOOD_RESET)) this.out.reset(id, code);
  }

  frameConnectionError(code: number, rule: string): void {
    this.connectionError(code, rule);
  }

  // --- receive windows

  /** The receiver takes bytes again: the peer may send on. */
  resumeStream(stream: Stream): void {
    if (!stream.paused) return;
    stream.paused = false;
    if (!stream.closed && !stream.remoteEnded) this.#windows.creditStream(stream);
    // What it got counts as taken from now on; a peer that has no window left sends nothing that would bring us back here.
    if (!this.ended) this.#windows.creditConnection();
  }

  /** Once a second. */
  tick(now: number): void {
    this.socket.settle();
    if (this.ended) return;
    this.#windows.creditConnection();
    if (now - this.readAt >= FORGET_AFTER_MS) this.blocks.forget();
  }
}
