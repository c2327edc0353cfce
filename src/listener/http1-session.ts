import type { Timer } from '../clock.ts';
import type { UpstreamLease } from '../connection/upstream.ts';
import { CarpoolError } from '../errors.ts';
import type { Downstream } from '../forward/downstream.ts';
import { Exchange } from '../forward/forward.ts';
import { KeptRequest } from '../forward/kept-request.ts';
import type { TunnelPlace } from '../pool/tunnel-place.ts';
import type { Fault } from '../protocol/field-facts.ts';
import { type Head, METHOD_CONNECT, METHOD_OPTIONS, METHOD_TRACE } from '../protocol/head.ts';
import type { Destination } from '../routing/destination.ts';
import type { ByteHandler, ByteSocket } from '../transport/byte-socket.ts';
import { connectTarget, type TakeConnect } from './connect.ts';
import type { DownstreamSession } from './downstream-session.ts';
import { foreignAnswer } from './foreign-answer.ts';
import { Lingering } from './lingering.ts';
import type { ListenerContext } from './listener-context.ts';
import { refusalRecord } from './refusal-record.ts';
import type { RequestPlanner } from './request-plan.ts';
import { RequestReader, type RequestSink } from './request-reader.ts';
import { ResponseWriter } from './response-writer.ts';
import { DRAIN_BYTES, DRAIN_MS, HALF_CLOSED_MS } from './session-bounds.ts';
import { Tunnel } from './tunnel.ts';

/** One downstream HTTP/1.1 connection. */
export class Http1Session implements ByteHandler, DownstreamSession, RequestSink, Downstream {
  readonly spoken = 'http1';
  readonly output: ResponseWriter;
  readonly kept: KeptRequest;
  pinned: UpstreamLease | null = null;
  readonly #context: ListenerContext;
  readonly #socket: ByteSocket;
  readonly #closed: (session: DownstreamSession) => void;
  readonly #planner: RequestPlanner;
  readonly #reader: RequestReader;
  readonly #takeConnect: TakeConnect | null;
  /** No longer where the connection ends, or is somebody else's: a tunnel's, a CONNECT's. */
  #open = true;
  #exchange: Exchange | null = null;
  #paused = false;
  #destinationName: string | null = null;
  #hadRequest = false;
  #refusedMethod = '-';
  #halfClosed: Timer | null = null;
  /** The app's FIN has come. */
  #appEnded = false;
  /** The response is complete, and the rest of its request is still coming. */
  #answered = false;
  /** Since when the current state of waiting lasts (monotonic ms): draining, idling. */
  #since: number;
  #drained = 0;

