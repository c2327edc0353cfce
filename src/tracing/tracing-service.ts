import type { Clock } from '../clock.ts';
import type { Config } from '../config/types.ts';
import type { Tracing } from '../forward/request-trace.ts';
import { ExemplarTracing } from './exemplar-tracing.ts';
import type { SpanCounts } from './span-counts.ts';
import type { SpanTracing } from './span-tracing.ts';

/** How long spans may keep a stop, or the change to another collector, waiting. */
const FLUSH_MS = 1000;
/** A collector that does not take spans is told of so often. */
const TELL_EVERY_MS = 60_000;

export type TracingContext = {
  readonly clock: Clock;
  /** Where requests look who follows them. */
  readonly forward: { tracing: Tracing | null };
  readonly log: { info(message: string): void; warn(message: string): void };
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly random: () => number;
  readonly version: string;
};

/** Follows requests as the configuration in force wants it: not at all, for exemplars alone, or with spans, whose code is loaded then. */
export class TracingService {
  readonly #context: TracingContext;
  readonly #counts: SpanCounts = { exported: 0, failed: 0, dropped: 0 };
  #spans: SpanTracing | null = null;
  /** What is in force, in words that can be compared. */
  #key = '';
  /** Spans were made at some time. */
  #counted = false;
  #toldAt = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(context: TracingContext) {
    this.#context = context;
  }

  /** What became of spans; null: none were ever wanted. */
  get spans(): SpanCounts | null {
    return this.#counted ? this.#counts : null;
  }

  /** A reload was applied, or the start. Where the code of spans cannot be loaded that is told, and what was in force goes on. */
  reconfigure(config: Config): void {
    this.#apply(config).catch((error: unknown) => {
      this.#context.log.warn(`tracing could not be begun: ${error instanceof Error ? error.message : error}`);
    });
  }

  async #apply(config: Config): Promise<void> {
    const { tracing, exemplars, accessLogPath } = config.telemetry;
    const key = JSON.stringify(tracing.enabled ? [tracing, exemplars, accessLogPath] : [exemplars]);
    if (key === this.#key) return;
    this.#key = key;
    const { forward, clock, log } = this.#context;
    if (!tracing.enabled) {
      forward.tracing = exemplars ? new ExemplarTracing(clock) : null;
      this.#replace(null);
      return;
    }
    const { SpanTracing } = await import('./span-tracing.ts');
    // Another configuration came meanwhile, or the end.
    if (this.#key !== key || this.#closed) return;
    const spans = new SpanTracing({
      ...this.#context,
      settings: tracing,
      exemplars,
      paths: accessLogPath,
      counts: this.#counts,
      onFailure: (error, count) => this.#tell(error, count),
      onFault: (message) => log.warn(message),
    });
    this.#counted = true;
    forward.tracing = spans;
    this.#replace(spans);
    log.info(`requests are traced: spans go to ${spans.url}`);
  }

  /** The one before is closed when what it holds has been sent. */
  #replace(next: SpanTracing | null): void {
    const before = this.#spans;
    this.#spans = next;
    if (before !== null) void this.#leave(before);
  }

  /** Flushes, within bounds. */
  async #leave(spans: SpanTracing): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#context.clock.setTimer(resolve, FLUSH_MS);
      void spans.flush().then(() => {
        timer.cancel();
        resolve();
      });
    });
    spans.close();
  }

  #tell(error: Error, spans: number): void {
    const now = this.#context.clock.now();
    if (now - this.#toldAt < TELL_EVERY_MS) return;
    this.#toldAt = now;
    const { failed, dropped } = this.#counts;
    this.#context.log.warn(
      `the collector did not take ${spans} spans: ${error.message} (so far ${failed} failed, ${dropped} dropped; requests go on)`,
    );
  }

  tick(now: number): void {
    this.#spans?.tick(now);
  }

  /** Resolves when the last spans are sent, a second later at most. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#context.forward.tracing = null;
    const spans = this.#spans;
    this.#spans = null;
    // What was cut at the end tells so in this turn.
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (spans !== null) await this.#leave(spans);
  }
}
