import type { FirstWords } from '../connection/tls-failure.ts';
import type { Spoken, UpstreamLease } from '../connection/upstream.ts';
import type { CarpoolError } from '../errors.ts';
import type { EndpointPool } from '../pool/endpoint-pool.ts';
import type { LeaseWaiter } from '../pool/lease.ts';
import { type Head, METHOD_GET, METHOD_HEAD, METHOD_OPTIONS, METHOD_TRACE } from '../protocol/head.ts';
import type { RequestHeadOptions } from '../protocol/http1/head-writer.ts';
import type { Destination } from '../routing/destination.ts';
import type { ForwardContext } from './forward-context.ts';
import { isGrpc, saysUnavailable } from './grpc-outcome.ts';
import type { RequestTrace } from './request-trace.ts';

/** What gRPC's UNAVAILABLE is as a status of HTTP. */
const UNAVAILABLE = 503;
const READ = 0;
const WRITE = 1;

/** What one exchange came to: for the counters of its destination, for the access log, and for its trace where it has one. */
export class ExchangeAccount {
  readonly destination: Destination;
  readonly context: ForwardContext;
  readonly startedAt: number;
  /** The exchange's own deadline (monotonic ms). */
  deadlineAt = Number.POSITIVE_INFINITY;
  /** Of the answer; 0: none. */
  status = 0;
  error: CarpoolError | null = null;
  attempts = 0;
  /** The last attempt's connection had carried an exchange before. */
  reused = false;
  endpoint: EndpointPool | null = null;
  bytesUp = 0;
  bytesDown = 0;
  /** Null: the request is not followed. */
  readonly trace: RequestTrace | null;
  /** Of the last answer that came, whether or not it is passed on, as evidence about the endpoint. */
  #came = 0;
  #grpc = false;
  /** Since when the last attempt has its connection (monotonic ms). */
  #heldSince = 0;
  readonly #methodClass: 0 | 1;
  /** An index of REQUEST_PROTOCOLS: what the app speaks. */
  readonly #protocol: 0 | 1;
  /** What a line needs of the head, which is gone by then; null while the access log is off. */
  readonly #line: { readonly method: string; readonly host: string; readonly path: string } | null;

  constructor(head: Head, destination: Destination, spoken: Spoken, context: ForwardContext) {
    this.#protocol = spoken === 'http2' ? 1 : 0;
    const { method } = head;
    const reads =
      method === METHOD_GET || method === METHOD_HEAD || method === METHOD_OPTIONS || method === METHOD_TRACE;
    this.#methodClass = reads ? READ : WRITE;
    this.destination = destination;
    this.context = context;
    this.startedAt = context.clock.now();
    const { tracing } = context;
    this.trace = tracing === null ? null : tracing.request(head, destination, this.startedAt);
    this.#line =
      context.accessLog !== null ? { method: head.methodText(), host: destination.name, path: head.pathText() } : null;
  }

  /** The address that the last attempt went to, or null. */
  get where(): string | null {
    return this.endpoint === null ? null : `${this.endpoint.spec.address}:${this.endpoint.spec.port}`;
  }

  /** The destination, and the endpoint where there is one, for an error. */
  get target(): string {
    const { where } = this;
    return where === null ? this.destination.name : `${this.destination.name} (${where})`;
  }

  /** What was spoken first on its connection; null: that had carried something before. */
  get firstWords(): FirstWords | null {
    const { identity, policy } = this.destination;
    return this.reused ? null : { secure: identity.secure, clientCertificate: policy.tls.cert !== null };
  }

  /** Asks for a connection. Throws as `Destination.acquire` does. */
  acquire(waiter: LeaseWaiter, tried: readonly EndpointPool[]): void {
    if (this.trace !== null) this.trace.asks();
    this.destination.acquire(waiter, tried);
  }

  /** An attempt begins. @returns how its head is to be written */
  attempt(lease: UpstreamLease, endpoint: EndpointPool | null, options: RequestHeadOptions): RequestHeadOptions {
    this.attempts++;
    this.#heldSince = this.context.clock.now();
    this.reused = lease.reused;
    this.endpoint = endpoint;
    return this.trace === null ? options : this.trace.attempt(lease, endpoint, options);
  }

  /** A response head came, `ms` after the request went out: it tells something of the endpoint (pool/evidence.ts). */
  answered(status: number, ms: number, now: number, head: Head | null = null): void {
    this.status = status;
    this.#grpc = head !== null && head.contentTypeField >= 0 && isGrpc(head);
    this.#came = this.#grpc && head !== null && saysUnavailable(head) ? UNAVAILABLE : status;
    if (this.trace !== null) this.trace.answered(status, head, this.#grpc);
    if (this.endpoint !== null) this.destination.pool.evidence.answered(this.endpoint, this.#came, ms, now);
  }

  /** Trailers came: that of gRPC have its status. */
  trailers(head: Head): void {
    if (!this.#grpc) return;
    if (this.trace !== null) this.trace.trailers(head);
    if (this.endpoint === null || !saysUnavailable(head)) return;
    this.#came = UNAVAILABLE;
    this.destination.pool.evidence.unavailable(this.endpoint, this.context.clock.now());
  }

  /** The answer that came is not passed on: another attempt follows. */
  givenUp(): void {
    this.status = 0;
    if (this.trace !== null) this.trace.attemptEnded();
  }

  /** The response came to its end. */
  completed(): void {
    if (this.trace !== null) this.trace.attemptEnded();
    if (this.endpoint !== null) this.destination.pool.evidence.completed(this.endpoint, this.#came);
  }

  /** The attempt failed by what the endpoint did, or did not do. */
  blame(cause: string, ms: number, now: number): void {
    if (this.endpoint !== null) this.destination.pool.evidence.failed(this.endpoint, cause, ms, now);
  }

  /** The app left before an answer came. */
  gaveUp(ms: number, now: number): void {
    if (this.endpoint !== null) this.destination.pool.evidence.gaveUp(this.endpoint, ms, now);
  }

  /** It went wrong; counted at once. */
  failed(error: CarpoolError): void {
    this.error = error;
    this.destination.observer.failed(error);
  }

  /** The exchange has ended. */
  close(): void {
    const { clock, accessLog: log } = this.context;
    const now = clock.now();
    const { observer } = this.destination;
    observer.requestEnded(this.#methodClass, this.status, now - this.startedAt, this.#protocol);
    if (this.attempts > 0) {
      if (this.reused) observer.reusedRequests++;
      else observer.freshRequests++;
      observer.heldSeconds += (now - this.#heldSince) / 1000;
    }
    if (this.trace !== null) this.trace.ended(this, now - this.startedAt);
    observer.bytesUp += this.bytesUp;
    observer.bytesDown += this.bytesDown;
    if (this.#line === null || log === null || !log.wants(this.status, this.error !== null)) return;
    log.write({
      time: clock.wall() - (now - this.startedAt),
      ...this.#line,
      status: this.status,
      durationMs: now - this.startedAt,
      bytesUp: this.bytesUp,
      bytesDown: this.bytesDown,
      endpoint: this.where,
      reused: this.reused,
      attempts: this.attempts,
      error: this.error?.code ?? null,
    });
  }
}
