import { readdir } from 'node:fs/promises';
import type { RegistrySample } from 'prom-client/lib/registry.js';
import type { ProcessStats } from '../admin/inspector.ts';
import type { DiscoveryObserver, FixedHistogram } from '../observer.ts';
import type { EventLoopDelay } from './event-loop.ts';
import { addHistogram, boundsText } from './histogram-samples.ts';
import type { ProcessMetricName } from './metric-definitions.ts';

/** What the process metrics are made of, read once a scrape. */
export type ProcessSnapshot = {
  readonly stats: ProcessStats;
  readonly eventLoop: EventLoopDelay | null;
  readonly memory: NodeJS.MemoryUsage;
  readonly cpu: NodeJS.CpuUsage;
  /** Null where the system does not tell. */
  readonly openFds: number | null;
  readonly startedAtSeconds: number;
  readonly droppedLogLines: number;
  readonly discovery: DiscoveryObserver;
};

/** Open file descriptors of this process, or null where /proc does not say. */
export async function countOpenFds(): Promise<number | null> {
  try {
    return (await readdir('/proc/self/fd')).length;
  } catch {
    return null;
  }
}

/** The samples of the process metric `name`. */
export function processSamples(name: ProcessMetricName, snapshot: ProcessSnapshot): RegistrySample[] {
  return READERS[name](snapshot);
}

const single = (value: number): RegistrySample[] => [{ labels: {}, value }];

function labelled(label: string, values: Readonly<Record<string, number>>): RegistrySample[] {
  return Object.entries(values).map(([key, value]) => ({ labels: { [label]: key }, value }));
}

/** Keys of as many words as there are labels. */
function counted(counts: ReadonlyMap<string, number>, names: readonly string[]): RegistrySample[] {
  return [...counts].map(([key, value]) => {
    const words = key.split(' ');
    return { labels: Object.fromEntries(names.map((name, index) => [name, words[index] ?? ''])), value };
  });
}

function histogram(name: ProcessMetricName, source: FixedHistogram): RegistrySample[] {
  const samples: RegistrySample[] = [];
  if (source.total > 0) addHistogram(name, source, boundsText(source.bounds, false), samples);
  return samples;
}

const READERS: Readonly<Record<ProcessMetricName, (snapshot: ProcessSnapshot) => RegistrySample[]>> = {
  carpool_downstream_connections: ({ stats }) => single(stats.downstreamConnections),
  carpool_exchanges: ({ stats }) => single(stats.exchanges),
  carpool_tunnels: ({ stats }) => single(stats.tunnels),
  carpool_upstream_connections: ({ stats }) => single(stats.upstreamConnections),
  carpool_upstream_connections_max: ({ stats }) => single(stats.limits.maxConnections),
  carpool_buffered_bytes: ({ stats }) => single(stats.bufferedBytes),
  carpool_buffer_limit_bytes: ({ stats }) => single(stats.limits.bufferBytes),
  carpool_discovery_connected: ({ stats }) =>
    typeof stats.kubernetes?.connected === 'boolean' ? single(Number(stats.kubernetes.connected)) : [],
  carpool_discovery_watches: ({ stats }) => (stats.kubernetes === null ? [] : single(stats.kubernetes.watches)),
  carpool_discovery_requests_total: ({ discovery }) => counted(discovery.requests, ['verb', 'outcome']),
  carpool_discovery_events_total: ({ discovery }) => counted(discovery.events, ['type']),
  carpool_fleet_connected: ({ stats: { fleet } }) =>
    fleet === null ? [] : single(fleet.state === 'connected' ? 1 : 0),
  carpool_fleet_peers: ({ stats: { fleet } }) => (fleet === null ? [] : single(fleet.peers)),
  carpool_endpoint_propagation_seconds: ({ discovery }) =>
    histogram('carpool_endpoint_propagation_seconds', discovery.propagation),
  carpool_config_reloads_total: ({ stats }) =>
    labelled('outcome', { applied: stats.reloads.applied, refused: stats.reloads.refused }),
  carpool_log_dropped_lines_total: ({ droppedLogLines }) => single(droppedLogLines),
  carpool_trace_spans_total: ({ stats: { spans } }) =>
    spans === undefined || spans === null ? [] : labelled('outcome', { ...spans }),
  carpool_build_info: ({ stats }) => [{ labels: { version: stats.version, node: process.version }, value: 1 }],
  carpool_process_cpu_seconds_total: ({ cpu }) => labelled('mode', { user: cpu.user / 1e6, system: cpu.system / 1e6 }),
  carpool_process_start_time_seconds: ({ startedAtSeconds }) => single(startedAtSeconds),
  carpool_process_resident_memory_bytes: ({ memory }) => single(memory.rss),
  carpool_process_heap_bytes: ({ memory }) => single(memory.heapTotal),
  carpool_process_heap_used_bytes: ({ memory }) => single(memory.heapUsed),
  carpool_process_external_memory_bytes: ({ memory }) => single(memory.external),
  carpool_process_open_fds: ({ openFds }) => (openFds === null ? [] : single(openFds)),
  carpool_process_max_fds: ({ stats }) => single(stats.limits.fileDescriptors),
  carpool_event_loop_lag_seconds: ({ eventLoop }) =>
    eventLoop === null
      ? []
      : labelled('quantile', {
          '0.5': eventLoop.p50Ms / 1000,
          '0.99': eventLoop.p99Ms / 1000,
          '1': eventLoop.maxMs / 1000,
        }),
};
