import type { DestinationObserver, EventSink, PoolSignal } from '../observer.ts';
import { type ErrorTotals, FailureShare } from './failure-share.ts';

/** Requests that may wait before it is told. */
const PENDING = 100;
/** The share of failed requests in the last minute, … */
const ERRORS = 0.1;
/** … of so many at least: of three requests one is no third. */
const ENOUGH_REQUESTS = 20;
/** The share of the limit in use, at so many looks in a row: a moment is no strain. */
const UTILIZATION = 0.9;
const LOOKS = 2;
/** How long a signal is below its threshold before it is told to be over. */
const RELIEF_MS = 10_000;
/** Looks are this far apart at least, however short the tick is. */
const LOOK_EVERY_MS = 1000;
const LOOK_SLACK_MS = 100;

const SIGNALS: readonly PoolSignal[] = ['pending', 'errors', 'utilization'];

/** What the monitor looks at. A destination (routing/destination.ts) is one. */
export interface WatchedDestination {
  readonly name: string;
  readonly observer: DestinationObserver;
  readonly pool: WatchedPool;
}

export interface WatchedPool {
  readonly pending: { readonly size: number };
  readonly limit: {
    readonly current: number;
    readonly configured: number;
    readonly scaled: number | null;
    readonly share: number | null;
    /** The share is not known yet. */
    readonly awaited?: boolean;
  };
  /** Connections that count in the limit, and those of them that can take no more requests. */
  readonly places: { readonly counted: number; readonly taken: number };
  /** Where the monitor puts what it warns of. */
  signals: readonly PoolSignal[];
}

/** `over` since a look or more, `relieving` since a moment when it was below; `calm` is the rest. */
type State =
  | { readonly state: 'calm'; readonly looksOver: number }
  | { readonly state: 'strained' }
  | { readonly state: 'relieving'; readonly since: number };

const CALM: State = { state: 'calm', looksOver: 0 };
const STRAINED: State = { state: 'strained' };

/** Moves the state of one signal by one look. */
export function nextState(state: State, over: boolean, looks: number, now: number): State {
  if (state.state === 'calm') {
    if (!over) return CALM;
    return state.looksOver + 1 >= looks ? STRAINED : { state: 'calm', looksOver: state.looksOver + 1 };
  }
  if (over) return STRAINED;
  if (state.state === 'strained') return { state: 'relieving', since: now };
  return now - state.since >= RELIEF_MS ? CALM : state;
}

type Watch = { readonly failures: FailureShare; readonly states: Record<PoolSignal, State> };

/**
 * Looks at the pools of all destinations once a tick, and tells when one is strained, once, with what to do about it, and
 * when it is well again. It reads counters and makes nothing for a destination that is quiet.
 */
export class PoolMonitor {
  readonly #events: EventSink;
  /** Only of destinations that had something to look at. */
  readonly #watches = new WeakMap<WatchedPool, Watch>();
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(events: EventSink) {
    this.#events = events;
  }

  /** Once a tick. */
  tick(now: number, destinations: Iterable<WatchedDestination>): void {
    if (now - this.#lookedAt < LOOK_EVERY_MS - LOOK_SLACK_MS) return;
    this.#lookedAt = now;
    for (const destination of destinations) this.#look(destination, now);
  }

  #look(destination: WatchedDestination, now: number): void {
    const { pool, observer } = destination;
    const watch = this.#watches.get(pool) ?? this.#begin(pool, observer, now);
    if (watch === null) return;
    const { pending, places, limit } = pool;
    watch.failures.look(observer, now);
    const errors = watch.failures.over(now);
    const share = errors.requests < ENOUGH_REQUESTS ? 0 : errors.failed / errors.requests;
    // Who divides the budget has not spoken: that is told by itself (fleet_failover).
    const waiting = limit.awaited === true ? 0 : pending.size;
    this.#judge(destination, watch, 'pending', waiting, PENDING, now, errors);
    this.#judge(destination, watch, 'errors', share, ERRORS, now, errors);
    // A share of a fleet's budget may be nothing at all.
    const used = limit.current > 0 ? places.taken / limit.current : waiting > 0 ? 1 : 0;
    this.#judge(destination, watch, 'utilization', used, UTILIZATION, now, errors);
  }

  /** A destination without any request has nothing to be watched. */
  #begin(pool: WatchedPool, observer: DestinationObserver, now: number): Watch | null {
    if (observer.ended === 0 && observer.failures === 0 && pool.pending.size === 0 && pool.places.taken === 0)
      return null;
    const watch = {
      failures: new FailureShare(now),
      states: { pending: CALM, errors: CALM, utilization: CALM },
    };
    this.#watches.set(pool, watch);
    return watch;
  }

  #judge(
    { name, pool }: WatchedDestination,
    { states }: Watch,
    signal: PoolSignal,
    value: number,
    threshold: number,
    now: number,
    errors: ErrorTotals,
  ): void {
    const before = states[signal];
    const after = nextState(before, value > threshold, signal === 'utilization' ? LOOKS : 1, now);
    states[signal] = after;
    if ((before.state === 'calm') === (after.state === 'calm')) return;
    pool.signals = SIGNALS.filter((each) => states[each].state !== 'calm');
    if (after.state === 'calm') this.#events.emit({ type: 'pool_relieved', destination: name, signal });
    else {
      const hint = signal === 'errors' ? errorsHint(errors) : roomHint(pool);
      const rounded = Math.round(value * 100) / 100;
      this.#events.emit({ type: 'pool_strained', destination: name, signal, value: rounded, threshold, hint });
    }
  }
}

function errorsHint({ requests, failed }: ErrorTotals): string {
  return `${failed} of ${requests} requests of the last minute failed: errors_total{code} and the access log (telemetry.accessLog: errors) tell why, \`carpool pools\` which endpoints.`;
}

/** What keeps requests from a connection, and what helps. */
function roomHint({ limit, places, pending }: WatchedPool): string {
  if (limit.share !== null && limit.current < (limit.scaled ?? limit.configured))
    return `This sidecar's share of the fleet's budget is ${limit.share}: raise fleet.maxConnections, or look for slow responses that hold connections.`;
  if (places.counted >= limit.current)
    return `${places.taken} of ${limit.current} connections are in use: raise pool.maxConnections (\`carpool size\` tells to what), or look for slow responses that hold connections.`;
  if (pending.size === 0)
    return `Nearly all of the ${limit.current} connections are in use: raise pool.maxConnections.`;
  return `${places.counted} of ${limit.current} connections are open or being opened, so the limit is not what requests wait for: look for connects that are slow or fail (connect_failed), and at limits.maxConnections.`;
}
