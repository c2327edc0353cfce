import {
  createTraceState,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import type { Clock } from '../clock.ts';
import type { UpstreamLease } from '../connection/upstream.ts';
import type { CarpoolError } from '../errors.ts';
import type { RequestOutcome, RequestTrace } from '../forward/request-trace.ts';
import type { EndpointPool } from '../pool/endpoint-pool.ts';
import { FieldEdits } from '../protocol/field-edits.ts';
import type { Head } from '../protocol/head.ts';
import type { RequestHeadOptions } from '../protocol/http1/head-writer.ts';
import type { Destination } from '../routing/destination.ts';
import { ExemplarSource } from './exemplar-tracing.ts';
import { grpcStatus, hrTime, requestFacts, spanName } from './span-facts.ts';
import { readTraceState, type TraceParent, traceParentText } from './trace-parent.ts';

/** What the spans of one configuration have in common. */
export type SpanContext = {
  readonly clock: Clock;
  readonly tracer: Tracer;
  /** Paths may be told. */
  readonly paths: boolean;
  readonly exemplars: boolean;
};

const TRACE_PARENT = Buffer.from('traceparent', 'latin1');

/** The context of a span's parent; none: it begins a trace. */
export function parentContext(parent: TraceParent | null, state: string | null) {
  if (parent === null) return ROOT_CONTEXT;
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId: parent.traceId,
    spanId: parent.spanId,
    traceFlags: TraceFlags.SAMPLED,
    isRemote: true,
    ...(state === null ? {} : { traceState: createTraceState(state) }),
  });
}

/**
 * The spans of one request: one of the request as the app sees it (INTERNAL, for carpool is a part of the app's workload and no server of its
 * own), and below it one of each attempt (CLIENT), whose id the upstream gets.
 */
export class RequestSpans implements RequestTrace {
  readonly #context: SpanContext;
  readonly #parent: TraceParent | null;
  readonly #span: Span;
  readonly #facts: ReturnType<typeof requestFacts>;
  readonly #name: string;
  readonly #exemplars: ExemplarSource | null;
  /** Of the monotonic clock's time and the epoch's. */
  readonly #offset: number;
  #attempt: Span | null = null;
  #attempts = 0;
  #askedAt = 0;
  #status = 0;
  #grpc: string | null = null;

  /** @param parent null: a trace begins here @param startedAt monotonic ms */
  constructor(
    head: Head,
    destination: Destination,
    parent: TraceParent | null,
    startedAt: number,
    context: SpanContext,
  ) {
    const { clock, tracer, paths, exemplars } = context;
    this.#context = context;
    this.#parent = parent;
    this.#offset = clock.wall() - clock.now();
    this.#askedAt = startedAt;
    this.#facts = requestFacts(head, destination, paths);
    this.#name = spanName(head);
    const state = parent === null ? null : readTraceState(head);
    this.#span = tracer.startSpan(
      `carpool ${this.#name}`,
      { kind: SpanKind.INTERNAL, attributes: this.#facts, startTime: this.#at(startedAt) },
      parentContext(parent, state),
    );
    const { traceId, spanId } = this.#span.spanContext();
    this.#exemplars = exemplars ? new ExemplarSource(clock, destination.observer, traceId, spanId) : null;
  }

  #at(now: number): [number, number] {
    return hrTime(now + this.#offset);
  }

