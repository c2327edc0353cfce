import { randomBytes } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import type { FleetStats } from '../admin/inspector.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/types.ts';
import type { EventSink } from '../observer.ts';
import type { SharedDestination } from './budgets.ts';
import type { Coordinator } from './coordinator.ts';
import { KubernetesCoordinator } from './kubernetes-coordinator.ts';
import { Peers, type PeersOptions } from './peers.ts';
import { ShareBook } from './share-book.ts';

/** What it needs of the sidecar. */
export type FleetContext = {
  readonly clock: Clock;
  readonly events: EventSink;
  readonly random: () => number;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly sources: { followService: PeersOptions['follow'] };
  readonly router: {
    readonly destinations: Iterable<SharedDestination>;
    /** Called when there is a new destination, before its first request. */
    joined: (() => void) | null;
  };
};

/** Runs beside the requests. */
export interface FleetService {
  tick(now: number): void;
  reconfigure(config: Config): void;
  fleet(): FleetStats;
  close(): void;
}

/**
 * Begins to divide. The client of Redis is loaded only where it is the coordinator.
 * Where this rejects, nothing is divided: requests must not wait for ever.
 */
export async function openFleet(config: Config, context: FleetContext): Promise<FleetService> {
  const { router } = context;
  try {
    return await begin(config, context);
  } catch (error) {
    router.joined = () => {
      for (const { pool } of router.destinations) {
        if (pool.limit.share === null) continue;
        pool.limit.setShare(null);
        pool.limitChanged();
      }
    };
    router.joined();
    throw error;
  }
}

async function begin(config: Config, context: FleetContext): Promise<FleetService> {
  const { router, clock, events } = context;
  const book = new ShareBook({ destinations: () => router.destinations, clock, events });
  const coordinator =
    config.fleet.coordinator === 'redis'
      ? await openRedisCoordinator(config, context, book)
      : openKubernetesCoordinator(config, context, book);
  router.joined = () => coordinator.refresh();
  return {
    tick: (now) => coordinator.tick(now),
    reconfigure: (next) => coordinator.reconfigure(next),
    fleet: () => coordinator.stats(),
    close: () => {
      router.joined = null;
      coordinator.close();
    },
  };
}

function peersOptions(config: Config, { sources, clock }: FleetContext): Omit<PeersOptions, 'changed'> {
  return {
    service: config.fleet.service ?? '',
    follow: (service, changed) => sources.followService(service, changed),
    addresses: ownAddresses(config),
    clock,
  };
}

function openKubernetesCoordinator(config: Config, context: FleetContext, book: ShareBook): Coordinator {
  const { clock, events } = context;
  return new KubernetesCoordinator({
    ...peersOptions(config, context),
    book,
    clock,
    events,
    minShare: config.fleet.minShare,
  });
}

async function openRedisCoordinator(config: Config, context: FleetContext, book: ShareBook): Promise<Coordinator> {
  const [{ RedisCoordinator }, { RedisLink }, { openRedis, redisAddress }, { workloadName }] = await Promise.all([
    import('./redis-coordinator.ts'),
    import('./redis-link.ts'),
    import('./redis-connection.ts'),
    import('./workload-name.ts'),
  ]);
  const { clock, events, random, env } = context;
  const { redis, failoverTimeoutMs, minShare, service } = config.fleet;
  return new RedisCoordinator({
    book,
    clock,
    events,
    random,
    id: randomBytes(8).toString('hex'),
    // In braces: what a proxy that shards by key keeps together.
    keys: `${redis.prefix}:{${workloadName(config, env)}}`,
    failoverTimeoutMs,
    minShare,
    peers: service === null ? null : new Peers({ ...peersOptions(config, context), changed: () => {} }),
    link: (told) =>
      new RedisLink({
        where: redisAddress(redis.url ?? ''),
        connect: (onLost) => openRedis(redis, onLost),
        clock,
        random,
        ...told,
      }),
  });
}

/** By which this pod is found among the endpoints: POD_IP, else what the interfaces say. */
function ownAddresses({ discovery }: Config): readonly string[] {
  const { podAddress } = discovery.kubernetes;
  if (podAddress !== null) return [podAddress];
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return all.filter(({ internal }) => !internal).map(({ address }) => address);
}
