import type { Clock } from '../clock.ts';
import type { BufferBudget } from '../forward/buffer-budget.ts';
import { CR, LF } from '../protocol/bytes.ts';
import type { Fault } from '../protocol/field-facts.ts';
import type { Head } from '../protocol/head.ts';
import { BODY_CHUNKED, BODY_LENGTH, BODY_NONE, BodyReader, type BodySink } from '../protocol/http1/body-reader.ts';
import { type HeadScanner, SCAN_DONE, SCAN_MORE } from '../protocol/http1/head-scanner.ts';
import { PartialHead } from '../protocol/http1/partial-head.ts';
import { ReadAhead } from './read-ahead.ts';

/** What a reader tells its session, in the order of the bytes. */
export interface RequestSink {
  /** Whether bytes are requests still: no longer when the connection lingers or is a tunnel. */
  readonly open: boolean;
  /** An earlier request is not answered yet, or its answer not taken: what comes now has to wait. */
  readonly occupied: boolean;
  /** A whole head; valid during the call, in which `readBody` may be called for the bytes behind it. @returns where reading goes on */
  requestHead(head: Head, buffer: Buffer, end: number): number;
  /** `method` as far as the head could be read. */
  requestFault(fault: Fault, method: number): void;
  requestData(buffer: Buffer, start: number, end: number): void;
  requestTrailers(head: Head): void;
  requestEnd(): void;
  /** The body broke a rule: where it ends is not known. */
  bodyFault(rule: string): void;
  /** So many requests were sent ahead that no more should be read. */
  pauseRequest(): void;
}

/** Cuts the bytes of one downstream connection into requests: heads in parts, bodies, and what was sent ahead. */
export class RequestReader implements BodySink {
  /** The request has been read to its end; true between requests. */
  ended = true;
  /** Since when a head is waited for whose first bytes have come (monotonic ms); null: none is. */
  headSince: number | null = null;
  readonly #sink: RequestSink;
  readonly #scanner: HeadScanner;
  readonly #budget: BufferBudget;
  readonly #clock: Clock;
  readonly #body = new BodyReader();
  readonly #partial = new PartialHead();
  readonly #ahead: ReadAhead;
  #running = false;
  #emptyLine = false;

  constructor(sink: RequestSink, scanner: HeadScanner, budget: BufferBudget, clock: Clock) {
    this.#sink = sink;
    this.#scanner = scanner;
    this.#budget = budget;
    this.#clock = clock;
    this.#ahead = new ReadAhead(budget);
  }

  /** Whether more of the body is to come. */
  get bodyGoesOn(): boolean {
    return !this.#body.done;
  }

  /** Bytes of the body that are certain to come; 0 where its length is not known. */
  get bodyLeft(): number {
    return this.#body.kind === BODY_LENGTH ? this.#body.remaining : 0;
  }

  get nothingAhead(): boolean {
    return this.#ahead.empty;
  }

  /** Bytes that were read. */
  take(buffer: Buffer, length: number): void {
    if (this.#partial.empty) {
      this.#read(buffer, 0, length);
      return;
    }
    this.#budget.charge(length);
    this.#partial.add(buffer, 0, length);
    if (!this.#partial.worthScanning()) return;
    const whole = this.#partial.bytes();
    const since = this.headSince;
    this.dropHead();
    this.#read(whole, 0, whole.length);
    // Still the same head: its time runs from its first byte.
    if (this.#partial.length === whole.length) this.headSince = since;
  }

  /** The session can take the next request: what was sent ahead is read. */
  resume(): void {
    // Inside of a read its loop goes on by itself, and nothing was held back.
    const ahead = this.#running ? null : this.#ahead.take();
    if (ahead !== null) this.#read(ahead, 0, ahead.length);
  }

  /** Bytes that are no request's, but a tunnel's that may open. */
  holdBack(buffer: Buffer, start: number, end: number): void {
    if (!this.#ahead.add(buffer, start, end)) this.#sink.pauseRequest();
  }

  /** What was held back, which is no longer. */
  takeAhead(): Buffer | null {
    return this.#ahead.take();
  }

  /** The head in parts is given up. */
  dropHead(): void {
    this.#budget.release(this.#partial.length);
    this.#partial.clear();
    this.headSince = null;
  }

  /** Nothing more is read. */
  close(): void {
    this.dropHead();
    this.#ahead.take();
  }

  /** Reads heads and bodies in turn, as far as the bytes go. */
  #read(buffer: Buffer, start: number, end: number): void {
    this.#running = true;
    try {
      let at = start;
      while (at < end && this.#sink.open) {
        if (!this.ended) at = this.readBody(buffer, at, end);
        else if (this.#sink.occupied) {
          this.holdBack(buffer, at, end);
          break;
        } else at = this.#readHead(buffer, at, end);
      }
    } finally {
      this.#running = false;
    }
  }

  /** @returns where reading goes on; `end` where nothing more can be done with these bytes */
  #readHead(buffer: Buffer, start: number, end: number): number {
    let at = start;
    // One empty line before a request is left over from old clients (RFC 9112 section 2.2).
    if (buffer[at] === CR && !this.#emptyLine && (at + 1 >= end || buffer[at + 1] === LF)) {
      if (at + 1 >= end) return this.#keepPartial(buffer, at, end);
      this.#emptyLine = true;
      at += 2;
      if (at === end) return end;
    }
    const scanner = this.#scanner;
    const result = scanner.scanRequest(buffer, at, end);
    if (result === SCAN_MORE) return this.#keepPartial(buffer, at, end);
    this.#emptyLine = false;
    if (result === SCAN_DONE) return this.#begin(scanner.head, buffer, end);
    this.ended = false;
    this.#sink.requestFault(scanner.fault, scanner.head.method);
    return end;
  }

  #keepPartial(buffer: Buffer, start: number, end: number): number {
    this.headSince = this.#clock.now();
    this.#budget.charge(end - start);
    this.#partial.add(buffer, start, end);
    this.#partial.worthScanning();
    return end;
  }

  #begin(head: Head, buffer: Buffer, end: number): number {
    const kind = head.chunked ? BODY_CHUNKED : head.contentLength > 0 ? BODY_LENGTH : BODY_NONE;
    this.#body.begin(kind, Math.max(0, head.contentLength));
    this.ended = this.#body.done;
    return this.#sink.requestHead(head, buffer, end);
  }

  /** Reads body bytes. @returns where reading goes on */
  readBody(buffer: Buffer, start: number, end: number): number {
    const next = this.#body.read(buffer, start, end, this);
    if (this.#body.fault !== null) {
      this.#sink.bodyFault(this.#body.fault);
      return end;
    }
    if (this.#body.done && this.#sink.open && !this.ended) {
      this.ended = true;
      this.#sink.requestEnd();
    }
    return next;
  }

  bodyData(buffer: Buffer, start: number, end: number): void {
    this.#sink.requestData(buffer, start, end);
  }

  bodyTrailers(buffer: Buffer, start: number, end: number): void {
    if (end - start === 2) return;
    const scanner = this.#scanner;
    if (scanner.scanTrailers(buffer, start, end) === SCAN_DONE) this.#sink.requestTrailers(scanner.head);
    else this.#sink.bodyFault(`trailers: ${scanner.fault.rule}`);
  }
}
