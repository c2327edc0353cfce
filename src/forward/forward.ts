import type { Timer } from '../clock.ts';
import { attemptError } from '../connection/tls-failure.ts';
import type { AttemptFailure, ProtocolNeed, ResponseReceiver, UpstreamLease } from '../connection/upstream.ts';
import { CarpoolError } from '../errors.ts';
import type { EndpointPool } from '../pool/endpoint-pool.ts';
import type { LeaseWaiter } from '../pool/lease.ts';
import { type Head, IDEMPOTENT } from '../protocol/head.ts';
import { asCarpoolError } from '../routing/gates.ts';
import type { ByteSocket } from '../transport/byte-socket.ts';
import { Attempts } from './attempts.ts';
import { isStreaming, totalMs } from './deadlines.ts';
import { type Downstream, pinTo } from './downstream.ts';
import { worthReading } from './dropped-answer.ts';
import { ExchangeAccount } from './exchange-account.ts';
import { ExchangeFlow } from './exchange-flow.ts';
import type { ExchangePlan, ForwardContext } from './forward-context.ts';
import { hasIdempotencyKey } from './idempotency-key.ts';
import { tellsOfEndpoint } from './retry.ts';

/**
 * `acquiring`: no connection yet. `waiting`: sent (as far as it has come), no response head yet. `backing_off`: an attempt
 * came to nothing, and the next one is not due yet; what is left of its answer is read and dropped.
 */
type ExchangeState = 'acquiring' | 'waiting' | 'backing_off' | 'responding' | 'ended';

const UNTRIED: readonly EndpointPool[] = [];

/**
 * One request and its response, with its attempts: the story of a request, in the order in which it happens. The listener
 * begins it and passes the request's bytes in; the pool leases a connection; the connection passes the response's bytes
 * in; retries happen here and nowhere else. It ends exactly once, in `#end`.
 */
export class Exchange implements LeaseWaiter, ResponseReceiver {
  readonly unsafe: boolean;
  readonly tunnel = false;
  readonly sticky: number;
  readonly need: ProtocolNeed;
  /** An earlier attempt died on a stale connection: this one gets a fresh one. */
  fresh = false;
  readonly #context: ForwardContext;
  readonly #downstream: Downstream;
  readonly #plan: ExchangePlan;
  readonly #account: ExchangeAccount;
  #state: ExchangeState = 'acquiring';
  #lease: UpstreamLease | null = null;
  /** Null while no attempt has failed. */
  #attempts: Attempts | null = null;
  #requestEnded: boolean;
  /** The head while it can still be read in place: during the call that begins the exchange. */
  #head: Head | null;
  #sentAt = 0;
  readonly #flow: ExchangeFlow;
  #deadline: Timer | null = null;

  // --- 1. a request head has been read

