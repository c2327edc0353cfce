import type { LinkOutput } from '../connection/link-output.ts';
import { LinkStream } from '../connection/link-stream.ts';
import type { UpstreamLease } from '../connection/upstream.ts';
import { CarpoolError } from '../errors.ts';
import type { Downstream, ResponseOutput } from '../forward/downstream.ts';
import { Exchange } from '../forward/forward.ts';
import { isGrpc } from '../forward/grpc-outcome.ts';
import { KeptRequest } from '../forward/kept-request.ts';
import { type AnswerParts, answerParts } from '../forward/local-answer.ts';
import type { TunnelPlace } from '../pool/tunnel-place.ts';
import { type Head, METHOD_CONNECT, METHOD_HEAD, METHOD_OPTIONS, METHOD_TRACE } from '../protocol/head.ts';
import {
  fieldsBlockBound,
  responseBlockBound,
  writeFields,
  writeResponseBlock,
} from '../protocol/http2/block-writer.ts';
import { CANCEL, INTERNAL_ERROR, NO_ERROR, REFUSED_STREAM } from '../protocol/http2/frame-types.ts';
import type { Destination } from '../routing/destination.ts';
import type { ByteSocket } from '../transport/byte-socket.ts';
import { grpcFields } from './grpc-status.ts';
import { Http2Tunnelling, type TunnelOwner } from './http2-tunnelling.ts';
import type { ListenerContext } from './listener-context.ts';
import { ownAnswer } from './own-answer.ts';
import { refusalRecord } from './refusal-record.ts';
import type { RequestPlanner } from './request-plan.ts';
import { DRAIN_BYTES, DRAIN_MS } from './session-bounds.ts';

/**
 * The code with which an answer that has begun is cut: the upstream's, but for those that clients take for a whole answer (NO_ERROR), or for
 * leave to send the request again (REFUSED_STREAM).
 */
const cutCode = (code: number | null | undefined): number =>
  code === undefined || code === null || code === NO_ERROR || code === REFUSED_STREAM ? INTERNAL_ERROR : code;

/** What a stream of the app asks of its connection. */
export interface StreamHost {
  readonly out: LinkOutput;
  readonly context: ListenerContext;
  readonly planner: RequestPlanner;
  settle(stream: LinkStream): void;
  resumeStream(stream: Http2Exchange): void;
  reset(stream: Http2Exchange, code: number): void;
}

/** One stream of the app: a request, its exchange, and the answer (RFC 9113 section 8.1). */
export class Http2Exchange extends LinkStream implements Downstream, ResponseOutput, TunnelOwner {
  readonly spoken = 'http2';
  readonly output = this;
  readonly kept: KeptRequest;
  /** Connection-bound authentication is no matter of HTTP/2: the upstream connection it would need is given up with the stream. */
  pinned: UpstreamLease | null = null;
  readonly #host: StreamHost;
  #exchange: Exchange | null = null;
  #destinationName: string | null = null;
  #grpc = false;
  #headRequest = false;
  #headSent = false;
  /** Whether a body follows the request's head. */
  #body = false;
  /** The response is complete, and the rest of its request is still coming: since when, and how much of it came. */
  #answeredAt: number | null = null;
  #drained = 0;
  /** `timeouts.write` of the destination: how long an answer may wait for an app that reads nothing. */
  #writeMs = 0;
  /** How much waited to be sent when it was looked at last, and since when it is no less (monotonic ms). */
  #waited = 0;
  #waitedSince = 0;
  /** Set by a CONNECT. */
  #tunnelling: Http2Tunnelling | null = null;

  constructor(id: number, sendWindow: number, now: number, host: StreamHost) {
    super(id, sendWindow, now);
    this.#host = host;
    this.kept = new KeptRequest(host.context.budget);
  }

  // --- the request

  /** A whole head has come; valid during the call. */
  begin(head: Head, endStream: boolean): void {
    const { context, planner } = this.#host;
    this.remoteEnded = endStream;
    this.#headRequest = head.method === METHOD_HEAD;
    this.#grpc = isGrpc(head);
    if (!endStream) this.bodyLeft = head.contentLength;
    context.lastRequestAt = context.forward.clock.now();
    try {
      planner.admit(head);
      if (head.method === METHOD_CONNECT && head.protocolEnd === head.protocolStart) {
        this.#tunnelling = new Http2Tunnelling(this, context);
        this.#tunnelling.begin(head);
        return;
      }
      if (head.maxForwards === 0 && (head.method === METHOD_TRACE || head.method === METHOD_OPTIONS)) {
        this.#send(200, ownAnswer(head));
        this.#finished();
        return;
      }
      const asked = head.method === METHOD_CONNECT ? this.#asUpgrade(head) : head;
      const plan = planner.plan(asked);
      this.#body = plan.body;
      this.#writeMs = plan.destination.policy.timeouts.writeMs;
      const exchange = new Exchange(asked, plan, this, context.forward);
      this.#exchange = exchange;
      exchange.begin();
      if (endStream && exchange.unsafe) exchange.eventEnded(head, head.buffer, 0, 0);
    } catch (error) {
      this.#exchange = null;
      this.#destinationName = planner.nameOf(head);
      this.refuse(
        error instanceof CarpoolError ? error : new CarpoolError('INTERNAL', String(error), { cause: error }),
        head.methodText(),
      );
    }
  }

