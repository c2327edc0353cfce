import type { Clock, Timer } from '../clock.ts';
import { CarpoolError } from '../errors.ts';
import type { DiscoveryState } from './discovery.ts';
import type { LookupResult, NameLookup } from './dns-stub.ts';
import type { LookupQueue } from './lookup-queue.ts';

/** The addresses of a name, as last answered. */
export type GoodAnswer = {
  readonly name: string;
  readonly addresses: ReadonlySet<string>;
  readonly unknownFamily: 4 | 6 | null;
};

/** One destination that wants to know about a name. */
export interface NameSubscriber {
  /** A good answer; also the cached one, on subscribing. */
  answered(answer: GoodAnswer): void;
  /** No answer; what was told stays. */
  failed(error: CarpoolError): void;
  /** The name has been answered as absent until it is believed: what was told is no more. */
  gone(error: CarpoolError): void;
}

export type DnsNameOptions = {
  readonly lookup: NameLookup;
  readonly queue: LookupQueue;
  readonly clock: Clock;
  readonly random: () => number;
  readonly timing: () => DnsTiming;
  /** Called when the cached answer has expired and nobody subscribes. */
  readonly expired: () => void;
};

/** `discovery.dns` of the configuration, in milliseconds. */
export type DnsTiming = { readonly minTtlMs: number; readonly maxTtlMs: number; readonly negativeTtlMs: number };

/** Between two lookups of one name, whatever asks for them. */
const MIN_INTERVAL_MS = 1_000;
/** In the queue without a first answer; after that those who wait are told. */
const MAX_QUEUED_MS = 10_000;
/** Answers in a row that a name with known addresses is absent, before that is believed. */
const BELIEVE_ABSENT = 3;

type Phase =
  | { readonly phase: 'queued'; readonly leave: () => void; readonly deadline: Timer }
  | { readonly phase: 'asking'; again: boolean }
  | { readonly phase: 'resting'; readonly timer: Timer; readonly due: number }
  | { readonly phase: 'closed' };

/**
 * One name: its last answer, when it is asked for again, and who wants to know. It is asked for at once when made, and
 * then as long as somebody subscribes; otherwise the answer is kept until it expires.
 */
export class DnsName {
  readonly #host: string;
  readonly #options: DnsNameOptions;
  readonly #subscribers = new Set<NameSubscriber>();
  #phase: Phase = { phase: 'closed' };
  #good: GoodAnswer | null = null;
  #goodAt: number | null = null;
  #error: CarpoolError | null = null;
  #absentInRow = 0;
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor(host: string, options: DnsNameOptions) {
    this.#host = host;
    this.#options = options;
    this.#enqueue();
  }

  /** Whether nobody wants to know, so that forgetting it costs one lookup at most. */
  get idle(): boolean {
    return this.#subscribers.size === 0;
  }

