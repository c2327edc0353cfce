import type { Timer } from '../clock.ts';
import type { UpstreamLease } from '../connection/upstream.ts';
import { CarpoolError } from '../errors.ts';
import type { Downstream } from '../forward/downstream.ts';
import { Exchange } from '../forward/forward.ts';
import { KeptRequest } from '../forward/kept-request.ts';
import { localAnswer } from '../forward/local-answer.ts';
import {
  BODY_CHUNKED,
  BODY_LENGTH,
  BODY_NONE,
  BODY_UNTIL_CLOSE,
  BodyReader,
  type BodySink,
} from '../protocol/http1/body-reader.ts';
import { CR, LF } from '../protocol/http1/bytes.ts';
import { FORBIDDEN_IN_TRAILERS } from '../protocol/http1/field-names.ts';
import { type Head, METHOD_CONNECT, METHOD_HEAD, METHOD_OPTIONS, METHOD_TRACE } from '../protocol/http1/head.ts';
import { SCAN_DONE, SCAN_MORE } from '../protocol/http1/head-scanner.ts';
import {
  CHUNK_ROOM,
  HEAD_ROOM,
  type ResponseHeadOptions,
  writeChunkSize,
  writeResponseHead,
  writeTrailers,
} from '../protocol/http1/head-writer.ts';
import { PartialHead } from '../protocol/http1/partial-head.ts';
import type { Destination } from '../routing/destination.ts';
import type { ByteHandler, ByteSocket } from '../transport/byte-socket.ts';
import { outputSlab } from '../transport/output-slab.ts';
import { type ConnectOutcome, ConnectRequest } from './connect.ts';
import type { ListenerContext } from './listener-context.ts';
import { ownAnswer } from './own-answer.ts';
import type { RequestPlanner } from './request-plan.ts';
import { Tunnel } from './tunnel.ts';

/**
 * open: reads requests and answers them in order. lingering: FIN is sent, what still comes is thrown away for a moment, for
 * a close with unread bytes would reset the connection under the last answer (RFC 9112 section 9.6). tunnel: the bytes
 * belong to somebody else. closed: gone.
 */
type SessionState = 'open' | 'lingering' | 'tunnel' | 'closed';

/** Bytes of an upload that are still read after its response is complete. */
const DRAIN_BYTES = 256 * 1024;
const DRAIN_MS = 5000;
/** From this length on it pays to read a body into a buffer of its own and to send it from there. */
const LARGE_BODY_BYTES = 128 * 1024;
const LINGER_MS = 2000;
const LINGER_BYTES = 1024 * 1024;
/** Requests that are sent ahead wait in here, within bounds. */
const MAX_AHEAD_BYTES = 64 * 1024;
/** How long an app that closed its sending side may still be waiting for the response. */
const HALF_CLOSED_MS = 250;

const LAST_CHUNK = Buffer.from('0\r\n', 'latin1');
const LAST_CHUNK_WITHOUT_TRAILERS = Buffer.from('0\r\n\r\n', 'latin1');
const CONNECT_OK = Buffer.from('HTTP/1.1 200 Connection established\r\n\r\n', 'latin1');

const connectionWord = (close: boolean, keepAlive10: boolean): ResponseHeadOptions['connection'] => {
  if (close) return 'close';
  return keepAlive10 ? 'keep-alive' : 'none';
};

/** What a session tells the listener that accepted it. */
export interface SessionOwner {
  sessionClosed(session: Http1Session): void;
}

/** One downstream HTTP/1.1 connection. */
export class Http1Session implements ByteHandler, BodySink, Downstream, ConnectOutcome {
  readonly kept: KeptRequest;
  pinned: UpstreamLease | null = null;
  readonly #context: ListenerContext;
  readonly #socket: ByteSocket;
  readonly #owner: SessionOwner;
  readonly #planner: RequestPlanner;
  readonly #reader = new BodyReader();
  readonly #partial = new PartialHead();
  #state: SessionState = 'open';
  #exchange: Exchange | null = null;
  #connect: ConnectRequest | null = null;
  /** The request's body has been read to its end. */
  #requestEnded = true;
  #reading = false;
  /** Bytes of requests that were sent ahead. */
  #ahead: Buffer | null = null;
  #paused = false;
  #close = false;
  #minor = 1;
  #keepAlive10 = false;
  #headRequest = false;
  #expects = false;
  #headSent = false;
  #responseChunked = false;
  #emptyLine = false;
  #destinationName: string | null = null;
  #refusedMethod = '-';
  #halfClosed: Timer | null = null;
  #ended = false;
  /** Since when the current state of waiting lasts (monotonic ms): a head in parts, lingering, draining, idling. */
  #since: number;
  #drained = 0;

