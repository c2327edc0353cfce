import type { Clock, Timer } from '../../clock.ts';
import type { LookupQueue } from '../lookup-queue.ts';
import { ApiBackoff } from './api-backoff.ts';
import { ApiError, asApiError, type KubeApi, servicePath } from './kube-api.ts';
import type { ServiceFacts } from './objects.ts';
import { readService, UnreadableObject } from './read-objects.ts';

/** What the API server said about a Service. */
export type ServiceAnswer =
  /** Nothing yet. */
  | { readonly kind: 'asking' }
  /** `error`: why it could not be read again since; what was read goes on being used. */
  | { readonly kind: 'found'; readonly facts: ServiceFacts; readonly error: ApiError | null }
  /** 404: the name belongs to DNS. */
  | { readonly kind: 'absent' }
  /** 403 */
  | { readonly kind: 'refused'; readonly error: ApiError }
  /** No answer, and none before; it is asked again. */
  | { readonly kind: 'failed'; readonly error: ApiError };

export type ServiceRecordOptions = {
  readonly api: () => Promise<KubeApi>;
  readonly queue: LookupQueue;
  readonly clock: Clock;
  readonly random: () => number;
  /** There is another answer, or the same with other facts. */
  readonly changed: (record: ServiceRecord) => void;
  /** Nobody wants it and what is remembered is too old to be worth anything. */
  readonly expired: (record: ServiceRecord) => void;
};

/** How long a Service's facts, a 404 and a 403 are believed; ± 20 %, so that sidecars do not ask together. */
const BELIEVED_MS = 300_000;
/** Between two questions, whatever asks for them. */
const MIN_INTERVAL_MS = 1000;

type Phase =
  | { readonly phase: 'queued'; readonly leave: () => void }
  | { readonly phase: 'asking' }
  | { readonly phase: 'resting'; readonly timer: Timer; readonly due: number }
  | { readonly phase: 'closed' };

/**
 * One Service as the API server tells it: asked for when made, again every five minutes while somebody wants it, and
 * sooner where its EndpointSlices suggest that it has changed.
 */
export class ServiceRecord {
  readonly namespace: string;
  readonly name: string;
  /** Subscriptions that want it. */
  users = 0;
  readonly #options: ServiceRecordOptions;
  readonly #backoff: ApiBackoff;
  #answer: ServiceAnswer = { kind: 'asking' };
  #phase: Phase = { phase: 'closed' };
  #askedAt = Number.NEGATIVE_INFINITY;
  /** Something has changed since the question that is under way was asked. */
  #changedSince = false;

  constructor(namespace: string, name: string, options: ServiceRecordOptions) {
    this.namespace = namespace;
    this.name = name;
    this.#options = options;
    this.#backoff = new ApiBackoff(options.random);
    this.#enqueue();
  }

  get answer(): ServiceAnswer {
    return this.#answer;
  }

  /** Why the last question had no good answer, or null. */
  get error(): ApiError | null {
    const answer = this.#answer;
    return answer.kind === 'asking' || answer.kind === 'absent' ? null : answer.error;
  }

  /** It may have changed: asks at once, or as soon as the last question is a second old. After a failure it waits its time. */
  outdated(): void {
    if (this.#phase.phase === 'asking') this.#changedSince = true;
    else if (!this.#backoff.failing) this.askAgain();
  }

  /** As `outdated`, after a failure too. */
  askAgain(): void {
    if (this.#phase.phase !== 'resting') return;
    const now = this.#options.clock.now();
    const due = Math.max(now, this.#askedAt + MIN_INTERVAL_MS);
    if (due < this.#phase.due) this.#rest(due - now);
  }

  close(): void {
    this.#leavePhase();
    this.#phase = { phase: 'closed' };
  }

  #leavePhase(): void {
    if (this.#phase.phase === 'resting') this.#phase.timer.cancel();
    if (this.#phase.phase === 'queued') this.#phase.leave();
  }

  #rest(ms: number): void {
    this.#leavePhase();
    const { clock } = this.#options;
    this.#phase = { phase: 'resting', timer: clock.setTimer(() => this.#due(), ms), due: clock.now() + ms };
  }

  #due(): void {
    if (this.users > 0) {
      this.#enqueue();
      return;
    }
    this.close();
    this.#options.expired(this);
  }

  #enqueue(): void {
    this.#leavePhase();
    let started = false;
    const leave = this.#options.queue.enter(() => {
      started = true;
      void this.#ask();
    }, this.#answer.kind === 'asking');
    if (!started) this.#phase = { phase: 'queued', leave };
  }

  async #ask(): Promise<void> {
    const { clock, queue } = this.#options;
    this.#phase = { phase: 'asking' };
    this.#changedSince = false;
    this.#askedAt = clock.now();
    let answer: ServiceAnswer;
    try {
      const api = await this.#options.api();
      answer = {
        kind: 'found',
        facts: readService(await api.get(servicePath(this.namespace, this.name))),
        error: null,
      };
    } catch (error) {
      answer = this.#failed(error);
    }
    queue.done();
    if (this.#phase.phase !== 'asking') return;
    this.#take(answer);
  }

  /** What a question without an answer means. */
  #failed(thrown: unknown): ServiceAnswer {
    const error = asServiceError(thrown, `Service ${this.namespace}/${this.name}`);
    if (error.kind === 'not_found') return { kind: 'absent' };
    if (error.kind === 'forbidden') return { kind: 'refused', error };
    if (this.#answer.kind === 'found') return { ...this.#answer, error };
    return { kind: 'failed', error };
  }

  #take(answer: ServiceAnswer): void {
    const error = answer.kind === 'failed' || answer.kind === 'found' ? answer.error : null;
    if (error === null) this.#backoff.reset();
    const before = this.#answer;
    this.#answer = answer;
    this.#rest(error === null ? this.#spread(BELIEVED_MS) : this.#backoff.after(error));
    if (this.#changedSince) this.outdated();
    if (!sameAnswer(before, answer)) this.#options.changed(this);
  }

  #spread(ms: number): number {
    return ms * (0.8 + 0.4 * this.#options.random());
  }
}

function asServiceError(thrown: unknown, what: string): ApiError {
  if (thrown instanceof UnreadableObject)
    return new ApiError(
      'not_an_api',
      `${what} could not be read: ${thrown.message}`,
      'Is this a Kubernetes API server?',
    );
  return asApiError(thrown, `${what} could not be asked for`);
}

function sameAnswer(a: ServiceAnswer, b: ServiceAnswer): boolean {
  // Facts are small and plain: their text says whether they differ.
  return JSON.stringify(comparable(a)) === JSON.stringify(comparable(b));
}

function comparable(answer: ServiceAnswer): unknown {
  if (answer.kind === 'found') return { facts: answer.facts, error: answer.error?.message };
  return answer.kind === 'asking' || answer.kind === 'absent' ? answer.kind : [answer.kind, answer.error.message];
}
