import type { PooledConnection } from '../connection/upstream.ts';
import type { CloseReason, EventSink } from '../observer.ts';
import type { EndpointPool } from './endpoint-pool.ts';
import type { PoolCore } from './pool-core.ts';

/**
 * What exchanges and connects tell about the endpoints of one destination: latency, failures in a row, the ejection
 * that follows, and how long the server keeps idle connections.
 */
export class EndpointEvidence {
  readonly #pool: PoolCore;
  readonly #events: EventSink;

  constructor(pool: PoolCore, events: EventSink) {
    this.#pool = pool;
    this.#events = events;
  }

  /** A response head came from `endpoint`, `ms` after the request went out. */
  answered(endpoint: EndpointPool, status: number, ms: number, now: number): void {
    endpoint.latency.observe(ms, now);
    if (status >= 502 && status <= 504) this.#failure(endpoint, `status ${status}`);
    else if (endpoint.health.out) this.recovered(endpoint);
  }

  /** A response of `status` came from `endpoint` to its end. A head alone proves little: see a pod that resets in mid-response. */
  completed(endpoint: EndpointPool, status: number): void {
    if (status < 502 || status > 504) endpoint.health.consecutiveFailures = 0;
  }

  /** An exchange on `endpoint` failed (reset, cut, timed out) after `ms`. */
  failed(endpoint: EndpointPool, cause: string, ms: number, now: number): void {
    endpoint.latency.observe(ms, now);
    this.#failure(endpoint, cause);
  }

  /** The app left before an answer came: no failure, but `ms` is a latency that it had to bear. */
  gaveUp(endpoint: EndpointPool, ms: number, now: number): void {
    endpoint.latency.observe(ms, now);
    if (endpoint.health.ejection.state === 'trial') this.eject(endpoint, 'failures', 'no answer to a trial request');
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

  #failure(endpoint: EndpointPool, cause: string): void {
    endpoint.health.consecutiveFailures++;
    const trial = endpoint.health.ejection.state === 'trial';
    if (!trial && endpoint.health.consecutiveFailures < this.#pool.policy.breaker.failures) return;
    this.eject(endpoint, 'failures', cause);
  }

  /** Once a second: an ejection whose time is over is put to the test, where a connect decides, in the background. */
  tick(now: number): void {
    const { endpoints, rotation } = this.#pool;
    for (const endpoint of endpoints) {
      if (endpoint.health.expire(now)) rotation.update(endpoints);
      const { ejection } = endpoint.health;
      if (ejection.state !== 'trial' || ejection.by !== 'connect' || endpoint.dialing > 0) continue;
      // Again at each tick until there is room for the connect, else it would stay out for good.
      if (rotation.takes(endpoint) && this.#pool.room(endpoint)) this.#pool.warm(endpoint);
    }
  }

  /** It works again. */
  recovered(endpoint: EndpointPool): void {
    if (!endpoint.health.recovered()) return;
    this.#events.emit({ type: 'endpoint_restored', destination: this.#pool.name, endpoint: endpoint.spec.id });
    this.#pool.rotation.update(this.#pool.endpoints);
  }

  /** Takes an endpoint out of rotation for a while, unless too many are out already. */
  eject(endpoint: EndpointPool, by: 'connect' | 'failures', cause: string): void {
    if (!this.#pool.holds(endpoint) || endpoint.health.ejection.state === 'ejected') return;
    if (endpoint.health.ejection.state === 'none' && !this.#pool.rotation.mayEject(this.#pool.endpoints)) return;
    const forMs = endpoint.health.eject(by, this.#pool.policy.breaker.recoveryMs);
    this.#pool.rotation.update(this.#pool.endpoints);
    this.#events.emit({
      type: 'endpoint_ejected',
      destination: this.#pool.name,
      endpoint: endpoint.spec.id,
      forMs,
      cause,
    });
  }
}
