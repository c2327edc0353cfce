import type { Clock, Timer } from '../clock.ts';
import type { CarpoolEvent, EventSink } from '../observer.ts';
import type { Logger } from './log.ts';

/** How often a connect failure of one destination and code is logged, in milliseconds. */
const THROTTLE_MS = 10_000;
/** Destinations and codes that are throttled at the same time; beyond it a failure is counted with the others. */
const MAX_THROTTLED = 500;
/** Kept for the status page: connections that ended, and everything else, so that the many do not push out the few. */
const KEPT_CLOSES = 100;
const KEPT_OTHERS = 100;

/** A connect failure is one more of an earlier one where no more time has passed: an endpoint that is down is tried each half minute. */
const JOIN_MS = 600_000;

/** An event with its time, as the status page shows it. */
export type LoggedEvent = {
  /** Rises by one with each event that is kept, from 1. */
  readonly sequence: number;
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly event: CarpoolEvent;
  /** How many of its kind came since the last one that was kept, itself included; of joined ones all of them. */
  readonly count: number;
  /** It stands for earlier rows too, which are kept no more: the sequence of the first of them, and its time. */
  readonly joined?: { readonly first: number; readonly since: number };
};

/** `kept`: no line of its own, for whoever emits it writes lines that say more. */
type Level = 'debug' | 'info' | 'warn' | 'kept';

const LEVELS: Readonly<Record<CarpoolEvent['type'], Level>> = {
  connection_closed: 'debug',
  connect_failed: 'warn',
  endpoint_added: 'info',
  endpoint_removed: 'info',
  endpoint_terminating: 'info',
  endpoint_suspended: 'info',
  endpoint_unready: 'info',
  endpoint_ready: 'info',
  endpoint_ejected: 'warn',
  endpoint_restored: 'info',
  tls_files_changed: 'info',
  tls_files_refused: 'warn',
  idle_learned: 'info',
  destination_added: 'debug',
  destination_removed: 'debug',
  breaker_opened: 'warn',
  breaker_half_open: 'info',
  breaker_closed: 'info',
  check_failed: 'warn',
  check_passed: 'info',
  destination_paused: 'info',
  destination_resumed: 'info',
  destination_reconnected: 'info',
  limit_scaled: 'info',
  pool_strained: 'warn',
  pool_relieved: 'info',
  fleet_share: 'info',
  fleet_short: 'warn',
  fleet_failover: 'warn',
  fleet_restored: 'info',
  target_missing: 'warn',
  target_found: 'info',
  secret_file_refused: 'warn',
  secret_file_changed: 'info',
  config_applied: 'kept',
  config_refused: 'kept',
};

const WORDS: Readonly<Record<CarpoolEvent['type'], string>> = {
  connection_closed: 'upstream connection closed',
  connect_failed: 'cannot connect to the endpoint',
  endpoint_added: 'endpoint added',
  endpoint_removed: 'endpoint removed',
  endpoint_terminating: 'endpoint is terminating',
  endpoint_suspended: 'endpoint is out of rotation',
  endpoint_unready: 'endpoint is not ready',
  endpoint_ready: 'endpoint is ready again',
  endpoint_ejected: 'endpoint ejected after failures',
  endpoint_restored: 'endpoint is back',
  tls_files_changed: 'TLS files were read again, and serve new connections',
  tls_files_refused: 'TLS files cannot be used',
  idle_learned: 'learned how long the endpoint keeps idle connections',
  destination_added: 'destination added',
  destination_removed: 'destination removed',
  breaker_opened: 'the circuit breaker of the destination is open: requests are answered 503 at once',
  breaker_half_open: 'the circuit breaker lets one request try',
  breaker_closed: 'the circuit breaker is closed: requests go through again',
  check_failed: 'endpoint fails its health checks: it gets no requests while another one is fit',
  check_passed: 'endpoint passes its health checks again',
  destination_paused: 'destination paused by an operator: new requests wait for up to pool.pauseTimeout',
  destination_resumed: 'destination resumed',
  destination_reconnected: 'all connections of the destination are replaced',
  limit_scaled: 'the connection limit follows the load',
  pool_strained: 'the pool of the destination is strained',
  pool_relieved: 'the pool of the destination is well again',
  fleet_share: 'this sidecar’s share of the fleet’s connections changed',
  fleet_short:
    'more sidecars than the fleet’s budget has connections: some may open none; raise fleet.maxConnections, or run fewer',
  fleet_failover: 'the fleet’s coordinator does not answer: the even share is used',
  fleet_restored: 'the fleet’s coordinator answers again',
  target_missing: 'a target of the destination (`to`) gets no requests',
  target_found: 'a target of the destination (`to`) gets requests again',
  secret_file_refused: 'a file with a header value or credentials cannot be used',
  secret_file_changed: 'a file with a header value or credentials was read again',
  config_applied: 'another configuration is in force',
  config_refused: 'a configuration was refused, the last good one stays',
};

