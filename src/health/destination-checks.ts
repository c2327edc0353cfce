import type { HealthCheckPolicy } from '../config/types.ts';
import type { EventSink } from '../observer.ts';
import type { EndpointPool } from '../pool/endpoint-pool.ts';
import type { Destination } from '../routing/destination.ts';
import { TlsFileError } from '../transport/tls-files.ts';
import { type CheckContext, type CheckOwner, EndpointCheck, type Verdict } from './endpoint-check.ts';
import type { Question } from './probe.ts';

/** What a scheme's own port is: it is left out of Host. */
const DEFAULT_PORTS = { clear: 80, secure: 443 } as const;

/** The health checks of one destination: one for each endpoint that may take requests. */
export class DestinationChecks implements CheckOwner {
  readonly #destination: Destination;
  readonly #context: CheckContext;
  readonly #events: EventSink;
  readonly #onProxied: (destination: string) => void;
  readonly #checks = new Map<EndpointPool, EndpointCheck>();
  #policy: HealthCheckPolicy;

  /** @param onProxied told of a destination that is reached through a parent proxy: it cannot be checked */
  constructor(
    destination: Destination,
    context: CheckContext,
    events: EventSink,
    onProxied: (destination: string) => void,
  ) {
    this.#destination = destination;
    this.#context = context;
    this.#events = events;
    this.#onProxied = onProxied;
    this.#policy = destination.policy.healthCheck;
  }

  get policy(): HealthCheckPolicy {
    return this.#policy;
  }

  /** Follows the destination's policy and its endpoints. */
  sync(): void {
    const { pool, policy } = this.#destination;
    const restarts = !samePolicy(this.#policy, policy.healthCheck);
    this.#policy = policy.healthCheck;
    const endpoints = new Set(pool.endpoints.filter((endpoint) => this.#checkable(endpoint)));
    for (const endpoint of [...this.#checks.keys()]) if (!endpoints.has(endpoint)) this.#forget(endpoint);
    for (const endpoint of endpoints) {
      const check = this.#checks.get(endpoint);
      if (check === undefined) {
        this.#checks.set(endpoint, new EndpointCheck(endpoint, this, this.#context));
        pool.checks.set(endpoint, 'pending');
      } else if (restarts) check.restart();
    }
  }

  /** No check follows; what failed its checks takes requests as before. */
  stop(): void {
    for (const endpoint of [...this.#checks.keys()]) this.#forget(endpoint);
  }

  #forget(endpoint: EndpointPool): void {
    this.#checks.get(endpoint)?.stop();
    this.#checks.delete(endpoint);
    this.#destination.pool.checks.set(endpoint, null);
  }

  /** One that is not ready, or terminates, is out by what discovery says; when it comes back its checks begin anew. */
  #checkable({ state, spec }: EndpointPool): boolean {
    if (spec.proxied !== undefined) {
      this.#onProxied(this.#destination.name);
      return false;
    }
    return state === 'ready' || state === 'suspended';
  }

  // --- CheckOwner

  question(endpoint: EndpointPool): Question | string {
    const { kind, timeoutMs, path, service, port } = this.#policy;
    const { identity, policy, pool } = this.#destination;
    const own = port === null || port === endpoint.spec.port;
    // What the endpoint's own port speaks says nothing about another.
    const guess = policy.protocol !== 'auto' ? policy.protocol : identity.secure ? 'negotiate' : 'http1';
    const lane = kind === 'grpc' ? 'http2' : own ? endpoint.spokenFor('as_http1') : guess;
    const common = { kind, timeoutMs, service, path: path === '' ? '/' : path, http2: lane === 'http2' };
    const place = {
      addresses: endpoint.addresses,
      port: port ?? endpoint.spec.port,
      authority: authorityOf(identity.host, identity.port, identity.secure),
    };
    if (pool.tls === null) return { ...common, ...place, secure: null };
    try {
      const context = pool.tls.context();
      const protocols = lane === 'http2' ? H2 : lane === 'http1' ? HTTP1 : EITHER;
      return { ...common, ...place, secure: { context, serverName: pool.tls.serverName, protocols } };
    } catch (error) {
      if (error instanceof TlsFileError) return `tls.${error.setting}: ${error.message}`;
      throw error;
    }
  }

  checked(endpoint: EndpointPool, verdict: Verdict, changed: boolean, failure: string | null): void {
    const { observer, pool, name } = this.#destination;
    const outcome = failure === null ? 'passed' : 'failed';
    observer.healthChecks.set(outcome, (observer.healthChecks.get(outcome) ?? 0) + 1);
    const before = endpoint.checked;
    pool.checks.set(endpoint, verdict);
    // The same port has just taken a connection.
    if (failure === null && this.#policy.port === null) pool.checks.reachable(endpoint);
    if (!changed) return;
    const where = { destination: name, endpoint: endpoint.spec.id };
    if (verdict === 'failing') {
      const serves = pool.rotation.candidates.includes(endpoint) ? '; it serves on, for no other one is fit' : '';
      this.#events.emit({ type: 'check_failed', ...where, message: `${failure ?? ''}${serves}` });
    } else if (before === 'failing') this.#events.emit({ type: 'check_passed', ...where });
  }
}

const H2 = ['h2'] as const;
const HTTP1 = ['http/1.1'] as const;
const EITHER = ['h2', 'http/1.1'] as const;

function authorityOf(host: string, port: number, secure: boolean): string {
  const bare = host.includes(':') ? `[${host}]` : host;
  return port === DEFAULT_PORTS[secure ? 'secure' : 'clear'] ? bare : `${bare}:${port}`;
}

function samePolicy(a: HealthCheckPolicy, b: HealthCheckPolicy): boolean {
  return (
    a.kind === b.kind &&
    a.intervalMs === b.intervalMs &&
    a.timeoutMs === b.timeoutMs &&
    a.threshold === b.threshold &&
    a.path === b.path &&
    a.port === b.port &&
    a.service === b.service
  );
}