  constructor(
    socket: ByteSocket,
    context: ListenerContext,
    closed: (session: DownstreamSession) => void,
    planner: RequestPlanner,
    takeConnect: TakeConnect | null,
  ) {
    this.#context = context;
    this.#takeConnect = takeConnect;
    this.#closed = closed;
    this.#planner = planner;
    this.kept = new KeptRequest(context.budget);
    this.#since = context.forward.clock.now();
    this.#socket = socket;
    socket.setHandler(this);
    this.#reader = new RequestReader(this, context.requestScanner, context.budget, context.forward.clock);
    this.output = new ResponseWriter(this.#socket, context, this.#reader);
  }

  get occupied(): boolean {
    return this.#exchange !== null || this.#socket.full;
  }

  get busy(): number {
    return this.#exchange === null ? 0 : 1;
  }

  // --- bytes from the app

  onBytes(buffer: Buffer, length: number): void {
    if (this.#open) this.#reader.take(buffer, length);
  }

  get open(): boolean {
    return this.#open;
  }

  requestFault(fault: Fault, method: number): void {
    this.#nameRequest(null);
    this.output.beginUnreadable(method);
    if (fault.foreign === true && !this.#hadRequest) {
      // Whoever cannot read an answer of HTTP/1.1 may read one of HTTP/2: this port speaks both (RFC 9113 section 3.4).
      this.#context.countError(new CarpoolError(fault.code, fault.rule));
      const answer = foreignAnswer(fault.rule);
      this.#socket.write(answer, 0, answer.length);
      this.#linger();
      return;
    }
    this.#refuse(this.#planner.misread(fault));
  }

  /** What a refusal says of the request; null: nothing could be told. */
  #nameRequest(head: Head | null): void {
    this.#destinationName = head === null ? null : this.#planner.nameOf(head);
    this.#refusedMethod = head === null ? '-' : head.methodText();
  }

  /** A whole head: where does it go? */
  requestHead(head: Head, buffer: Buffer, end: number): number {
    this.#hadRequest = true;
    const next = head.end;
    this.#nameRequest(null);
    this.output.begin(head);
    this.#context.lastRequestAt = this.#context.forward.clock.now();
    // A refused CONNECT closes the connection: what comes behind it was meant for somebody else (robustness rule 11).
    if (head.method === METHOD_CONNECT) this.output.close = true;
    try {
      this.#planner.admit(head);
      if (head.method === METHOD_CONNECT) return this.#startConnect(head, buffer, end);
      if (head.maxForwards === 0 && (head.method === METHOD_TRACE || head.method === METHOD_OPTIONS)) {
        this.output.answerHere(head);
        this.#afterAnswer();
        return next;
      }
      this.#socket.expectBody(head.contentLength);
      const exchange = new Exchange(head, this.#planner.plan(head), this, this.#context.forward);
      this.#exchange = exchange;
      exchange.begin();
      if (this.#reader.ended) {
        if (exchange.unsafe) exchange.eventEnded(head, buffer, next, next);
        return next;
      }
      const after = this.#reader.readBody(buffer, next, end);
      if (exchange.unsafe && !head.chunked) exchange.eventEnded(head, buffer, next, after);
      return after;
    } catch (error) {
      this.#nameRequest(head);
      this.#refuse(
        error instanceof CarpoolError ? error : new CarpoolError('INTERNAL', String(error), { cause: error }),
      );
      return next;
    }
  }

  requestData(buffer: Buffer, start: number, end: number): void {
    if (this.#answered) {
      this.#drained += end - start;
      if (this.#drained > DRAIN_BYTES) {
        this.#stopDraining();
        return;
      }
    }
    this.#exchange?.requestData(buffer, start, end, this.#socket.keepsWhilePaused(buffer) && this.#reader.bodyGoesOn);
  }

  requestTrailers(head: Head): void {
    this.#exchange?.requestTrailers(head);
  }

  requestEnd(): void {
    this.#exchange?.requestEnd();
    if (this.#answered) this.#finish();
  }

  /** Where the body ends is not known, so neither the request nor the connection can go on. */
  bodyFault(rule: string): void {
    if (!this.#open) return;
    const error = new CarpoolError('BAD_REQUEST', rule);
    const exchange = this.#exchange;
    if (this.output.headSent) this.#socket.reset();
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
    this.#context.countError(error);
    this.#answer(error);
    const { accessLog, clock } = this.#context.forward;
    if (accessLog?.wants(error.status, true)) {
      accessLog.write(refusalRecord(error, clock.wall(), this.#refusedMethod, this.#destinationName));
    }
    this.#afterAnswer();
  }

  #answer(error: CarpoolError): void {
    this.output.answer(error, this.#exchange?.destinationName ?? this.#destinationName);
  }

  #afterAnswer(): void {
    if (this.output.close) this.#linger();
    else this.#since = this.#context.forward.clock.now();
  }

  // --- the connection becomes somebody else's

  #startConnect(head: Head, buffer: Buffer, end: number): number {
    const take = this.#takeConnect;
    if (take === null) throw new CarpoolError('BAD_REQUEST', 'this connection takes no CONNECT');
    const target = connectTarget(head, this.#context);
    const early = head.end < end ? Buffer.from(buffer.subarray(head.end, end)) : null;
    this.#leaveIt();
    take(this.#socket, this.#context, target, early, this.#appEnded);
    return end;
  }

  /** The bytes are no requests any more. @returns those that came before their time */
  #leaveIt(): Buffer | null {
    this.#open = false;
    const ahead = this.#reader.takeAhead();
    this.#letGo();
    this.#closed(this);
    return ahead;
  }

  // --- Downstream: what the exchange sends

  upgraded(head: Head, upstream: ByteSocket, rest: Buffer, destination: Destination, place: TunnelPlace): void {
    this.output.upgrade(head);
    this.#exchange = null;
    // An app's FIN that came before the tunnel was open will not be told again.
    const first = { toApp: rest, toUpstream: this.#leaveIt(), appEnded: this.#appEnded, upstreamEnded: false };
    new Tunnel(this.#socket, upstream, destination.policy.timeouts.streamIdleMs, first, this.#context.tunnels, place);
  }

  fail(error: CarpoolError): void {
    if (!this.#open) return;
    if (!this.output.headSent) {
      this.#answer(error);
      return;
    }
    // The response has begun: only a cut tells the app that it is not whole.
    this.output.close = true;
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
    if (this.#open) this.#socket.resume();
  }

  exchangeEnded(): void {
    if (!this.#open) return;
    if (this.#reader.ended) {
      this.#finish();
      return;
    }
    // The response is complete, the request is not: the rest of the upload is read within bounds, or the connection closes.
    this.#answered = true;
    this.#drained = 0;
    this.#since = this.#context.forward.clock.now();
    // Where the upstream takes nothing now, the exchange goes on reading when it does.
    if (this.output.close || this.#reader.bodyLeft > DRAIN_BYTES) this.#stopDraining();
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
    this.#answered = false;
    if (this.output.close || this.#context.phase !== 'serving' || (this.#appEnded && this.#reader.nothingAhead)) {
      this.#linger();
      return;
    }
    this.#since = this.#context.forward.clock.now();
    this.resumeRequest();
    this.#reader.resume();
  }

  // --- the end of the connection

  #linger(): void {
    if (!this.#open) return;
    this.#leaveIt();
    new Lingering(this.#socket, this.#context);
  }

  /** The app has closed its sending side: it has left, unless it waits for the answer to what it sent. */
  onEnd(): void {
    if (this.#open && this.#exchange === null && this.#reader.nothingAhead) {
      this.#linger();
      // Else it closes by itself when what is queued has left.
      if (this.#socket.queued === 0) this.#socket.destroy();
      return;
    }
    if (!this.#open) return;
    this.#appEnded = true;
    if (!this.#reader.ended) this.#leave();
    else this.#halfClosed = this.#context.forward.clock.setTimer(() => this.#leave(), HALF_CLOSED_MS);
  }

  #leave(): void {
    if (!this.#open || (this.#exchange === null && this.#socket.queued > 0)) return;
    // A response on its way is written to the end: a write to an app that is gone fails by itself.
    if (this.#exchange?.state === 'responding' && this.#reader.ended) return;
    this.#socket.destroy();
  }

  onDrain(): void {
    if (this.#exchange !== null) this.#exchange.downstreamWritable();
    else if (this.#open) {
      this.resumeRequest();
      this.#reader.resume();
    }
  }

  onClose(): void {
    this.#open = false;
    const exchange = this.#exchange;
    this.#exchange = null;
    exchange?.abort(new CarpoolError('DOWNSTREAM_ABORTED', 'the app closed its connection'));
    this.#letGo();
    this.#closed(this);
  }

  /** Gives back what is held for requests to come. */
  #letGo(): void {
    this.#halfClosed?.cancel();
    this.#halfClosed = null;
    this.#reader.close();
    this.pinned?.cancel();
    this.pinned = null;
    this.kept.close();
  }

  /** Closes a connection that has been idle for `idleMs`; a busy one after its answer. */
  drain(now: number, idleMs: number): void {
    this.output.close = true;
    if (this.#exchange === null && this.#reader.headSince === null && now - this.#since >= idleMs) this.#linger();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Once a second. */
  tick(now: number): void {
    const waited = now - this.#since;
    const { listener } = this.#context.config;
    this.#socket.settle();
    if (this.#answered) {
      if (waited > DRAIN_MS) this.#stopDraining();
    } else if (this.#exchange !== null) this.#exchange.tick(now);
    else if (this.#reader.headSince !== null) {
      if (now - this.#reader.headSince >= listener.headTimeoutMs) this.headOverdue();
    } else if (listener.idleTimeoutMs > 0 && waited >= listener.idleTimeoutMs) this.#linger();
  }

  /** A head has begun and does not come to its end in time. */
  headOverdue(): void {
    const { headTimeoutMs } = this.#context.config.listener;
    this.#reader.dropHead();
    this.#nameRequest(null);
    this.output.begin(null);
    this.#refuse(new CarpoolError('HEAD_TIMEOUT', `the head did not arrive within ${headTimeoutMs} ms`));
  }
}