  /** Tells `subscriber` what is known, now, and each answer to come. */
  subscribe(subscriber: NameSubscriber): void {
    this.#subscribers.add(subscriber);
    if (this.#good) subscriber.answered(this.#good);
    else if (this.#error) subscriber.failed(this.#error);
  }

  unsubscribe(subscriber: NameSubscriber): void {
    this.#subscribers.delete(subscriber);
  }

  describe(): DiscoveryState {
    const state = this.#error ? 'failing' : this.#good ? 'ready' : 'resolving';
    const ageMs = this.#goodAt === null ? null : this.#options.clock.now() - this.#goodAt;
    return { source: 'dns', state, error: this.#error?.message ?? null, ageMs };
  }

  /** Asks again soon: at once, or as soon as the last question is a second old. */
  refresh(): void {
    if (this.#phase.phase !== 'resting') return;
    const due = Math.max(this.#options.clock.now(), this.#askedAt + MIN_INTERVAL_MS);
    if (due < this.#phase.due) this.#rest(due - this.#options.clock.now());
  }

  /** What is known may be wrong, for the resolver's files have changed: asks again at once. */
  outdated(): void {
    if (this.#phase.phase === 'asking') this.#phase.again = true;
    else if (this.#phase.phase === 'resting') this.#due();
  }

  close(): void {
    this.#leavePhase();
    this.#phase = { phase: 'closed' };
    this.#subscribers.clear();
  }

  #leavePhase(): void {
    if (this.#phase.phase === 'resting') this.#phase.timer.cancel();
    if (this.#phase.phase === 'queued') {
      this.#phase.deadline.cancel();
      this.#phase.leave();
    }
  }

  #rest(ms: number): void {
    this.#leavePhase();
    const { clock } = this.#options;
    this.#phase = { phase: 'resting', timer: clock.setTimer(() => this.#due(), ms), due: clock.now() + ms };
  }

  #due(): void {
    if (this.#subscribers.size > 0) {
      this.#enqueue();
      return;
    }
    this.close();
    this.#options.expired();
  }

  #enqueue(): void {
    this.#leavePhase();
    let started = false;
    const leave = this.#options.queue.enter(() => {
      started = true;
      this.#ask();
    }, this.#good === null);
    if (started) return;
    const deadline = this.#options.clock.setTimer(() => this.#queuedTooLong(), MAX_QUEUED_MS);
    this.#phase = { phase: 'queued', leave, deadline };
  }

  #queuedTooLong(): void {
    this.#answered({
      kind: 'failed',
      error: new CarpoolError(
        'DNS_TIMEOUT',
        `${this.#host} was not looked up: other lookups waited for nameservers for ${MAX_QUEUED_MS / 1_000} s`,
      ),
    });
  }

  #ask(): void {
    if (this.#phase.phase === 'queued') this.#phase.deadline.cancel();
    this.#phase = { phase: 'asking', again: false };
    this.#askedAt = this.#options.clock.now();
    this.#options.lookup
      .lookup(this.#host)
      .catch((cause: unknown): LookupResult => {
        const error = new CarpoolError('INTERNAL', `looking ${this.#host} up threw: ${String(cause)}`, { cause });
        return { kind: 'failed', error };
      })
      .then((result) => {
        this.#options.queue.done();
        if (this.#phase.phase !== 'asking') return;
        if (this.#phase.again) this.#enqueue();
        else this.#answered(result);
      });
  }

  /** Takes an answer in: first the state and the next lookup, then the subscribers, who may do anything in return. */
  #answered(result: LookupResult): void {
    const { minTtlMs, maxTtlMs, negativeTtlMs } = this.#options.timing();
    this.#absentInRow = result.kind === 'absent' ? this.#absentInRow + 1 : 0;
    if (result.kind === 'found') {
      const { name, unknownFamily } = result;
      const good: GoodAnswer = { name, unknownFamily, addresses: new Set(result.addresses) };
      this.#good = good;
      this.#goodAt = this.#options.clock.now();
      this.#error = null;
      // Upwards only, so that minTtl is kept: names that were first asked for together drift apart.
      this.#rest(Math.min(maxTtlMs, Math.max(minTtlMs, result.ttlMs)) * (1 + this.#options.random() / 10));
      this.#tell((subscriber) => subscriber.answered(good));
      return;
    }
    const { error } = result;
    this.#error = error;
    this.#rest(Math.max(MIN_INTERVAL_MS, negativeTtlMs) * (1 + this.#options.random() / 10));
    // A nameserver that has just started, or lost its own source, says NXDOMAIN too: endpoints that may well serve are
    // not given up for one such answer.
    if (this.#good && this.#absentInRow >= BELIEVE_ABSENT) {
      this.#good = null;
      this.#tell((subscriber) => subscriber.gone(error));
    } else this.#tell((subscriber) => subscriber.failed(error));
  }

  #tell(call: (subscriber: NameSubscriber) => void): void {
    for (const subscriber of [...this.#subscribers]) if (this.#subscribers.has(subscriber)) call(subscriber);
  }
}
