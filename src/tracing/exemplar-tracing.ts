import type { Clock } from '../clock.ts';
import type { UpstreamLease } from '../connection/upstream.ts';
import type { RequestOutcome, RequestTrace, Tracing } from '../forward/request-trace.ts';
import type { DestinationObserver, FixedHistogram } from '../observer.ts';
import type { EndpointPool } from '../pool/endpoint-pool.ts';
import type { Head } from '../protocol/head.ts';
import type { RequestHeadOptions } from '../protocol/http1/head-writer.ts';
import type { Destination } from '../routing/destination.ts';
import { FLAG_SAMPLED, readTraceParent } from './trace-parent.ts';

/** Tells the histograms of a destination which trace a measurement is from. */
export class ExemplarSource {
  readonly #clock: Clock;
  readonly #observer: DestinationObserver;
  readonly #traceId: string;
  readonly #spanId: string;
  #askedAt = 0;

  constructor(clock: Clock, observer: DestinationObserver, traceId: string, spanId: string) {
    this.#clock = clock;
    this.#observer = observer;
    this.#traceId = traceId;
    this.#spanId = spanId;
  }

  asks(): void {
    this.#askedAt = this.#clock.now();
  }

  /** A connection is there. */
  acquired(): void {
    const ms = this.#clock.now() - this.#askedAt;
    // One that was there at once is no example of anything.
    if (ms > 0) this.#tell(this.#observer.acquireDuration, ms);
  }

  ended(ms: number): void {
    this.#tell(this.#observer.requestDuration, ms);
  }

  #tell(histogram: FixedHistogram, ms: number): void {
    histogram.exemplify({
      traceId: this.#traceId,
      spanId: this.#spanId,
      valueSeconds: ms / 1000,
      timeSeconds: Math.round(this.#clock.wall()) / 1000,
    });
  }
}

/** A request that is sampled by others: only exemplars tell of it. */
class ExemplarTrace implements RequestTrace {
  readonly #source: ExemplarSource;

  constructor(source: ExemplarSource) {
    this.#source = source;
  }

  asks(): void {
    this.#source.asks();
  }

  attempt(_lease: UpstreamLease, endpoint: EndpointPool | null, options: RequestHeadOptions): RequestHeadOptions {
    // The app's own connection (NTLM) is asked of no pool.
    if (endpoint !== null) this.#source.acquired();
    return options;
  }

  ended(_outcome: RequestOutcome, ms: number): void {
    this.#source.ended(ms);
  }

  noConnection(): void {}
  answered(): void {}
  trailers(): void {}
  attemptFailed(): void {}
  attemptEnded(): void {}
}

/** `telemetry.exemplars` alone: nothing is made, and nothing changed in what passes; the app's own traces are named beside the histograms. */
export class ExemplarTracing implements Tracing {
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  request(head: Head, { observer }: Destination): RequestTrace | null {
    const parent = readTraceParent(head);
    if (parent === null || (parent.flags & FLAG_SAMPLED) === 0) return null;
    return new ExemplarTrace(new ExemplarSource(this.#clock, observer, parent.traceId, parent.spanId));
  }

  tunnel(): null {
    return null;
  }
}