/** Where so many fail at once that they are counted together. */
const MANY_FAILED = 'cannot connect to many endpoints, this one the last';

type Throttle = { last: CarpoolEvent; suppressed: number; until: number };

/** Turns events into log lines, sparing with those that come in floods, and keeps the last 200 for the status page. */
export class EventLog implements EventSink {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #closes: LoggedEvent[] = [];
  readonly #others: LoggedEvent[] = [];
  readonly #throttled = new Map<string, Throttle>();
  #sweep: Timer | null = null;
  #sequence = 0;

  constructor(options: { logger: Logger; clock: Clock }) {
    this.#logger = options.logger;
    this.#clock = options.clock;
  }

  emit(event: CarpoolEvent): void {
    if (event.type === 'connect_failed') this.#connectFailed(event);
    else this.#record(event, 1);
  }

  /** The sequence of the last event; 0: there was none. */
  get last(): number {
    return this.#sequence;
  }

  /** The last events, newest first. @param after only those with a higher sequence */
  recent(after = 0): LoggedEvent[] {
    if (after >= this.#sequence) return [];
    return [...this.#closes, ...this.#others]
      .filter(({ sequence }) => sequence > after)
      .sort((a, b) => b.sequence - a.sequence);
  }

  /** Says what was held back, and stops its timer. */
  close(): void {
    this.#sweep?.cancel();
    this.#sweep = null;
    for (const [key, throttle] of this.#throttled) this.#recordSuppressed(key, throttle);
    this.#throttled.clear();
  }

  #connectFailed(event: CarpoolEvent & { type: 'connect_failed' }): void {
    const key =
      this.#throttled.size < MAX_THROTTLED || this.#throttled.has(`${event.destination} ${event.code}`)
        ? `${event.destination} ${event.code}`
        : '';
    const throttle = this.#throttled.get(key);
    if (throttle) {
      throttle.last = event;
      throttle.suppressed++;
      return;
    }
    this.#record(event, 1);
    this.#throttled.set(key, { last: event, suppressed: 0, until: this.#clock.now() + THROTTLE_MS });
    this.#sweep ??= this.#clock.setTimer(() => this.#endThrottles(), THROTTLE_MS);
  }

  /** Whoever kept failing gets one line with the count and is held back again; whoever did not is forgotten. */
  #endThrottles(): void {
    this.#sweep = null;
    const now = this.#clock.now();
    let next = Number.POSITIVE_INFINITY;
    for (const [key, throttle] of this.#throttled) {
      if (throttle.until <= now) {
        if (throttle.suppressed === 0) {
          this.#throttled.delete(key);
          continue;
        }
        this.#recordSuppressed(key, throttle);
        throttle.until = now + THROTTLE_MS;
      }
      next = Math.min(next, throttle.until);
    }
    if (next < Number.POSITIVE_INFINITY) this.#sweep = this.#clock.setTimer(() => this.#endThrottles(), next - now);
  }

  #recordSuppressed(key: string, throttle: Throttle): void {
    const words = key === '' ? MANY_FAILED : WORDS.connect_failed;
    if (throttle.suppressed > 0) this.#record(throttle.last, throttle.suppressed, words);
    throttle.suppressed = 0;
  }

  /**
   * Takes out the kept row of the same failure: one endpoint that is down would push out all other events. What is told
   * comes anew, with a new sequence, so that readers see it.
   */
  #joined(logged: LoggedEvent, failed: CarpoolEvent & { type: 'connect_failed' }): LoggedEvent {
    const at = this.#others.findIndex(({ event, time }) => isAgain(event, failed) && time > logged.time - JOIN_MS);
    const [before] = at === -1 ? [] : this.#others.splice(at, 1);
    if (before === undefined) return logged;
    const joined = before.joined ?? { first: before.sequence, since: before.time };
    return { ...logged, count: before.count + logged.count, joined };
  }

  #record(event: CarpoolEvent, count: number, words = WORDS[event.type]): void {
    const logged: LoggedEvent = { sequence: ++this.#sequence, time: this.#clock.wall(), event, count };
    const [kept, max] = event.type === 'connection_closed' ? [this.#closes, KEPT_CLOSES] : [this.#others, KEPT_OTHERS];
    kept.push(event.type === 'connect_failed' ? this.#joined(logged, event) : logged);
    if (kept.length > max) kept.shift();
    const level = LEVELS[event.type];
    if (level === 'kept' || !this.#logger.isLevelEnabled(level)) return;
    const { type, ...fields } = event;
    this.#logger[level](count > 1 ? { event: type, ...fields, count } : { event: type, ...fields }, words);
  }
}

function isAgain(
  event: CarpoolEvent,
  { destination, endpoint, code }: CarpoolEvent & { type: 'connect_failed' },
): boolean {
  return (
    event.type === 'connect_failed' &&
    event.destination === destination &&
    event.endpoint === endpoint &&
    event.code === code
  );
}