  constructor(head: Head, plan: ExchangePlan, downstream: Downstream, context: ForwardContext) {
    this.#context = context;
    this.#downstream = downstream;
    this.#plan = plan;
    this.#head = head;
    const { destination } = plan;
    this.unsafe = IDEMPOTENT[head.method] !== true && !(destination.retryRules.byKey && hasIdempotencyKey(head));
    this.sticky = destination.stickyKey(head);
    if (plan.options.upgrade) this.need = 'http1';
    else this.need = downstream.spoken === 'http2' ? 'as_http2' : 'as_http1';
    this.#requestEnded = !plan.body;
    this.#account = new ExchangeAccount(head, destination, downstream.spoken, context);
    destination.retryBudget.request(this.#account.startedAt);
    this.#flow = new ExchangeFlow(head.contentTypeField >= 0 && isStreaming(head));
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
    const total = totalMs(head, this.#plan.destination.policy.timeouts);
    if (total > 0) {
      this.#deadline = this.#context.clock.setTimer(() => this.#deadlinePassed(total), total);
      this.#account.deadlineAt = this.#account.startedAt + total;
    }
    const { pinned, kept } = this.#downstream;
    // Of another destination, or closed meanwhile: it stays the app's own until the app's connection ends.
    if (pinned?.leaseAgain(this.destinationName) === true) this.leased(pinned, null);
    else this.#acquire();
    if (this.#state === 'acquiring') kept.keepHead(head);
    this.#head = null;
  }

  // --- 2. a connection is leased, now or later

  #acquire(): void {
    try {
      this.#account.acquire(this, this.#attempts?.tried ?? UNTRIED);
    } catch (error) {
      this.acquireFailed(asCarpoolError(error));
    }
  }

  leased(lease: UpstreamLease, endpoint: EndpointPool | null): void {
    this.#lease = lease;
    const options = this.#account.attempt(lease, endpoint, this.#plan.options);
    this.#state = 'waiting';
    const { kept } = this.#downstream;
    const inPlace = this.#head;
    const head = inPlace ?? kept.scanHead(this.#context.keptScanner);
    if (head === null) {
      this.#fail(new CarpoolError('INTERNAL', 'the kept request could not be read again'));
      return;
    }
    if (head.connectionAuthField >= 0) pinTo(this.#downstream, lease, this.destinationName);
    lease.sendHead(head, options, this, this.#plan.body);
    this.#sentAt = this.#context.clock.now();
    if (inPlace !== null) {
      // Where the kernel refuses it all, see `eventEnded`; chunks are not in place any more by then.
      const again =
        this.#plan.destination.retryRules.mayGoAgain(lease, this.unsafe) ||
        (lease.reused && (head.chunked || head.http2));
      if (again && !this.#context.budget.tight) kept.keepHead(head);
      return;
    }
    this.#sendKept(lease);
  }

  /** A request that waited, or is sent again: its body so far follows its head. */
  #sendKept(lease: UpstreamLease): void {
    const { kept } = this.#downstream;
    kept.sendRest(lease, this.#context.keptScanner);
    if (this.#requestEnded && this.#plan.body) lease.sendEnd();
    // Where it could not be sent the connection tells of its failure by itself, and the request is still kept.
    const { retryRules } = this.#plan.destination;
    const again = retryRules.mayGoAgain(lease, this.unsafe) && kept.worthKeeping(retryRules.policy.replayBytes);
    if (lease.flush() && !again) kept.forget();
    this.#flow.resumeRequest(this.#downstream);
  }

  acquireFailed(error: CarpoolError): void {
    if (this.#state === 'ended') return;
    const next = this.#soFar.afterNoConnection(error, this.#context.clock.now());
    if (next.inMs === null) this.#fail(error);
    else this.#tryAgain(next.inMs);
  }

  // --- 3. the request body goes up

  requestData(buffer: Buffer, start: number, end: number, stable: boolean): void {
    this.#flow.activity++;
    this.#account.bytesUp += end - start;
    const { kept } = this.#downstream;
    if (this.#unsent) {
      if (!kept.addWaiting(buffer, start, end)) this.#flow.pauseRequest(this.#downstream);
      return;
    }
    kept.addSent(buffer, start, end, this.#plan.destination.retryRules.policy.replayBytes);
    if (this.#lease !== null && !this.#lease.sendData(buffer, start, end, stable))
      this.#flow.pauseRequest(this.#downstream);
  }

  requestTrailers(head: Head): void {
    const { kept } = this.#downstream;
    kept.addTrailers(head);
    if (!this.#unsent) this.#lease?.sendTrailers(head);
  }

  requestEnd(): void {
    this.#requestEnded = true;
    // Nothing more of it can be too much, and an app that is not read is not seen to leave.
    this.#flow.resumeRequest(this.#downstream);
    if (this.#unsent) return;
    this.#lease?.sendEnd();
    this.#sentAt = this.#context.clock.now();
    if (this.#state === 'ended') this.#lease = null;
  }

  /** It is for the next attempt to send it. */
  get #unsent(): boolean {
    return this.#state === 'acquiring' || this.#state === 'backing_off';
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
    this.#flow.resumeRequest(this.#downstream);
  }

  // --- 4. the response comes down

  interim(head: Head): void {
    this.#flow.activity++;
    this.#downstream.output.interim(head);
  }

  response(head: Head, bodyKind: number): void {
    const now = this.#context.clock.now();
    this.#account.answered(head.status, now - this.#sentAt, now, head);
    const bits = this.#plan.destination.retryRules.statuses[head.status] ?? 0;
    if (bits !== 0 && this.#givesUp(head, bodyKind, bits, now)) return;
    this.#state = 'responding';
    this.#flow.restart(now);
    this.#attempts?.settled(bits === 0 ? 'success' : 'failure');
    if (head.contentTypeField >= 0 && !this.#flow.streaming) this.#flow.streaming = isStreaming(head);
    if (head.connectionAuthField >= 0) pinTo(this.#downstream, this.#lease, this.destinationName);
    this.#downstream.kept.forget();
    this.#downstream.output.head(head, bodyKind);
    // While memory is short nothing is read for an app that does not take it.
    if (this.#context.budget.constrained && !this.#downstream.output.ready()) this.#flow.pauseResponse(this.#lease);
  }

  responseData(buffer: Buffer, start: number, end: number, stable: boolean): void {
    if (this.#state === 'backing_off') {
      if (!this.#soFar.drops(end - start)) this.#letGo();
      return;
    }
    this.#flow.activity++;
    this.#account.bytesDown += end - start;
    if (!this.#downstream.output.data(buffer, start, end, stable)) this.#flow.pauseResponse(this.#lease);
  }

  /** The app reads again. */
  downstreamWritable(): void {
    this.#flow.activity++;
    this.#flow.resumeResponse(this.#lease);
  }

  responseTrailers(head: Head): void {
    this.#account.trailers(head);
    if (this.#state !== 'backing_off') this.#downstream.output.trailers(head);
  }

  responseEnd(): void {
    // An answer before the end of the request: the upload goes on for a bounded while (see the listener).
    if (this.#requestEnded) this.#lease = null;
    this.#account.completed();
    if (this.#state === 'backing_off') return;
    this.#downstream.output.end();
    this.#end();
  }

  /** An exchange never asks for a tunnel. */
  tunnelReady(): void {}

  upgraded(head: Head, socket: ByteSocket, rest: Buffer): void {
    this.#lease = null;
    const now = this.#context.clock.now();
    this.#account.answered(101, now - this.#sentAt, now);
    this.#account.completed();
    const { destination } = this.#plan;
    const place = destination.pool.becameTunnel(this.#account.endpoint);
    this.#downstream.upgraded(head, socket, rest, destination, place);
    this.#end();
  }

  // --- 5. or an attempt fails, and another may follow

  attemptFailed(failure: AttemptFailure): void {
    this.#lease = null;
    // What is left of an answer that was given up is of no interest.
    if (this.#state === 'ended' || this.#state === 'backing_off') return;
    const now = this.#context.clock.now();
    if (tellsOfEndpoint(failure, this.#account.reused)) this.#account.blame(failure.code, now - this.#sentAt, now);
    const next = this.#soFar.afterFailure(failure, this.#requestEnded, now);
    // Where the peer ends the stream alone, its connection is not stale.
    if (failure.connectionLost) this.fresh = true;
    if (next.inMs !== null) {
      this.#tryAgain(next.inMs);
      return;
    }
    const told = { ...failure, message: failure.message + next.why };
    this.#fail(attemptError(this.#account.target, told, this.#account.firstWords));
  }

  /** An answer has a status that policy names. @returns whether it is dropped, and the request sent again later */
  #givesUp(head: Head, bodyKind: number, bits: number, now: number): boolean {
    // Only its pinned connection knows who the app is.
    if (this.#downstream.pinned !== null) return false;
    const next = this.#soFar.afterAnswer(head, bits, this.#requestEnded, now);
    if (next.inMs === null) return false;
    this.#account.givenUp();
    if (!worthReading(head, bodyKind)) this.#letGo();
    this.#tryAgain(next.inMs);
    return true;
  }

  get #soFar(): Attempts {
    this.#attempts ??= new Attempts(this.#account, this.#downstream.kept, !this.unsafe);
    return this.#attempts;
  }

  #tryAgain(inMs: number): void {
    this.#state = inMs > 0 ? 'backing_off' : 'acquiring';
    if (inMs === 0) this.#acquire();
    else {
      this.#soFar.wait(inMs, () => {
        this.#letGo();
        this.#tryAgain(0);
      });
    }
  }

  // --- 6. or time runs out, or the app leaves

  /** Once a second: has somebody kept us waiting for too long? */
  tick(now: number): void {
    if (this.#unsent || this.#state === 'ended') return;
    const { timeouts } = this.#plan.destination.policy;
    const stall = this.#flow.stalled(now, this.#state === 'waiting' && this.#requestEnded, this.#sentAt, timeouts);
    if (stall === null) return;
    let why = '';
    if (stall.code === 'RESPONSE_TIMEOUT') {
      this.#account.blame(stall.code, now - this.#sentAt, now);
      const next = this.#soFar.afterTimeout(now);
      if (next.inMs !== null) {
        this.#letGo();
        this.fresh = true;
        this.#tryAgain(next.inMs);
        return;
      }
      why = next.why;
    }
    this.#fail(new CarpoolError(stall.code, `${this.destinationName}: ${stall.message}${why}`));
  }

  #deadlinePassed(ms: number): void {
    this.#deadline = null;
    this.#stopsWaiting();
    this.#fail(new CarpoolError('DEADLINE', `${this.#plan.destination.name}: the exchange took over ${ms} ms`));
  }

  /** The app left, or broke the rules of its body: nobody waits for the response any more. */
  abort(error: CarpoolError): void {
    if (this.#state === 'ended') {
      this.#letGo();
      return;
    }
    this.#stopsWaiting();
    this.#account.failed(error);
    this.#letGo();
    this.#end();
  }

  #stopsWaiting(): void {
    const now = this.#context.clock.now();
    if (this.#state === 'waiting') this.#account.gaveUp(now - this.#sentAt, now);
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
    this.#attempts?.stop();
    this.#downstream.kept.forget();
    this.#account.close();
    this.#downstream.exchangeEnded();
  }
}
