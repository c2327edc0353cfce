import type { EndpointSpec } from '../discovery/discovery.ts';
import { CarpoolError } from '../errors.ts';
import type { CarpoolEvent, CloseReason } from '../observer.ts';
import type { Connecting } from './connecting.ts';
import { type EndpointParent, EndpointPool, type EndpointState } from './endpoint-pool.ts';
import type { EndpointEvidence } from './evidence.ts';
import type { PoolContext } from './lease.ts';
import type { PoolCore } from './pool-core.ts';

type EndpointEvent = Extract<CarpoolEvent, { readonly type: `endpoint_${string}`; forMs?: never }>['type'];

const EVENTS: Readonly<Record<EndpointState, EndpointEvent>> = {
  ready: 'endpoint_ready',
  suspended: 'endpoint_suspended',
  unready: 'endpoint_unready',
  terminating_serving: 'endpoint_terminating',
  terminating: 'endpoint_terminating',
  removed: 'endpoint_removed',
};

/**
 * Which endpoints a destination has, as discovery tells, and what becomes of the connections of those that go. News cuts
 * no exchange: endpoints that leave are kept until their last exchange or tunnel is over, or `eviction.grace` is.
 */
export class Roster {
  readonly #present = new Map<string, EndpointPool>();
  /** Endpoints that discovery forgot, or that came back while they drained, and that still have something open. */
  readonly #leaving = new Set<EndpointPool>();
  /** Added since the last `settle`. */
  readonly #added = new Set<EndpointPool>();
  /** Whether there were endpoints at the last `settle`: what is added then is new among others. */
  #hadSome = false;
  #whyEmpty: CarpoolError | null = null;
  #drainScheduled = false;
  readonly #pool: PoolCore & EndpointParent;
  readonly #connecting: Connecting;
  readonly #evidence: EndpointEvidence;
  readonly #context: PoolContext;

  constructor(
    pool: PoolCore & EndpointParent,
    connecting: Connecting,
    evidence: EndpointEvidence,
    context: PoolContext,
  ) {
    this.#pool = pool;
    this.#connecting = connecting;
    this.#evidence = evidence;
    this.#context = context;
  }

  /** Those that discovery names. */
  get present(): ReadonlyMap<string, EndpointPool> {
    return this.#present;
  }

  get leaving(): ReadonlySet<EndpointPool> {
    return this.#leaving;
  }

  /** Why connections of an endpoint do not stay, or null: they stay. */
  drainReason(endpoint: EndpointPool): CloseReason | null {
    if (endpoint.state === 'removed') return 'endpoint_removed';
    if (endpoint.state === 'terminating') return 'endpoint_terminating';
    return endpoint.state === 'terminating_serving' && !this.#pool.rotation.lastTier ? 'endpoint_terminating' : null;
  }

  /** An endpoint that takes requests: a new one, or one that comes back. */
  add(spec: EndpointSpec): void {
    const known = this.#present.get(spec.id);
    if (known !== undefined && this.drainReason(known) === null) {
      known.spec = spec;
      if (known.state === 'ready') return;
      this.#comesBack(known);
    } else {
      // One that comes back while it drains gets new connections; the draining ones are not revived.
      if (known !== undefined) this.#leave(known);
      this.#joins(spec);
    }
    this.#changed();
    this.#connecting.rotationChanged();
  }

