import fc from 'fast-check';
import type { DestinationPolicy } from '../../src/config/types.ts';
import type { ProtocolNeed } from '../../src/connection/upstream.ts';
import type { DestinationPool } from '../../src/pool/destination-pool.ts';
import type { EndpointState } from '../../src/pool/endpoint-pool.ts';
import type { Http2Context } from './fake-http2.ts';
import { type AnsweringOrigin, ok } from './origins.ts';
import { endpointAt, policyWith, TestRequest } from './pool-fixture.ts';

/**
 * Two destinations over the same three origins, one of which is a port where nobody listens, with small limits that
 * change, and any sequence of what may happen to them, by HTTP/1.1 and by HTTP/2 in one. Real sockets, on which HTTP/2 is played: after
 * each command the world is let come to rest.
 */
export type World = {
  readonly context: Http2Context;
  readonly pools: readonly DestinationPool[];
  readonly origins: readonly AnsweringOrigin[];
  readonly ports: readonly number[];
  readonly requests: {
    readonly request: TestRequest;
    readonly pool: DestinationPool;
    refused: boolean;
    withdrawn: boolean;
  }[];
  readonly answered: Set<unknown>;
  /** How many connections may count at each pool: its limit, or as many as there were when that was lowered. */
  readonly most: number[];
};

export type Command =
  | {
      readonly do: 'acquire';
      readonly pool: number;
      readonly kind: 'safe' | 'unsafe' | 'fresh' | 'tunnel' | 'tried';
      readonly need: ProtocolNeed;
    }
  | { readonly do: 'respond' | 'goaway' | 'break' | 'allow'; readonly which: number; readonly streams: number }
  | { readonly do: 'answer' | 'cut' | 'cancel' | 'withdraw' | 'stray'; readonly which: number }
  | { readonly do: 'closeIdle'; readonly which: number }
  | { readonly do: 'evict'; readonly pool: number; readonly idleOnly: boolean }
  | {
      readonly do: 'endpoint';
      readonly pool: number;
      readonly endpoint: number;
      readonly state: EndpointState;
      readonly settle: boolean;
    }
  | { readonly do: 'scale' | 'share'; readonly pool: number; readonly limit: number | null }
  | { readonly do: 'policy'; readonly pool: number; readonly maxConnections: number; readonly minConnections: number }
  | { readonly do: 'advance'; readonly ms: number };

export const POOL_LIMIT = 2;
export const MAX_STREAMS = 3;
export const TOTAL_LIMIT = 3;

export const commands: fc.Arbitrary<Command[]> = fc.array(
  fc.oneof(
    {
      weight: 10,
      arbitrary: fc.record({
        do: fc.constant('acquire' as const),
        pool: fc.nat(1),
        kind: fc.constantFrom('safe', 'safe', 'unsafe', 'fresh', 'tunnel', 'tried'),
        need: fc.constantFrom('as_http1', 'as_http1', 'as_http2', 'as_http2', 'as_http2', 'http1', 'http2'),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constantFrom(
          'respond' as const,
          'respond' as const,
          'goaway' as const,
          'break' as const,
          'allow' as const,
        ),
        which: fc.nat(9),
        streams: fc.nat(3),
      }),
    },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('answer' as const), which: fc.nat(9) }) },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constantFrom('cut' as const, 'cancel' as const, 'withdraw' as const, 'stray' as const),
        which: fc.nat(9),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('closeIdle' as const), which: fc.nat(9) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('evict' as const), pool: fc.nat(1), idleOnly: fc.boolean() }) },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('endpoint' as const),
        pool: fc.nat(1),
        endpoint: fc.nat(2),
        state: fc.constantFrom(
          'ready' as const,
          'ready' as const,
          'suspended' as const,
          'unready' as const,
          'terminating_serving' as const,
          'terminating' as const,
          'removed' as const,
        ),
        settle: fc.boolean(),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constantFrom('scale' as const, 'share' as const),
        pool: fc.nat(1),
        limit: fc.constantFrom(0, 1, 1, 2, 3, null, null),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('policy' as const),
        pool: fc.nat(1),
        maxConnections: fc.integer({ min: 1, max: 3 }),
        minConnections: fc.constantFrom(0, 1, 2, 2),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.constantFrom(100, 1000, 5000, 61_000) }),
    },
  ),
  { minLength: 15, maxLength: 50 },
);