  #asUpgrade(head: Head): Head {
    this.#tunnelling = new Http2Tunnelling(this, this.#host.context);
    return this.#tunnelling.asUpgrade(head);
  }

  /** Answers a request that goes nowhere. */
  refuse(error: CarpoolError, method: string): void {
    const { context } = this.#host;
    context.countError(error);
    this.#answer(error);
    const { accessLog, clock } = context.forward;
    if (accessLog?.wants(error.status, true))
      accessLog.write(refusalRecord(error, clock.wall(), method, this.#destinationName));
    this.#finished();
  }

  onData(buffer: Buffer, start: number, end: number): void {
    if (this.#tunnelling !== null && this.#answeredAt === null) {
      this.#tunnelling.data(buffer, start, end);
      return;
    }
    if (this.#answeredAt !== null) {
      this.#drained += end - start;
      if (this.#drained > DRAIN_BYTES) {
        this.#stopUpload();
        return;
      }
    }
    this.#exchange?.requestData(buffer, start, end, false);
  }

  /** Trailers of the request; its end follows. */
  trailersCame(head: Head): void {
    this.#exchange?.requestTrailers(head);
  }

  onRemoteEnd(): void {
    this.#tunnelling?.appEnded();
    const exchange = this.#exchange;
    if (this.#answeredAt !== null) this.#exchange = null;
    if (this.#body) exchange?.requestEnd();
    if (this.#answeredAt !== null) this.#letGo();
  }

  pauseRequest(): void {
    this.paused = true;
  }

  resumeRequest(): void {
    this.#host.resumeStream(this);
  }

  /** The app reset the stream: nobody waits for the answer any more. */
  onReset(_code: number): void {
    this.#abort(new CarpoolError('DOWNSTREAM_ABORTED', 'the app reset the stream'));
  }

  onMalformed(rule: string): void {
    this.#abort(new CarpoolError('BAD_REQUEST', rule));
  }

  /** The app's connection is gone. */
  connectionLost(): void {
    this.#abort(new CarpoolError('DOWNSTREAM_ABORTED', 'the app closed its connection'));
  }

  #abort(error: CarpoolError): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    exchange?.abort(error);
    this.#tunnelling?.over();
    this.#letGo();
  }

  /** Gives back what is held for the request. */
  #letGo(): void {
    this.kept.close();
    this.pinned?.cancel();
    this.pinned = null;
  }

  // --- the answer

  interim(head: Head): void {
    if (this.#headSent || this.closed) return;
    this.#writeHead(head, true);
  }

  head(head: Head, _bodyKind: number): void {
    if (this.closed) return;
    if (this.#tunnelling !== null && head.status < 300) {
      // On this stream 2xx would say that the WebSocket is open (RFC 8441 section 5).
      const message = `the upstream answered ${head.status} and did not switch to the WebSocket protocol`;
      this.#answer(new CarpoolError('UPSTREAM_PROTOCOL', message));
      return;
    }
    this.#headSent = true;
    this.#writeHead(head, head.status === 204);
  }

  #writeHead(head: Head, dropContentLength: boolean): void {
    const { out } = this.#host;
    const options = { dropContentLength, extraLines: this.#viaLine(head) };
    const at = out.beginHeaders(responseBlockBound(head, options));
    out.endHeaders(this, writeResponseBlock(head, options, out.buffer, at), false);
  }

  #viaLine(head: Head): Buffer | null {
    const { config, viaToken } = this.#host.context;
    if (config.via.mode === 'off' || config.via.mode === 'request') return null;
    return Buffer.from(`via: ${head.http2 ? '2' : `1.${head.minor}`} ${viaToken}\r\n`, 'latin1');
  }

  ready(): boolean {
    return this.closed || this.#host.out.ready(this);
  }

  data(buffer: Buffer, start: number, end: number): boolean {
    // An answer of our own has taken the place of this one.
    if (this.localEnded) return true;
    return this.#host.out.data(this, buffer, start, end);
  }

  trailers(head: Head): void {
    this.#host.out.trailers(this, head);
  }

  end(): void {
    this.#host.out.end(this);
  }

  onWritable(): void {
    this.#tunnelling?.writable();
    this.#exchange?.downstreamWritable();
  }

  fail(error: CarpoolError): void {
    if (this.closed) return;
    if (!this.#headSent) this.#answer(error);
    // The response has begun: only a reset tells the app that it is not whole.
    else this.#host.reset(this, cutCode(error.streamCode));
  }

  #answer(error: CarpoolError): void {
    const { out } = this.#host;
    if (!this.#grpc) {
      this.#send(error.status, answerParts(error, this.#exchange?.destinationName ?? this.#destinationName));
      return;
    }
    const fields = grpcFields(error);
    this.#headSent = true;
    const at = out.beginHeaders(fieldsBlockBound(fields));
    out.endHeaders(this, writeFields(out.buffer, at, 200, fields), true);
  }

  #send(status: number, { fields, body }: AnswerParts): void {
    const { out, context } = this.#host;
    if (context.budget.exhausted && (this.sendWindow < body.length || out.window < body.length)) {
      // There is no memory for an answer that has to wait: this says as much, and that nothing was done.
      this.#host.reset(this, REFUSED_STREAM);
      return;
    }
    this.#headSent = true;
    const at = out.beginHeaders(fieldsBlockBound(fields));
    out.endHeaders(this, writeFields(out.buffer, at, status, fields), false);
    if (!this.#headRequest) out.data(this, body, 0, body.length);
    out.end(this);
  }

  // --- tunnels

  /** 101 to the Upgrade that stands for an extended CONNECT. */
  upgraded(head: Head, upstream: ByteSocket, rest: Buffer, destination: Destination, place: TunnelPlace): void {
    if (this.#tunnelling?.upgraded(head, upstream, rest, destination, place) === true) this.#exchange = null;
    else
      this.#answer(
        new CarpoolError('UPSTREAM_PROTOCOL', 'the 101 does not answer the Sec-WebSocket-Key of its request'),
      );
  }

  sendTunnelHead(fields: readonly (readonly [string, string])[]): void {
    const { out } = this.#host;
    this.#headSent = true;
    const at = out.beginHeaders(fieldsBlockBound(fields));
    out.endHeaders(this, writeFields(out.buffer, at, 200, fields), false);
  }

  tunnelRefused(error: CarpoolError, destination: Destination): void {
    this.#destinationName = destination.name;
    this.#answer(error);
    this.#finished();
  }

  sendBytes(buffer: Buffer, start: number, end: number): boolean {
    return this.#host.out.data(this, buffer, start, end);
  }

  sendEnd(): void {
    this.#host.out.end(this);
    this.#host.settle(this);
  }

  cut(code: number): void {
    this.#host.reset(this, code);
  }

  // --- the end

  exchangeEnded(): void {
    if (this.#tunnelling?.open !== true) this.#finished();
  }

  /** The answer is complete: where the request is not, its rest is read within bounds. */
  #finished(): void {
    this.#tunnelling?.over();
    if (this.closed || this.remoteEnded) {
      this.#exchange = null;
      this.#letGo();
      if (!this.closed) this.#host.settle(this);
      return;
    }
    this.#answeredAt = this.#host.context.forward.clock.now();
    if (this.bodyLeft > DRAIN_BYTES) this.#stopUpload();
  }

  /** The app may stop sending: the answer says all (RFC 9113 section 8.1). */
  #stopUpload(): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    exchange?.stopUpload();
    this.#tunnelling?.over();
    this.#letGo();
    this.#host.reset(this, this.localEnded && this.queue === null ? NO_ERROR : CANCEL);
  }

  /** Once a second. */
  tick(now: number): void {
    if (this.#exchange !== null && this.#answeredAt === null) this.#exchange.tick(now);
    else if (this.queue !== null) {
      // A tunnel that is open has a time of its own, timeouts.streamIdle.
      if (this.localEnded || this.#tunnelling?.open !== true) this.#watchQueue(this.queue.bytes, now);
    } else if (this.#answeredAt !== null && now - this.#answeredAt > DRAIN_MS) this.#stopUpload();
  }

  /** The answer is complete here, and not at the app: it must go on taking it. */
  #watchQueue(bytes: number, now: number): void {
    if (bytes !== this.#waited || this.#waitedSince === 0) {
      this.#waited = bytes;
      this.#waitedSince = now;
      return;
    }
    if (now - this.#waitedSince >= (this.#writeMs || this.#host.context.config.defaults.timeouts.writeMs))
      this.#stopUpload();
  }
}
