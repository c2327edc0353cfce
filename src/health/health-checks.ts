import { LookupQueue } from '../discovery/lookup-queue.ts';
import type { EventSink } from '../observer.ts';
import type { Destination } from '../routing/destination.ts';
import type { Router } from '../routing/router.ts';
import { DestinationChecks } from './destination-checks.ts';
import type { CheckContext } from './endpoint-check.ts';

/** Checks under way at once, over all destinations. */
const MAX_AT_ONCE = 16;
/** Destinations of which it is said that they are not checked: the app may name any number. */
const MOST_TOLD = 100;
/** A destination that nobody used for so long, and that is not to be kept warm, is not checked. */
const IDLE_AFTER_MS = 900_000;

export type HealthCheckContext = Omit<CheckContext, 'queue'> & {
  readonly router: Pick<Router, 'destinations'>;
  readonly events: EventSink;
  readonly log: { info(message: string): void };
};

/** Active health checks: asks each endpoint of the destinations whose policy wants it, again and again, whether it is well. */
export class HealthChecks {
  readonly #context: HealthCheckContext;
  readonly #checks: CheckContext;
  readonly #destinations = new Map<Destination, DestinationChecks>();
  /** Destinations of which it was said that they are not checked, for a parent proxy is between. */
  readonly #proxied = new Set<string>();

  constructor(context: HealthCheckContext) {
    this.#context = context;
    this.#checks = { clock: context.clock, random: context.random, queue: new LookupQueue(MAX_AT_ONCE) };
  }

  /** About once a second: follows destinations and endpoints as they come and go. */
  tick(now: number): void {
    const wanted = new Set<Destination>();
    for (const destination of this.#context.router.destinations)
      if (wantsChecks(destination, now)) wanted.add(destination);
    for (const [destination, checks] of this.#destinations) {
      if (wanted.has(destination)) continue;
      this.#destinations.delete(destination);
      checks.stop();
    }
    for (const destination of wanted) this.#of(destination).sync();
  }

  reconfigure(): void {
    this.tick(this.#context.clock.now());
  }

  close(): void {
    for (const checks of this.#destinations.values()) checks.stop();
    this.#destinations.clear();
  }

  #of(destination: Destination): DestinationChecks {
    const known = this.#destinations.get(destination);
    if (known !== undefined) return known;
    const { events } = this.#context;
    const made = new DestinationChecks(destination, this.#checks, events, (name) => this.#tellProxied(name));
    this.#destinations.set(destination, made);
    return made;
  }

  #tellProxied(name: string): void {
    if (this.#proxied.has(name) || this.#proxied.size > MOST_TOLD) return;
    const last = this.#proxied.size === MOST_TOLD;
    this.#proxied.add(name);
    const who = last ? 'more destinations are' : `${name} is`;
    this.#context.log.info(
      `${who} not health checked: ${last ? 'they are' : 'it is'} reached through the parent proxy`,
    );
  }
}

function wantsChecks(destination: Destination, now: number): boolean {
  const { healthCheck, pool } = destination.policy;
  if (!healthCheck.enabled || destination.closed) return false;
  return pool.minConnections !== 0 || !destination.idleFor(IDLE_AFTER_MS, now);
}
