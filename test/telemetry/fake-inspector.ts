import type { Inspector, ProcessStats } from '../../src/admin/inspector.ts';
import { defaultConfig, type LoadedConfig, loadConfig } from '../../src/config/load.ts';
import type { Config } from '../../src/config/types.ts';
import type {
  ConnectionState,
  ConnectionStats,
  DestinationCounts,
  DestinationStats,
  EndpointStats,
} from '../../src/pool/stats.ts';

/** Stands in for app.ts: what is in `stats` is what the sidecar has. */
export class FakeInspector implements Inspector {
  stats: DestinationStats[] = [];
  processStats: ProcessStats = processStats();
  #config: Config = testConfig();

  destinations(): readonly DestinationStats[] {
    return this.stats;
  }
  counts(): Iterable<DestinationCounts> {
    return this.stats.map(counted);
  }
  config(): Config {
    return this.#config;
  }
  loadedConfig(): LoadedConfig {
    return loadConfig({ file: null, env: {}, flags: [] });
  }
  process(): ProcessStats {
    return this.processStats;
  }
}

export function processStats(changes: Partial<ProcessStats> = {}): ProcessStats {
  return {
    version: '1.2.3',
    uptimeMs: 5000,
    state: 'ready',
    downstreamConnections: 3,
    exchanges: 2,
    tunnels: 1,
    upstreamConnections: 4,
    limits: { maxConnections: 10_000, bufferBytes: 33_554_432, fileDescriptors: 1024 },
    bufferedBytes: 4096,
    kubernetes: null,
    fleet: null,
    reloads: { applied: 2, refused: 1, lastError: null },
    ...changes,
  };
}

let nextId = 1;

export function connection(state: ConnectionState, changes: Partial<ConnectionStats> = {}): ConnectionStats {
  return {
    id: nextId++,
    state,
    protocol: 'http1',
    local: '127.0.0.1:40000',
    ageMs: 1500,
    idleMs: state === 'idle' ? 200 : null,
    requests: 7,
    streams: state === 'active' || state === 'draining' ? 1 : 0,
    reason: state === 'draining' ? 'max_age' : null,
    ...changes,
  };
}

export function endpoint(changes: Partial<EndpointStats> = {}): EndpointStats {
  const address = changes.address ?? '10.0.0.5';
  return {
    id: `${address}:8080`,
    address,
    port: 8080,
    state: 'ready',
    outstanding: 0,
    latencyMs: 3,
    connectMs: 0.8,
    inRotation: true,
    consecutiveFailures: 0,
    ejectedForMs: 0,
    check: null,
    idle: { effectiveMs: 50_000, source: 'default' },
    dialing: { http1: 0, http2: 0 },
    connections: [],
    ...changes,
  };
}

export function destination(name: string, changes: Partial<DestinationStats> = {}): DestinationStats {
  const endpoints = changes.endpoints ?? [endpoint()];
  const count = (state: ConnectionState) =>
    endpoints.flatMap((one) => one.connections).filter((one) => one.state === state).length;
  return {
    name,
    label: name,
    configured: false,
    balancer: 'p2c',
    discovery: {
      source: 'dns',
      state: 'ready',
      error: null,
      ageMs: 100,
    },
    connecting: endpoints.reduce((sum, { dialing }) => sum + dialing.http1 + dialing.http2, 0),
    active: count('active'),
    idle: count('idle'),
    draining: count('draining'),
    pending: 0,
    maxConnections: 10,
    limit: { configured: 10, scaled: null, share: null, budget: null },
    floor: 0,
    paused: false,
    breaker: { state: 'off', failures: 0, triedAgainInMs: 0 },
    signals: [],
    ...changes,
    endpoints,
  };
}

/** The defaults, with a control token whose path looks like a secret. */
export function testConfig(): Config {
  const config = defaultConfig();
  return { ...config, control: { socket: null, port: null, tokenFile: '/var/run/token' } };
}

/** The same destination as the gauges see it. */
function counted({ endpoints, ...summary }: DestinationStats): DestinationCounts {
  const connections = {
    http1: { connecting: 0, active: 0, idle: 0, draining: 0 },
    http2: { connecting: 0, active: 0, idle: 0, draining: 0 },
  };
  const endpointStates = new Map<EndpointStats['state'], number>();
  for (const { state, dialing, connections: open } of endpoints) {
    endpointStates.set(state, (endpointStates.get(state) ?? 0) + 1);
    connections.http1.connecting += dialing.http1;
    connections.http2.connecting += dialing.http2;
    for (const each of open) connections[each.protocol][each.state]++;
  }
  const idleTime = endpoints.map(({ idle }) => idle).sort((a, b) => a.effectiveMs - b.effectiveMs)[0] ?? null;
  return { ...summary, connections, endpointStates, idleTime };
}
