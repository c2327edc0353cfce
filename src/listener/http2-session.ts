import { Http2Link } from '../connection/http2-link.ts';
import { CarpoolError } from '../errors.ts';
import { FLOOD_RESET } from '../protocol/http2/flood-budget.ts';
import {
  ENHANCE_YOUR_CALM,
  NO_ERROR,
  PROTOCOL_ERROR,
  REFUSED_STREAM,
  SETTING_ENABLE_CONNECT_PROTOCOL,
  SETTING_MAX_CONCURRENT_STREAMS,
  SETTING_MAX_HEADER_LIST_SIZE,
} from '../protocol/http2/frame-types.ts';
import type { ByteSocket } from '../transport/byte-socket.ts';
import type { DownstreamSession } from './downstream-session.ts';
import { Http2Exchange, type StreamHost } from './http2-exchange.ts';
import type { ListenerContext } from './listener-context.ts';
import type { RequestPlanner } from './request-plan.ts';

/** "I take no more", before it is said which streams were taken: those on their way still are (RFC 9113 section 6.8). */
const EVERY_STREAM = 0x7fffffff;

/**
 * How far the connection is on its way out. `warned`: GOAWAY has announced it, streams that come are still served. `leaving`: no
 * new ones, and it closes after the last.
 */
type Leaving =
  | { readonly state: 'no' }
  | { readonly state: 'warned'; readonly since: number }
  | { readonly state: 'leaving'; readonly last: number };

/** One downstream HTTP/2 connection: a stream is a request, routed by its own `:authority`. */
export class Http2Session extends Http2Link<Http2Exchange> implements DownstreamSession, StreamHost {
  readonly context: ListenerContext;
  readonly planner: RequestPlanner;
  readonly #closed: (session: DownstreamSession) => void;
  readonly #maxStreams: number;
  #leaving: Leaving = { state: 'no' };
  /** When the last stream ended. */
  #idleSince: number;
  #blockSince: number | null = null;

  /** @param closed told once, when the connection is gone */
  constructor(
    socket: ByteSocket,
    context: ListenerContext,
    closed: (session: DownstreamSession) => void,
    planner: RequestPlanner,
  ) {
    super('server', socket, {
      clock: context.forward.clock,
      account: context.budget,
      limits: context.config.listener,
    });
    this.context = context;
    this.planner = planner;
    this.#closed = closed;
    this.#idleSince = this.clock.now();
    this.#maxStreams = context.config.http2.maxStreams;
    this.lastStream = 0;
    const pairs: [number, number][] = [
      [SETTING_MAX_CONCURRENT_STREAMS, this.#maxStreams],
      [SETTING_MAX_HEADER_LIST_SIZE, context.config.listener.maxHeadBytes],
    ];
    if (context.config.http2.webSocket) pairs.push([SETTING_ENABLE_CONNECT_PROTOCOL, 1]);
    this.out.settings(null, pairs);
  }

  get busy(): number {
    return this.streams.size;
  }

  // --- streams

  protected headersOfNew(id: number, buffer: Buffer, start: number, end: number, endStream: boolean): void {
    if ((id & 1) === 0) {
      this.connectionError(PROTOCOL_ERROR, 'a client opens streams with odd numbers');
      return;
    }
    if (id <= this.lastStream) {
      this.headersOfPast(id, buffer, start, end);
      return;
    }
    this.lastStream = id;
    this.floods.streamOpened(this.clock.now());
    const head = this.decoded(this.blocks.readRequest(buffer, start, end, endStream));
    if (this.ended) return;
    if (this.#leaving.state === 'leaving') {
      // It crossed our GOAWAY, which has told that it was not acted on (RFC 9113 section 6.8).
      this.refuse(id, REFUSED_STREAM);
      return;
    }
    if (this.streams.size >= this.#maxStreams) {
      this.refuse(id, REFUSED_STREAM);
      this.count(FLOOD_RESET);
      return;
    }
    if (head === null) {
      this.#unreadable(id, endStream);
      return;
    }
    const stream = this.#open(id);
    stream.begin(head, endStream);
    this.settle(stream);
  }

  #open(id: number): Http2Exchange {
    const stream = new Http2Exchange(id, this.out.firstWindow, this.clock.now(), this);
    this.adopt(stream);
    return stream;
  }

