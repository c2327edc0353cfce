import type { Clock, Timer } from '../../clock.ts';
import type { AddressRange } from '../address-range.ts';
import type { ProblemLog } from './discovery-log.ts';
import type { ApiError, KubeApi } from './kube-api.ts';
import type { SliceFacts } from './objects.ts';
import { Reflector } from './reflector.ts';
import type { SliceList } from './slice-list.ts';
import { SliceStore } from './slice-store.ts';
import { type Coverage, coverageFor, covers, coversAll, selectorOf } from './watch-coverage.ts';
import { WatchReport } from './watch-report.ts';

export type NamespaceWatchOptions = {
  readonly namespace: string;
  /** The client; asked for before each list. */
  readonly api: () => Promise<KubeApi>;
  readonly clock: Clock;
  /** 0 to 1, for jitter. */
  readonly random: () => number;
  readonly problems: ProblemLog;
  /** Addresses that may be dialled although no pod has such. */
  readonly allow?: () => readonly AddressRange[];
  /**
   * The slices of a wanted Service are others now, or known for the first time.
   * @param readAt `clock.now()` when the event's last byte was read; null: a list told it
   */
  readonly onChange: (service: string, readAt: number | null) => void;
  /** `connected` or `error` is another now. */
  readonly onState?: () => void;
  /** Each event of the API: ADDED, MODIFIED, DELETED, BOOKMARK; LIST: a whole list. */
  readonly onEvent?: (type: string) => void;
};

/** Between two changes of what is watched. */
const CHANGE_MS = 500;
/** How long names that nobody wants any more stay in the selector, unless it changes anyway. */
const SHRINK_MS = 60_000;
/** How long there may be two watches while one takes the place of the other. */
const OVERLAP_MS = 30_000;
/** After a change that did not come about in that time; doubles. */
const RETRY_MS = 5_000;
const RETRY_MAX_MS = 60_000;

/** One reflector and what it is about: `asked` goes into its requests, `listed` is what its last list was about. */
type Follower = { readonly reflector: Reflector; asked: Coverage; listed: Coverage | undefined };

type Following =
  /** Nothing is wanted: no call to the API. */
  | { readonly state: 'idle' }
  | { readonly state: 'steady'; readonly current: Follower }
  /** `next` takes the place of `current` once it is listed and its watch is open. */
  | { readonly state: 'changing'; readonly current: Follower; readonly next: Follower; readonly overdue: Timer }
  | { readonly state: 'closed' };

/**
 * The one watch of a namespace: follows the EndpointSlices of the Services that are wanted there. What is known of a
 * Service stays until something newer takes its place, over a change of the selector and over any outage.
 */
export class NamespaceWatch {
  readonly #options: NamespaceWatchOptions;
  readonly #report: WatchReport;
  readonly #store: SliceStore;
  readonly #wanted = new Map<string, number>();
  #following: Following = { state: 'idle' };
  /** Which Services the store knows; undefined: none yet. */
  #known: Coverage | undefined = undefined;
  /** No change of the selector before this. */
  #notBefore = Number.NEGATIVE_INFINITY;
  /** Subscriptions in the namespace, whether they want slices or not. */
  users = 0;
  #failedChanges = 0;
  #change: Timer | null = null;
  #shrink: Timer | null = null;
  #toldState = '';

