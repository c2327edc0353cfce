import type { ReadableSpan, SpanProcessor } from '@opentelemetry/sdk-trace';
import type { Clock } from '../clock.ts';
import { Delivery } from './delivery.ts';
import type { SpanCounts } from './span-counts.ts';

/** Spans that may wait; more are dropped, and counted. Some 2 KB each. */
const MAX_QUEUED = 1024;
/** Spans in one request to the collector: to write so many takes about a millisecond. */
export const BATCH = 64;
/** Batches under way at once. */
const MAX_UNDER_WAY = 4;
/** How long a span waits at most for others, while the collector takes what it gets. */
const FLUSH_AFTER_MS = 5000;

/** Sends batches; told of the outcome once. */
export interface SpanSink {
  /** @param done called once; an error where the collector did not take them */
  send(spans: ReadableSpan[], done: (error: Error | null) => void): void;
  /** Breaks off whatever is under way. */
  reset(): void;
  /** The same, and no try follows. */
  close(): void;
}

export type SpanQueueOptions = {
  readonly sink: SpanSink;
  readonly clock: Clock;
  readonly counts: SpanCounts;
  /** A batch that has no outcome by then has failed. */
  readonly timeoutMs: number;
  /** What the collector said, or did not say, of a batch. */
  readonly onFailure: (error: Error, spans: number) => void;
};

/**
 * Spans that have ended, on their way to the collector: a bounded queue, and batches under way. Nothing waits for it: where the collector is down,
 * slow or says no, spans are dropped. It is the SDK's batch processor on carpool's own clock, with what became of each span counted.
 */
export class SpanQueue implements SpanProcessor {
  readonly #options: SpanQueueOptions;
  #queue: ReadableSpan[] = [];
  readonly #underWay = new Set<Delivery>();
  /** Since when the first span waits (monotonic ms). */
  #since = 0;
  #scheduled = false;
  /** Who waits for the end of all. */
  #idle: (() => void)[] = [];
  #closed = false;

  constructor(options: SpanQueueOptions) {
    this.#options = options;
  }

  onStart(): void {}

  onEnd(span: ReadableSpan): void {
    if (this.#closed || this.#queue.length >= MAX_QUEUED) {
      this.#options.counts.dropped++;
      return;
    }
    if (this.#queue.length === 0) this.#since = this.#options.clock.now();
    this.#queue.push(span);
    if (this.#queue.length >= BATCH) this.#schedule();
  }

  /** Not within the read event that ended the span, and one batch a turn: requests go first. */
  #schedule(): void {
    if (this.#scheduled || this.#underWay.size >= MAX_UNDER_WAY) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#send();
      if (this.#queue.length >= BATCH || (this.#idle.length > 0 && this.#queue.length > 0)) this.#schedule();
    });
  }

  /** Once a second. */
  tick(now: number): void {
    if (this.#queue.length > 0 && now - this.#since >= FLUSH_AFTER_MS) this.#schedule();
  }

  #send(): void {
    if (this.#queue.length === 0 || this.#underWay.size >= MAX_UNDER_WAY) return;
    const { sink, clock, timeoutMs } = this.#options;
    const spans = this.#queue.splice(0, BATCH);
    this.#since = clock.now();
    const delivery = new Delivery((error) => this.#delivered(delivery, spans.length, error));
    this.#underWay.add(delivery);
    delivery.begin(clock, timeoutMs, () => sink.reset());
    sink.send(spans, (error) => delivery.over(error));
  }

  #delivered(delivery: Delivery, spans: number, error: Error | null): void {
    const { counts, onFailure } = this.#options;
    this.#underWay.delete(delivery);
    if (error === null) counts.exported += spans;
    else {
      counts.failed += spans;
      onFailure(error, spans);
    }
    if (this.#queue.length >= BATCH || (this.#idle.length > 0 && this.#queue.length > 0)) this.#schedule();
    else if (this.#underWay.size === 0 && this.#queue.length === 0) this.#wake();
  }

  #wake(): void {
    const idle = this.#idle;
    this.#idle = [];
    for (const wake of idle) wake();
  }

  /** Sends all that waits. Resolves when every batch has its outcome. */
  forceFlush(): Promise<void> {
    if (this.#queue.length === 0 && this.#underWay.size === 0) return Promise.resolve();
    const flushed = new Promise<void>((resolve) => this.#idle.push(resolve));
    this.#schedule();
    return flushed;
  }

  /** Drops what waits, and breaks off what is under way. */
  async shutdown(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#options.counts.dropped += this.#queue.length;
    this.#queue = [];
    this.#options.sink.close();
    for (const delivery of this.#underWay) delivery.over(new Error('carpool stopped'));
    this.#wake();
  }
}
