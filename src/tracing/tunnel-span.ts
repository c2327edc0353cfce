import { type Span, SpanKind, SpanStatusCode } from '@opentelemetry/api';
import type { TunnelTrace } from '../forward/request-trace.ts';
import type { EndpointPool } from '../pool/endpoint-pool.ts';
import type { TunnelPlace } from '../pool/tunnel-place.ts';
import type { Head } from '../protocol/head.ts';
import type { Destination } from '../routing/destination.ts';
import { parentContext, type SpanContext } from './request-spans.ts';
import { hrTime, requestFacts } from './span-facts.ts';
import { readTraceState, type TraceParent } from './trace-parent.ts';

/** One span of a CONNECT, from its head to the end of its tunnel: what passes inside is nobody's business. */
export class TunnelSpan implements TunnelTrace {
  readonly #context: SpanContext;
  readonly #span: Span;
  /** Of the monotonic clock's time and the epoch's. */
  readonly #offset: number;

  constructor(head: Head, destination: Destination, parent: TraceParent | null, context: SpanContext) {
    const { clock, tracer } = context;
    const now = clock.now();
    this.#context = context;
    this.#offset = clock.wall() - now;
    this.#span = tracer.startSpan(
      'CONNECT',
      {
        kind: SpanKind.CLIENT,
        attributes: requestFacts(head, destination, false),
        startTime: hrTime(now + this.#offset),
      },
      parentContext(parent, parent === null ? null : readTraceState(head)),
    );
  }

  #now(): [number, number] {
    return hrTime(this.#context.clock.now() + this.#offset);
  }

  open(place: TunnelPlace, { spec }: EndpointPool): void {
    this.#span.setAttribute('http.response.status_code', 200);
    this.#span.setAttribute('network.peer.address', spec.address);
    this.#span.setAttribute('network.peer.port', spec.port);
    this.#span.addEvent('carpool.connected', this.#now());
    place.onClosed = () => this.#span.end(this.#now());
  }

  failed(code: string, status: number): void {
    if (status > 0) this.#span.setAttribute('http.response.status_code', status);
    this.#span.setAttribute('error.type', code);
    this.#span.setStatus({ code: SpanStatusCode.ERROR });
    this.#span.end(this.#now());
  }
}
