import { CliError, EXIT } from '../cli/deps.ts';
import { call, showTarget, type Target } from '../cli/http-call.ts';
import { parseObject, textAt } from '../cli/json-reader.ts';
import type { Clock, Timer } from '../clock.ts';
import type { StatusSnapshot } from '../status/types.ts';
import { type Heard, hear, type Link } from './link.ts';
import { readStatus } from './read-status.ts';

const TIMEOUT_MS = 5000;
/** Points of histories are as long as this: asked for more often they would say the same, and they are most of an answer. */
const HISTORY_EVERY_MS = 5000;

export type PollerEvents = {
  /** There is an answer, or there is none: look at the link. */
  readonly changed: () => void;
  /** To ask again is of no use: the address is wrong. */
  readonly failed: (error: unknown) => void;
};

/** Asks `/status` again and again: one question at a time, an interval after the answer to the one before. */
export class Poller {
  readonly #target: Target;
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #events: PollerEvents;
  #link: Link = { state: 'asking' };
  #destination: string | null = null;
  #history: { readonly of: StatusSnapshot['history']; readonly at: number } | null = null;
  #timer: Timer | null = null;
  #asking = false;
  /** Something else is to be asked for when the question that runs is answered. */
  #again = false;
  readonly #stopped = new AbortController();

  /** @param intervalMs between an answer and the next question */
  constructor(target: Target, intervalMs: number, clock: Clock, events: PollerEvents) {
    this.#target = target;
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#events = events;
  }

  get link(): Link {
    return this.#link;
  }

  /** Asks at once, and from then on for `destination` in detail, or for none. */
  ask(destination: string | null): void {
    this.#destination = destination;
    if (this.#asking) this.#again = true;
    else this.#start();
  }

  /** Ends the question that runs, too. */
  stop(): void {
    this.#stopped.abort();
    this.#timer?.cancel();
    this.#timer = null;
  }

  #start(): void {
    this.#round().catch((error: unknown) => this.#events.failed(error));
  }

  async #round(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = null;
    this.#asking = true;
    this.#again = false;
    const heard = await this.#question();
    this.#asking = false;
    if (this.#stopped.signal.aborted) return;
    this.#link = hear(this.#link, heard, this.#clock.now());
    if (this.#again) this.#start();
    else this.#timer = this.#clock.setTimer(() => this.#start(), this.#intervalMs);
    this.#events.changed();
  }

  async #question(): Promise<Heard> {
    const name = this.#destination;
    const now = this.#clock.now();
    const kept = this.#history !== null && now - this.#history.at < HISTORY_EVERY_MS ? this.#history.of : null;
    const options = kept === null ? [] : ['history=none'];
    try {
      const detailed = name === null ? null : await this.#get([`destination=${encodeURIComponent(name)}`, ...options]);
      // A destination that has gone, or that a restarted sidecar does not know yet: the rest is still worth seeing.
      const { status, body } = detailed?.status === 200 ? detailed : await this.#get(options);
      const from = showTarget(this.#target);
      if (status === 200) {
        const snapshot = readStatus(body, from);
        if (kept !== null) return { kind: 'answer', snapshot: { ...snapshot, history: kept } };
        this.#history = { of: snapshot.history, at: now };
        return { kind: 'answer', snapshot };
      }
      if (status === 404)
        return { kind: 'problem', problem: `${from} has no /status: the sidecar there is older than this program` };
      const words = textAt(parseObject(body, from), 'message');
      return { kind: 'problem', problem: words || `${from} answered with status ${status}` };
    } catch (error) {
      if (this.#stopped.signal.aborted) return { kind: 'problem', problem: 'it was stopped' };
      // A wrong address is not going to become right.
      if (!(error instanceof CliError) || error.exitCode === EXIT.usage) throw error;
      return { kind: 'problem', problem: error.message };
    }
  }

  #get(query: readonly string[]): Promise<{ readonly status: number; readonly body: string }> {
    const stopped = this.#stopped.signal;
    const path = query.length === 0 ? '/status' : `/status?${query.join('&')}`;
    return call(this.#target, { method: 'GET', path, timeoutMs: TIMEOUT_MS, stopped }, this.#clock);
  }
}
