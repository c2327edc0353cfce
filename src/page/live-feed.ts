import type { StatusSnapshot, StatusUpdate } from '../status/types.ts';
import { fromSnapshot, type Model, withUpdate } from './model.ts';

/**
 * How the page hears of the sidecar:
 *
 *   connecting ─► live ◄─► late ─► gone ─► live …
 *                  ▲                 │
 *                  └──── asking ◄────┘   the stream is refused, but /status answers
 *
 * asleep: nobody has looked at the page for a while, so that it costs the sidecar nothing.
 */
export type Hearing = 'connecting' | 'live' | 'late' | 'asking' | 'gone' | 'asleep';

/** Milliseconds without a message until it is called late, and until the stream is given up. */
const LATE_MS = 5000;
const DEAD_MS = 15_000;
const LOOK_MS = 1000;
/** Between two tries where the stream is refused. */
const ASK_MS = 5000;
/** How long a page that nobody sees goes on listening. */
const HIDDEN_MS = 60_000;
const ANSWER_MS = 4000;

/** Told of what is heard. The times are those of `performance.now()`. */
export type Listener = {
  model(model: Model): void;
  hearing(hearing: Hearing, heardAt: number): void;
};

/** Follows one stream of the sidecar for as long as the page is open: comes back by itself when the sidecar does. */
export class LiveFeed {
  readonly #listener: Listener;
  #destination: string | null = null;
  #source: EventSource | null = null;
  #model: Model | null = null;
  #hearing: Hearing = 'connecting';
  #heardAt = performance.now();
  /** When the stream was asked for. */
  #openedAt = 0;
  /** Since when nobody sees it: a page may be opened behind others. */
  #hiddenAt: number | null = document.hidden ? performance.now() : null;
  #askAt = 0;
  #asking: AbortController | null = null;

  constructor(listener: Listener) {
    this.#listener = listener;
    setInterval(() => this.#look(), LOOK_MS);
    document.addEventListener('visibilitychange', () => this.#visibility());
  }

  /** Opens the stream, or another one where another destination is looked at. */
  follow(destination: string | null): void {
    if (this.#source !== null && destination === this.#destination) return;
    this.#destination = destination;
    this.#open();
  }

  #open(): void {
    this.#source?.close();
    this.#asking?.abort();
    this.#askAt = 0;
    this.#openedAt = performance.now();
    const source = new EventSource(`status/stream${this.#query()}`);
    this.#source = source;
    source.addEventListener('snapshot', ({ data }: MessageEvent<string>) => {
      const snapshot: StatusSnapshot = JSON.parse(data);
      this.#heard(fromSnapshot(snapshot, this.#model), 'live');
    });
    source.addEventListener('update', ({ data }: MessageEvent<string>) => {
      if (this.#model === null) return;
      const update: StatusUpdate = JSON.parse(data);
      this.#heard(withUpdate(this.#model, update), 'live');
    });
    // The browser tries again by itself, unless it was refused: then /status is asked.
    source.addEventListener('error', () => {
      if (source !== this.#source) return;
      if (source.readyState === EventSource.CLOSED) this.#askAt = performance.now();
      if (this.#hearing !== 'asking') this.#move('gone');
      if (this.#askAt > 0) this.#ask();
    });
  }

  /** What /status says, where the stream is refused: too many readers, or something between that lets no stream through. */
  async #ask(): Promise<void> {
    this.#askAt = performance.now() + ASK_MS;
    this.#asking?.abort();
    const asking = new AbortController();
    this.#asking = asking;
    try {
      const signal = AbortSignal.any([asking.signal, AbortSignal.timeout(ANSWER_MS)]);
      const answer = await fetch(`status${this.#query()}`, { signal });
      const snapshot: StatusSnapshot = await answer.json();
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      if (asking === this.#asking) this.#heard(fromSnapshot(snapshot, this.#model), 'asking');
    } catch {
      if (asking === this.#asking && !asking.signal.aborted) this.#move('gone');
    }
  }

  #query(): string {
    return this.#destination === null ? '' : `?destination=${encodeURIComponent(this.#destination)}`;
  }

  #heard(model: Model, hearing: Hearing): void {
    this.#heardAt = performance.now();
    this.#model = model;
    this.#move(hearing);
    this.#listener.model(model);
  }

  #look(): void {
    const now = performance.now();
    const silent = now - this.#heardAt;
    if (this.#hiddenAt !== null && now - this.#hiddenAt > HIDDEN_MS) this.#sleep();
    if (this.#hearing === 'asleep') return;
    // The stream is tried again; where it is refused again, /status is asked.
    if (this.#askAt > 0 && now >= this.#askAt) this.#open();
    else if (this.#hearing === 'live' && silent > LATE_MS) this.#move('late');
    else if (this.#hearing === 'asking' && silent > DEAD_MS) this.#move('gone');
    else if (this.#hearing === 'late' && silent > DEAD_MS) {
      this.#move('gone');
      this.#open();
    } else if (this.#hearing !== 'live' && this.#askAt === 0 && now - this.#openedAt > DEAD_MS) {
      // Somebody took the connection and says nothing: a port-forward to a pod that is gone does.
      this.#move('gone');
      this.#open();
    } else if (this.#hearing === 'late' || this.#hearing === 'gone') this.#move(this.#hearing);
  }

  #visibility(): void {
    this.#hiddenAt = document.hidden ? performance.now() : null;
    if (this.#hearing !== 'asleep' || document.hidden) return;
    this.#move('connecting');
    this.#open();
  }

  #sleep(): void {
    this.#source?.close();
    this.#source = null;
    this.#asking?.abort();
    this.#askAt = 0;
    this.#move('asleep');
  }

  #move(hearing: Hearing): void {
    this.#hearing = hearing;
    this.#listener.hearing(hearing, this.#heardAt);
  }
}
