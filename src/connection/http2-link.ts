import type { Clock } from '../clock.ts';
import type { Head, HeadLimits } from '../protocol/head.ts';
import { BLOCK_BROKEN, BLOCK_DONE, BlockReader } from '../protocol/http2/block-reader.ts';
import {
  FLOOD_CONTROL,
  FLOOD_EMPTY_DATA,
  FLOOD_RESET,
  FLOOD_TINY_CONTINUATION,
  FLOOD_WINDOW_UPDATE,
  FloodBudget,
  type FloodKind,
} from '../protocol/http2/flood-budget.ts';
import { FrameReader, type FrameSink } from '../protocol/http2/frame-reader.ts';
import {
  COMPRESSION_ERROR,
  ENHANCE_YOUR_CALM,
  errorName,
  FLOW_CONTROL_ERROR,
  PROTOCOL_ERROR,
  SETTING_INITIAL_WINDOW_SIZE,
  SETTING_MAX_CONCURRENT_STREAMS,
  STREAM_CLOSED,
} from '../protocol/http2/frame-types.ts';
import { ENDED, type PastHow, PastStreams, PEER_RESET, UNKNOWN, WE_RESET } from '../protocol/http2/past-streams.ts';
import { StreamTable } from '../protocol/http2/stream-table.ts';
import type { ByteHandler, ByteSocket } from '../transport/byte-socket.ts';
import { linger } from './linger.ts';
import { LinkOutput } from './link-output.ts';
import type { BufferAccount, LinkStream } from './link-stream.ts';
import { ReceiveWindows } from './receive-windows.ts';

/** What all HTTP/2 connections share. */
export type LinkContext = {
  readonly clock: Clock;
  readonly account: BufferAccount;
  readonly limits: HeadLimits;
};

/** A field block of so many bytes is read whatever the limit of heads is, so that its sender can be answered. */
const LEAST_BLOCK_BYTES = 64 * 1024;

/**
 * One HTTP/2 connection of either side (RFC 9113): frames in, frames out, settings, windows, and the rules that hold for both.
 * What streams mean is for those that extend it: `Http2Session` at the app's side, `Http2Connection` upstream.
 */
export abstract class Http2Link<Stream extends LinkStream> implements ByteHandler, FrameSink {
  readonly out: LinkOutput;
  readonly streams = new StreamTable<Stream>();
  /** What the peer lets us open at once. */
  peerMaxStreams = Number.POSITIVE_INFINITY;
  /** Whether the peer's SETTINGS have come. */
  settled = false;
  /** When a frame was read last (monotonic ms). */
  readAt: number;
  /** The highest stream that was opened, by whoever opens them here. */
  protected lastStream = 0;
  protected readonly socket: ByteSocket;
  protected readonly clock: Clock;
  protected readonly blocks: BlockReader;
  protected readonly floods: FloodBudget;
  protected ended = false;
  protected readonly reader: FrameReader;
  readonly #windows: ReceiveWindows;
  readonly #past = new PastStreams();

  constructor(role: 'server' | 'client', socket: ByteSocket, context: LinkContext) {
    this.socket = socket;
    this.clock = context.clock;
    this.readAt = context.clock.now();
    this.floods = new FloodBudget();
    this.out = new LinkOutput(socket, context.account, this.floods);
    this.out.onEnded = (stream) => this.settle(stream);
    this.#windows = new ReceiveWindows(this.out, context.account);
    this.blocks = new BlockReader(context.limits);
    this.reader = new FrameReader(role, this, Math.max(context.limits.maxHeadBytes, LEAST_BLOCK_BYTES));
    socket.setHandler(this);
  }

  // --- for those that extend it

  /** A head has come for a stream that is not open: a new one, or a fault. */
  protected abstract headersOfNew(id: number, buffer: Buffer, start: number, end: number, endStream: boolean): void;
  /** A head has come for an open stream: a response, or trailers. */
  protected abstract headersOf(stream: Stream, buffer: Buffer, start: number, end: number, endStream: boolean): void;
  /** Whether DATA may come on this stream now. @returns the rule that it breaks, or null */
  protected abstract mayCarryData(stream: Stream): string | null;
  /** The peer opens no new streams, or takes no more (RFC 9113 section 6.8). */
  protected abstract goingAway(lastStream: number, code: number, debug: string): void;
  /** The connection is over: streams that are open have failed. Called once. */
  protected abstract lost(message: string, error: NodeJS.ErrnoException | null): void;
  /** The peer lets more or fewer streams be open. */
  protected abstract limitChanged(): void;
  /** A stream is gone from the table. */
  protected abstract streamGone(): void;

  // --- bytes

  onBytes(buffer: Buffer, length: number): void {
    this.readAt = this.clock.now();
    this.reader.read(buffer, 0, length);
    if (!this.ended) this.#windows.creditConnection();
  }

  onDrain(): void {
    this.out.pump();
  }

  onEnd(): void {
    // HTTP/2 knows no half of a connection: what runs cannot be answered, or its answer cannot come.
    this.#over('the peer closed the connection', null);
    this.socket.endAndClose();
  }