  #comesBack(endpoint: EndpointPool): void {
    const before = endpoint.state;
    endpoint.state = 'ready';
    if (before === 'suspended') return;
    // Being ready anew is news about a process that could not be reached while it was not.
    if (endpoint.health.by === 'connect') this.#evidence.recovered(endpoint);
    this.#emit('ready', endpoint);
  }

  #joins(spec: EndpointSpec): void {
    const endpoint = new EndpointPool(spec, this.#pool, this.#context.clock);
    // It is there again: what still runs from before has no reason to end.
    for (const old of this.#leaving) if (old.spec.id === spec.id) old.removedAt = null;
    this.#present.set(spec.id, endpoint);
    this.#added.add(endpoint);
    this.#context.events.emit({ type: 'endpoint_added', destination: this.#pool.name, endpoint: spec.id });
  }

  /** Moves an endpoint out of rotation. Those that terminate without serving, or are removed, are drained at once. */
  setState(id: string, state: Exclude<EndpointState, 'ready'>): void {
    const endpoint = this.#present.get(id);
    if (endpoint === undefined || endpoint.state === state) return;
    const before = endpoint.state;
    endpoint.state = state;
    if (state === 'removed') this.#leave(endpoint);
    this.#changed();
    if (EVENTS[before] !== EVENTS[state]) this.#emit(state, endpoint);
    // Whether a better one is left is known only at the end of the batch.
    if (state === 'terminating' || state === 'removed') this.#drain(endpoint);
    else if (state === 'unready') this.#connecting.unready(endpoint);
    this.#connecting.rotationChanged();
  }

  #emit(state: EndpointState, endpoint: EndpointPool): void {
    this.#context.events.emit({ type: EVENTS[state], destination: this.#pool.name, endpoint: endpoint.spec.id });
  }

  #leave(endpoint: EndpointPool): void {
    const { id } = endpoint.spec;
    this.#present.delete(id);
    this.#added.delete(endpoint);
    this.#pool.rotation.joining.delete(endpoint);
    if (!endpoint.vacant) this.#leaving.add(endpoint);
    if (endpoint.state === 'removed') {
      const now = this.#context.clock.now();
      for (const each of this.#leaving) if (each.spec.id === id) each.removedAt ??= now;
    } else {
      endpoint.state = 'terminating';
      this.#drain(endpoint);
    }
  }

  #changed(): void {
    const present = [...this.#present.values()];
    this.#evidence.keepCap(present);
    this.#pool.rotation.update(present);
    if (this.#drainScheduled) return;
    // Where news comes singly nobody may say that the batch is over: it is when this turn of the event loop is.
    this.#drainScheduled = true;
    queueMicrotask(() => {
      this.#drainScheduled = false;
      this.#drainSuperseded();
    });
  }

  /** Endpoints that terminate and still serve are needed no more where there is a better one. */
  #drainSuperseded(): void {
    let drained = false;
    for (const endpoint of this.#present.values()) {
      if (endpoint.state !== 'terminating_serving' || this.drainReason(endpoint) === null) continue;
      this.#drain(endpoint);
      drained = true;
    }
    if (drained) this.#connecting.rotationChanged();
  }

  #drain(endpoint: EndpointPool): void {
    const reason = this.drainReason(endpoint);
    if (reason === null) return;
    this.#connecting.cancelTo(endpoint);
    endpoint.retireAll(reason, false);
  }

  /**
   * A batch of news is over.
   * @param whyEmpty what discovery says where there is no endpoint, or null
   * @returns endpoints that are new where there were others before
   */
  settle(whyEmpty: CarpoolError | null): readonly EndpointPool[] {
    this.#whyEmpty = whyEmpty;
    this.#drainSuperseded();
    const now = this.#context.clock.now();
    const newcomers = this.#hadSome ? [...this.#added] : [];
    if (this.#pool.policy.slowStartMs > 0) for (const endpoint of newcomers) endpoint.newSince = now;
    this.#added.clear();
    this.#hadSome = this.#present.size > 0;
    return newcomers;
  }

  /** An endpoint that left is forgotten when it has nothing open any more. */
  settleLeaving(endpoint: EndpointPool): void {
    if (endpoint.vacant) this.#leaving.delete(endpoint);
  }

  /** Once a second: `eviction.grace` ends what still runs through endpoints that are gone. */
  tick(now: number): void {
    const { graceMs } = this.#pool.policy.eviction;
    if (graceMs === 0) return;
    for (const endpoint of [...this.#leaving]) {
      if (endpoint.removedAt === null || now - endpoint.removedAt < graceMs) continue;
      endpoint.destroyAll('endpoint_removed');
      for (const place of [...endpoint.tunnels]) place.onCut();
    }
  }

  /** That no endpoint takes requests, in words for who waited for one. */
  noEndpoints(): CarpoolError {
    const { emptyWaitMs } = this.#context;
    const counts = new Map<string, number>();
    for (const { state } of this.#present.values()) {
      const word = state === 'unready' ? 'not ready' : 'terminating';
      counts.set(word, (counts.get(word) ?? 0) + 1);
    }
    const known = [...counts].map(([word, count]) => `${count} ${word}`).join(', ');
    const why =
      this.#whyEmpty?.message ?? `${this.#pool.name} has no endpoint that serves${known === '' ? '' : ` (${known})`}`;
    const waited = emptyWaitMs === 0 ? '' : `, and none appeared in ${emptyWaitMs} ms`;
    return new CarpoolError('NO_ENDPOINTS', why + waited, this.#whyEmpty === null ? {} : { hint: this.#whyEmpty.hint });
  }
}
