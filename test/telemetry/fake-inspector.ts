import type { Inspector, ProcessStats } from '../../src/admin/inspector.ts';
import type { Config, DestinationPolicy } from '../../src/config/types.ts';
import type { ConnectionState, ConnectionStats, DestinationStats, EndpointStats } from '../../src/pool/stats.ts';

/** Stands in for app.ts: what is in `stats` is what the sidecar has. */
export class FakeInspector implements Inspector {
  stats: DestinationStats[] = [];
  processStats: ProcessStats = processStats();
  #config: Config = testConfig();

  destinations(): readonly DestinationStats[] {
    return this.stats;
  }
  config(): Config {
    return this.#config;
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
    ...changes,
    endpoints,
  };
}

function policy(): DestinationPolicy {
  return {
    balancer: 'p2c',
    protocol: 'auto',
    tls: { originate: false, ca: null, cert: null, key: null, serverName: null, minVersion: 'TLSv1.2' },
    pool: {
      enabled: true,
      maxConnections: 1024,
      maxIdle: 0,
      minConnections: 0,
      idleTimeoutMs: null,
      maxAgeMs: 300_000,
      maxAgeGraceMs: 0,
      maxRequests: 0,
      unsafeMaxIdleMs: 4000,
      acquireTimeoutMs: 5000,
      maxPending: 1000,
      maxStreams: 100,
      tcpKeepAliveMs: 30_000,
      sweepIntervalMs: 1000,
    },
    timeouts: {
      connectMs: 10_000,
      connectAttemptMs: 1000,
      responseMs: 600_000,
      bodyIdleMs: 300_000,
      writeMs: 300_000,
      streamIdleMs: 3_600_000,
      totalMs: 0,
    },
    retry: { replayBytes: 65_536 },
    breaker: { failures: 5, recoveryMs: 60_000 },
    eviction: { graceMs: 300_000 },
    slowStartMs: 0,
    vanished: null,
  };
}

export function testConfig(): Config {
  return {
    profile: 'production',
    listener: {
      host: '127.0.0.1',
      port: 14140,
      allowNonLoopback: false,
      originForm: 'refuse',
      idleTimeoutMs: 0,
      headTimeoutMs: 10_000,
      maxHeadBytes: 65_536,
      maxFields: 200,
      maxTargetBytes: 16_384,
      maxConnections: 1000,
      upgradeProtocols: ['websocket'],
    },
    operator: { enabled: true, host: '::', port: 14191 },
    control: { socket: null, port: null, tokenFile: '/var/run/token' },
    security: { allowAddresses: [], connectPorts: [{ from: 443, to: 443 }] },
    connect: { tlsPorts: [], sniffTimeoutMs: 50 },
    http2: { maxStreams: 256, pingAfterMs: 30_000, webSocket: false },
    discovery: {
      emptyWaitMs: 1000,
      kubernetes: {
        enabled: 'off',
        firstLookupMs: 200,
        kubeconfig: null,
        apiServer: null,
        tokenDir: '/var/run/secrets/kubernetes.io/serviceaccount',
        namespace: null,
        namespaces: [],
        node: null,
        zone: null,
        podAddress: null,
      },
      dns: {
        minTtlMs: 5000,
        maxTtlMs: 60_000,
        negativeTtlMs: 5000,
        hostsFile: '/etc/hosts',
        resolvConf: '/etc/resolv.conf',
      },
    },
    limits: { maxConnections: 10_000, tunnels: 1024, bufferBytes: 33_554_432, destinations: 1000 },
    via: { mode: 'off', maxSelf: 3 },
    defaults: policy(),
    destinations: [],
    telemetry: {
      logLevel: 'info',
      accessLog: 'off',
      accessLogSample: 0.01,
      accessLogPath: false,
      maxDestinations: 50,
      poolLogIntervalMs: 60_000,
    },
    shutdown: { graceMs: 30_000 },
  };
}
