import type { Timer } from '../clock.ts';
import { attemptError } from '../connection/tls-failure.ts';
import type { AttemptFailure, ProtocolNeed, ResponseReceiver, UpstreamLease } from '../connection/upstream.ts';
import { CarpoolError } from '../errors.ts';
import type { EndpointPool } from '../pool/endpoint-pool.ts';
import type { LeaseWaiter } from '../pool/lease.ts';
import { type Head, IDEMPOTENT } from '../protocol/head.ts';
import type { ByteSocket } from '../transport/byte-socket.ts';
import { isStreaming, ownDeadlineMs } from './deadlines.ts';
import type { Downstream } from './downstream.ts';
import { ExchangeAccount } from './exchange-account.ts';
import type { ExchangePlan, ForwardContext } from './forward-context.ts';
import { mayRetry, NOT_KEPT } from './retry.ts';
import { StallWatch, type WaitsFor } from './stall-watch.ts';

/** `acquiring`: no connection yet. `waiting`: sent (as far as it has come), no response head yet. */
type ExchangeState = 'acquiring' | 'waiting' | 'responding' | 'ended';

const MAX_KEPT_WHILE_WAITING = 64 * 1024;

/**
 * One request and its response, with its attempts: the story of a request, in the order in which it happens. The listener
 * begins it and passes the request's bytes in; the pool leases a connection; the connection passes the response's bytes
 * in; retries happen here and nowhere else. It ends exactly once, in `#end`.
 */
export class Exchange implements LeaseWaiter, ResponseReceiver {
  readonly unsafe: boolean;
  readonly tunnel = false;
  readonly sticky = -1;
  readonly need: ProtocolNeed;
  /** An earlier attempt died on a stale connection: this one gets a fresh one. */
  fresh = false;
  readonly #context: ForwardContext;
  readonly #downstream: Downstream;
  readonly #plan: ExchangePlan;
  readonly #account: ExchangeAccount;
  #state: ExchangeState = 'acquiring';
  #lease: UpstreamLease | null = null;
  #tried: EndpointPool[] | null = null;
  #retryReason: string | null = null;
  #requestEnded: boolean;
  #requestPaused = false;
  #responsePaused = false;
  /** The head while it can still be read in place: during the call that begins the exchange. */
  #head: Head | null;
  #sentAt = 0;
  readonly #watch: StallWatch;
  #deadline: Timer | null = null;

  // --- 1. a request head has been read

  constructor(head: Head, plan: ExchangePlan, downstream: Downstream, context: ForwardContext) {
    this.#context = context;
    this.#downstream = downstream;
    this.#plan = plan;
    this.#head = head;
    this.unsafe = IDEMPOTENT[head.method] !== true;
    if (plan.options.upgrade) this.need = 'http1';
    else this.need = downstream.spoken === 'http2' ? 'as_http2' : 'as_http1';
    this.#requestEnded = !plan.body;
    this.#account = new ExchangeAccount(head, plan.destination, downstream.spoken, context);
    this.#watch = new StallWatch(head.contentTypeField >= 0 && isStreaming(head));
  }

  get state(): ExchangeState {
    return this.#state;
  }

  get destinationName(): string {
    return this.#plan.destination.name;
  }