  constructor(options: NamespaceWatchOptions) {
    this.#options = options;
    this.#report = new WatchReport(options.problems, options.namespace);
    this.#store = new SliceStore({
      allow: options.allow ?? (() => []),
      unreadable: (first) => this.#report.unreadable(first),
    });
  }

  /** Begins to follow the Service's slices; each call is undone by one `unwant`. */
  want(service: string): void {
    const count = this.#wanted.get(service) ?? 0;
    this.#wanted.set(service, count + 1);
    if (count === 0) this.#adjust();
  }

  unwant(service: string): void {
    const count = this.#wanted.get(service) ?? 0;
    if (count > 1) this.#wanted.set(service, count - 1);
    else if (this.#wanted.delete(service)) this.#unwanted();
  }

  /** The slices of a wanted Service by name; null: not known yet, or not wanted. */
  slices(service: string): readonly SliceFacts[] | null {
    const known = this.#known !== undefined && covers(this.#known, service) && this.#wanted.has(service);
    return known ? this.#store.slices(service) : null;
  }

  /** All slices that are known, of Services wanted or not, in no order. */
  allSlices(): readonly SliceFacts[] {
    return this.#store.all();
  }

  /** Whether there is anything to watch. */
  get active(): boolean {
    return this.#following.state === 'steady' || this.#following.state === 'changing';
  }

  /** Whether the watch is open, or was and is only being renewed. */
  get connected(): boolean {
    return this.#followers().some(({ reflector }) => reflector.connected);
  }

  /** Why there is no news at the moment, or none of the Services that were wanted last. */
  get error(): ApiError | null {
    for (const { reflector } of this.#followers()) if (reflector.error !== null) return reflector.error;
    return null;
  }

  /** Ends a wait after a failure: what failed may be mended. */
  retryNow(): void {
    for (const { reflector } of this.#followers()) reflector.retryNow();
  }

  close(): void {
    this.#stop();
    this.#following = { state: 'closed' };
    this.#wanted.clear();
  }

  #followers(): readonly Follower[] {
    const following = this.#following;
    if (following.state === 'changing') return [following.current, following.next];
    return following.state === 'steady' ? [following.current] : [];
  }

  // --- what is watched

  /** Sees to it that what is watched is what is wanted, as soon as that may be. */
  #adjust(): void {
    const following = this.#following;
    if (following.state === 'closed' || this.#wanted.size === 0) return;
    if (following.state === 'idle') {
      if (this.#tooSoon()) return;
      this.#following = { state: 'steady', current: this.#follow(coverageFor(this.#wanted.keys(), undefined), null) };
      return;
    }
    const names = this.#wanted.keys();
    if (following.state === 'changing') {
      if (coversAll(following.next.asked, names)) return;
      // Names came back that `current` still has: the change is not needed any more. (Once `next` has listed, they are
      // not known any more, so that only another list helps.)
      const listed = following.next.listed !== undefined;
      if (!listed && coversAll(following.current.asked, this.#wanted.keys())) this.#abandon();
      // Otherwise it is heard of again when the change is over.
      else this.#reselect(following.next);
      return;
    }
    if (!coversAll(following.current.asked, names))
      this.#changeTo(coverageFor(this.#wanted.keys(), following.current.asked));
  }

  /** Changes what is watched: at once, or when the last change is old enough. */
  #changeTo(coverage: Coverage): void {
    const { clock } = this.#options;
    if (this.#following.state !== 'steady') return;
    const { current } = this.#following;
    // One that has to begin anew takes it along; one that has not listed yet is let do so first.
    if (this.#reselect(current) || current.listed === undefined) return;
    if (this.#tooSoon()) return;
    const next = this.#follow(coverage, current.reflector.version);
    const overdue = clock.setTimer(() => this.#overdue(), OVERLAP_MS);
    this.#following = { state: 'changing', current, next, overdue };
  }

  /** Whether a change has to wait, after which `#adjust` is called again. */
  #tooSoon(): boolean {
    const { clock } = this.#options;
    const wait = this.#notBefore - clock.now();
    if (wait <= 0) return false;
    this.#change ??= clock.setTimer(() => {
      this.#change = null;
      this.#adjust();
    }, wait);
    return true;
  }

  /** A follower that waits after a failure begins again with what is wanted now. @returns false: it does not wait */
  #reselect(follower: Follower): boolean {
    const coverage = coverageFor(this.#wanted.keys(), follower.asked);
    if (!follower.reflector.reselect(selectorOf(coverage))) return false;
    follower.asked = coverage;
    return true;
  }

  #follow(asked: Coverage, version: string | null): Follower {
    const { api, clock, random, namespace, onEvent } = this.#options;
    this.#notBefore = clock.now() + CHANGE_MS;
    this.#change?.cancel();
    this.#change = null;
    const reflector = new Reflector({
      api,
      clock,
      random,
      namespace,
      labelSelector: selectorOf(asked),
      version,
      fault: (cause) => this.#fault(cause),
      handlers: {
        listed: (list, latest) => {
          onEvent?.('LIST');
          this.#listed(follower, list, latest);
        },
        opened: () => this.#opened(follower),
        event: (type, object, readAt) => {
          onEvent?.(type);
          this.#tell(this.#store.apply(type, object), readAt);
          this.#stateSeen();
        },
        failed: (error) => this.#failed(error),
        healthy: () => this.#healthy(),
      },
    });
    const follower: Follower = { reflector, asked, listed: undefined };
    reflector.start();
    return follower;
  }

  #unwanted(): void {
    if (this.#wanted.size === 0) {
      this.#stop();
      if (this.#following.state !== 'closed') this.#following = { state: 'idle' };
      return;
    }
    this.#shrinkLater();
  }

  #shrinkLater(): void {
    this.#shrink ??= this.#options.clock.setTimer(() => {
      this.#shrink = null;
      this.#shrinkNow();
    }, SHRINK_MS);
  }

  #shrinkNow(): void {
    const following = this.#following;
    if (following.state !== 'steady' || this.#tooSoon()) {
      this.#shrinkLater();
      return;
    }
    const { asked } = following.current;
    const coverage = coverageFor(this.#wanted.keys(), asked);
    if (selectorOf(coverage) !== selectorOf(asked)) this.#changeTo(coverage);
  }

  #stop(): void {
    const { clock } = this.#options;
    for (const { reflector } of this.#followers()) reflector.close();
    if (this.#following.state === 'changing') this.#following.overdue.cancel();
    this.#change?.cancel();
    this.#change = null;
    this.#shrink?.cancel();
    this.#shrink = null;
    this.#notBefore = Math.min(this.#notBefore, clock.now() + CHANGE_MS);
    this.#known = undefined;
    this.#failedChanges = 0;
    this.#toldState = '';
    this.#store.clear();
    this.#report.forget();
  }

  // --- what the reflectors tell

  #listed(follower: Follower, list: SliceList, latest: boolean): void {
    const following = this.#following;
    const { asked } = follower;
    follower.listed = asked;
    if (following.state === 'changing') {
      // What `next` has listed knows more than what `current` could.
      if (follower === following.current && following.next.listed !== undefined) return;
    }
    const before = this.#known;
    const knew = (service: string) => before !== undefined && covers(before, service);
    const kept = [...this.#wanted.keys()].filter((service) => !covers(asked, service) && knew(service));
    this.#known = asked === null ? null : new Set([...asked, ...kept]);
    // The other watch may have told of later things than this list: those stay.
    const newerThan = following.state === 'changing' && !latest ? list.version : null;
    const keep = new Set(kept);
    const changed = this.#store.replace(list.items, {
      version: list.version,
      newerThan,
      keep: (service) => keep.has(service),
    });
    for (const service of this.#wanted.keys()) if (covers(asked, service) && !knew(service)) changed.add(service);
    this.#tell(changed, null);
    this.#adjust();
  }

  #opened(follower: Follower): void {
    const following = this.#following;
    if (following.state === 'changing' && follower === following.next) this.#take(following.next);
    this.#stateSeen();
  }

  /** `next` stands: from now on it is the only one. */
  #take(next: Follower): void {
    if (this.#following.state !== 'changing') return;
    this.#following.current.reflector.close();
    this.#following.overdue.cancel();
    this.#following = { state: 'steady', current: next };
    this.#failedChanges = 0;
    this.#adjust();
  }

  /** Two watches for too long: the one that has a list stays, the old one rather than none. */
  #overdue(): void {
    if (this.#following.state !== 'changing') return;
    const { next } = this.#following;
    if (next.listed !== undefined) {
      this.#take(next);
      return;
    }
    const { clock, random } = this.#options;
    const failures = Math.min(this.#failedChanges + 1, 10);
    this.#notBefore = clock.now() + (Math.min(RETRY_MAX_MS, RETRY_MS * 2 ** (failures - 1)) * (1 + random())) / 2;
    this.#abandon();
    this.#failedChanges = failures;
    this.#adjust();
  }

  /** Stays with `current`. */
  #abandon(): void {
    if (this.#following.state !== 'changing') return;
    const { current, next, overdue } = this.#following;
    overdue.cancel();
    next.reflector.close();
    this.#failedChanges = 0;
    this.#following = { state: 'steady', current };
    this.#stateSeen();
  }

  #failed(error: ApiError): void {
    const following = this.#following;
    // Two that both wait know no more than one: `current` begins again with what `next` was for.
    if (following.state === 'changing') {
      const { current, next } = following;
      const bothWait = current.reflector.state === 'waiting' && next.reflector.state === 'waiting';
      if (bothWait && next.listed === undefined) this.#abandon();
    }
    if (this.#following.state === 'steady' && this.#following.current.reflector.state === 'waiting') {
      if (!coversAll(this.#following.current.asked, this.#wanted.keys())) this.#reselect(this.#following.current);
    }
    this.#report.failed(error, this.#known !== undefined);
    this.#stateSeen();
  }

  #healthy(): void {
    if (this.error !== null || this.#failedChanges > 0) return;
    this.#report.healthy();
  }

  #tell(services: ReadonlySet<string>, readAt: number | null): void {
    for (const service of services) {
      if (!this.#wanted.has(service)) continue;
      try {
        this.#options.onChange(service, readAt);
      } catch (cause) {
        this.#fault(cause);
      }
    }
  }

  #stateSeen(): void {
    const { error } = this;
    const state = `${this.connected} ${error?.kind} ${error?.message}`;
    if (state === this.#toldState) return;
    this.#toldState = state;
    try {
      this.#options.onState?.();
    } catch (cause) {
      this.#fault(cause);
    }
  }

  #fault(cause: unknown): void {
    const { problems, namespace } = this.#options;
    problems.fault(namespace, cause);
  }
}
