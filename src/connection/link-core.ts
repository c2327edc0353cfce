import type { Clock } from '../clock.ts';
import type { HeadLimits } from '../protocol/head.ts';
import { FLOOD_RESET, FloodBudget, type FloodKind } from '../protocol/http2/flood-budget.ts';
import { ENHANCE_YOUR_CALM, errorName } from '../protocol/http2/frame-types.ts';
import { ENDED, type PastHow, PastStreams, WE_RESET } from '../protocol/http2/past-streams.ts';
import { StreamTable } from '../protocol/http2/stream-table.ts';
import type { ByteSocket } from '../transport/byte-socket.ts';
import { linger } from './linger.ts';
import { LinkOutput } from './link-output.ts';
import type { BufferAccount, LinkStream } from './link-stream.ts';

/** What all HTTP/2 connections share. */
export type LinkContext = {
  readonly clock: Clock;
  readonly account: BufferAccount;
  readonly limits: HeadLimits;
};

/** What an open stream takes with its exchange, about: thousands of them that stand still are as real as bytes in queues. */
const STREAM_BYTES = 1024;

/** The life of one HTTP/2 connection and of its streams: how they come, how they end, and that they end once. */
export abstract class LinkCore<Stream extends LinkStream> {
  readonly out: LinkOutput;
  readonly streams = new StreamTable<Stream>();
  /** The highest stream that was opened, by whoever opens them here. */
  protected lastStream = 0;
  protected readonly socket: ByteSocket;
  protected readonly clock: Clock;
  protected readonly account: BufferAccount;
  protected readonly floods = new FloodBudget();
  protected readonly past = new PastStreams();
  protected ended = false;

  constructor(socket: ByteSocket, context: LinkContext) {
    this.socket = socket;
    this.clock = context.clock;
    this.account = context.account;
    this.out = new LinkOutput(socket, context.account, this.floods);
    this.out.onEnded = (stream) => this.settle(stream);
  }

  // --- for those that extend it

  /** Nothing more is read. */
  protected abstract stopReading(): void;
  /** The highest stream of the peer's that was or will be acted on. */
  protected abstract lastPeerStream(): number;
  /** The connection is over: streams that are open have failed. Called once. */
  protected abstract lost(message: string, error: NodeJS.ErrnoException | null): void;
  /** A stream is gone from the table. */
  protected abstract streamGone(): void;

  // --- the end of the connection

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
    this.stopReading();
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
    return this.floods.note(kind, this.clock.now(), times) || this.calm();
  }

  protected calm(): false {
    this.connectionError(ENHANCE_YOUR_CALM, 'too many frames that make work without a use');
    return false;
  }

  // --- streams

  /** Resets a stream from here, and forgets it. */
  reset(stream: Stream, code: number): void {
    if (stream.closed) return;
    this.out.reset(stream.id, code);
    this.remove(stream, WE_RESET);
  }

  /** Forgets a stream of which the peer knows nothing, or wants to know nothing. */
  abandon(stream: Stream): void {
    if (!stream.closed) this.remove(stream, WE_RESET);
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
    if (known !== null && known === stream) this.remove(known, ENDED);
  }

  /** A stream is open from now on. */
  protected adopt(stream: Stream): void {
    this.streams.set(stream);
    this.account.charge(STREAM_BYTES);
  }

  /** Takes a stream out, whatever became of it. */
  protected forget(stream: Stream): void {
    stream.closed = true;
    this.account.release(STREAM_BYTES);
    this.streams.delete(stream.id);
    this.out.drop(stream);
  }

  protected remove(stream: Stream, how: PastHow): void {
    this.forget(stream);
    this.past.add(stream.id, how);
    this.streamGone();
  }

  /** A stream that never came to be is remembered as reset from here. */
  protected refuse(id: number, code: number): void {
    this.out.reset(id, code);
    this.past.add(id, WE_RESET);
  }

  /** Whether the stream was never opened (RFC 9113 section 5.1: idle). */
  protected neverOpened(id: number): boolean {
    return id > this.lastStream || (id & 1) === 0;
  }
}
