import net from 'node:net';
import type { Test } from 'tap';
import { loadConfig } from '../../src/config/load.ts';
import type { Config, DestinationPolicy } from '../../src/config/types.ts';
import type { TlsIdentity } from '../../src/connection/tls-identity.ts';
import type { AttemptFailure, ProtocolNeed, ResponseReceiver, UpstreamLease } from '../../src/connection/upstream.ts';
import type { CarpoolError } from '../../src/errors.ts';
import { type CarpoolEvent, DestinationObserver } from '../../src/observer.ts';
import { Capacity } from '../../src/pool/capacity.ts';
import { DestinationPool } from '../../src/pool/destination-pool.ts';
import { type EndpointParent, EndpointPool } from '../../src/pool/endpoint-pool.ts';
import { IdleTime } from '../../src/pool/idle-time.ts';
import type { LeaseWaiter, PoolContext } from '../../src/pool/lease.ts';
import type { TunnelPlace } from '../../src/pool/tunnel-place.ts';
import { Head } from '../../src/protocol/head.ts';
import { HeadScanner } from '../../src/protocol/http1/head-scanner.ts';
import { makeBalancer } from '../../src/routing/balancers.ts';
import type { ByteSocket } from '../../src/transport/byte-socket.ts';
import { TestClock } from '../test-clock.ts';

/** The configuration with all its defaults. */
export const defaultConfig = (): Config => loadConfig({ file: null, env: {}, flags: [] }).config;

/** The default policy with some values changed. */
export function policyWith(
  changes: {
    readonly pool?: Partial<DestinationPolicy['pool']>;
    readonly timeouts?: Partial<DestinationPolicy['timeouts']>;
    readonly breaker?: Partial<DestinationPolicy['breaker']>;
    readonly balancer?: DestinationPolicy['balancer'];
    readonly protocol?: DestinationPolicy['protocol'];
    readonly slowStartMs?: number;
    readonly graceMs?: number;
  } = {},
): DestinationPolicy {
  const { defaults } = defaultConfig();
  return {
    ...defaults,
    balancer: changes.balancer ?? 'round_robin',
    protocol: changes.protocol ?? defaults.protocol,
    pool: { ...defaults.pool, ...changes.pool },
    timeouts: { ...defaults.timeouts, ...changes.timeouts },
    breaker: { ...defaults.breaker, ...changes.breaker },
    eviction: { graceMs: changes.graceMs ?? defaults.eviction.graceMs },
    slowStartMs: changes.slowStartMs ?? defaults.slowStartMs,
  };
}

/** Numbers in [0, 1) that are the same in each run (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

export type TestContext = PoolContext & { readonly clock: TestClock; readonly seen: CarpoolEvent[] };

/** What pools share, on a clock that the test moves. */
export function poolContext(maxConnections = 10_000): TestContext {
  let id = 0;
  const seen: CarpoolEvent[] = [];
  return {
    clock: new TestClock(),
    capacity: new Capacity(maxConnections),
    events: { emit: (event) => seen.push(event) },
    seen,
    responseScanner: new HeadScanner(new Head(200), { maxHeadBytes: 65_536, maxFields: 200, maxTargetBytes: 16_384 }),
    emptyWaitMs: 1000,
    openHttp2: () => {
      throw new Error('this test opens no HTTP/2 connection');
    },
    pingAfterMs: () => 0,
    nextConnectionId: () => ++id,
    random: seededRandom(1),
  };
}

/** A pool of one destination, without the rest of the sidecar. It is destroyed when the test ends. */
export function testPool(
  t: Test,
  context: TestContext,
  policy: DestinationPolicy = policyWith(),
  name = 'orders.shop:8080',
  tls: TlsIdentity | null = null,
): DestinationPool {
  const pool = new DestinationPool(
    name,
    policy,
    makeBalancer(policy.balancer, context.random),
    new DestinationObserver(name),
    context,
    tls,
  );
  t.teardown(() => pool.destroy());
  return pool;
}

export const endpointAt = (port: number) => ({ id: `127.0.0.1:${port}`, address: '127.0.0.1', port });

