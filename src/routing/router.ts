import type { Config, DestinationConfig, TlsPolicy } from '../config/types.ts';
import type { Discovery } from '../discovery/discovery.ts';
import { CarpoolError } from '../errors.ts';
import type { DestinationObserver, EventSink } from '../observer.ts';
import type { PoolContext } from '../pool/lease.ts';
import { Destination } from './destination.ts';
import type { AddressCheck, DestinationIdentity } from './destination-identity.ts';
import { findEntry } from './host-pattern.ts';

/** A destination that nobody used for so long is dropped, with its connections. */
const DROP_AFTER_MS = 900_000;
/** One without an endpoint was a mistake most of the time. */
const DROP_FAILING_AFTER_MS = 30_000;

export type RouterOptions = {
  readonly discovery: Discovery;
  readonly allowed: AddressCheck;
  readonly context: Omit<PoolContext, 'emptyWaitMs'>;
  readonly events: EventSink;
  /** Counters for a destination by its name; the label may be shared (`other`). */
  observe(name: string, entry: DestinationConfig | null): DestinationObserver;
  /** A destination is gone, with the last of its exchanges: nothing counts there any more. */
  forget(observer: DestinationObserver): void;
};

/** Which entry of the configuration a destination goes by; null: none. */
const entryKey = (entry: DestinationConfig | null): string | null =>
  entry === null ? null : (entry.name ?? `${entry.match.host}:${entry.match.port ?? '*'}`);

/** Whether a destination is to be told from one with other TLS settings: no connection of it may serve the other (rule 28). */
function sameTls(a: TlsPolicy, b: TlsPolicy): boolean {
  return (
    a.originate === b.originate &&
    a.ca === b.ca &&
    a.cert === b.cert &&
    a.key === b.key &&
    a.serverName === b.serverName &&
    a.minVersion === b.minVersion
  );
}

/** Finds, makes and drops destinations: the one map from what apps name to where it goes. */
export class Router {
  readonly #destinations = new Map<string, Destination>();
  readonly #options: RouterOptions;
  readonly #context: PoolContext;
  #config: Config;
  /** Running exchanges of destinations that were dropped or replaced. */
  readonly #closing = new Set<Destination>();
  /** Names of destinations that are paused: one that a reload makes anew is paused again. */
  readonly #paused = new Set<string>();
  /** Told of each new destination before its first request, by who divides a fleet's budget; null: nobody does. */
  joined: (() => void) | null = null;

  constructor(config: Config, options: RouterOptions) {
    this.#config = config;
    this.#options = options;
    const { emptyWaitMs, kubernetes } = config.discovery;
    this.#context = { ...options.context, emptyWaitMs, podAddress: kubernetes.podAddress };
    this.#warmConfigured();
  }