  #now(): [number, number] {
    return this.#at(this.#context.clock.now());
  }

  asks(): void {
    this.#askedAt = this.#context.clock.now();
    this.#exemplars?.asks();
  }

  noConnection({ code }: CarpoolError): void {
    this.#span.addEvent('carpool.no_connection', { 'error.type': code }, this.#now());
  }

  attempt(lease: UpstreamLease, endpoint: EndpointPool | null, options: RequestHeadOptions): RequestHeadOptions {
    const now = this.#context.clock.now();
    if (endpoint !== null && now > this.#askedAt) this.#waited(now, lease.reused);
    if (endpoint !== null) this.#exemplars?.acquired();
    this.#attempts++;
    const attributes = {
      ...this.#facts,
      'network.protocol.name': 'http',
      'network.protocol.version': lease.spoken === 'http2' ? '2' : '1.1',
      'carpool.connection.reused': lease.reused,
    };
    const span = this.#context.tracer.startSpan(
      this.#name,
      { kind: SpanKind.CLIENT, attributes, startTime: this.#at(now) },
      trace.setSpan(ROOT_CONTEXT, this.#span),
    );
    if (endpoint !== null) {
      span.setAttribute('network.peer.address', endpoint.spec.address);
      span.setAttribute('network.peer.port', endpoint.spec.port);
    }
    if (this.#attempts > 1) span.setAttribute('http.request.resend_count', this.#attempts - 1);
    this.#attempt = span;
    this.#grpc = null;
    return this.#propagated(span, options);
  }

  /** It had to wait for its connection: one that others used before, or one that had to be opened. */
  #waited(now: number, reused: boolean): void {
    this.#span.addEvent('carpool.pending', this.#at(this.#askedAt));
    this.#span.addEvent(reused ? 'carpool.acquired' : 'carpool.connected', this.#at(now));
  }

  /** The attempt's own id in place of what came; where a trace begins here, whatever state of another one came is left out (section 3.3). */
  #propagated(span: Span, options: RequestHeadOptions): RequestHeadOptions {
    const base = options.edits ?? null;
    // Whoever sets or removes it by `headers` means it.
    if (base?.drops(TRACE_PARENT, 0, TRACE_PARENT.length) === true) return options;
    const { traceId, spanId } = span.spanContext();
    const value = traceParentText(traceId, spanId, this.#parent?.flags ?? 0);
    const left = this.#parent === null ? ['traceparent', 'tracestate'] : ['traceparent'];
    return { ...options, edits: new FieldEdits([['traceparent', value]], left, base) };
  }

  answered(status: number, head: Head | null, grpc: boolean): void {
    this.#status = status;
    this.#attempt?.setAttribute('http.response.status_code', status);
    if (!grpc || head === null) return;
    this.#attempt?.setAttribute('rpc.system.name', 'grpc');
    this.#grpcStatus(head);
  }

  trailers(head: Head): void {
    this.#grpcStatus(head);
  }

  #grpcStatus(head: Head): void {
    const status = grpcStatus(head);
    if (status === null) return;
    this.#grpc = status;
    this.#attempt?.setAttribute('rpc.status_code', status);
    if (status !== 'OK' && this.#attempt !== null) fail(this.#attempt, status);
  }

  attemptFailed(code: string): void {
    if (this.#attempt === null) return;
    fail(this.#attempt, code);
    this.#endAttempt();
  }

  attemptEnded(): void {
    // To a client 4xx is a failure too; to others only 5xx is.
    if (this.#attempt !== null && this.#grpc === null && this.#status >= 400) fail(this.#attempt, String(this.#status));
    this.#endAttempt();
  }

  #endAttempt(): void {
    const span = this.#attempt;
    this.#attempt = null;
    this.#status = 0;
    span?.end(this.#now());
  }

  ended({ status, error, attempts, bytesUp, bytesDown }: RequestOutcome, ms: number): void {
    if (error !== null) this.attemptFailed(error.code);
    else this.attemptEnded();
    const span = this.#span;
    if (status > 0) span.setAttribute('http.response.status_code', status);
    if (this.#grpc !== null) span.setAttribute('rpc.status_code', this.#grpc);
    span.setAttribute('carpool.attempts', attempts);
    span.setAttribute('http.request.body.size', bytesUp);
    span.setAttribute('http.response.body.size', bytesDown);
    if (error !== null) fail(span, error.code, error.message);
    else if (this.#grpc !== null && this.#grpc !== 'OK') fail(span, this.#grpc);
    else if (status >= 500) fail(span, String(status));
    span.end(this.#now());
    this.#exemplars?.ended(ms);
  }
}

function fail(span: Span, type: string, message?: string): void {
  span.setAttribute('error.type', type);
  span.setStatus(message === undefined ? { code: SpanStatusCode.ERROR } : { code: SpanStatusCode.ERROR, message });
}
