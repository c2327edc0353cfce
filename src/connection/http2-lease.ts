import type { ErrorCode } from '../errors.ts';
import { type Head, METHOD_HEAD } from '../protocol/head.ts';
import { BODY_CHUNKED, BODY_LENGTH, BODY_NONE } from '../protocol/http1/body-reader.ts';
import type { RequestHeadOptions } from '../protocol/http1/head-writer.ts';
import { requestBlockBound, writeRequestBlock } from '../protocol/http2/block-writer.ts';
import { CANCEL, errorName, HTTP_1_1_REQUIRED, REFUSED_STREAM } from '../protocol/http2/frame-types.ts';
import { MAX_INTERIM, WORTH_NOTING_MS } from './exchange-bounds.ts';
import type { LinkOutput } from './link-output.ts';
import { LinkStream } from './link-stream.ts';
import type { ResponseReceiver, Spoken, UpstreamLease } from './upstream.ts';

/** How long an upload may still be waiting to be sent when its response is complete. */
const UPLOAD_AFTER_ANSWER_MS = 5000;

/** What a lease asks of its connection. */
export interface LeaseHost {
  readonly out: LinkOutput;
  readonly secure: boolean;
  settle(lease: LinkStream): void;
  resumeStream(lease: Http2Lease): void;
  reset(lease: Http2Lease, code: number): void;
  abandon(lease: Http2Lease): void;
  survivedIdle(ms: number): void;
}

/** One exchange's stream on an upstream HTTP/2 connection. It ends when both directions have, or by a reset. */
export class Http2Lease extends LinkStream implements UpstreamLease {
  readonly refusable = true;
  readonly reused: boolean;
  /** How long the connection had been idle before (ms). */
  readonly idleBefore: number;
  /** The final head has come: what follows are data and trailers. */
  responseStarted = false;
  readonly #connection: LeaseHost;
  #receiver: ResponseReceiver | null = null;
  #headSent = false;
  #headRequest = false;
  #bodyAllowed = true;
  #interims = 0;
  /** When the response was complete while the upload still waited to be sent (monotonic ms). */
  #overSince: number | null = null;

  constructor(id: number, sendWindow: number, now: number, connection: LeaseHost, reused: boolean, idleBefore: number) {
    super(id, sendWindow, now);
    this.#connection = connection;
    this.reused = reused;
    this.idleBefore = idleBefore;
  }

  get spoken(): Spoken {
    return 'http2';
  }

  // --- the exchange's side

  sendHead(head: Head, options: RequestHeadOptions, receiver: ResponseReceiver, body: boolean): void {
    this.#receiver = receiver;
    this.#headRequest = head.method === METHOD_HEAD;
    this.#headSent = true;
    const { out, secure } = this.#connection;
    const at = out.beginHeaders(requestBlockBound(head, options));
    out.endHeaders(this, writeRequestBlock(head, options, secure, out.buffer, at), !body);
  }

  sendData(buffer: Buffer, start: number, end: number, _stable: boolean): boolean {
    return this.#connection.out.data(this, buffer, start, end);
  }

  sendTrailers(head: Head): void {
    this.#connection.out.trailers(this, head);
    this.#connection.settle(this);
  }

  sendEnd(): void {
    this.#connection.out.end(this);
    this.#connection.settle(this);
  }

  /** What a stream sends leaves with the turn; whether the peer acted on it is for the peer to say. */
  flush(): boolean {
    return true;
  }

  pauseResponse(): void {
    this.paused = true;
  }

  resumeResponse(): void {
    this.#connection.resumeStream(this);
  }