  get destinations(): readonly Destination[] {
    return [...this.#destinations.values(), ...this.#closing];
  }

  /**
   * The destination for `host:port`, made at first use. In clear and by TLS it is two, which share nothing; where its
   * entry opens TLS anyhow it is the one by TLS.
   * @param host as the app wrote it, without brackets
   * @param secure whether the app asked for `https://`
   * @throws CarpoolError where there is no room for another
   */
  find(host: string, port: number, secure = false): Destination {
    const name = host.toLowerCase();
    const key = `${name}|${port}${secure ? '|tls' : ''}`;
    const known = this.#destinations.get(key);
    if (known !== undefined) {
      known.usedAt = this.#context.clock.now();
      return known;
    }
    const entry = findEntry(this.#config.destinations, name, port);
    if (!secure && (entry?.policy ?? this.#config.defaults).tls.originate) return this.find(host, port, true);
    if (this.#destinations.size >= this.#config.limits.destinations && !this.#dropOldest()) {
      throw new CarpoolError(
        'OVERLOADED',
        `over ${this.#config.limits.destinations} destinations are in use (limits.destinations)`,
      );
    }
    return this.#make(key, name, port, secure, entry);
  }

  #make(key: string, host: string, port: number, secure: boolean, entry: DestinationConfig | null): Destination {
    const policy = entry?.policy ?? this.#config.defaults;
    const bare = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    // There may be another of the same host and port, in clear.
    const name = secure && !policy.tls.originate ? `https://${bare}` : bare;
    const observer = this.#options.observe(name, entry);
    const destination = new Destination(
      {
        host,
        port,
        name,
        secure,
        label: observer.label,
        configured: entry !== null,
        entry: entryKey(entry),
        endpoints: entry?.endpoints ?? null,
        to: entry?.to ?? null,
      },
      policy,
      observer,
      this.#options.allowed,
      this.#context,
    );
    this.#destinations.set(key, destination);
    // Of a fleet's budget nothing is used before it is known how much.
    if (this.#config.fleet.coordinator !== null && policy.fleetMaxConnections !== null)
      destination.pool.limit.setShare(0);
    this.joined?.();
    this.#options.events.emit({ type: 'destination_added', destination: destination.name });
    // Who holds a host and port holds it for `https://` too.
    if (this.#paused.has(name) || this.#paused.has(bare)) destination.pause();
    destination.start(this.#options.discovery);
    return destination;
  }

  #drop(key: string, destination: Destination): void {
    this.#destinations.delete(key);
    destination.close();
    // Names by the thousand must not gather here until the next tick.
    if (destination.idleFor(0, this.#context.clock.now())) this.#options.forget(destination.observer);
    else this.#closing.add(destination);
    this.#options.events.emit({ type: 'destination_removed', destination: destination.name });
  }

  #dropOldest(): boolean {
    const now = this.#context.clock.now();
    let oldest: [string, Destination] | null = null;
    for (const entry of this.#destinations) {
      if (this.#stays(entry[1]) || !entry[1].idleFor(0, now)) continue;
      if (oldest === null || entry[1].usedAt < oldest[1].usedAt) oldest = entry;
    }
    if (oldest !== null) this.#drop(oldest[0], oldest[1]);
    return oldest !== null;
  }

  /** One that the configuration names in full; what a `*` or a missing port covers may be any number. And what is paused. */
  #stays({ identity, paused }: Destination): boolean {
    if (paused) return true;
    if (!identity.configured) return false;
    return this.#config.destinations.some(({ match }) => match.port === identity.port && match.host === identity.host);
  }

  /** Destinations that are to be warm, or have a port of their own, exist from the start. */
  #warmConfigured(): void {
    for (const entry of this.#config.destinations) {
      const { match, policy } = entry;
      if (match.host.includes('*') || match.port === null) continue;
      if (policy.pool.minConnections !== 0 || entry.localPort !== null) this.#findIfRoom(match.host, match.port);
    }
  }

  /** As `find`, where no request asks for it: what has no room now is made by the first request that has. */
  #findIfRoom(host: string, port: number, secure = false): Destination | null {
    try {
      return this.find(host, port, secure);
    } catch (error) {
      if (error instanceof CarpoolError) return null;
      throw error;
    }
  }

  /** Takes a new configuration: policies and written endpoints change at once; a destination that is found by other means now is made anew. */
  reconfigure(config: Config): void {
    // Addresses are checked when an endpoint is told: where other ones are allowed now, they have to be told again.
    const { allowAddresses, allowLoopback } = this.#config.security;
    const sameAddresses =
      allowAddresses.join() === config.security.allowAddresses.join() &&
      allowLoopback === config.security.allowLoopback;
    this.#config = config;
    this.#context.emptyWaitMs = config.discovery.emptyWaitMs;
    const paused: DestinationIdentity[] = [];
    for (const [key, destination] of [...this.#destinations]) {
      const { host, port, secure } = destination.identity;
      const entry = findEntry(config.destinations, host, port);
      const endpoints = entry?.endpoints ?? null;
      const to = entry?.to ?? null;
      const policy = entry?.policy ?? config.defaults;
      // A destination is of one TLS identity for as long as it lives: connects that are under way are of it too.
      const sameIdentity = sameTls(policy.tls, destination.policy.tls) || (!secure && !policy.tls.originate);
      const same =
        sameIdentity &&
        (endpoints === null) === (destination.identity.endpoints === null) &&
        (to === null) === ((destination.identity.to ?? null) === null) &&
        // Its metric label, among other things.
        entryKey(entry) === destination.identity.entry &&
        (sameAddresses || endpoints !== null) &&
        policy.vanished === destination.policy.vanished;
      if (same) {
        destination.setPolicy(policy);
        if (endpoints !== null) destination.setEndpoints(endpoints);
        if (to !== null) destination.setTargets(to);
      }
      // The next request makes it anew; exchanges that run go on where they are.
      else {
        if (!sameIdentity) destination.pool.evict('admin', false);
        if (destination.paused) paused.push(destination.identity);
        this.#drop(key, destination);
      }
    }
    for (const identity of paused) this.#pauseAgain(identity);
    this.#warmConfigured();
  }

  /** What is paused stays so, and can be seen, also where a reload changes how it is found or what it is called. */
  #pauseAgain({ host, port, name }: DestinationIdentity): void {
    const destination = this.#findIfRoom(host, port, name.startsWith('https://'));
    // Without room for it now, it is paused when it is made.
    if (destination === null) return;
    this.#paused.delete(name);
    this.pause(destination);
  }

  /**
   * Those that have this name or label, the ones that close among them; by host and port also what is called by `https://`.
   * @param make one that the configuration writes with host and port, and that no request has named yet, is made
   */
  named(name: string, make = false): readonly Destination[] {
    const secure = `https://${name}`;
    const found = this.destinations.filter(
      (each) => each.name === name || each.name === secure || each.identity.label === name,
    );
    if (found.length > 0 || !make) return found;
    for (const entry of this.#config.destinations) {
      const { host, port } = entry.match;
      if (port === null || host.includes('*')) continue;
      const bare = `${host.includes(':') ? `[${host}]` : host}:${port}`;
      if (name === bare || name === entry.name) return [this.find(host, port)];
    }
    return [];
  }

  /** Pauses a destination, and what a reload may make in its place. @returns whether it was not paused before */
  pause(destination: Destination): boolean {
    this.#paused.add(destination.name);
    return destination.pause();
  }

  /** @returns whether it was paused */
  resume(destination: Destination): boolean {
    this.#paused.delete(destination.name);
    return destination.resume();
  }

  /** Once a second. */
  tick(now: number): void {
    for (const [key, destination] of this.#destinations) {
      destination.pool.tick(now);
      if (this.#stays(destination)) continue;
      if (destination.idleFor(destination.failing ? DROP_FAILING_AFTER_MS : DROP_AFTER_MS, now))
        this.#drop(key, destination);
    }
    for (const destination of this.#closing) {
      destination.pool.tick(now);
      if (!destination.idleFor(0, now)) continue;
      // Those that waited have gone, and it need not listen to discovery any more.
      destination.close();
      this.#closing.delete(destination);
      this.#options.forget(destination.observer);
    }
  }

  /** Stops: idle connections close, running exchanges finish; `now` ends them too. */
  close(how: 'drain' | 'now'): void {
    for (const destination of this.destinations) {
      if (how === 'now') destination.destroy();
      else destination.close();
    }
  }
}
