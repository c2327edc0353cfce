import type { Clock } from '../clock.ts';
import type { CarpoolEvent, EventSink } from '../observer.ts';

/** How far back changes count. */
export const FLAP_WINDOW_MS = 600_000;
/** So often an endpoint has gone and come back before it flaps: once or twice is a rollout, or a bad moment. */
const FLAPS = 3;
/** Endpoints that are watched; beyond it the one whose last change is the oldest is forgotten. */
const MAX_WATCHED = 2000;
/** Changes of one endpoint that are kept. */
const MAX_CHANGES = 64;

/**
 * Why an endpoint went. `unready`: Kubernetes says so. `ejected`: requests or connects failed. `failing`: its health checks.
 * `removed`: it left the answer of DNS, or its Service.
 */
export type WentBy = 'unready' | 'ejected' | 'failing' | 'removed';

/** An endpoint that keeps going and coming back. */
export type Flapping = {
  readonly destination: string;
  readonly endpoint: string;
  /** How often it went in the last ten minutes. */
  readonly times: number;
  /** What made it go most often. */
  readonly by: WentBy;
  /** The last words about why, or null. */
  readonly why: string | null;
};

const GOES: Readonly<Partial<Record<CarpoolEvent['type'], WentBy>>> = {
  endpoint_unready: 'unready',
  endpoint_ejected: 'ejected',
  check_failed: 'failing',
  endpoint_removed: 'removed',
};

/** What ends each kind of absence. A suspended endpoint is left out on purpose: many names rotate through their addresses. */
const COMES: Readonly<Partial<Record<CarpoolEvent['type'], WentBy>>> = {
  endpoint_ready: 'unready',
  endpoint_restored: 'ejected',
  check_passed: 'failing',
  endpoint_added: 'removed',
};

type Watched = {
  readonly destination: string;
  readonly endpoint: string;
  /** Monotonic ms of its changes, the oldest first. */
  readonly changes: number[];
  readonly went: { readonly at: number; readonly by: WentBy }[];
  /** It is away, and by what. */
  away: WentBy | null;
  why: string | null;
};

/** Counts how often endpoints go and come back, from the events; hands each event on. */
export class FlapWatch implements EventSink {
  readonly #clock: Clock;
  readonly #next: EventSink;
  /** By destination, a space and endpoint; the one that changed last is the last. */
  readonly #watched = new Map<string, Watched>();

  /** @param next gets every event, too */
  constructor(clock: Clock, next: EventSink) {
    this.#clock = clock;
    this.#next = next;
  }

  emit(event: CarpoolEvent): void {
    this.#next.emit(event);
    const goes = GOES[event.type];
    const comes = COMES[event.type];
    if ((goes === undefined && comes === undefined) || !('endpoint' in event)) return;
    const watched = this.#watched.get(`${event.destination} ${event.endpoint}`);
    // An endpoint that was never away has not come back.
    if (comes !== undefined && watched?.away !== comes) return;
    this.#change(watched ?? this.#begin(event.destination, event.endpoint), goes ?? null, wordsOf(event));
  }

  /** How often the state of an endpoint has changed in the last ten minutes. */
  changes(destination: string, endpoint: string): number {
    const since = this.#clock.now() - FLAP_WINDOW_MS;
    return this.#watched.get(`${destination} ${endpoint}`)?.changes.filter((at) => at > since).length ?? 0;
  }

  /** Those that keep going and coming back, the worst first. */
  flapping(): Flapping[] {
    const since = this.#clock.now() - FLAP_WINDOW_MS;
    const found: Flapping[] = [];
    for (const [key, { destination, endpoint, changes, went, why }] of this.#watched) {
      if ((changes.at(-1) ?? 0) <= since) {
        this.#watched.delete(key);
        continue;
      }
      const recent = went.filter(({ at }) => at > since);
      if (recent.length >= FLAPS) found.push({ destination, endpoint, times: recent.length, by: most(recent), why });
    }
    return found.sort((a, b) => b.times - a.times);
  }

  #begin(destination: string, endpoint: string): Watched {
    return { destination, endpoint, changes: [], went: [], away: null, why: null };
  }

  #change(watched: Watched, goes: WentBy | null, why: string | null): void {
    const now = this.#clock.now();
    const key = `${watched.destination} ${watched.endpoint}`;
    // Behind all others.
    this.#watched.delete(key);
    this.#watched.set(key, watched);
    watched.changes.push(now);
    if (goes !== null) watched.went.push({ at: now, by: goes });
    watched.away = goes;
    watched.why = why ?? watched.why;
    if (watched.changes.length > MAX_CHANGES) watched.changes.shift();
    if (watched.went.length > MAX_CHANGES) watched.went.shift();
    if (this.#watched.size <= MAX_WATCHED) return;
    const [oldest] = this.#watched.keys();
    if (oldest !== undefined) this.#watched.delete(oldest);
  }
}

function wordsOf(event: CarpoolEvent): string | null {
  if (event.type === 'endpoint_ejected') return event.cause;
  return event.type === 'check_failed' ? event.message : null;
}

function most(went: readonly { readonly by: WentBy }[]): WentBy {
  const counts = new Map<WentBy, number>();
  for (const { by } of went) counts.set(by, (counts.get(by) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? 'unready';
}