  constructor(
    accept: (handler: ByteHandler) => ByteSocket,
    context: ListenerContext,
    owner: SessionOwner,
    planner: RequestPlanner,
  ) {
    this.#context = context;
    this.#owner = owner;
    this.#planner = planner;
    this.kept = new KeptRequest(context.budget);
    this.#since = context.forward.clock.now();
    this.#socket = accept(this);
  }

  /** Whether an exchange or a CONNECT is under way. */
  get busy(): boolean {
    return this.#exchange !== null || this.#connect !== null;
  }

  // --- bytes from the app

  onBytes(buffer: Buffer, length: number): void {
    if (this.#state === 'lingering') {
      this.#drained += length;
      if (this.#drained > LINGER_BYTES) this.#socket.destroy();
      return;
    }
    if (this.#state !== 'open') return;
    if (this.#partial.empty) {
      this.#read(buffer, 0, length);
      return;
    }
    this.#context.budget.charge(length);
    this.#partial.add(buffer, 0, length);
    if (!this.#partial.worthScanning()) return;
    const whole = this.#partial.bytes();
    const since = this.#since;
    this.#clearPartial();
    this.#read(whole, 0, whole.length);
    // Still the same head: its time runs from its first byte.
    if (this.#partial.length === whole.length) this.#since = since;
  }

  #clearPartial(): void {
    this.#context.budget.release(this.#partial.length);
    this.#partial.clear();
  }

  /** Reads heads and bodies in turn, as far as the bytes go. */
  #read(buffer: Buffer, start: number, end: number): void {
    this.#reading = true;
    let at = start;
    while (at < end && this.#state === 'open') {
      if (!this.#requestEnded) at = this.#readBody(buffer, at, end);
      else if (this.busy) {
        this.#keepAhead(buffer, at, end);
        break;
      } else at = this.#readHead(buffer, at, end);
    }
    this.#reading = false;
  }

  #keepAhead(buffer: Buffer, start: number, end: number): void {
    const fresh = buffer.subarray(start, end);
    this.#context.budget.charge(fresh.length);
    this.#ahead = this.#ahead === null ? Buffer.from(fresh) : Buffer.concat([this.#ahead, fresh]);
    if (this.#ahead.length > MAX_AHEAD_BYTES) this.pauseRequest();
  }

  /** @returns where reading goes on; `end` where nothing more can be done with these bytes */
  #readHead(buffer: Buffer, start: number, end: number): number {
    let at = start;
    // One empty line before a request is left over from old clients (RFC 9112 section 2.2).
    if (buffer[at] === CR && !this.#emptyLine && (at + 1 >= end || buffer[at + 1] === LF)) {
      if (at + 1 < end) {
        this.#emptyLine = true;
        at += 2;
        if (at === end) return end;
      } else return this.#keepPartial(buffer, at, end);
    }
    const scanner = this.#context.requestScanner;
    const result = scanner.scanRequest(buffer, at, end);
    if (result === SCAN_MORE) return this.#keepPartial(buffer, at, end);
    this.#emptyLine = false;
    if (result !== SCAN_DONE) {
      this.#startRequest(null);
      this.#headRequest = scanner.head.method === METHOD_HEAD;
      this.#requestEnded = false;
      this.#refuse(new CarpoolError(scanner.fault.code, scanner.fault.rule));
      return end;
    }
    return this.#request(scanner.head, buffer, end);
  }

  #keepPartial(buffer: Buffer, start: number, end: number): number {
    this.#since = this.#context.forward.clock.now();
    this.#context.budget.charge(end - start);
    this.#partial.add(buffer, start, end);
    this.#partial.worthScanning();
    return end;
  }

  #startRequest(head: Head | null): void {
    this.#minor = head?.minor ?? 1;
    this.#keepAlive10 = head !== null && head.minor === 0 && head.keepAlive && !head.close;
    this.#close =
      head === null || head.close || (head.minor === 0 && !head.keepAlive) || this.#context.phase !== 'serving';
    this.#headRequest = head !== null && head.method === METHOD_HEAD;
    this.#expects = head?.expectContinue === true && head.minor === 1;
    this.#headSent = false;
    this.#responseChunked = false;
    this.#destinationName = null;
    this.#refusedMethod = '-';
  }