  /** Looks for a connection; the request goes out at once where one is idle. */
  begin(): void {
    const head = this.#head;
    if (head === null) return;
    const { timeouts } = this.#plan.destination.policy;
    const asked = ownDeadlineMs(head);
    const total = asked > 0 && (timeouts.totalMs === 0 || asked < timeouts.totalMs) ? asked : timeouts.totalMs;
    if (total > 0) this.#deadline = this.#context.clock.setTimer(() => this.#deadlinePassed(total), total);
    if (this.#downstream.pinned !== null && this.#usePinned(this.#downstream.pinned)) return;
    this.#acquire();
    if (this.#state === 'acquiring') this.#downstream.kept.keepHead(head);
    this.#head = null;
  }

  #usePinned(lease: UpstreamLease): boolean {
    // Of another destination, or closed meanwhile: it stays the app's own until the app's connection ends.
    if (!lease.leaseAgain(this.#plan.destination.name)) return false;
    this.leased(lease, null);
    this.#head = null;
    return true;
  }

  // --- 2. a connection is leased, now or later

  #acquire(): void {
    try {
      this.#plan.destination.acquire(this, this.#tried ?? []);
    } catch (error) {
      this.acquireFailed(
        error instanceof CarpoolError ? error : new CarpoolError('INTERNAL', String(error), { cause: error }),
      );
    }
  }

  leased(lease: UpstreamLease, endpoint: EndpointPool | null): void {
    this.#lease = lease;
    this.#account.attempt(lease.reused, endpoint);
    this.#state = 'waiting';
    const { kept } = this.#downstream;
    const inPlace = this.#head;
    const head = inPlace ?? kept.scanHead(this.#context.keptScanner);
    if (head === null) {
      lease.cancel();
      this.#fail(new CarpoolError('INTERNAL', 'the kept request could not be read again'));
      return;
    }
    if (head.connectionAuthField >= 0) this.#pin(lease);
    lease.sendHead(head, this.#plan.options, this, this.#plan.body);
    this.#sentAt = this.#context.clock.now();
    if (inPlace !== null) {
      // What may have to be sent again is kept; see mayRetry.
      const again = lease.refusable || (lease.reused && (!this.unsafe || head.chunked || head.http2));
      if (again && !this.#context.budget.tight) kept.keepHead(head);
      return;
    }
    this.#sendKept(lease);
  }

  /** NTLM and Negotiate authenticate a connection, not a request: it must never serve anybody else (rule 17a). */
  #pin(lease: UpstreamLease): void {
    const { pinned } = this.#downstream;
    if (!lease.pin(this.#plan.destination.name) || pinned === lease) return;
    pinned?.cancel();
    this.#downstream.pinned = lease;
  }

  /** A request that waited, or is sent again: its body so far follows its head. */
  #sendKept(lease: UpstreamLease): void {
    const { kept } = this.#downstream;
    kept.sendRest(lease, this.#context.keptScanner);
    if (this.#requestEnded && this.#plan.body) lease.sendEnd();
    // Where it could not be sent the connection tells of its failure by itself, and the request is still kept.
    if (lease.flush() && !lease.reused && !lease.refusable) kept.forget();
    this.#resumeRequest();
  }

  acquireFailed(error: CarpoolError): void {
    if (this.#state === 'ended') return;
    if (this.#retryReason !== null) this.#retried('failure');
    if (error.code === 'CONNECT_FAILED' || error.code === 'CONNECT_TIMEOUT') this.#plan.destination.refresh();
    this.#fail(error);
  }

  // --- 3. the request body goes up

  requestData(buffer: Buffer, start: number, end: number, stable: boolean): void {
    this.#watch.activity++;
    this.#account.bytesUp += end - start;
    const { kept } = this.#downstream;
    if (this.#state === 'acquiring') {
      kept.addBody(buffer, start, end);
      if (kept.bodyLength >= MAX_KEPT_WHILE_WAITING) this.#pauseRequest();
      return;
    }
    if (kept.whole) {
      const { replayBytes } = this.#plan.destination.policy.retry;
      if (kept.bodyLength + end - start > replayBytes || this.#context.budget.tight) kept.forget();
      else kept.addBody(buffer, start, end);
    }
    if (this.#lease !== null && !this.#lease.sendData(buffer, start, end, stable)) this.#pauseRequest();
  }

  requestTrailers(head: Head): void {
    const { kept } = this.#downstream;
    kept.addTrailers(head);
    if (this.#state !== 'acquiring') this.#lease?.sendTrailers(head);
  }

  requestEnd(): void {
    this.#requestEnded = true;
    if (this.#state === 'acquiring') return;
    this.#lease?.sendEnd();
    this.#sentAt = this.#context.clock.now();
    if (this.#state === 'ended') this.#lease = null;
  }

  /**
   * The bytes of one read event have been passed on. Where the kernel refused them all, nothing was processed, and they
   * can still be kept for the next attempt, for they are still in place.
   */
  eventEnded(head: Head, buffer: Buffer, bodyStart: number, bodyEnd: number): void {
    const lease = this.#lease;
    if (lease === null || this.#state !== 'waiting' || !this.unsafe || !lease.reused) return;
    if (lease.flush() || this.#downstream.kept.whole) return;
    this.#downstream.kept.keepHead(head);
    this.#downstream.kept.addBody(buffer, bodyStart, bodyEnd);
  }

  /** The upstream takes bytes again. */
  requestWritable(): void {
    this.#resumeRequest();
  }

  #pauseRequest(): void {
    if (this.#requestPaused) return;
    this.#requestPaused = true;
    this.#downstream.pauseRequest();
  }

  #resumeRequest(): void {
    if (!this.#requestPaused) return;
    this.#requestPaused = false;
    this.#downstream.resumeRequest();
  }

  // --- 4. the response comes down

  interim(head: Head): void {
    this.#watch.activity++;
    this.#downstream.output.interim(head);
  }

  response(head: Head, bodyKind: number): void {
    const now = this.#context.clock.now();
    this.#state = 'responding';
    this.#watch.restart(now);
    this.#account.answered(head.status, now - this.#sentAt, now);
    if (this.#retryReason !== null) this.#retried('success');
    if (head.contentTypeField >= 0 && !this.#watch.streaming) this.#watch.streaming = isStreaming(head);
    if (head.connectionAuthField >= 0 && this.#lease !== null) this.#pin(this.#lease);
    this.#downstream.kept.forget();
    this.#downstream.output.head(head, bodyKind);
    // While memory is short nothing is read for an app that does not take it.
    if (this.#context.budget.constrained && !this.#downstream.output.ready()) this.#pauseResponse();
  }

  responseData(buffer: Buffer, start: number, end: number, stable: boolean): void {
    this.#watch.activity++;
    this.#account.bytesDown += end - start;
    if (!this.#downstream.output.data(buffer, start, end, stable)) this.#pauseResponse();
  }

  #pauseResponse(): void {
    if (this.#responsePaused) return;
    this.#responsePaused = true;
    this.#lease?.pauseResponse();
  }

  /** The app reads again. */
  downstreamWritable(): void {
    this.#watch.activity++;
    if (!this.#responsePaused) return;
    this.#responsePaused = false;
    this.#lease?.resumeResponse();
  }

  responseTrailers(head: Head): void {
    this.#downstream.output.trailers(head);
  }

  responseEnd(): void {
    // An answer before the end of the request: the upload goes on for a bounded while (see the listener).
    if (this.#requestEnded) this.#lease = null;
    this.#account.completed();
    this.#downstream.output.end();
    this.#end();
  }

  /** An exchange never asks for a tunnel. */
  tunnelReady(): void {}

  upgraded(head: Head, socket: ByteSocket, rest: Buffer): void {
    this.#lease = null;
    this.#account.status = 101;
    const now = this.#context.clock.now();
    this.#account.answered(101, now - this.#sentAt, now);
    this.#account.completed();
    this.#downstream.upgraded(
      head,
      socket,
      rest,
      this.#plan.destination,
      this.#plan.destination.pool.becameTunnel(this.#account.endpoint),
    );
    this.#end();
  }

  // --- 5. or an attempt fails, and another may follow

  attemptFailed(failure: AttemptFailure): void {
    const endpoint = this.#account.endpoint;
    const { destination } = this.#plan;
    this.#lease = null;
    if (this.#state === 'ended') return;
    const now = this.#context.clock.now();
    const verdict = mayRetry({
      failure,
      attempts: this.#account.attempts,
      idempotent: !this.unsafe,
      reused: this.#account.reused,
      retriedStale: this.fresh,
      replayable: this.#downstream.kept.whole,
    });
    // A stale connection says nothing about its endpoint, nor does one that is shut down in order; everything else does.
    const stale = this.#account.reused && failure.connectionLost && !failure.responseStarted;
    if (!stale && (!failure.unprocessed || failure.connectionLost))
      this.#account.blame(failure.code, now - this.#sentAt, now);
    if (verdict === 'retry') {
      if (this.#retryReason === null) this.#retryReason = failure.code.toLowerCase();
      if (endpoint !== null) this.#tried = [...(this.#tried ?? []), endpoint];
      // Where the peer itself says that it did not act on the request, no connection was stale.
      if (!failure.unprocessed || failure.connectionLost) this.fresh = true;
      this.#state = 'acquiring';
      this.#acquire();
      return;
    }
    if (verdict === 'lost') destination.observer.retried(failure.code.toLowerCase(), 'not_allowed');
    else if (this.#retryReason !== null) this.#retried('failure');
    const where = endpoint === null ? '' : ` (${endpoint.spec.address}:${endpoint.spec.port})`;
    const why = verdict === 'lost' && failure.unprocessed ? `${failure.message}, ${NOT_KEPT}` : failure.message;
    this.#fail(attemptError(`${destination.name}${where}`, { ...failure, message: why }));
  }

  #retried(outcome: 'success' | 'failure'): void {
    if (this.#retryReason === null) return;
    this.#plan.destination.observer.retried(this.#retryReason, outcome);
    this.#retryReason = null;
  }

  // --- 6. or time runs out, or the app leaves

  /** Once a second: has somebody kept us waiting for too long? */
  tick(now: number): void {
    if (this.#state === 'acquiring' || this.#state === 'ended') return;
    const stall = this.#watch.check(now, this.#waitsFor(), this.#sentAt, this.#plan.destination.policy.timeouts);
    if (stall === null) return;
    if (stall.code === 'RESPONSE_TIMEOUT') this.#account.blame(stall.code, now - this.#sentAt, now);
    this.#fail(new CarpoolError(stall.code, `${this.destinationName}: ${stall.message}`));
  }

  #waitsFor(): WaitsFor {
    if (this.#state === 'waiting' && this.#requestEnded) return 'response';
    if (this.#responsePaused) return 'app';
    return this.#requestPaused ? 'upstream' : 'body';
  }

  #deadlinePassed(ms: number): void {
    this.#deadline = null;
    this.#fail(new CarpoolError('DEADLINE', `${this.#plan.destination.name}: the exchange took over ${ms} ms`));
  }

  /** The app left, or broke the rules of its body: nobody waits for the response any more. */
  abort(error: CarpoolError): void {
    if (this.#state === 'ended') {
      this.#letGo();
      return;
    }
    const now = this.#context.clock.now();
    if (this.#state === 'waiting') this.#account.gaveUp(now - this.#sentAt, now);
    this.#account.failed(error);
    this.#letGo();
    this.#end();
  }

  /** Stops an upload that outlived its response. */
  stopUpload(): void {
    this.#requestEnded = true;
    this.#letGo();
  }

  // --- 7. the end

  #fail(error: CarpoolError): void {
    if (this.#state === 'ended') return;
    this.#account.failed(error);
    const answered = this.#state === 'responding';
    this.#letGo();
    if (!answered) this.#account.status = error.status;
    this.#downstream.fail(error);
    this.#end();
  }

  /** Gives back whatever is held: the lease, or the place in the queue. */
  #letGo(): void {
    const lease = this.#lease;
    this.#lease = null;
    if (lease !== null) lease.cancel();
    else if (this.#state === 'acquiring') this.#plan.destination.withdraw(this);
  }

  #end(): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#deadline?.cancel();
    this.#downstream.kept.forget();
    this.#account.close(this.#context.clock, this.#context.accessLog);
    this.#downstream.exchangeEnded();
  }
}
