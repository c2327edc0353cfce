import type { Clock, Timer } from '../clock.ts';
import type { DestinationPolicy } from '../config/types.ts';
import { CarpoolError } from '../errors.ts';
import type { DestinationObserver, EventSink } from '../observer.ts';
import type { EndpointPool } from '../pool/endpoint-pool.ts';
import type { LeaseWaiter } from '../pool/lease.ts';
import type { OutcomeListener } from '../pool/outcomes.ts';
import type { BreakerStats } from '../pool/stats.ts';
import { type BreakerPolicy, DestinationBreaker } from './circuit-breaker.ts';
import { GateQueue, type Held } from './gate-queue.ts';
import { TokenBucket } from './rate-limit.ts';
import { TrialRequest } from './trial-request.ts';

/** What a gate asks of the destination that it stands before. */
export interface GateOwner {
  readonly name: string;
  readonly observer: DestinationObserver;
  /** Requests that wait behind the gate: with those before it they share `pool.maxPending`. */
  readonly waitingInside: number;
  /** As `DestinationPool.acquire`. @throws CarpoolError */
  enter(waiter: LeaseWaiter, tried: readonly EndpointPool[]): boolean;
  /** Nobody waits here any more: the gate may be needless now. */
  gateEmptied(): void;
}

/** What is wrong, as an error of carpool. */
export const asCarpoolError = (thrown: unknown): CarpoolError =>
  thrown instanceof CarpoolError ? thrown : new CarpoolError('INTERNAL', String(thrown), { cause: thrown });

export const BREAKER_OFF: BreakerStats = { state: 'off', failures: 0, triedAgainInMs: 0 };

/** What helps where requests may wait for their turn (`rateLimit.exceeded: queue`). */
const TURN_TOO_LATE =
  'The rate limit of this destination is used up, and the next turn is further away than rateLimit.maxWait: wait as Retry-After says, or raise rateLimit.requestsPerMinute or rateLimit.maxWait.';
const NO_ROOM_TO_WAIT =
  'The rate limit of this destination is used up, and pool.maxPending requests wait for their turn already: send fewer at a time, or raise rateLimit.requestsPerMinute or pool.maxPending.';

/** When to ask again while an operator's pause lasts: nobody knows for how long. */
const PAUSED_RETRY_S = 5;

/** The request that a trial stands in for. */
const itself = (waiter: LeaseWaiter): LeaseWaiter => (waiter instanceof TrialRequest ? waiter.behind : waiter);

const breakerOf = ({ breaker }: DestinationPolicy): BreakerPolicy | null =>
  breaker.destinationFailures === null ? null : { ...breaker, destinationFailures: breaker.destinationFailures };

/**
 * What a request passes before its destination looks for a connection, in this order: the pause, the circuit breaker, the
 * rate limit. Who has to wait stands in one queue: while paused for `resume`, else for a token. One timer is for the head
 * of that queue, since nobody's turn or deadline comes before the head's.
 */
export class Gate {
  readonly #owner: GateOwner;
  readonly #clock: Clock;
  readonly #events: EventSink;
  readonly #queue = new GateQueue();
  /** Trials that wait for a connection, by the request that each stands for. */
  readonly #trials = new Map<LeaseWaiter, TrialRequest>();
  /** The request that was let through as a trial last. */
  #trying: LeaseWaiter | null = null;
  #policy: DestinationPolicy;
  #breaker: DestinationBreaker | null = null;
  #bucket: TokenBucket | null = null;
  #paused = false;
  #timer: Timer | null = null;

  constructor(owner: GateOwner, policy: DestinationPolicy, clock: Clock, events: EventSink) {
    this.#owner = owner;
    this.#clock = clock;
    this.#events = events;
    this.#policy = policy;
    this.configure(policy);
  }

  /** Whether a policy has something that only a gate can do. */
  static wanted({ breaker, rateLimit }: DestinationPolicy): boolean {
    return breaker.destinationFailures !== null || rateLimit.requestsPerMinute > 0;
  }

  /** Whether it may not be taken away now. */
  get needed(): boolean {
    return this.#paused || this.#queue.size > 0 || this.#trials.size > 0 || Gate.wanted(this.#policy);
  }