  cancel(): void {
    this.#receiver = null;
    if (this.closed) return;
    if (this.#headSent) this.#connection.reset(this, CANCEL);
    else this.#connection.abandon(this);
  }

  /** Authentication of connections does not exist in HTTP/2: each request stands for itself. */
  pin(): boolean {
    return false;
  }

  leaseAgain(): boolean {
    return false;
  }

  // --- the connection's side

  /** A server whose answer is complete may want no more of the request (RFC 9113 section 8.1). */
  override get answered(): boolean {
    return this.remoteEnded || super.answered;
  }

  /** Whether DATA of `length` bytes may come now: the rule that it would break, or null. */
  mayCarryData(length: number): string | null {
    if (!this.responseStarted) return 'DATA came before the head of the response';
    // An empty frame may end a response that has no body.
    return this.#bodyAllowed || length === 0 ? null : 'DATA came in a response that has no body';
  }

  /** A response head has come. @returns the rule that it breaks, or null */
  headCame(head: Head, endStream: boolean): string | null {
    if (head.status < 200) {
      if (endStream) return 'an interim response ends the stream';
      if (++this.#interims > MAX_INTERIM) return `more than ${MAX_INTERIM} interim responses came before the final one`;
      this.#receiver?.interim(head);
      return null;
    }
    const { status, contentLength } = head;
    this.#bodyAllowed = !this.#headRequest && status !== 204 && status !== 304;
    if (this.#bodyAllowed && endStream && contentLength > 0) return 'the body is not as long as Content-Length says';
    this.responseStarted = true;
    this.bodyLeft = this.#bodyAllowed ? contentLength : -1;
    if (this.idleBefore > WORTH_NOTING_MS) this.#connection.survivedIdle(this.idleBefore);
    const framed = contentLength >= 0 ? BODY_LENGTH : BODY_CHUNKED;
    this.#receiver?.response(head, this.#bodyAllowed ? framed : BODY_NONE);
    return null;
  }

  trailersCame(head: Head, endStream: boolean): string | null {
    if (!endStream) return 'trailers do not end the stream';
    if (this.bodyLeft > 0) return 'the body is not as long as Content-Length says';
    this.#receiver?.responseTrailers(head);
    return null;
  }

  onData(buffer: Buffer, start: number, end: number): void {
    this.#receiver?.responseData(buffer, start, end, false);
  }

  onRemoteEnd(): void {
    // While the upload goes on the receiver has to hear of room for it.
    const receiver = this.#receiver;
    if (this.localEnded && this.queue === null) this.#receiver = null;
    receiver?.responseEnd();
  }

  /** Once a second: an upload that nobody waits for any more, and that the peer does not take, is given up. */
  tick(now: number): void {
    if (!this.remoteEnded || this.queue === null) return;
    this.#overSince ??= now;
    if (now - this.#overSince < UPLOAD_AFTER_ANSWER_MS) return;
    this.#connection.reset(this, CANCEL);
    this.#uploadOver();
  }

  /** Nobody takes the rest of an upload whose answer is complete: it is read on, within bounds, and goes nowhere. */
  #uploadOver(): void {
    const receiver = this.#receiver;
    this.#receiver = null;
    if (!this.localEnded) receiver?.requestWritable();
  }

  onWritable(): void {
    this.#receiver?.requestWritable();
  }

  onReset(code: number): void {
    // The whole response is here: the peer only wants no more of the request (RFC 9113 section 8.1).
    if (this.remoteEnded) {
      this.#uploadOver();
      return;
    }
    const refused = code === REFUSED_STREAM || code === HTTP_1_1_REQUIRED;
    this.#fail(
      refused ? 'STREAM_REFUSED' : 'UPSTREAM_RESET',
      `the upstream reset the stream with ${errorName(code)}`,
      refused && !this.responseStarted,
      false,
      code,
    );
  }

  onMalformed(rule: string): void {
    this.#fail('UPSTREAM_PROTOCOL', rule, false, false, null);
  }

  /** GOAWAY says that the peer has not acted on it. */
  unprocessed(): void {
    this.#connection.abandon(this);
    this.#fail('GOAWAY_UNPROCESSED', 'the upstream shut the connection down', true, false, null);
  }

  /** The peer does not speak HTTP/2 at all: it cannot have acted on anything. */
  unspoken(): void {
    this.#fail('UPSTREAM_PROTOCOL', 'the upstream does not speak HTTP/2', true, false, null);
  }

  connectionLost(code: ErrorCode, message: string): void {
    if (this.remoteEnded) this.#uploadOver();
    else this.#fail(code, message, false, true, null);
  }

  #fail(
    code: ErrorCode,
    message: string,
    unprocessed: boolean,
    connectionLost: boolean,
    streamCode: number | null,
  ): void {
    // The whole answer is here, and who asked may have gone on to another try: what is wrong now concerns the upload alone.
    if (this.remoteEnded) {
      this.#uploadOver();
      return;
    }
    const receiver = this.#receiver;
    this.#receiver = null;
    receiver?.attemptFailed({
      code,
      message,
      unprocessed,
      responseStarted: this.responseStarted,
      connectionLost,
      streamCode,
    });
  }
}
