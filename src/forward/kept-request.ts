import type { UpstreamLease } from '../connection/upstream.ts';
import type { Head } from '../protocol/head.ts';
import { type HeadScanner, SCAN_DONE } from '../protocol/http1/head-scanner.ts';
import type { BufferBudget } from './buffer-budget.ts';

/** Most requests fit in here; buffers of this size go round among all downstream connections. */
const SMALL_BYTES = 1024;
const MAX_SPARE = 256;
/** So much of a body is read for a request that has no connection yet. */
const MAX_WAITING_BYTES = 64 * 1024;
const spare: Buffer[] = [];

/**
 * The bytes of one request, kept while it may have to be sent (again): it waits for a connection, or the one that it
 * went out on may turn out to be dead. One for each downstream HTTP/1.1 connection, used again by its next request.
 */
export class KeptRequest {
  readonly #budget: BufferBudget;
  #buffer: Buffer | null = null;
  /** A head that stays as it is by itself: it is kept as it is, and the buffer holds the body alone. */
  #lasting: Head | null = null;
  #headLength = 0;
  /** The head came by HTTP/2. */
  #http2 = false;
  #bodyLength = 0;
  /** Whether all of the request so far is in here. */
  #whole = false;
  /** The raw trailer section of a request that was complete before it could be sent. */
  #trailers: Buffer | null = null;

  constructor(budget: BufferBudget) {
    this.#budget = budget;
  }

  /** Whether head and all body bytes so far are kept, so that the request can be sent from here. */
  get whole(): boolean {
    return this.#whole;
  }

  get bodyLength(): number {
    return this.#bodyLength;
  }

  /** Begins with the head's bytes; the view itself ends with its read event. */
  keepHead(head: Head): void {
    this.#bodyLength = 0;
    this.#headLength = 0;
    if (head.lasting) {
      this.#lasting = head;
      this.#whole = true;
      return;
    }
    this.#lasting = null;
    this.#http2 = head.http2;
    const length = head.end - head.start;
    this.#reserve(length);
    if (this.#buffer === null) return;
    head.buffer.copy(this.#buffer, 0, head.start, head.end);
    this.#headLength = length;
    this.#whole = true;
  }

  addBody(buffer: Buffer, start: number, end: number): void {
    if (!this.#whole) return;
    this.#reserve(this.#headLength + this.#bodyLength + end - start);
    if (this.#buffer === null) return;
    buffer.copy(this.#buffer, this.#headLength + this.#bodyLength, start, end);
    this.#bodyLength += end - start;
  }

  /** As `addBody`, for a request that cannot be sent yet. @returns false: more than that may not come */
  addWaiting(buffer: Buffer, start: number, end: number): boolean {
    this.addBody(buffer, start, end);
    return this.#bodyLength < MAX_WAITING_BYTES;
  }

  /** As `addBody`, for bytes that are being sent: where they are not worth keeping for a retry, the request is forgotten. */
  addSent(buffer: Buffer, start: number, end: number, replayBytes: number): void {
    if (!this.#whole) return;
    if (this.worthKeeping(replayBytes - (end - start))) this.addBody(buffer, start, end);
    else this.forget();
  }

  /** Whether copies may be kept for a retry alone: the body is not over the limit, nor is memory short. */
  worthKeeping(replayBytes: number): boolean {
    return this.#bodyLength <= replayBytes && !this.#budget.tight;
  }

  /** The head again, as a view on what is kept; null where nothing is. */
  scanHead(scanner: HeadScanner): Head | null {
    if (this.#lasting !== null) return this.#lasting;
    if (this.#buffer === null) return null;
    const result = scanner.scanRequest(this.#buffer.subarray(0, this.#headLength), 0, this.#headLength);
    scanner.head.http2 = this.#http2;
    return result === SCAN_DONE ? scanner.head : null;
  }

  addTrailers(head: Head): void {
    if (this.#whole) this.#trailers = Buffer.from(head.buffer.subarray(head.start, head.end));
  }

  /** The trailers again; null where there are none. */
  scanTrailers(scanner: HeadScanner): Head | null {
    const trailers = this.#trailers;
    if (trailers === null || scanner.scanTrailers(trailers, 0, trailers.length) !== SCAN_DONE) return null;
    return scanner.head;
  }

  /** Sends what is kept of the body and the trailers, behind the head. */
  sendRest(lease: UpstreamLease, scanner: HeadScanner): void {
    const body = this.bodyBytes();
    if (body.length > 0) lease.sendData(body, 0, body.length, false);
    const trailers = this.scanTrailers(scanner);
    if (trailers !== null) lease.sendTrailers(trailers);
  }

  bodyBytes(): Buffer {
    return (this.#buffer ?? Buffer.alloc(0)).subarray(this.#headLength, this.#headLength + this.#bodyLength);
  }

  /** The request cannot be sent (again) from here any more, or need not. */
  forget(): void {
    this.#whole = false;
    this.#headLength = 0;
    this.#bodyLength = 0;
    this.#trailers = null;
    this.#lasting = null;
    this.#drop();
  }

  /** The downstream connection is gone. */
  close(): void {
    this.#whole = false;
    this.#lasting = null;
    this.#drop();
  }

  #reserve(needed: number): void {
    const held = this.#buffer;
    if (held !== null && held.length >= needed) return;
    const larger =
      needed <= SMALL_BYTES
        ? (spare.pop() ?? Buffer.allocUnsafeSlow(SMALL_BYTES))
        : Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(needed)));
    held?.copy(larger, 0, 0, this.#headLength + this.#bodyLength);
    this.#drop();
    this.#budget.charge(larger.length);
    this.#buffer = larger;
  }

  #drop(): void {
    const buffer = this.#buffer;
    if (buffer === null) return;
    this.#budget.release(buffer.length);
    this.#buffer = null;
    if (buffer.length === SMALL_BYTES && spare.length < MAX_SPARE) spare.push(buffer);
  }
}