/** An endpoint that is part of no destination. */
export function loneEndpoint(clock: TestClock, id = 'e0'): EndpointPool {
  return new EndpointPool({ id, address: '127.0.0.1', port: 1000 }, endpointParent(), clock);
}

/** A destination that nothing happens at. */
export function endpointParent(): EndpointParent {
  return {
    idleTime: new IdleTime(null),
    policy: policyWith(),
    secure: false,
    offer: () => false,
    whyRetire: () => null,
    drainReason: () => null,
    connectionGone: () => {},
    drains: () => {},
    idleAdded: () => {},
  };
}

const requestScanner = new HeadScanner(new Head(200), {
  maxHeadBytes: 65_536,
  maxFields: 200,
  maxTargetBytes: 16_384,
});

/** A request as the pool knows it: it waits for a lease, uses it, and counts what it is told. */
export class TestRequest implements LeaseWaiter, ResponseReceiver {
  readonly unsafe: boolean;
  readonly fresh: boolean;
  readonly tunnel: boolean;
  sticky = -1;
  readonly need: ProtocolNeed;
  readonly path: string;
  lease: UpstreamLease | null = null;
  endpoint: EndpointPool | null = null;
  reused = false;
  /** Its lease is one of several that its connection may carry. */
  overHttp2 = false;
  error: CarpoolError | null = null;
  failure: AttemptFailure | null = null;
  tunnelClosed: (() => void) | null = null;
  tunnelSocket: ByteSocket | null = null;
  /** Its tunnel was ended by the pool. */
  cut = false;
  responded = false;
  /** How often `leased`, `acquireFailed` and `tunnelReady` came. */
  told = 0;
  /** How often the response ended or the attempt failed. */
  ended = 0;

  constructor(path = '/', options: { unsafe?: boolean; fresh?: boolean; tunnel?: boolean; need?: ProtocolNeed } = {}) {
    this.path = path;
    this.unsafe = options.unsafe ?? false;
    this.fresh = options.fresh ?? false;
    this.tunnel = options.tunnel ?? false;
    this.need = options.need ?? 'as_http1';
  }

  leased(lease: UpstreamLease, endpoint: EndpointPool): void {
    this.told++;
    this.lease = lease;
    this.endpoint = endpoint;
    this.reused = lease.reused;
    this.overHttp2 = lease.refusable;
    const bytes = Buffer.from(`GET ${this.path} HTTP/1.1\r\nHost: orders\r\n\r\n`);
    requestScanner.scanRequest(bytes, 0, bytes.length);
    const options = { authority: null, pathPrefix: Buffer.alloc(0), upgrade: false, close: false, extraLines: null };
    lease.sendHead(requestScanner.head, options, this, false);
    lease.flush();
  }

  acquireFailed(error: CarpoolError): void {
    this.told++;
    this.error = error;
  }

  tunnelReady(socket: ByteSocket, endpoint: EndpointPool, place: TunnelPlace): void {
    this.told++;
    this.endpoint = endpoint;
    this.tunnelSocket = socket;
    this.tunnelClosed = () => place.closed();
    place.onCut = () => {
      this.cut = true;
      socket.destroy();
      this.tunnelClosed = null;
      place.closed();
    };
  }

  /** Ends the exchange before its response. */
  cancel(): void {
    const { lease } = this;
    this.lease = null;
    lease?.cancel();
  }

  get waiting(): boolean {
    return this.told === 0;
  }

  interim(): void {}
  response(): void {
    this.responded = true;
  }
  responseData(): void {}
  responseTrailers(): void {}
  responseEnd(): void {
    this.lease = null;
    this.ended++;
  }
  upgraded(): void {}
  requestWritable(): void {}
  attemptFailed(failure: AttemptFailure): void {
    this.lease = null;
    this.failure = failure;
    this.ended++;
  }
}

/** Connections that this process holds open or is opening for the pool, as the pool itself sees them. */
export function openOf(pool: DestinationPool): number {
  const { connecting, active, idle, draining } = pool.totals();
  return connecting + active + idle + draining;
}

/** A port of loopback where nobody listens: below those that Linux gives out, so that no listener of the test gets it next. */
export async function refusingPort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const server = net.createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!free) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}
