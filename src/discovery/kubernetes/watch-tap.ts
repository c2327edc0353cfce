import type { Dispatcher } from 'undici';
import type { FailedAnswer } from './api-failure.ts';
import type { ApiError } from './kube-api.ts';

export type WatchTapOptions = {
  readonly clock: { now(): number };
  /** The server has accepted the watch. */
  readonly accepted: () => void;
  /** Bytes have come. */
  readonly heard: () => void;
  /** The server has refused the watch; what is returned ends it. */
  readonly refused: (answer: FailedAnswer) => ApiError;
  /** 200, and what follows is no JSON; what is returned ends it. */
  readonly foreign: () => ApiError;
  /** A line is longer than any event; what is returned ends it. */
  readonly endless: () => ApiError;
};

type Controller = Dispatcher.DispatchController;
type Headers = Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>[2];

/** A failed answer while its body is being read. */
type Refusal = { readonly status: number; readonly retryAfter: string | null; readonly chunks: Buffer[] };

/** The type of the event that stands for "all lines so far have passed"; no API has such. */
export const MARK = 'CARPOOL_MARK';

const MARK_LINE = Buffer.from(`${JSON.stringify({ type: MARK })}\n`);
const LINE_FEED = 0x0a;
/** Of a failed answer's body; more than any Status. */
const MAX_REFUSAL_BYTES = 65_536;
/** etcd takes objects of 1.5 MB. */
const MAX_LINE_BYTES = 8_388_608;

/**
 * What passes between undici and client-node's Watch, which shows neither the time at which bytes were read nor the body of a
 * refusal, and swallows lines that are no JSON. Behind each batch of lines goes one line more, the mark: when Watch
 * hands it on, all events before it must have been handed on too.
 */
export class WatchTap implements Dispatcher.DispatchHandler {
  readonly #handler: Dispatcher.DispatchHandler;
  readonly #options: WatchTapOptions;
  readonly #batches: { readonly lines: number; readonly readAt: number }[] = [];
  #controller: Controller | null = null;
  /** Why it is to end, from the moment on when that is known. */
  #stopped: Error | null = null;
  #refusal: Refusal | null = null;
  #refusedBytes = 0;
  #lines = 0;
  #tailBytes = 0;

  constructor(handler: Dispatcher.DispatchHandler, options: WatchTapOptions) {
    this.#handler = handler;
    this.#options = options;
  }

  /** Bytes of a line that has not ended. */
  get tailBytes(): number {
    return this.#tailBytes;
  }

  /** Lines that have ended. */
  get lines(): number {
    return this.#lines;
  }

  /** When the last byte of the next event was read; null: it has not ended with a line feed. */
  get readAt(): number | null {
    return this.#batches[0]?.readAt ?? null;
  }

  /** The mark has been handed on. @returns how many lines went before it */
  marked(): number | null {
    return this.#batches.shift()?.lines ?? null;
  }

  /** Ends the request, also one that has not been sent yet. */
  stop(reason: Error): void {
    this.#stopped ??= reason;
    this.#controller?.abort(reason);
  }

  onRequestStart(controller: Controller, context: unknown): void {
    this.#controller = controller;
    this.#handler.onRequestStart?.(controller, context);
    if (this.#stopped) controller.abort(this.#stopped);
  }

  onResponseStart(controller: Controller, status: number, headers: Headers, statusText?: string): void {
    this.#options.heard();
    if (status < 200) return;
    if (status !== 200) {
      const retryAfter = headers['retry-after'];
      this.#refusal = { status, retryAfter: typeof retryAfter === 'string' ? retryAfter : null, chunks: [] };
      return;
    }
    if (!String(headers['content-type'] ?? '').includes('json')) {
      this.stop(this.#options.foreign());
      return;
    }
    this.#handler.onResponseStart?.(controller, status, headers, statusText);
    this.#options.accepted();
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    this.#options.heard();
    if (this.#stopped) return;
    if (this.#refusal) {
      this.#refusal.chunks.push(chunk);
      this.#refusedBytes += chunk.length;
      if (this.#refusedBytes >= MAX_REFUSAL_BYTES) this.stop(this.#refused(this.#refusal));
      return;
    }
    this.#pass(controller, chunk);
  }

  onResponseEnd(controller: Controller, trailers: Headers): void {
    if (this.#refusal) this.#handler.onResponseError?.(controller, this.#refused(this.#refusal));
    else this.#handler.onResponseEnd?.(controller, trailers);
  }

  onResponseError(controller: Controller, error: Error): void {
    const refused = this.#refusal && !this.#stopped ? this.#refused(this.#refusal) : null;
    this.#handler.onResponseError?.(controller, refused ?? error);
  }

  #refused({ status, retryAfter, chunks }: Refusal): ApiError {
    const body = Buffer.concat(chunks).toString('utf8', 0, MAX_REFUSAL_BYTES);
    return this.#options.refused({ status, retryAfter, body });
  }

  #pass(controller: Controller, chunk: Buffer): void {
    const end = chunk.lastIndexOf(LINE_FEED) + 1;
    this.#tailBytes = end === 0 ? this.#tailBytes + chunk.length : chunk.length - end;
    if (this.#tailBytes > MAX_LINE_BYTES) {
      this.stop(this.#options.endless());
      return;
    }
    if (end === 0) {
      this.#handler.onResponseData?.(controller, chunk);
      return;
    }
    for (let at = chunk.indexOf(LINE_FEED); at !== -1; at = chunk.indexOf(LINE_FEED, at + 1)) this.#lines++;
    this.#batches.push({ lines: this.#lines, readAt: this.#options.clock.now() });
    this.#handler.onResponseData?.(controller, chunk.subarray(0, end));
    this.#handler.onResponseData?.(controller, MARK_LINE);
    if (end < chunk.length) this.#handler.onResponseData?.(controller, chunk.subarray(end));
  }
}
