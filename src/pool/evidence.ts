import type { DialFailure } from '../connection/dial-failure.ts';
import type { PooledConnection } from '../connection/upstream.ts';
import type { CloseReason, EventSink } from '../observer.ts';
import type { Evidence } from './endpoint-load.ts';
import type { EndpointPool } from './endpoint-pool.ts';
import type { OutcomeListener } from './outcomes.ts';
import type { PoolCore } from './pool-core.ts';

/** What tells when an attempt went out is the difference of two fractions. */
const ROUNDING_MS = 0.01;

/** Statuses by which a server, or a proxy before it, says that it cannot serve. */
const isFailure = (status: number): boolean => status >= 502 && status <= 504;

/**
 * What exchanges and connects tell about the endpoints of one destination: latency, failures in a row, the ejection
 * that follows, and how long the server keeps idle connections.
 */
export class EndpointEvidence {
  /** Hears of all requests of the destination; null: nobody does. */
  outcomes: OutcomeListener | null = null;
  readonly #pool: PoolCore;
  readonly #events: EventSink;

  constructor(pool: PoolCore, events: EventSink) {
    this.#pool = pool;
    this.#events = events;
  }

  /** A response head came from `endpoint`, `ms` after the request went out. */
  answered(endpoint: EndpointPool, status: number, ms: number, now: number): void {
    endpoint.latency.observe(ms, now);
    if (isFailure(status)) this.#failure(endpoint, `status ${status}`, now - ms, now);
    else {
      if (endpoint.health.suspect) {
        endpoint.health.knownSince = now - ms - ROUNDING_MS;
        this.recovered(endpoint);
      }
      if (this.outcomes !== null) this.outcomes.answered(now - ms);
    }
  }

  /** A response of `status` came from `endpoint` to its end. A head alone proves little: see a pod that resets in mid-response. */
  completed(endpoint: EndpointPool, status: number): void {
    if (isFailure(status)) return;
    endpoint.health.consecutiveFailures = 0;
    if (this.outcomes !== null) this.outcomes.completed();
  }

  /** A connect to `endpoint` has worked: what failed ones said is over. */
  connected(endpoint: EndpointPool): void {
    endpoint.connectsFailed = null;
    if (endpoint.health.by === 'connect') this.recovered(endpoint);
  }

  /** A connect to `endpoint` failed, by its own fault. */
  connectFailed(endpoint: EndpointPool, { errno, message, tls }: DialFailure, now: number): void {
    const count = (endpoint.connectsFailed?.count ?? 0) + 1;
    endpoint.connectsFailed = { count, errno, message, tls: tls !== null, at: now };
    this.eject(endpoint, 'connect', errno);
  }

  /** An exchange on `endpoint` failed (reset, cut, timed out) after `ms`. */
  failed(endpoint: EndpointPool, cause: string, ms: number, now: number): void {
    endpoint.latency.observe(ms, now);
    this.#failure(endpoint, cause, now - ms, now);
  }

  /** An answer of gRPC said UNAVAILABLE in its trailers, after a head that said nothing. */
  unavailable(endpoint: EndpointPool, now: number): void {
    this.#failure(endpoint, 'grpc-status 14', now, now);
  }

  /** The app left before an answer came: no failure, but `ms` is a latency that it had to bear. */
  gaveUp(endpoint: EndpointPool, ms: number, now: number): void {
    endpoint.latency.observe(ms, now);
    if (endpoint.health.onTrial) this.eject(endpoint, 'failures', 'no answer to a trial request');
    if (this.outcomes !== null) this.outcomes.left(now - ms);
  }

  /** A request got no connection, for none of its connects has worked. */
  unreached(cause: string, now: number): void {
    if (this.outcomes !== null) this.outcomes.failed(cause, now, now);
  }

  /** A tunnel stands: all that is ever known of its destination. */
  tunnelled(now: number): void {
    if (this.outcomes === null) return;
    this.outcomes.answered(now);
    this.outcomes.completed();
  }

  /**
   * A connection to `endpoint` has ended.
   * @param idleMs how long it had been idle where that may be why the peer closed it, or null
   */
  closed(
    endpoint: EndpointPool,
    connection: PooledConnection,
    reason: CloseReason,
    idleMs: number | null,
    now: number,
  ): void {
    const where = { destination: this.#pool.name, endpoint: endpoint.spec.id };
    const { createdAt, requests } = connection;
    this.#events.emit({ type: 'connection_closed', ...where, reason, ageMs: now - createdAt, requests });
    if (idleMs === null || endpoint.state !== 'ready') return;
    const learned = this.#pool.idleTime.closedAfter(idleMs, now);
    if (learned !== null) this.#events.emit({ type: 'idle_learned', ...where, seconds: learned / 1000 });
  }

  #failure(endpoint: EndpointPool, cause: string, sentAt: number, now: number): void {
    if (this.outcomes !== null) this.outcomes.failed(cause, sentAt, now);
    if (sentAt < endpoint.health.knownSince) return;
    endpoint.health.consecutiveFailures++;
    const { consecutiveFailures, onTrial } = endpoint.health;
    if (!onTrial && consecutiveFailures < this.#pool.policy.breaker.failures) return;
    this.eject(endpoint, 'failures', cause);
  }

  /** Once a second: an ejection whose time is over is put to the test, where a connect decides, in the background. */
  tick(now: number): void {
    const { endpoints, rotation } = this.#pool;
    for (const endpoint of endpoints) {
      if (!endpoint.health.suspect) continue;
      if (endpoint.health.expire(now, endpoint.outstanding)) rotation.update(endpoints);
      if (endpoint.health.by !== 'connect' || !endpoint.health.due(now) || endpoint.dialing > 0) continue;
      // Again at each tick until there is room for the connect, else it would stay out for good.
      if (rotation.takes(endpoint) && this.#pool.room(endpoint)) this.#pool.warm(endpoint);
    }
  }

  /** It works again. */
  recovered(endpoint: EndpointPool): void {
    if (!endpoint.health.recovered()) return;
    this.#restored(endpoint);
    this.#pool.rotation.update(this.#pool.endpoints);
  }

  #restored(endpoint: EndpointPool): void {
    this.#events.emit({ type: 'endpoint_restored', destination: this.#pool.name, endpoint: endpoint.spec.id });
  }

  /** Takes an endpoint out of rotation for a while; where too many are out already, it is only left alone for a moment. */
  eject(endpoint: EndpointPool, by: Evidence, cause: string): void {
    if (!this.#pool.holds(endpoint)) return;
    const { health } = endpoint;
    const { state } = health.ejection;
    if (state === 'ejected') return;
    if (state !== 'trial' && !this.#pool.rotation.mayEject(this.#pool.endpoints)) {
      health.doubt(by, endpoint.outstanding);
      return;
    }
    const forMs = health.eject(by, this.#pool.policy.breaker.recoveryMs);
    this.#pool.rotation.update(this.#pool.endpoints);
    this.#events.emit({
      type: 'endpoint_ejected',
      destination: this.#pool.name,
      endpoint: endpoint.spec.id,
      forMs,
      cause,
    });
  }

  /**
   * Endpoints have come or gone: where more than half of the ready ones are out now, those that were out longest are let
   * in again. The rotation is to be updated afterwards.
   */
  keepCap(endpoints: readonly EndpointPool[]): void {
    for (;;) {
      const endpoint = this.#pool.rotation.tooMany(endpoints);
      if (endpoint === null) return;
      endpoint.health.readmit(endpoint.outstanding);
      this.#restored(endpoint);
    }
  }
}