  /** How many requests wait before it. */
  get waiting(): number {
    return this.#queue.size;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Who is to hear what becomes of requests, or null. */
  get outcomes(): OutcomeListener | null {
    return this.#breaker;
  }

  /** Settings hold from now on, for those who wait too. */
  configure(policy: DestinationPolicy): void {
    const now = this.#clock.now();
    this.#policy = policy;
    const { rateLimit } = policy;
    if (rateLimit.requestsPerMinute === 0) this.#bucket = null;
    else if (this.#bucket === null) this.#bucket = new TokenBucket(rateLimit, now);
    else this.#bucket.configure(rateLimit, now);
    const breaker = breakerOf(policy);
    if (breaker === null) {
      this.#breaker?.close();
      this.#breaker = null;
    } else if (this.#breaker === null) this.#breaker = new DestinationBreaker(this.#owner.name, breaker, this.#events);
    else this.#breaker.configure(breaker, now);
    if (!this.#paused) this.#refuseLate(now);
    this.#run();
  }

  // --- requests come and go

  /**
   * As `DestinationPool.acquire`.
   * @param tried not empty: another attempt of a request that has passed before
   * @throws CarpoolError where it may not pass, and may not wait
   */
  acquire(waiter: LeaseWaiter, tried: readonly EndpointPool[]): boolean {
    const now = this.#clock.now();
    if (this.#paused) {
      if (this.#policy.pool.pauseTimeoutMs === 0) throw this.#pausedFor(0);
      if (this.#full) throw this.#pendingFull();
      this.#hold(waiter, tried, now);
      return false;
    }
    const refusal = this.#refusal(waiter, now);
    if (refusal !== null) throw refusal;
    if (this.#bucket === null || this.#hasToken(this.#bucket, tried, now)) return this.#pass(waiter, tried, now);
    this.#hold(waiter, tried, now);
    return false;
  }

  /**
   * A request leaves.
   * @returns who is to leave the inside for it: itself, who stands in for it, or null where it was waiting here
   */
  withdraw(waiter: LeaseWaiter): LeaseWaiter | null {
    if (this.#queue.remove(waiter)) {
      if (this.#queue.size === 0) this.#emptied();
      return null;
    }
    const trial = this.#trials.get(waiter);
    if (trial === undefined) return waiter;
    this.#trialOver(waiter, true);
    return trial;
  }

  #hold(waiter: LeaseWaiter, tried: readonly EndpointPool[], since: number): void {
    this.#queue.add({ waiter, tried, passed: false, since });
    if (this.#timer === null) this.#arm();
  }

  get #full(): boolean {
    return this.#queue.size + this.#owner.waitingInside >= this.#policy.pool.maxPending;
  }

  /** Whether a request may pass the rate limit now; false: it may wait. @throws CarpoolError RATE_LIMITED: it may not */
  #hasToken(bucket: TokenBucket, tried: readonly EndpointPool[], now: number): boolean {
    // It was let through before, and what it costs the upstream is counted all the same.
    if (tried.length > 0) {
      bucket.borrow(now);
      return true;
    }
    if (this.#queue.size === 0 && bucket.take(now)) return true;
    const { exceeded, maxWaitMs } = this.#policy.rateLimit;
    const waitMs = bucket.waitMs(now, this.#queue.size);
    if (exceeded === 'refuse' || waitMs > maxWaitMs || this.#full) throw this.#rateLimited(waitMs, this.#full);
    this.#owner.observer.rateLimitQueued++;
    return false;
  }

  #refusal(waiter: LeaseWaiter, now: number): CarpoolError | null {
    if (this.#breaker === null) return null;
    const refusal = this.#breaker.refusal(now);
    // Where an attempt of the trial told nothing (the upstream refused to act), its next one is the trial.
    return this.#breaker.trying && waiter === this.#trying ? null : refusal;
  }

  #pass(waiter: LeaseWaiter, tried: readonly EndpointPool[], now: number): boolean {
    const tries = this.#breaker?.passes(now) === true;
    this.#trying = tries ? waiter : null;
    if (!tries) return this.#owner.enter(waiter, tried);
    const trial = new TrialRequest(waiter, (cameToNothing) => this.#trialOver(waiter, cameToNothing));
    this.#trials.set(waiter, trial);
    try {
      return this.#owner.enter(trial, tried);
    } catch (error) {
      this.#trialOver(waiter, true);
      throw error;
    }
  }

  #trialOver(waiter: LeaseWaiter, cameToNothing: boolean): void {
    if (!this.#trials.delete(waiter)) return;
    if (cameToNothing) this.#breaker?.trialGone();
    if (this.#queue.size === 0) this.#emptied();
  }

  // --- those who wait

  /** Lets those pass whose turn it is, and ends the wait of those whose time is over. */
  #run(): void {
    for (let held = this.#queue.first; held !== null; held = this.#queue.first) {
      const now = this.#clock.now();
      const { waiter, since } = held;
      const refusal = this.#paused ? null : this.#refusal(waiter, now);
      if (refusal !== null) this.#fail(waiter, refusal);
      else if (!this.#paused && this.#hasTurn(held, now)) this.#letIn(held, now);
      else if (now - since < this.#patienceMs) break;
      else this.#fail(waiter, this.#paused ? this.#pausedFor(now - since) : this.#rateLimited(this.#turnMs(now, 0)));
    }
    if (this.#queue.size === 0) this.#emptied();
    else this.#arm();
  }

  #hasTurn({ passed, tried }: Held, now: number): boolean {
    if (passed || this.#bucket === null) return true;
    if (tried.length === 0) return this.#bucket.take(now);
    this.#bucket.borrow(now);
    return true;
  }

  /** How long who waits may wait. */
  get #patienceMs(): number {
    return this.#paused ? this.#policy.pool.pauseTimeoutMs : this.#policy.rateLimit.maxWaitMs;
  }

  #turnMs(now: number, ahead: number): number {
    return this.#bucket === null ? 0 : this.#bucket.waitMs(now, ahead);
  }

  #letIn(held: Held, now: number): void {
    this.#queue.remove(held.waiter);
    try {
      this.#pass(held.waiter, held.tried, now);
    } catch (error) {
      held.waiter.acquireFailed(asCarpoolError(error));
    }
  }

  #fail(waiter: LeaseWaiter, error: CarpoolError): void {
    if (this.#queue.remove(waiter)) waiter.acquireFailed(error);
  }

  /** Who cannot have its turn in time hears it now, and not at the end of its wait. */
  #refuseLate(now: number): void {
    if (this.#bucket === null) return;
    let ahead = 0;
    for (const { waiter, tried, passed, since } of [...this.#queue]) {
      if (passed || tried.length > 0) continue;
      const waitMs = this.#turnMs(now, ahead);
      if (now - since + waitMs > this.#patienceMs) this.#fail(waiter, this.#rateLimited(waitMs));
      else ahead++;
    }
  }

  #arm(): void {
    this.#timer?.cancel();
    this.#timer = null;
    const held = this.#queue.first;
    if (held === null) return;
    const now = this.#clock.now();
    const patience = this.#patienceMs - (now - held.since);
    const wait = this.#paused ? patience : Math.min(patience, this.#turnMs(now, 0));
    this.#timer = this.#clock.setTimer(
      () => {
        this.#timer = null;
        this.#run();
      },
      Math.max(0, Math.ceil(wait)),
    );
  }

  #emptied(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#owner.gateEmptied();
  }

  // --- steering

  /**
   * Holds requests back until `resume`.
   * @param inside requests that were past the gate and have no connection yet, in their order: they wait here now
   */
  pause(inside: readonly { readonly waiter: LeaseWaiter; readonly tried: readonly EndpointPool[] }[]): void {
    const now = this.#clock.now();
    this.#paused = true;
    const held = inside.map(({ waiter, tried }) => ({ waiter: itself(waiter), tried, passed: true, since: now }));
    this.#queue.addFirst(held);
    // A trial is over where it is held back: it may be one again.
    for (const { waiter } of held) this.#trialOver(waiter, true);
    this.#queue.restart(now);
    this.#run();
  }

  /** Those who wait go on in their order, as far as breaker and rate limit let them. */
  resume(): void {
    const now = this.#clock.now();
    this.#paused = false;
    this.#queue.restart(now);
    this.#refuseLate(now);
    this.#run();
  }

  /** Fails all that waits: the sidecar stops. */
  destroy(error: CarpoolError): void {
    for (const { waiter } of [...this.#queue]) if (this.#queue.remove(waiter)) waiter.acquireFailed(error);
    this.#emptied();
  }

  breakerStats(): BreakerStats {
    return this.#breaker?.stats(this.#clock.now()) ?? BREAKER_OFF;
  }

  // --- errors

  #pausedFor(ms: number): CarpoolError {
    const waited = ms === 0 ? '' : `; the request waited ${Math.round(ms)} ms (pool.pauseTimeout)`;
    return new CarpoolError('PAUSED', `${this.#owner.name} is paused${waited}`, { retryAfterSeconds: PAUSED_RETRY_S });
  }

  #pendingFull(): CarpoolError {
    const waiting = this.#queue.size + this.#owner.waitingInside;
    return new CarpoolError(
      'POOL_PENDING_FULL',
      `${this.#owner.name} is paused, and ${waiting} requests wait already (pool.maxPending)`,
    );
  }

  /** @param full there was no room to wait for its turn */
  #rateLimited(waitMs: number, full = false): CarpoolError {
    const { observer, name } = this.#owner;
    observer.rateLimitRefused++;
    const { requestsPerMinute, exceeded, maxWaitMs } = this.#policy.rateLimit;
    return new CarpoolError(
      'RATE_LIMITED',
      `${name}: over ${requestsPerMinute} requests per minute; the next turn is in ${Math.ceil(waitMs)} ms`,
      {
        retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)),
        ...(exceeded === 'queue' ? { hint: full && waitMs <= maxWaitMs ? NO_ROOM_TO_WAIT : TURN_TOO_LATE } : {}),
      },
    );
  }
}
