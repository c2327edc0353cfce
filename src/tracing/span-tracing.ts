import { resourceFromAttributes } from '@opentelemetry/resources';
import { AlwaysOnSampler, TracerProvider } from '@opentelemetry/sdk-trace';
import type { Clock } from '../clock.ts';
import type { TracingSettings } from '../config/types.ts';
import type { RequestTrace, Tracing, TunnelTrace } from '../forward/request-trace.ts';
import type { Head } from '../protocol/head.ts';
import type { Destination } from '../routing/destination.ts';
import { Collector } from './collector.ts';
import { HeadersFile } from './headers-file.ts';
import { collectorUrl, resourceAttributes, shownUrl } from './origins.ts';
import { RequestSpans, type SpanContext } from './request-spans.ts';
import type { SpanCounts } from './span-counts.ts';
import { SpanQueue } from './span-queue.ts';
import { FLAG_SAMPLED, readTraceParent, type TraceParent } from './trace-parent.ts';
import { TunnelSpan } from './tunnel-span.ts';

export type SpanTracingOptions = {
  readonly settings: TracingSettings;
  readonly exemplars: boolean;
  /** Paths may be told (`telemetry.accessLogPath`). */
  readonly paths: boolean;
  readonly version: string;
  readonly clock: Clock;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly counts: SpanCounts;
  /** The collector did not take spans. */
  readonly onFailure: (error: Error, spans: number) => void;
  /** Something is wrong with what the collector is to be reached by. */
  readonly onFault: (message: string) => void;
};

/** Tracing that makes spans: the one file that brings OpenTelemetry's SDK with it, in a bundle of its own (dist/tracing.js). */
export class SpanTracing implements Tracing {
  /** Where the spans go, for people. */
  readonly url: string;
  readonly #ratio: number;
  readonly #random: () => number;
  readonly #queue: SpanQueue;
  readonly #context: SpanContext;

  constructor(options: SpanTracingOptions) {
    const { settings, clock, env, version, onFault } = options;
    const { timeoutMs, headersFile } = settings;
    const url = collectorUrl(settings.endpoint, env, onFault);
    this.url = shownUrl(url);
    this.#ratio = settings.sampleRatio;
    this.#random = options.random;
    const sink = new Collector(url, headersFile === null ? null : new HeadersFile(headersFile, onFault), timeoutMs);
    const { counts, onFailure } = options;
    this.#queue = new SpanQueue({ sink, clock, counts, timeoutMs: timeoutMs + 1000, onFailure });
    const provider = new TracerProvider({
      resource: resourceFromAttributes(resourceAttributes(settings.serviceName, version, env)),
      // Who gets here is sampled.
      sampler: new AlwaysOnSampler(),
      spanLimits: { attributeValueLengthLimit: 1024, eventCountLimit: 32 },
      spanProcessors: [this.#queue],
    });
    const tracer = provider.getTracer('carpool', version);
    this.#context = { clock, tracer, paths: options.paths, exemplars: options.exemplars };
  }

  request(head: Head, destination: Destination, startedAt: number): RequestTrace | null {
    const parent = readTraceParent(head);
    if (!this.#sampled(parent)) return null;
    return new RequestSpans(head, destination, parent, startedAt, this.#context);
  }

  tunnel(head: Head, destination: Destination): TunnelTrace | null {
    const parent = readTraceParent(head);
    return this.#sampled(parent) ? new TunnelSpan(head, destination, parent, this.#context) : null;
  }

  /** Who asked decides, where somebody says so. */
  #sampled(parent: TraceParent | null): boolean {
    return parent === null ? this.#random() < this.#ratio : (parent.flags & FLAG_SAMPLED) !== 0;
  }

  tick(now: number): void {
    this.#queue.tick(now);
  }

  /** Sends what waits. Resolves when the collector has answered for all of it. */
  flush(): Promise<void> {
    return this.#queue.forceFlush();
  }

  /** Spans that end from now on are dropped. */
  close(): void {
    void this.#queue.shutdown();
  }
}
