import type { Clock, Timer } from '../../clock.ts';
import { ApiBackoff } from './api-backoff.ts';
import {
  type ApiError,
  type ApiFailureKind,
  asApiError,
  type KubeApi,
  slicesPath,
  type WatchHandle,
} from './kube-api.ts';
import { objectMeta } from './read-objects.ts';
import { olderVersion } from './resource-version.ts';
import { type ListAge, listSlices, type SliceList } from './slice-list.ts';
import { endedAtOnce, silentWatch, unanswered, wentBack } from './watch-failure.ts';

/** What a reflector tells. Any of them may close it; one that throws is reported and does no harm. */
export interface ReflectorHandlers {
  /**
   * A complete list of what the selector picks: it stands in place of all that was told before.
   * @param latest whether the server read it anew, so that it goes even where it seems older than what is known
   */
  listed(list: SliceList, latest: boolean): void;
  /** The watch is open, or open again. */
  opened(): void;
  /** @param readAt `clock.now()` when the event's last byte was read */
  event(type: string, object: unknown, readAt: number): void;
  /** A call failed; it is tried again. Not for what is part of the game: an ended watch, a version that is too old. */
  failed(error: ApiError): void;
  /** The watch has stood for a while, so that what failed before is over. May come often. */
  healthy(): void;
}

export type ReflectorOptions = {
  readonly api: () => Promise<KubeApi>;
  readonly clock: Clock;
  /** 0 to 1, for jitter. */
  readonly random: () => number;
  readonly namespace: string;
  readonly labelSelector: string;
  /** The first list is not to be older than this; null: whatever the server has at hand. */
  readonly version: string | null;
  readonly handlers: ReflectorHandlers;
  /** A handler threw. */
  readonly fault: (cause: unknown) => void;
};

/** Without an answer to a list's page, or to the request for a watch. */
const ANSWER_MS = 30_000;
/** Without any news on a watch, bookmarks (one a minute) included. */
const SILENCE_MS = 150_000;
/** A watch that ends sooner than this is a failure, however friendly the end. */
const MIN_WATCH_MS = 1_000;
/** After this long without a failure the back-off begins anew. */
const RESET_MS = 120_000;
/** How often an open watch is looked at. */
const CHECK_MS = 10_000;
/** By more than this the wall clock moves against the monotonic one only where the node slept. */
const JUMP_MS = 60_000;
/** `timeoutSeconds` of a watch, at random in between, so that those which began together do not renew together. */
const MIN_TIMEOUT_S = 600;
const MAX_TIMEOUT_S = 1_200;
/** Watches in a row that failed without any news, before it is listed again. */
const MAX_FAILED_WATCHES = 2;

/** After these it makes no sense to go on from the version that is known. */
const LIST_AGAIN: ReadonlySet<ApiFailureKind> = new Set(['gone', 'invalid', 'not_found', 'not_an_api']);

type Phase =
  | { readonly state: 'new' }
  | { readonly state: 'listing'; deadline: Timer }
  | { readonly state: 'opening'; readonly handle: WatchHandle; readonly deadline: Timer }
  | { readonly state: 'watching'; readonly handle: WatchHandle; readonly openedAt: number; check: Timer }
  | { readonly state: 'waiting'; readonly timer: Timer; readonly next: 'list' | 'watch' }
  | { readonly state: 'closed' };

/**
 * Keeps up with the EndpointSlices of one namespace that one label selector picks: lists them, then watches from there,
 * for as long as it lives and whatever the server answers. At any moment it has one call under way at most.
 */
export class Reflector {
  readonly #options: ReflectorOptions;
  readonly #path: string;
  readonly #backoff: ApiBackoff;
  #labelSelector: string;
  #phase: Phase = { state: 'new' };
  /** Which call is under way: what an earlier one still says is not heard. */
  #turn = 0;
  #api: KubeApi | null = null;
  #version: string | null;
  #latest = false;
  #newsAt = Number.NEGATIVE_INFINITY;
  /** Since when nothing failed; null: the last call failed, or none was good yet. */
  #goodSince: number | null = null;
  /** What failed last, until `over`: until a watch is open, or (where an open one was silent) until one tells something. */
  #trouble: { readonly error: ApiError; readonly over: 'opened' | 'news' } | null = null;
  #failedWatches = 0;
  #goneInRow = 0;
  /** The wall clock's lead over the monotonic one, as seen last. */
  #lead = 0;

  constructor(options: ReflectorOptions) {
    const { namespace, random, labelSelector, version } = options;
    this.#options = options;
    this.#path = slicesPath(namespace);
    this.#backoff = new ApiBackoff(random);
    this.#labelSelector = labelSelector;
    this.#version = version;
  }