  onClose(error: NodeJS.ErrnoException | null): void {
    this.#over(error === null ? 'the connection closed' : error.message, error);
  }

  #over(message: string, error: NodeJS.ErrnoException | null): void {
    if (this.ended) return;
    this.ended = true;
    this.reader.stop();
    this.out.forget();
    this.lost(message, error);
  }

  /** Ends the connection for a fault of the peer: GOAWAY says which (RFC 9113 section 5.4.1). */
  connectionError(code: number, rule: string): void {
    if (this.ended) return;
    this.out.goaway(this.lastPeerStream(), code, Buffer.from(rule.slice(0, 200), 'latin1'));
    this.out.flush();
    this.#over(`${errorName(code)}: ${rule}`, null);
    linger(this.socket, this.clock);
  }

  /** The highest stream of the peer's that was or will be acted on. */
  protected abstract lastPeerStream(): number;

  /** Ends the connection with everything on it. */
  protected close(goaway: number | null): void {
    if (this.ended) return;
    if (goaway !== null) this.out.goaway(this.lastPeerStream(), goaway, null);
    this.out.flush();
    this.#over('the connection was closed', null);
    this.socket.endAndClose();
  }

  /** Counts what costs work and is of no use. @returns false: the connection is over for it */
  protected count(kind: FloodKind, times = 1): boolean {
    return this.floods.note(kind, this.clock.now(), times) || this.#calm();
  }

  #calm(): false {
    this.connectionError(ENHANCE_YOUR_CALM, 'too many frames that make work without a use');
    return false;
  }

  // --- streams

  /** Resets a stream from here, and forgets it. */
  reset(stream: Stream, code: number): void {
    if (stream.closed) return;
    this.out.reset(stream.id, code);
    this.#remove(stream, WE_RESET);
  }

  /** Forgets a stream of which the peer knows nothing, or wants to know nothing. */
  abandon(stream: Stream): void {
    if (!stream.closed) this.#remove(stream, WE_RESET);
  }

  /** The peer broke a rule on a stream (RFC 9113 section 8.1.1): it is reset, and its owner hears of it. */
  protected malformed(stream: Stream, code: number, rule: string): void {
    this.reset(stream, code);
    stream.onMalformed(rule);
    // That work has been done for nothing is counted: a peer can make us reset as well as reset itself.
    this.count(FLOOD_RESET);
  }

  /** Takes a stream out of the table when both of its directions have ended. */
  settle(stream: LinkStream): void {
    if (!stream.localEnded || !stream.remoteEnded || stream.queue !== null || stream.closed) return;
    const known = this.streams.get(stream.id);
    if (known !== null && known === stream) this.#remove(known, ENDED);
  }

  /** Takes a stream out, whatever became of it. */
  protected forget(stream: Stream): void {
    stream.closed = true;
    this.streams.delete(stream.id);
    this.out.drop(stream);
  }

  #remove(stream: Stream, how: PastHow): void {
    this.forget(stream);
    this.#past.add(stream.id, how);
    this.streamGone();
  }

  /** A stream that never came to be is remembered as reset from here. */
  protected refuse(id: number, code: number): void {
    this.out.reset(id, code);
    this.#past.add(id, WE_RESET);
  }

  /** Whether the stream was never opened (RFC 9113 section 5.1: idle). */
  #idle(id: number): boolean {
    return id > this.lastStream || (id & 1) === 0;
  }

  /** A block for a stream that is gone: read, so that the table stays in step, and judged by how the stream ended. */
  protected headersOfPast(id: number, buffer: Buffer, start: number, end: number): void {
    if (!this.blocks.skip(buffer, start, end)) {
      this.connectionError(COMPRESSION_ERROR, 'a field block cannot be decoded');
      return;
    }
    const how = this.#past.how(id);
    if (how === WE_RESET) return;
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
    const rule = this.mayCarryData(stream);
    if (rule !== null) {
      this.malformed(stream, PROTOCOL_ERROR, rule);
      return;
    }
    const length = end - start;
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
    if (this.#idle(id)) {
      this.connectionError(PROTOCOL_ERROR, 'DATA for a stream that was never opened');
      return;
    }
    const how = this.#past.how(id);
    // What was on its way when we reset the stream is the peer's right, within its window.
    if (how === WE_RESET) return;
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
      if (this.#idle(id)) this.connectionError(PROTOCOL_ERROR, 'RST_STREAM for a stream that was never opened');
      return;
    }
    const answered = stream.localEnded && stream.queue === null;
    this.#remove(stream, PEER_RESET);
    stream.onReset(code);
    if (!answered && !this.ended && !this.floods.peerReset(this.clock.now(), stream.openedAt)) this.#calm();
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
      if (this.#idle(id)) this.connectionError(PROTOCOL_ERROR, 'WINDOW_UPDATE for a stream that was never opened');
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
    else if (this.#idle(id)) this.connectionError(PROTOCOL_ERROR, rule);
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
  }

  /** Once a second. */
  tick(_now: number): void {
    this.socket.settle();
    if (!this.ended) this.#windows.creditConnection();
  }
}
