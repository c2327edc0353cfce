import type { Clock, Timer } from '../clock.ts';
import type { HealthCheckPolicy } from '../config/types.ts';
import type { LookupQueue } from '../discovery/lookup-queue.ts';
import type { EndpointPool } from '../pool/endpoint-pool.ts';
import { Probe, type Question } from './probe.ts';

/** The first check of an endpoint comes within this time, at a random moment of it. */
const FIRST_WITHIN_MS = 1000;
/** Good checks in a row that bring an endpoint back, however high the threshold is. */
const MOST_GOOD = 2;

export type Verdict = 'pending' | 'passing' | 'failing';

/** What the checks of one endpoint ask of the destination's. */
export interface CheckOwner {
  readonly policy: HealthCheckPolicy;
  /** What to ask; a text: why nothing can be asked. */
  question(endpoint: EndpointPool): Question | string;
  /** A check has ended. @param failure why it failed, in words, or null: it passed */
  checked(endpoint: EndpointPool, verdict: Verdict, changed: boolean, failure: string | null): void;
}

export type CheckContext = {
  readonly clock: Clock;
  readonly random: () => number;
  /** Bounds how many checks run at once in all. */
  readonly queue: LookupQueue;
};

/** `waiting` for its time, `queued` for its turn, `running`, `stopped` for good. */
type State =
  | { readonly state: 'waiting'; readonly timer: Timer }
  | { readonly state: 'queued'; readonly leave: () => void }
  | { readonly state: 'running'; readonly probe: Probe | null }
  | { readonly state: 'stopped' };

/** The checks of one endpoint, one after another: a check at a time, one an interval. */
export class EndpointCheck {
  readonly #endpoint: EndpointPool;
  readonly #owner: CheckOwner;
  readonly #context: CheckContext;
  #state: State;
  #verdict: Verdict = 'pending';
  /** In a row. */
  #failed = 0;
  #passed = 0;
  #begunAt = 0;

  constructor(endpoint: EndpointPool, owner: CheckOwner, context: CheckContext) {
    this.#endpoint = endpoint;
    this.#owner = owner;
    this.#context = context;
    this.#state = this.#waiting(this.#firstDelay());
  }

  /** Another policy: what was asked in another way counts no more, and the next check comes soon. The verdict stands until then. */
  restart(): void {
    this.#leave();
    this.#failed = 0;
    this.#passed = 0;
    this.#state = this.#waiting(this.#firstDelay());
  }

  /** No check follows, and the one that runs is given up. */
  stop(): void {
    this.#leave();
    this.#state = { state: 'stopped' };
  }

  #firstDelay(): number {
    return this.#context.random() * Math.min(FIRST_WITHIN_MS, this.#owner.policy.intervalMs);
  }

  #waiting(delayMs: number): State {
    return { state: 'waiting', timer: this.#context.clock.setTimer(() => this.#queue(), delayMs) };
  }

  #leave(): void {
    const state = this.#state;
    if (state.state === 'waiting') state.timer.cancel();
    else if (state.state === 'queued') state.leave();
    else if (state.state === 'running') {
      state.probe?.cancel();
      this.#context.queue.done();
    }
  }

  #queue(): void {
    let begun = false;
    const leave = this.#context.queue.enter(() => {
      begun = true;
      this.#begin();
    }, false);
    if (!begun) this.#state = { state: 'queued', leave };
  }

  #begin(): void {
    const { clock } = this.#context;
    this.#begunAt = clock.now();
    const question = this.#owner.question(this.#endpoint);
    if (typeof question === 'string') {
      this.#state = { state: 'running', probe: null };
      this.#ended(question);
    } else {
      const probe = new Probe(question, clock, (failure) => this.#ended(failure));
      this.#state = { state: 'running', probe };
    }
  }

  #ended(failure: string | null): void {
    const { clock, random, queue } = this.#context;
    const { intervalMs } = this.#owner.policy;
    // A tenth more or less, so that checks of many sidecars do not fall into step.
    const next = this.#begunAt + intervalMs * (0.9 + 0.2 * random());
    this.#state = this.#waiting(Math.max(0, next - clock.now()));
    const changed = this.#count(failure === null);
    this.#owner.checked(this.#endpoint, this.#verdict, changed, failure);
    queue.done();
  }

  /** @returns whether the verdict is another one now */
  #count(good: boolean): boolean {
    const before = this.#verdict;
    const { threshold } = this.#owner.policy;
    this.#failed = good ? 0 : this.#failed + 1;
    this.#passed = good ? this.#passed + 1 : 0;
    const enough = before === 'failing' ? Math.min(MOST_GOOD, threshold) : 1;
    if (this.#failed >= threshold) this.#verdict = 'failing';
    else if (this.#passed >= enough) this.#verdict = 'passing';
    return this.#verdict !== before;
  }
}