  get state(): Phase['state'] {
    return this.#phase.state;
  }

  /** Whether the watch is open, or was and is only being renewed. */
  get connected(): boolean {
    return this.#goodSince !== null && this.#phase.state !== 'closed';
  }

  /** Why it is not connected, or null. */
  get error(): ApiError | null {
    return this.#trouble?.error ?? null;
  }

  /** Up to which resource version everything has been told. */
  get version(): string | null {
    return this.#version;
  }

  start(): void {
    if (this.#phase.state === 'new') this.#list();
  }

  close(): void {
    this.#leave();
    this.#phase = { state: 'closed' };
  }

  /** While it waits after a failure: what it is to list next time. @returns false: it does not wait */
  reselect(labelSelector: string): boolean {
    if (this.#phase.state !== 'waiting') return false;
    this.#labelSelector = labelSelector;
    this.#phase = { ...this.#phase, next: 'list' };
    return true;
  }

  /** Ends a wait after a failure. */
  retryNow(): void {
    this.#waited();
  }

  /** Ends what is under way. @returns the turn of what comes instead */
  #leave(): number {
    const phase = this.#phase;
    this.#turn++;
    if (phase.state === 'listing' || phase.state === 'opening') phase.deadline.cancel();
    if (phase.state === 'watching') phase.check.cancel();
    if (phase.state === 'waiting') phase.timer.cancel();
    if (phase.state === 'opening' || phase.state === 'watching') phase.handle.abort();
    return this.#turn;
  }

  #waited(): void {
    if (this.#phase.state !== 'waiting') return;
    if (this.#phase.next === 'list') this.#list();
    else this.#watch();
  }

  // --- listing

  #list(): void {
    const turn = this.#leave();
    this.#phase = { state: 'listing', deadline: this.#answerBy('list') };
    const age: ListAge = this.#latest
      ? { age: 'latest' }
      : this.#version === null
        ? { age: 'cached' }
        : { age: 'not_older', version: this.#version };
    this.#readList(turn, age).then(
      (list) => {
        if (list !== null && turn === this.#turn) this.#listed(list, age.age === 'latest');
      },
      (thrown: unknown) => {
        if (turn === this.#turn) this.#failed(asApiError(thrown, 'EndpointSlices could not be listed'), 'list');
      },
    );
  }

  async #readList(turn: number, age: ListAge): Promise<SliceList | null> {
    const api = await this.#options.api();
    if (turn !== this.#turn) return null;
    this.#api = api;
    return listSlices(api, this.#path, this.#labelSelector, age, () => {
      if (turn !== this.#turn || this.#phase.state !== 'listing') return false;
      this.#phase.deadline.cancel();
      this.#phase.deadline = this.#answerBy('list');
      return true;
    });
  }

  #listed(list: SliceList, latest: boolean): void {
    this.#version = list.version;
    this.#latest = false;
    this.#failedWatches = 0;
    this.#newsAt = this.#options.clock.now();
    const turn = this.#turn;
    this.#call(() => this.#options.handlers.listed(list, latest));
    if (turn === this.#turn) this.#watch();
  }

  // --- watching

  #watch(): void {
    const { clock, random } = this.#options;
    const silent = clock.now() - this.#newsAt >= SILENCE_MS;
    if (this.#api === null || this.#version === null || silent) {
      this.#list();
      return;
    }
    const turn = this.#leave();
    const timeoutSeconds = MIN_TIMEOUT_S + Math.floor(random() * (MAX_TIMEOUT_S - MIN_TIMEOUT_S + 1));
    const query = {
      labelSelector: this.#labelSelector,
      resourceVersion: this.#version,
      allowWatchBookmarks: true,
      timeoutSeconds,
    };
    const handle = this.#api.watch(this.#path, query, {
      opened: () => {
        if (turn === this.#turn) this.#opened();
      },
      event: (type, object, readAt) => {
        if (turn === this.#turn) this.#event(type, object, readAt);
      },
      ended: (error) => {
        if (turn === this.#turn) this.#ended(error);
      },
    });
    this.#phase = { state: 'opening', handle, deadline: this.#answerBy('watch') };
  }

  #opened(): void {
    if (this.#phase.state !== 'opening') return;
    const { handle, deadline } = this.#phase;
    const { clock, handlers } = this.#options;
    deadline.cancel();
    this.#lead = clock.wall() - clock.now();
    this.#phase = { state: 'watching', handle, openedAt: clock.now(), check: this.#checkLater() };
    if (this.#trouble?.over !== 'news') this.#good();
    this.#call(() => handlers.opened());
  }

  #event(type: string, object: unknown, readAt: number): void {
    const { resourceVersion } = objectMeta(object);
    const known = this.#version;
    if (resourceVersion !== null && known !== null && olderVersion(resourceVersion, known)) {
      // An event out of order is no harm; after this, what is known is of a time that never was.
      if (type === 'BOOKMARK') {
        this.#failed(wentBack(this.#options.namespace), 'watch');
        return;
      }
    } else if (resourceVersion !== null) this.#version = resourceVersion;
    this.#newsAt = this.#options.clock.now();
    this.#failedWatches = 0;
    this.#goneInRow = 0;
    if (this.#goodSince === null) this.#good();
    this.#call(() => this.#options.handlers.event(type, object, readAt));
  }

  #ended(error: ApiError | null): void {
    const { clock } = this.#options;
    const opened = this.#phase.state === 'watching';
    const stood = this.#phase.state === 'watching' ? clock.now() - this.#phase.openedAt : 0;
    if (error === null && stood >= MIN_WATCH_MS) this.#watch();
    // The node slept: whoever noticed first dropped all connections, or the network did.
    else if (error?.kind === 'unreachable' && opened && this.#jumped()) this.#watch();
    else this.#failed(error ?? endedAtOnce(this.#options.namespace), 'watch');
  }

  #good(): void {
    this.#goodSince ??= this.#options.clock.now();
    this.#trouble = null;
  }

  #checkLater(): Timer {
    const { clock } = this.#options;
    const left = this.#newsAt + SILENCE_MS - clock.now();
    return clock.setTimer(() => this.#check(), Math.min(CHECK_MS, Math.max(0, left)));
  }

  /** Looks whether an open watch is still worth something. */
  #check(): void {
    if (this.#phase.state !== 'watching') return;
    const { clock, handlers } = this.#options;
    if (clock.now() - this.#newsAt >= SILENCE_MS) {
      this.#silent();
      return;
    }
    if (this.#jumped()) {
      this.#leave();
      this.#api?.reconnect();
      this.#watch();
      return;
    }
    this.#phase.check = this.#checkLater();
    if (this.#trouble === null) this.#call(() => handlers.healthy());
  }

  /** Whether the wall clock has jumped against the monotonic one, which stands still while the node sleeps. */
  #jumped(): boolean {
    const { clock } = this.#options;
    const before = this.#lead;
    this.#lead = clock.wall() - clock.now();
    return Math.abs(this.#lead - before) > JUMP_MS;
  }

  // --- failures

  /** Nothing at all on an open watch: the connection is dead, or the server never tells. A list shows which. */
  #silent(): void {
    this.#leave();
    this.#api?.reconnect();
    const error = silentWatch(this.#options.namespace, SILENCE_MS);
    this.#goodSince = null;
    this.#trouble = { error, over: 'news' };
    this.#list();
    this.#call(() => this.#options.handlers.failed(error));
  }

  #answerBy(verb: 'list' | 'watch'): Timer {
    return this.#options.clock.setTimer(() => {
      this.#leave();
      this.#api?.reconnect();
      this.#failed(unanswered(verb, this.#options.namespace, ANSWER_MS), verb);
    }, ANSWER_MS);
  }

  #failed(error: ApiError, verb: 'list' | 'watch'): void {
    // A server that no longer knows the version, or does not know it yet (504), is asked for what it does know.
    if (error.kind === 'gone' || error.kind === 'invalid' || error.status === 504) this.#latest = true;
    if (error.kind === 'gone' && ++this.#goneInRow === 1) {
      this.#list();
      return;
    }
    const { clock, handlers } = this.#options;
    this.#leave();
    if (this.#goodSince !== null && clock.now() - this.#goodSince >= RESET_MS) this.#backoff.reset();
    this.#goodSince = null;
    this.#trouble = { error, over: 'opened' };
    if (verb === 'watch') this.#failedWatches++;
    const again = verb === 'list' || this.#failedWatches >= MAX_FAILED_WATCHES || LIST_AGAIN.has(error.kind);
    const timer = clock.setTimer(() => this.#waited(), this.#backoff.after(error));
    this.#phase = { state: 'waiting', timer, next: again ? 'list' : 'watch' };
    this.#call(() => handlers.failed(error));
  }

  #call(handler: () => void): void {
    try {
      handler();
    } catch (cause) {
      this.#options.fault(cause);
    }
  }
}
