import type { Clock } from '../clock.ts';
import type { ErrorCode } from '../errors.ts';
import type { CloseReason } from '../observer.ts';
import { type Head, METHOD_HEAD } from '../protocol/head.ts';
import { BODY_LENGTH, BODY_UNTIL_CLOSE, BodyReader, type BodySink } from '../protocol/http1/body-reader.ts';
import { type HeadScanner, SCAN_DONE, SCAN_MORE } from '../protocol/http1/head-scanner.ts';
import { HEAD_ROOM, optionsBound, type RequestHeadOptions, writeRequestHead } from '../protocol/http1/head-writer.ts';
import { advertisedIdleMs } from '../protocol/http1/keep-alive.ts';
import { PartialHead } from '../protocol/http1/partial-head.ts';
import { responseBodyKind } from '../protocol/http1/response-body.ts';
import type { ByteHandler, ByteSocket } from '../transport/byte-socket.ts';
import { outputSlab } from '../transport/output-slab.ts';
import type { AbsoluteForm } from './absolute-form.ts';
import { MAX_INTERIM, WORTH_NOTING_MS } from './exchange-bounds.ts';
import { sendChunk, sendLastChunk, sendRange, sendTrailers } from './http1-output.ts';
import type { ConnectionOwner, PooledConnection, ResponseReceiver, UpstreamLease } from './upstream.ts';

/**
 * One upstream HTTP/1.1 connection. Its pool owns it; an exchange holds it as a lease while it is active. While idle it is
 * read all the time, so that FIN and stray bytes end it at once.
 */
export class Http1Connection implements PooledConnection, UpstreamLease, ByteHandler, BodySink {
  /** What it did not act on it cannot say. */
  readonly refusable = false;
  readonly settling = false;
  readonly spoken = 'http1';
  readonly id: number;
  readonly endpointId: string;
  readonly createdAt: number;
  idleSince: number;
  requests = 0;
  /** One that was opened ahead may be stale before it has carried anything. */
  waited = false;
  expiresAt = Number.POSITIVE_INFINITY;
  list: PooledConnection['list'] = 'none';
  leases = 0;
  #state: PooledConnection['state'] = 'idle';
  #retireReason: CloseReason | null = null;
  /** The destination for which it is bound to one downstream connection, or null. */
  #pinnedTo: string | null = null;
  #receiver: ResponseReceiver | null = null;
  /** The exchange whose upload outlives its response: it has to hear when there is room again. */
  #uploader: ResponseReceiver | null = null;
  #requestEnded = true;
  #requestChunked = false;
  #headRequest = false;
  #upgradeAsked = false;
  #inBody = false;
  #reusable = true;
  #interims = 0;
  #responseStarted = false;
  #writtenBefore = 0;
  #idleBeforeMs = 0;
  readonly #reader = new BodyReader();
  readonly #partial = new PartialHead();
  readonly #clock: Clock;
  readonly #scanner: HeadScanner;
  readonly #owner: ConnectionOwner;
  /** Its peer is a parent proxy that takes whole URLs; null: the origin. */
  readonly #form: AbsoluteForm | null;
  #socket: ByteSocket;
  #detached = false;

  constructor(
    id: number,
    endpointId: string,
    socket: ByteSocket,
    owner: ConnectionOwner,
    scanner: HeadScanner,
    clock: Clock,
    form: AbsoluteForm | null = null,
  ) {
    this.id = id;
    this.#form = form;
    this.endpointId = endpointId;
    this.#socket = socket;
    this.#owner = owner;
    this.#scanner = scanner;
    this.#clock = clock;
    this.createdAt = clock.now();
    this.idleSince = this.createdAt;
    socket.setHandler(this);
  }

  get state(): PooledConnection['state'] {
    return this.#state;
  }

  get room(): number {
    return this.#state === 'idle' ? 1 : 0;
  }

  get reused(): boolean {
    return this.requests > 1 || this.waited;
  }

  get retireReason(): CloseReason | null {
    return this.#retireReason;
  }

