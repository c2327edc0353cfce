import type { Test } from 'tap';
import type { HealthCheckPolicy, TlsPolicy, UpstreamProtocol } from '../../src/config/types.ts';
import { HealthChecks } from '../../src/health/health-checks.ts';
import { type CarpoolEvent, DestinationObserver } from '../../src/observer.ts';
import type { EndpointPool } from '../../src/pool/endpoint-pool.ts';
import { Destination } from '../../src/routing/destination.ts';
import { until } from '../pool/origins.ts';
import {
  defaultConfig,
  endpointAt,
  policyWith,
  poolContext,
  type TestContext,
  TestRequest,
} from '../pool/pool-fixture.ts';

export type HealthOptions = {
  readonly check?: Partial<HealthCheckPolicy>;
  readonly tls?: Partial<TlsPolicy>;
  readonly secure?: boolean;
  readonly host?: string;
  readonly protocol?: UpstreamProtocol;
  readonly minConnections?: number;
};

/** With random numbers of 0.5 the first check comes here, and each next one after the interval exactly. */
export const FIRST_MS = 500;
export const INTERVAL_MS = 10_000;

/** Health checks of one destination, without the rest of the sidecar, on a clock that the test moves. */
export class HealthFixture {
  readonly context: TestContext = { ...poolContext(), random: () => 0.5 };
  readonly destination: Destination;
  readonly health: HealthChecks;
  readonly said: string[] = [];
  readonly destinations: Destination[] = [];
  #ended = 0;
  readonly #options: HealthOptions;

  constructor(t: Test, ports: readonly number[], options: HealthOptions = {}) {
    this.#options = options;
    const host = options.host ?? 'orders.shop';
    const secure = options.secure ?? false;
    const port = secure ? 443 : 8080;
    const name = `${host}:${port}`;
    const identity = { host, port, name, secure, label: name, configured: true, entry: null, endpoints: null };
    const observer = new DestinationObserver(name);
    this.destination = new Destination(identity, this.policy(), observer, () => null, this.context);
    this.destinations.push(this.destination);
    for (const each of ports) this.destination.add(endpointAt(each));
    this.destination.settled(null);
    const log = { info: (message: string) => this.said.push(message) };
    this.health = new HealthChecks({ ...this.context, router: this, log });
    t.teardown(() => {
      this.health.close();
      this.destination.pool.destroy();
    });
  }

  policy(check: Partial<HealthCheckPolicy> = {}) {
    const { defaults } = defaultConfig();
    const changes = { enabled: true, intervalMs: INTERVAL_MS, ...this.#options.check, ...check };
    const { minConnections = 0, protocol = 'auto' } = this.#options;
    return {
      ...policyWith({ protocol, pool: { minConnections } }),
      tls: { ...defaults.tls, ...this.#options.tls },
      healthCheck: { ...defaults.healthCheck, ...changes },
    };
  }

  /** A second passes without checks of its own: what a tick does. */
  tick(): void {
    const now = this.context.clock.now();
    this.destination.pool.tick(now);
    this.health.tick(now);
  }

  count(outcome: 'passed' | 'failed'): number {
    return this.destination.observer.healthChecks.get(outcome) ?? 0;
  }

  /** Checks that have ended so far. */
  get ended(): number {
    return this.count('passed') + this.count('failed');
  }

  /** Moves the clock and waits for `count` checks to end. */
  async round(count = 1, ms = INTERVAL_MS): Promise<void> {
    this.#ended = this.ended + count;
    this.context.clock.advance(ms);
    await until(() => this.ended >= this.#ended);
  }

  /** The first check of each endpoint. */
  async first(count = 1): Promise<void> {
    this.tick();
    await this.round(count, FIRST_MS);
  }

  endpoint(port: number): EndpointPool {
    const found = this.destination.pool.endpoints.find(({ spec }) => spec.port === port);
    if (found === undefined) throw new Error(`no endpoint at ${port}`);
    return found;
  }

  /** The endpoints in rotation, by port. */
  get rotation(): number[] {
    return this.destination.pool.rotation.candidates.map(({ spec }) => spec.port);
  }

  state(port: number): string | undefined {
    return this.destination.stats().endpoints.find((each) => each.port === port)?.state;
  }

  /** Why the endpoints that failed are out, in words. */
  get reasons(): string[] {
    return this.events('check_failed').map((event) => (event.type === 'check_failed' ? event.message : ''));
  }

  events(type: CarpoolEvent['type']): CarpoolEvent[] {
    return this.context.seen.filter((event) => event.type === type);
  }

  /** A request through the pool that stays on its connection until the test ends it. */
  request(): TestRequest {
    const request = new TestRequest();
    this.destination.acquire(request, []);
    return request;
  }
}

/** Why one check fails, or null: it passes. */
export async function outcome(t: Test, port: number, options: HealthOptions): Promise<string | null> {
  const fixture = new HealthFixture(t, [port], { ...options, check: { threshold: 1, ...options.check } });
  await fixture.first();
  return fixture.count('passed') === 1 ? null : (fixture.reasons[0] ?? 'no reason');
}
