import type { EventSink } from '../observer.ts';
import type { ConnectionLimit } from './connection-limit.ts';

/** Below this share of the configured maximum in use the limit halves, … */
const LOW = 0.3;
/** … and from this one on it is half as much again. */
const HIGH = 0.7;

/** What the configured maximum is multiplied by. */
type Step = 0.5 | 1 | 1.5;

/** What scaling goes by, as the policy and the sidecar's limits have it. */
export type ScalingBounds = {
  /** How long a step is kept, in milliseconds. */
  readonly cooldownMs: number;
  /** The limit is not lowered below this: connections that are kept warm would close. */
  readonly least: number;
  /** The limit is not raised above this: `limits.maxConnections`. */
  readonly most: number;
};

/**
 * `pool.scaling: load`: the limit of one destination follows its load in three steps. What is in use is measured against
 * the configured maximum, not against the limit in force, so that a step does not change what it was decided by.
 */
export class LoadScaling {
  readonly #destination: string;
  readonly #limit: ConnectionLimit;
  readonly #events: EventSink;
  #step: Step = 1;
  /** The last step; before the first one, the beginning: what was not seen yet is no reason to shrink. */
  #steppedAt: number;
  /** The last step that the way up from ×1 has to wait for. */
  #pacedAt = Number.NEGATIVE_INFINITY;
  /** The share that was in use at the last look. */
  #used = 0;

  constructor(destination: string, limit: ConnectionLimit, events: EventSink, now: number) {
    this.#destination = destination;
    this.#limit = limit;
    this.#events = events;
    this.#steppedAt = now;
  }

  /**
   * Once a tick.
   * @param peak the most connections in use or being opened at once in the last half minute
   * @returns whether the limit is another one now
   */
  run(now: number, peak: number, bounds: ScalingBounds): boolean {
    this.#used = peak / this.#limit.configured;
    const wanted: Step = this.#used < LOW ? 0.5 : this.#used < HIGH ? 1 : 1.5;
    const before = this.#step;
    if (wanted === before) return this.#apply(bounds);
    const since = before === 1 && wanted === 1.5 ? this.#pacedAt : this.#steppedAt;
    if (now - since < bounds.cooldownMs) return this.#apply(bounds);
    this.#step = wanted;
    this.#steppedAt = now;
    // The step from ×1 to ×0.5 may be undone at any moment, and is then as if it had not been.
    if (before !== 1 || wanted !== 0.5) this.#pacedAt = now;
    return this.#apply(bounds);
  }

  /**
   * A request finds no room. At a limit that was scaled down it does not wait: the configured one is in force again at
   * once, whatever the cooldown. @returns whether the limit was raised
   */
  growForWaiting(now: number): boolean {
    const { scaled, configured, current } = this.#limit;
    // Below what scaling says it is the fleet's share that keeps the request.
    if (scaled === null || scaled >= configured || current < scaled) return false;
    this.#step = 1;
    this.#steppedAt = now;
    this.#used = scaled / configured;
    this.#set(null);
    return true;
  }

  /** The configured limit is another one: the step stays, and what comes of it is another number. */
  configured(bounds: ScalingBounds): void {
    this.#apply(bounds);
  }

  /** Scaling is off now. */
  end(): void {
    this.#limit.scale(null);
  }

  /** @returns whether the limit is another one now */
  #apply({ least, most }: ScalingBounds): boolean {
    const { configured, scaled } = this.#limit;
    let wanted = configured;
    if (this.#step === 0.5) wanted = Math.min(configured, Math.max(1, least, Math.ceil(configured * 0.5)));
    else if (this.#step === 1.5) wanted = Math.max(configured, Math.min(most, Math.floor(configured * 1.5)));
    if (wanted === (scaled ?? configured)) return false;
    this.#set(wanted === configured ? null : wanted);
    return true;
  }

  #set(limit: number | null): void {
    const { configured, scaled } = this.#limit;
    this.#limit.scale(limit);
    this.#events.emit({
      type: 'limit_scaled',
      destination: this.#destination,
      from: scaled ?? configured,
      to: limit ?? configured,
      utilization: Math.round(this.#used * 100) / 100,
    });
  }
}