  get localPort(): number {
    return this.#socket.localPort;
  }

  // --- the exchange's side

  /** The pool hands the connection out: from here on it is one exchange's, until it goes back or ends. */
  lease(now: number): UpstreamLease {
    if (this.#state !== 'idle' && !(this.#pinnedTo !== null && this.#receiver === null && this.#state === 'active')) {
      throw new Error(`connection ${this.id} was leased while ${this.#state}`);
    }
    this.#state = 'active';
    this.requests++;
    this.#idleBeforeMs = now - this.idleSince;
    return this;
  }

  sendHead(head: Head, options: RequestHeadOptions, receiver: ResponseReceiver, body: boolean): void {
    this.#receiver = receiver;
    this.#requestEnded = !body;
    this.#requestChunked = head.chunked;
    this.#headRequest = head.method === METHOD_HEAD;
    this.#upgradeAsked = options.upgrade;
    this.#inBody = false;
    this.#reusable = !options.close;
    this.#interims = 0;
    this.#responseStarted = false;
    this.#writtenBefore = this.#socket.bytesWritten;
    outputSlab.reserve(this.#socket, head.end - head.start + HEAD_ROOM + optionsBound(options, this.#form));
    outputSlab.length = writeRequestHead(head, options, outputSlab.buffer, outputSlab.length, this.#form);
  }

  sendData(buffer: Buffer, start: number, end: number, stable: boolean): boolean {
    if (this.#requestChunked) return sendChunk(this.#socket, buffer, start, end);
    return end === start || sendRange(this.#socket, buffer, start, end, stable);
  }

  sendTrailers(head: Head): void {
    if (this.#requestChunked) sendTrailers(this.#socket, head);
    this.#requestChunked = false;
  }

  sendEnd(): void {
    if (this.#requestChunked) {
      sendLastChunk(this.#socket);
      this.#requestChunked = false;
    }
    this.#requestEnded = true;
    this.#uploader = null;
    if (this.#receiver === null && this.#state !== 'closed' && this.#state !== 'idle') this.#exchangeEnded();
  }

  flush(): boolean {
    this.#socket.flush();
    return !(this.#socket.writeFailed && this.#socket.bytesWritten === this.#writtenBefore);
  }

  pauseResponse(): void {
    this.#socket.pause();
  }

  resumeResponse(): void {
    this.#socket.resume();
  }

  cancel(): void {
    this.#receiver = null;
    this.#uploader = null;
    this.#close('aborted');
  }

  pin(destination: string): boolean {
    this.#pinnedTo = destination;
    return true;
  }

  leaseAgain(destination: string): boolean {
    if (this.#pinnedTo !== destination || this.#state !== 'active' || this.#receiver !== null || !this.#requestEnded)
      return false;
    this.lease(this.#clock.now());
    return true;
  }

  // --- the pool's side

  retire(reason: CloseReason): void {
    if (this.#state === 'idle') this.#close(reason);
    else if (this.#state === 'active') {
      this.#state = 'draining';
      this.#retireReason = reason;
      this.#owner.connectionDrains(this);
      // Pinned and between two exchanges: there is nothing to wait for.
      if (this.#pinnedTo !== null && this.#receiver === null && this.#requestEnded) this.#close(reason);
    }
  }

  destroy(reason: CloseReason): void {
    if (this.#state !== 'closed') this.#fail(reason, 'UPSTREAM_CLOSED', `the connection was closed: ${reason}`);
  }

  tick(): void {}

  // --- the socket's side

  onBytes(buffer: Buffer, length: number): void {
    if (this.#receiver === null) {
      // Nobody asked for these bytes. Passing them on would answer somebody else's next request with them.
      if (this.#state !== 'closed') this.#close('protocol_error');
      return;
    }
    if (this.#partial.empty) {
      this.#read(buffer, 0, length);
      return;
    }
    this.#partial.add(buffer, 0, length);
    if (!this.#partial.worthScanning()) return;
    const whole = this.#partial.bytes();
    this.#partial.clear();
    this.#read(whole, 0, whole.length);
  }

  #read(buffer: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end && this.#receiver !== null) {
      if (this.#inBody) at = this.#readBody(buffer, at, end);
      else {
        const next = this.#readHead(buffer, at, end);
        if (next < 0) return;
        at = next;
      }
    }
    // Bytes behind the end of a response belong to no request (robustness rule 15).
    if (at < end && this.#state !== 'closed' && !this.#detached) this.#close('protocol_error');
  }

  /** @returns where the head ends, or -1 where nothing more can be done with these bytes */
  #readHead(buffer: Buffer, start: number, end: number): number {
    const result = this.#scanner.scanResponse(buffer, start, end);
    if (result === SCAN_MORE) {
      this.#partial.add(buffer, start, end);
      this.#partial.worthScanning();
      return -1;
    }
    const head = this.#scanner.head;
    if (result !== SCAN_DONE) return this.#fault(this.#scanner.fault.rule);
    if (head.status === 101) return this.#readUpgrade(head, buffer, end);
    if (head.status < 200) return this.#readInterim(head);
    this.#responseStarted = true;
    if (head.status === 407 && this.#form !== null) return this.#fault(this.#form.refused(), 'CONNECT_FAILED');
    if (this.#idleBeforeMs > WORTH_NOTING_MS) this.#owner.survivedIdle(this.#idleBeforeMs);
    const kind = responseBodyKind(head, this.#headRequest);
    this.#reader.begin(kind, kind === BODY_LENGTH ? head.contentLength : 0);
    if (head.close || (head.minor === 0 && !head.keepAlive) || kind === BODY_UNTIL_CLOSE) this.#reusable = false;
    // The first answer tells; to parse it again for each would cost every request.
    if (head.keepAliveField >= 0 && this.requests === 1) {
      const advertised = advertisedIdleMs(head.valueText(head.keepAliveField));
      if (advertised !== null) this.#owner.idleTimeoutAdvertised(advertised);
    }
    const next = head.end;
    this.#inBody = true;
    if (kind === BODY_LENGTH) this.#socket.expectBody(head.contentLength);
    this.#receiver?.response(head, kind);
    if (this.#reader.done) this.#responseEnded(next < end);
    return next;
  }

  #readInterim(head: Head): number {
    if (++this.#interims > MAX_INTERIM)
      return this.#fault(`more than ${MAX_INTERIM} interim responses came before the final one`);
    const next = head.end;
    this.#receiver?.interim(head);
    return next;
  }

  #readUpgrade(head: Head, buffer: Buffer, end: number): number {
    if (!this.#upgradeAsked || head.upgradeField < 0)
      return this.#fault('the upstream switched protocols although the request did not ask for it');
    const receiver = this.#receiver;
    this.#receiver = null;
    this.#detached = true;
    const from = this.#state === 'closed' ? 'active' : this.#state;
    this.#state = 'closed';
    const rest = Buffer.from(buffer.subarray(head.end, end));
    receiver?.upgraded(head, this.#socket, rest);
    // To the pool it is gone: a tunnel is counted on its own and has no age.
    this.#owner.leaseEnded(this);
    this.#owner.connectionClosed(this, from, 'not_reusable', null);
    return end;
  }

  #readBody(buffer: Buffer, start: number, end: number): number {
    const next = this.#reader.read(buffer, start, end, this);
    if (this.#reader.fault !== null) {
      this.#fault(this.#reader.fault);
      return end;
    }
    if (this.#reader.done && this.#receiver !== null) this.#responseEnded(next < end);
    return next;
  }

  bodyData(buffer: Buffer, start: number, end: number): void {
    // The last range is copied: the next response may be read over it before it has left. Of chunks, any may be the last.
    const stable = this.#socket.keepsWhilePaused(buffer) && this.#reader.kind === BODY_LENGTH && !this.#reader.done;
    this.#receiver?.responseData(buffer, start, end, stable);
  }

  bodyTrailers(buffer: Buffer, start: number, end: number): void {
    if (end - start === 2) return;
    if (this.#scanner.scanTrailers(buffer, start, end) === SCAN_DONE)
      this.#receiver?.responseTrailers(this.#scanner.head);
    else this.#fault(`trailers: ${this.#scanner.fault.rule}`);
  }

  /** @param stray more bytes came with its end */
  #responseEnded(stray: boolean): void {
    const receiver = this.#receiver;
    if (receiver === null) return;
    this.#inBody = false;
    this.#receiver = null;
    // First back to the pool, so that a request that was pipelined behind this one finds the connection free.
    // Stray bytes would become the answer of the request that gets the connection next (robustness rule 15).
    if (stray) this.#close('protocol_error');
    else if (this.#requestEnded) this.#exchangeEnded();
    else this.#uploader = receiver;
    receiver.responseEnd();
  }

  #exchangeEnded(): void {
    if (this.#state === 'draining') this.#close(this.#retireReason ?? 'admin');
    else if (!this.#reusable || this.#socket.closed || this.#socket.writeFailed) this.#close('not_reusable');
    else {
      this.idleSince = this.#clock.now();
      this.#socket.resume();
      if (this.#pinnedTo !== null) return;
      this.#state = 'idle';
      this.#owner.leaseEnded(this);
      this.#owner.connectionFree(this);
    }
  }

  onEnd(): void {
    if (this.#receiver !== null && this.#inBody && this.#reader.kind === BODY_UNTIL_CLOSE) {
      this.#responseEnded(false);
      if (this.#state !== 'closed') this.#close('not_reusable');
      return;
    }
    this.#peerClosed('UPSTREAM_CLOSED', 'the upstream closed the connection');
  }

  onDrain(): void {
    (this.#receiver ?? this.#uploader)?.requestWritable();
  }

  onClose(error: NodeJS.ErrnoException | null): void {
    if (error === null) this.#peerClosed('UPSTREAM_CLOSED', 'the connection closed');
    else this.#peerClosed('UPSTREAM_RESET', error.message);
  }

  #peerClosed(code: 'UPSTREAM_CLOSED' | 'UPSTREAM_RESET', message: string): void {
    if (this.#state === 'closed') return;
    if (this.#receiver === null) {
      const idleMs = this.#state === 'idle' ? this.#clock.now() - this.idleSince : null;
      this.#close(this.#retireReason ?? 'upstream_closed', idleMs);
      return;
    }
    this.#fail('error', code, message);
  }

  #fault(rule: string, code: ErrorCode = 'UPSTREAM_PROTOCOL'): -1 {
    this.#fail('protocol_error', code, rule);
    return -1;
  }

  /** The one way in which an exchange learns that its attempt failed. */
  #fail(reason: CloseReason, code: ErrorCode, message: string): void {
    const receiver = this.#receiver;
    this.#receiver = null;
    const unprocessed = this.#socket.bytesWritten === this.#writtenBefore && this.#socket.writeFailed;
    const responseStarted = this.#responseStarted;
    // A reused connection that ends before a byte of the answer was most likely closed for being idle just then.
    const raced = reason === 'error' && this.reused && !responseStarted;
    this.#close(reason, raced ? this.#idleBeforeMs : null);
    receiver?.attemptFailed({ code, message, unprocessed, responseStarted, connectionLost: true, streamCode: null });
  }

  /** The one way out: every end of the connection passes here, once. */
  #close(reason: CloseReason, idleMs: number | null = null): void {
    if (this.#state === 'closed') return;
    const from = this.#state;
    this.#state = 'closed';
    this.#partial.clear();
    this.#socket.destroy();
    if (from !== 'idle') this.#owner.leaseEnded(this);
    this.#owner.connectionClosed(this, from, reason, idleMs);
    // The rest of an upload whose response is complete goes nowhere: it is read on, within bounds.
    const uploader = this.#uploader;
    this.#uploader = null;
    uploader?.requestWritable();
  }
}
