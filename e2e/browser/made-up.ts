import type {
  ConnectionRow,
  DestinationDetail,
  DestinationRow,
  EndpointRow,
  EventRow,
  HistoryPoint,
  SidecarView,
  StatusSnapshot,
  StatusUpdate,
} from '../../src/status/types.ts';

/** How much the made-up sidecar has. */
export type Size = { readonly destinations: number; readonly endpoints: number; readonly connections: number };

/** Numbers that look like traffic, the same in each run. */
function wave(seed: number, step: number): number {
  return (Math.sin(seed * 12.9898 + step * 0.37) + Math.sin(seed * 3.7 + step * 0.11) + 2) / 4;
}

const NOW = Date.UTC(2026, 10, 21, 12, 0, 0);

export function nameOf(index: number): string {
  const names = [
    'orders',
    'payments',
    'inventory',
    'customers',
    'pricing',
    'search',
    'mail',
    'images',
    'ledger',
    'tax',
  ];
  return `${names[index % names.length]}${index < names.length ? '' : `-${Math.floor(index / names.length)}`}.shop:8080`;
}

export function madeUpSidecar(step: number, changes: Partial<SidecarView> = {}): SidecarView {
  return {
    version: '0.1.0',
    state: 'ready',
    uptimeMs: 3_725_000 + step * 1000,
    host: 'checkout-6f5d9c7b8-x2x7p',
    proxyUrl: 'http://127.0.0.1:14140',
    configFile: '/etc/carpool/carpool.yaml',
    exchanges: 12 + Math.round(wave(1, step) * 20),
    tunnels: 1,
    downstreamConnections: 34,
    upstreamConnections: 120 + Math.round(wave(2, step) * 30),
    maxConnections: 5000,
    bufferedBytes: 48_000,
    bufferBytes: 67_108_864,
    memoryBytes: 84_934_656,
    cpuShare: 0.04 + wave(3, step) * 0.03,
    kubernetes: { connected: true, watches: 3, problems: [] },
    fleet: null,
    reloads: { applied: 1, refused: 0, lastError: null },
    ...changes,
  };
}

/** A row whose numbers move with each step. */
export function madeUpRow(index: number, step: number, size: Size): DestinationRow {
  const load = wave(index, step);
  const active = Math.round(load * 60);
  return {
    name: nameOf(index),
    label: nameOf(index),
    configured: index < 3,
    paused: false,
    connecting: 0,
    active,
    idle: 12,
    draining: 0,
    pending: 0,
    maxConnections: 100,
    utilization: (active + 12) / 100,
    endpointsReady: size.endpoints,
    endpointsTotal: size.endpoints,
    endpointsUnfit: 0,
    discovery: { source: 'kubernetes', state: 'synced', error: null },
    breaker: 'closed',
    signals: [],
    requestsPerSecond: Number((load * 180 + 3).toPrecision(3)),
    failedShare: index % 9 === 4 ? 0.012 : 0,
    reuseShare: 0.985,
    p50Ms: 4 + load * 4,
    p99Ms: 20 + load * 60,
  };
}

export function madeUpPoint(index: number, step: number): HistoryPoint {
  const requests = Math.round((wave(index, step) * 180 + 3) * 5);
  const failed = index % 9 === 4 && step % 20 > 14 ? Math.round(requests * 0.08) : 0;
  return { requests, failed, utilization: (wave(index, step) * 60 + 12) / 100, pending: index === 0 ? step % 7 : 0 };
}

export function madeUpEndpoint(index: number, step: number): EndpointRow {
  return {
    id: `10.1.${Math.floor(index / 250)}.${(index % 250) + 1}:8080`,
    state: 'ready',
    inRotation: true,
    outstanding: Math.round(wave(index, step) * 4),
    active: Math.round(wave(index, step) * 4),
    idle: 2,
    draining: 0,
    connecting: 0,
    latencyMs: 5 + wave(index, step) * 5,
    connectMs: 0.8,
    consecutiveFailures: 0,
    ejectedForMs: 0,
    check: null,
    idleTimeMs: 55_000,
    idleTimeSource: 'keep-alive header',
    changes: 0,
  };
}

function madeUpConnection(index: number, step: number, size: Size): ConnectionRow {
  const active = index < size.connections / 3;
  return {
    id: 1000 + index,
    endpoint: madeUpEndpoint(index % size.endpoints, 0).id,
    state: index === 0 ? 'draining' : active ? 'active' : 'idle',
    protocol: index % 5 === 0 ? 'http2' : 'http1',
    ageMs: (index % 300) * 1000 + step * 1000,
    idleMs: active ? null : (index % 40) * 1000,
    requests: 20 + index + step,
    streams: active ? 3 : 0,
    reason: index === 0 ? 'max_age' : null,
  };
}

export function madeUpDetail(name: string, step: number, size: Size): DestinationDetail {
  return {
    name,
    balancer: 'least_requests',
    limit: { configured: 100, scaled: null, share: null, budget: null },
    floor: 2,
    endpoints: Array.from({ length: size.endpoints }, (_, index) => madeUpEndpoint(index, step)),
    connections: Array.from({ length: size.connections }, (_, index) => madeUpConnection(index, step, size)),
    connectionsTotal: size.connections,
  };
}

export function madeUpEvent(sequence: number): EventRow {
  const destination = nameOf(sequence % 10);
  return {
    sequence,
    time: NOW + sequence * 1000,
    type: 'connection_evicted',
    severity: sequence % 11 === 0 ? 'warning' : 'info',
    destination,
    endpoint: '10.1.0.4:8080',
    reason: 'max_age',
    count: 1 + (sequence % 4),
    text: `A connection to 10.1.0.4:8080 of ${destination} was evicted because it was older than pool.maxAge (5m).`,
  };
}

export function madeUpSnapshot(size: Size, step: number, destination: string | null): StatusSnapshot {
  const indexes = Array.from({ length: size.destinations }, (_, index) => index);
  const points = (index: number) => Array.from({ length: 60 }, (_, at) => madeUpPoint(index, step + at - 59));
  return {
    time: NOW + step * 1000,
    sidecar: madeUpSidecar(step),
    findings: [],
    destinations: indexes.map((index) => madeUpRow(index, step, size)),
    history: Object.fromEntries(indexes.map((index) => [nameOf(index), { intervalMs: 5000, points: points(index) }])),
    errors: [],
    events: Array.from({ length: 60 }, (_, age) => madeUpEvent(step + 60 - age)),
    detail: destination === null ? null : madeUpDetail(destination, step, size),
  };
}

/** A second later: every row has changed, and each fifth second has a point of history. */
export function madeUpUpdate(size: Size, step: number, destination: string | null): StatusUpdate {
  const indexes = Array.from({ length: size.destinations }, (_, index) => index);
  return {
    time: NOW + step * 1000,
    sidecar: madeUpSidecar(step),
    destinations: indexes.map((index) => madeUpRow(index, step, size)),
    events: [madeUpEvent(step + 60)],
    ...(step % 5 === 0 ? { points: Object.fromEntries(indexes.map((i) => [nameOf(i), madeUpPoint(i, step)])) } : {}),
    ...(destination === null ? {} : { detail: madeUpDetail(destination, step, size) }),
  };
}