  /** A whole head: where does it go? */
  #request(head: Head, buffer: Buffer, end: number): number {
    const next = head.end;
    this.#startRequest(head);
    const kind = head.chunked ? BODY_CHUNKED : head.contentLength > 0 ? BODY_LENGTH : BODY_NONE;
    this.#reader.begin(kind, Math.max(0, head.contentLength));
    this.#requestEnded = this.#reader.done;
    this.#context.lastRequestAt = this.#context.forward.clock.now();
    try {
      this.#admit();
      if (head.method === METHOD_CONNECT) return this.#startConnect(head, buffer, end);
      if (head.maxForwards === 0 && (head.method === METHOD_TRACE || head.method === METHOD_OPTIONS)) {
        this.#answerHere(head);
        return next;
      }
      if (kind === BODY_LENGTH && head.contentLength >= LARGE_BODY_BYTES) this.#socket.expectLargeBody();
      const exchange = new Exchange(head, this.#planner.plan(head), this, this.#context.forward);
      this.#exchange = exchange;
      exchange.begin();
      if (this.#requestEnded) {
        if (exchange.unsafe) exchange.eventEnded(head, buffer, next, next);
        return next;
      }
      const after = this.#readBody(buffer, next, end);
      if (exchange.unsafe && kind === BODY_LENGTH) exchange.eventEnded(head, buffer, next, after);
      return after;
    } catch (error) {
      this.#destinationName = this.#planner.nameOf(head);
      this.#refusedMethod = head.methodText();
      this.#refuse(
        error instanceof CarpoolError ? error : new CarpoolError('INTERNAL', String(error), { cause: error }),
      );
      return next;
    }
  }

  /** @throws CarpoolError where no new exchange can be taken */
  #admit(): void {
    if (this.#context.phase === 'refusing') throw new CarpoolError('SHUTTING_DOWN', 'the sidecar is stopping');
    const { budget } = this.#context;
    if (budget.exhausted) {
      throw new CarpoolError(
        'OVERLOADED',
        `${budget.used} of ${budget.max} bytes are held for exchanges (limits.bufferBytes)`,
      );
    }
  }

  #readBody(buffer: Buffer, start: number, end: number): number {
    const next = this.#reader.read(buffer, start, end, this);
    if (this.#reader.fault !== null) {
      this.#breakOff(new CarpoolError('BAD_REQUEST', this.#reader.fault));
      return end;
    }
    if (this.#reader.done && this.#state === 'open' && !this.#requestEnded) {
      this.#requestEnded = true;
      this.#exchange?.requestEnd();
      if (this.#ended) this.#finish();
    }
    return next;
  }

  bodyData(buffer: Buffer, start: number, end: number): void {
    if (this.#ended) {
      this.#drained += end - start;
      if (this.#drained > DRAIN_BYTES) {
        this.#stopDraining();
        return;
      }
    }
    this.#exchange?.requestData(buffer, start, end, this.#socket.stableReads && !this.#reader.done);
  }

  bodyTrailers(buffer: Buffer, start: number, end: number): void {
    if (end - start === 2) return;
    const scanner = this.#context.requestScanner;
    if (scanner.scanTrailers(buffer, start, end) === SCAN_DONE) this.#exchange?.requestTrailers(scanner.head);
    else this.#breakOff(new CarpoolError('BAD_REQUEST', `trailers: ${scanner.fault.rule}`));
  }

  /** The body broke a rule: where it ends is not known, so neither the request nor the connection can go on. */
  #breakOff(error: CarpoolError): void {
    if (this.#state !== 'open') return;
    const exchange = this.#exchange;
    if (this.#headSent) this.#socket.reset();
    else this.#answer(error);
    // The answer first: the end of the exchange would close a connection that says `close` before it had one.
    this.#linger();
    this.#exchange = null;
    exchange?.abort(error);
  }

  // --- answers of our own

  /** A request that goes nowhere. */
  #refuse(error: CarpoolError): void {
    this.#exchange = null;
    this.#context.countError(error.code);
    this.#answer(error);
    this.#logRefusal(error);
    this.#afterAnswer();
  }

  #logRefusal(error: CarpoolError): void {
    const { accessLog, clock } = this.#context.forward;
    if (!accessLog?.wants(error.status, true)) return;
    accessLog.write({
      time: clock.wall(),
      method: this.#refusedMethod,
      host: this.#destinationName ?? '-',
      path: null,
      status: error.status,
      durationMs: 0,
      bytesUp: 0,
      bytesDown: 0,
      endpoint: null,
      reused: false,
      attempts: 0,
      error: error.code,
    });
  }

  #answer(error: CarpoolError): void {
    // What was body must never become a request: with an unread one the connection closes.
    if (!this.#requestEnded) this.#close = true;
    this.#headSent = true;
    const bytes = localAnswer({
      error,
      destination: this.#exchange?.destinationName ?? this.#destinationName,
      headRequest: this.#headRequest,
      close: this.#close,
      keepAlive10: this.#keepAlive10,
    });
    this.#socket.write(bytes, 0, bytes.length);
  }

  /** TRACE and OPTIONS that may go no further (RFC 9110 section 7.6.2). */
  #answerHere(head: Head): void {
    if (!this.#requestEnded) this.#close = true;
    const bytes = ownAnswer(head, connectionWord(this.#close, this.#keepAlive10));
    this.#socket.write(bytes, 0, bytes.length);
    this.#afterAnswer();
  }

  #afterAnswer(): void {
    if (this.#close) this.#linger();
    else this.#since = this.#context.forward.clock.now();
  }

  // --- CONNECT

  #startConnect(head: Head, buffer: Buffer, end: number): number {
    this.#destinationName = this.#planner.nameOf(head);
    // A refused CONNECT closes the connection: what comes behind it was meant for somebody else.
    this.#close = true;
    this.#requestEnded = true;
    const after = head.end;
    const connect = new ConnectRequest(head, this.#context, this);
    this.#connect = connect;
    // What came with it are the tunnel's first bytes, if it opens.
    if (after < end) this.#keepAhead(buffer, after, end);
    try {
      connect.begin();
    } catch (error) {
      this.#connect = null;
      throw error;
    }
    return end;
  }

  tunnelOpen(upstream: ByteSocket, destination: Destination, closed: () => void): void {
    this.#connect = null;
    this.#socket.write(CONNECT_OK, 0, CONNECT_OK.length);
    this.#toTunnel(upstream, Buffer.alloc(0), destination, closed);
    destination.observer.requestEnded(2, 200, 0);
  }

  connectFailed(error: CarpoolError): void {
    const destination = this.#connect?.destination;
    this.#connect = null;
    destination?.observer.error(error.code);
    destination?.observer.requestEnded(2, error.status, 0);
    this.#dropAhead();
    this.#answer(error);
    this.#afterAnswer();
  }

  #toTunnel(upstream: ByteSocket, rest: Buffer, destination: Destination, closed: () => void): void {
    this.#state = 'tunnel';
    const ahead = this.#ahead;
    this.#dropAhead();
    if (rest.length > 0) this.#socket.write(rest, 0, rest.length);
    this.#socket.flush();
    if (ahead !== null) {
      upstream.write(ahead, 0, ahead.length);
      upstream.flush();
    }
    if (this.#halfClosed !== null) {
      // The app's FIN came before the tunnel was open, and will not be told again.
      this.#halfClosed.cancel();
      this.#halfClosed = null;
      upstream.end();
    }
    this.pinned?.cancel();
    this.pinned = null;
    new Tunnel(this.#socket, upstream, destination.policy.timeouts.streamIdleMs, this.#context.tunnels, closed);
    this.kept.close();
    this.#owner.sessionClosed(this);
  }

  #dropAhead(): void {
    if (this.#ahead !== null) this.#context.budget.release(this.#ahead.length);
    this.#ahead = null;
  }

  // --- Downstream: what the exchange sends

  interim(head: Head): void {
    // HTTP/1.0 knows no interim responses (RFC 9110 section 15.2).
    if (this.#minor === 0) return;
    if (head.status === 100) this.#expects = false;
    this.#writeHead(head, { chunked: false, dropContentLength: true, connection: 'none', extraLines: null });
  }

  responseHead(head: Head, bodyKind: number): void {
    this.#headSent = true;
    if (this.#context.phase !== 'serving') this.#close = true;
    let chunked = head.chunked;
    if (bodyKind === BODY_CHUNKED || bodyKind === BODY_UNTIL_CLOSE) {
      // HTTP/1.0 knows no chunks: there the end of the connection is the end of the body.
      chunked = this.#minor === 1;
      if (!chunked) this.#close = true;
    }
    this.#responseChunked = chunked && bodyKind !== BODY_NONE;
    // An app that still waits for 100 Continue may or may not send its body now: only a close leaves no doubt.
    if (this.#expects && !this.#requestEnded) this.#close = true;
    this.#writeHead(head, {
      // 204 has no body to encode, and says so (RFC 9112 section 6.1).
      chunked: chunked && this.#minor === 1 && head.status !== 204,
      dropContentLength: head.status === 204,
      connection: connectionWord(this.#close, this.#keepAlive10),
      extraLines: this.#viaLine(head),
    });
  }

  #viaLine(head: Head): Buffer | null {
    const { mode } = this.#context.config.via;
    if (mode === 'off' || mode === 'request') return null;
    return Buffer.from(`via: 1.${head.minor} ${this.#context.viaToken}\r\n`, 'latin1');
  }

  #writeHead(head: Head, options: ResponseHeadOptions): void {
    outputSlab.reserve(this.#socket, head.end - head.start + HEAD_ROOM);
    outputSlab.length = writeResponseHead(head, options, outputSlab.buffer, outputSlab.length);
  }

  responseData(buffer: Buffer, start: number, end: number, stable: boolean): boolean {
    if (!this.#responseChunked) {
      return stable ? this.#socket.sendStable(buffer, start, end) : this.#socket.write(buffer, start, end);
    }
    const length = end - start;
    if (length === 0) return true;
    outputSlab.reserve(this.#socket, length + CHUNK_ROOM);
    const out = outputSlab.buffer;
    const at = writeChunkSize(length, out, outputSlab.length);
    buffer.copy(out, at, start, end);
    out[at + length] = CR;
    out[at + length + 1] = LF;
    outputSlab.length = at + length + 2;
    return !this.#socket.full;
  }

  responseTrailers(head: Head): void {
    if (!this.#responseChunked) return;
    outputSlab.reserve(this.#socket, head.end - head.start + HEAD_ROOM);
    const at = outputSlab.length + LAST_CHUNK.copy(outputSlab.buffer, outputSlab.length);
    outputSlab.length = writeTrailers(head, FORBIDDEN_IN_TRAILERS, outputSlab.buffer, at);
    this.#responseChunked = false;
  }

  responseEnd(): void {
    if (!this.#responseChunked) return;
    this.#socket.write(LAST_CHUNK_WITHOUT_TRAILERS, 0, LAST_CHUNK_WITHOUT_TRAILERS.length);
    this.#responseChunked = false;
  }

  upgraded(head: Head, upstream: ByteSocket, rest: Buffer, destination: Destination, closed: () => void): void {
    this.#writeHead(head, { chunked: false, dropContentLength: true, connection: 'upgrade', extraLines: null });
    this.#exchange = null;
    this.#toTunnel(upstream, rest, destination, closed);
  }

  fail(error: CarpoolError): void {
    if (this.#state !== 'open') return;
    if (!this.#headSent) {
      this.#answer(error);
      return;
    }
    // The response has begun: only a cut tells the app that it is not whole.
    this.#close = true;
    this.#socket.reset();
  }

  pauseRequest(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#socket.pause();
  }

  resumeRequest(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#state === 'open' || this.#state === 'lingering') this.#socket.resume();
  }

  exchangeEnded(): void {
    if (this.#state !== 'open') return;
    if (this.#requestEnded) {
      this.#finish();
      return;
    }
    // The response is complete, the request is not: the rest of the upload is read within bounds, or the connection closes.
    this.#ended = true;
    this.#drained = 0;
    this.#since = this.#context.forward.clock.now();
    // Where the upstream takes nothing now, the exchange goes on reading when it does.
    if (this.#close || (this.#reader.kind === BODY_LENGTH && this.#reader.remaining > DRAIN_BYTES))
      this.#stopDraining();
  }

  #stopDraining(): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    exchange?.stopUpload();
    this.#linger();
  }

  /** The exchange is over in both directions: the next request, or the end. */
  #finish(): void {
    this.#exchange = null;
    this.#ended = false;
    this.#halfClosed?.cancel();
    this.#halfClosed = null;
    if (this.#close || this.#context.phase !== 'serving') {
      this.#linger();
      return;
    }
    this.#since = this.#context.forward.clock.now();
    this.resumeRequest();
    const ahead = this.#ahead;
    if (ahead === null || this.#reading) return;
    this.#dropAhead();
    this.#read(ahead, 0, ahead.length);
  }

  // --- the end of the connection

  #linger(): void {
    if (this.#state !== 'open') return;
    this.#state = 'lingering';
    this.#drained = 0;
    this.#since = this.#context.forward.clock.now();
    this.#dropAhead();
    this.#socket.end();
    this.#paused = true;
    this.resumeRequest();
  }

  /** The app has closed its sending side: it has left, unless it waits for the answer to what it sent. */
  onEnd(): void {
    if (this.#state === 'lingering') {
      this.#socket.destroy();
      return;
    }
    if (this.#state !== 'open') return;
    if (!this.busy && this.#ahead === null) {
      this.#linger();
      this.#socket.destroy();
      return;
    }
    this.#close = true;
    if (!this.#requestEnded) {
      this.#leave();
      return;
    }
    this.#halfClosed = this.#context.forward.clock.setTimer(() => this.#leave(), HALF_CLOSED_MS);
  }

  #leave(): void {
    if (this.#state !== 'open') return;
    // A response on its way is written to the end: a write to an app that is gone fails by itself.
    if (this.#exchange?.state === 'responding' && this.#requestEnded) return;
    this.#socket.destroy();
  }

  onDrain(): void {
    this.#exchange?.downstreamWritable();
  }

  onClose(): void {
    const before = this.#state;
    this.#state = 'closed';
    this.#halfClosed?.cancel();
    this.#clearPartial();
    this.#dropAhead();
    const exchange = this.#exchange;
    this.#exchange = null;
    exchange?.abort(new CarpoolError('DOWNSTREAM_ABORTED', 'the app closed its connection'));
    this.#connect?.cancel();
    this.#connect = null;
    this.pinned?.cancel();
    this.pinned = null;
    this.kept.close();
    if (before !== 'closed') this.#owner.sessionClosed(this);
  }

  /** Closes a connection that has been idle for `idleMs`; a busy one after its answer. */
  drain(now: number, idleMs: number): void {
    this.#close = true;
    if (!this.busy && this.#partial.empty && now - this.#since >= idleMs) this.#linger();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Once a second. */
  tick(now: number): void {
    const waited = now - this.#since;
    const { listener } = this.#context.config;
    this.#socket.settle();
    if (this.#state === 'lingering') {
      if (waited > LINGER_MS) this.#socket.destroy();
    } else if (this.#ended) {
      if (waited > DRAIN_MS) this.#stopDraining();
    } else if (this.#exchange !== null) this.#exchange.tick(now);
    else if (!this.#partial.empty) {
      if (waited >= listener.headTimeoutMs) {
        this.#clearPartial();
        this.#startRequest(null);
        this.#refuse(new CarpoolError('HEAD_TIMEOUT', `the head did not arrive within ${listener.headTimeoutMs} ms`));
      }
    } else if (listener.idleTimeoutMs > 0 && waited >= listener.idleTimeoutMs && !this.busy) this.#linger();
  }
}