export const policyOf = (maxConnections: number, minConnections: number): DestinationPolicy =>
  policyWith({
    pool: { maxConnections, minConnections, maxPending: 4, maxIdle: 2, maxRequests: 5, maxStreams: MAX_STREAMS },
    balancer: 'p2c',
    graceMs: 30_000,
  });

/** The nth of those there are, or undefined where there is none. */
const nth = <T>(items: readonly T[], index: number): T | undefined => items[index % Math.max(1, items.length)];

/** Ends a tunnel as its user does: the socket goes, and its place is given back once. */
export function closeTunnel(request: TestRequest): void {
  request.tunnelSocket?.destroy();
  request.tunnelClosed?.();
  request.tunnelClosed = null;
}

export function run(world: World, command: Command): void {
  const { pools, requests, origins, context } = world;
  switch (command.do) {
    case 'acquire': {
      const pool = nth(pools, command.pool);
      if (pool === undefined) return;
      const { kind } = command;
      const request = new TestRequest(`/${requests.length}`, {
        unsafe: kind === 'unsafe' || kind === 'tunnel',
        fresh: kind === 'fresh' || kind === 'tunnel',
        tunnel: kind === 'tunnel',
        need: command.need,
      });
      const entry = { request, pool, refused: false, withdrawn: false };
      requests.push(entry);
      try {
        pool.acquire(request, kind === 'tried' ? pool.endpoints.slice(0, 1) : []);
      } catch {
        entry.refused = true;
      }
      return;
    }
    case 'answer':
    case 'stray':
    case 'cut': {
      const open = origins
        .flatMap((origin) => origin.requests)
        .filter((seen) => !world.answered.has(seen) && !seen.connection.ended);
      const seen = nth(open, command.which);
      if (seen === undefined) return;
      world.answered.add(seen);
      // Node cannot reset what it is just ending, and would never close it.
      if (command.do === 'cut' && seen.connection.socket.writableEnded) seen.connection.socket.destroy();
      else if (command.do === 'cut') seen.connection.socket.resetAndDestroy();
      else seen.connection.write(command.do === 'stray' ? ok('x') + ok('stray') : ok('x'));
      return;
    }
    case 'cancel': {
      const entry = nth(
        requests.filter(({ request }) => request.lease !== null || request.tunnelClosed !== null),
        command.which,
      );
      entry?.request.cancel();
      if (entry !== undefined) closeTunnel(entry.request);
      return;
    }
    case 'withdraw': {
      const entry = nth(
        requests.filter(({ request, refused, withdrawn }) => request.waiting && !refused && !withdrawn),
        command.which,
      );
      if (entry !== undefined) entry.withdrawn = entry.pool.withdraw(entry.request);
      return;
    }
    case 'closeIdle': {
      const idle = origins.flatMap((origin) => origin.connections).filter(({ ended }) => !ended);
      nth(idle, command.which)?.socket.end();
      return;
    }
    case 'respond':
    case 'goaway':
    case 'break':
    case 'allow': {
      const open = context.opened.filter(({ state, unproven }) => state !== 'closed' && !unproven);
      const connection = nth(open, command.which);
      if (connection === undefined) return;
      if (command.do === 'goaway') connection.goaway();
      else if (command.do === 'break') connection.break(command.streams === 3);
      else if (command.do === 'allow') connection.limit(command.streams);
      else if (connection.streams.length > 0) connection.respond(command.streams % connection.streams.length);
      return;
    }
    case 'evict':
      nth(pools, command.pool)?.evict('admin', command.idleOnly);
      return;
    case 'endpoint': {
      const endpoint = endpointAt(world.ports[command.endpoint] ?? 0);
      const pool = nth(pools, command.pool);
      if (command.state === 'ready') pool?.add(endpoint);
      else pool?.setState(endpoint.id, command.state);
      if (command.settle) pool?.settle();
      return;
    }
    case 'scale':
    case 'share': {
      const pool = nth(pools, command.pool);
      // Scaling keeps one at least; a share may be nothing.
      if (command.do === 'share') pool?.limit.setShare(command.limit);
      else pool?.limit.scale(command.limit === null ? null : Math.max(1, command.limit));
      pool?.limitChanged();
      return;
    }
    case 'policy':
      nth(pools, command.pool)?.setPolicy(policyOf(command.maxConnections, command.minConnections), null);
      return;
    case 'advance': {
      // The ticker's part: once a second.
      for (let left = command.ms; left > 0; left -= 1000) {
        context.clock.advance(Math.min(left, 1000));
        for (const pool of pools) pool.tick(context.clock.now());
      }
    }
  }
}