  /** A request that breaks a rule: an answer where that helps its sender, else a reset (RFC 9113 section 8.1.1). */
  #unreadable(id: number, endStream: boolean): void {
    const { code, rule } = this.blocks.fault;
    if (code === 'BAD_REQUEST' || code === 'TRANSFER_CODING') {
      this.context.countError(new CarpoolError(code, rule));
      this.refuse(id, PROTOCOL_ERROR);
      this.count(FLOOD_RESET);
      return;
    }
    const stream = this.#open(id);
    stream.remoteEnded = endStream;
    stream.refuse(new CarpoolError(code, rule), '-');
  }

  protected headersOf(stream: Http2Exchange, buffer: Buffer, start: number, end: number, endStream: boolean): void {
    const head = this.decoded(this.blocks.readTrailers(buffer, start, end));
    if (this.ended) return;
    if (head === null) this.malformed(stream, PROTOCOL_ERROR, this.blocks.fault.rule);
    else if (!endStream) this.malformed(stream, PROTOCOL_ERROR, 'trailers do not end the stream');
    else if (stream.bodyLeft > 0)
      this.malformed(stream, PROTOCOL_ERROR, 'the body is not as long as Content-Length says');
    else {
      stream.trailersCame(head);
      if (!stream.closed) this.remoteEnd(stream);
    }
  }

  protected mayCarryData(): null {
    return null;
  }

  protected streamGone(): void {
    if (this.streams.size > 0 || this.ended) return;
    this.#idleSince = this.clock.now();
    if (this.#leaving.state === 'leaving') this.close(null);
  }

  // --- what the app says of the connection

  protected goingAway(): void {
    // It opens no more: what runs is finished, and the app closes.
  }

  protected limitChanged(): void {
    // It concerns streams that we would open.
  }

  protected lastPeerStream(): number {
    return this.#leaving.state === 'leaving' ? this.#leaving.last : this.lastStream;
  }

  protected lost(): void {
    this.streams.forEach((stream) => {
      this.forget(stream);
      stream.connectionLost();
    });
    this.#closed(this);
  }

  // --- the end

  /** A stop: GOAWAY in two steps, so that requests on their way are served (robustness rule 23). */
  drain(now: number, _idleMs: number): void {
    if (this.ended) return;
    if (this.#leaving.state === 'no') {
      this.out.goaway(EVERY_STREAM, NO_ERROR, null);
      this.#leaving = { state: 'warned', since: now };
    } else if (this.#leaving.state === 'warned' && now > this.#leaving.since) {
      this.#leaving = { state: 'leaving', last: this.lastStream };
      this.out.goaway(this.lastStream, NO_ERROR, null);
      if (this.streams.size === 0) this.close(null);
    }
  }

  destroy(): void {
    this.close(NO_ERROR);
    this.socket.destroy();
  }

  override tick(now: number): void {
    super.tick(now);
    if (this.ended) return;
    const { headTimeoutMs, idleTimeoutMs } = this.context.config.listener;
    if (!this.reader.blockUnderWay) this.#blockSince = null;
    else {
      this.#blockSince ??= now;
      if (now - this.#blockSince >= headTimeoutMs) {
        this.connectionError(ENHANCE_YOUR_CALM, `a field block did not arrive within ${headTimeoutMs} ms`);
        return;
      }
    }
    this.streams.forEach((stream) => {
      stream.tick(now);
    });
    const idle = this.streams.size === 0 && now - this.#idleSince >= idleTimeoutMs;
    if (idleTimeoutMs > 0 && idle && this.#leaving.state === 'no') this.drain(now, 0);
    else if (this.#leaving.state === 'warned' && idleTimeoutMs > 0) this.drain(now, 0);
  }
}
