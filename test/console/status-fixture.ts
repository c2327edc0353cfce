import type {
  ConnectionRow,
  DestinationDetail,
  DestinationRow,
  EndpointRow,
  ErrorRow,
  EventRow,
  Finding,
  SidecarView,
  StatusSnapshot,
} from '../../src/status/types.ts';

export const NOW = Date.UTC(2026, 0, 1, 12, 0, 0);

export const sidecar = (changes: Partial<SidecarView> = {}): SidecarView => ({
  version: '1.2.3',
  state: 'ready',
  uptimeMs: 3_723_000,
  host: 'shop-7d9f',
  proxyUrl: 'http://127.0.0.1:14140',
  configFile: null,
  exchanges: 3,
  tunnels: 0,
  downstreamConnections: 4,
  upstreamConnections: 22,
  maxConnections: 512,
  bufferedBytes: 0,
  bufferBytes: 67_108_864,
  memoryBytes: 64_000_000,
  cpuShare: 0.031,
  kubernetes: null,
  fleet: null,
  reloads: { applied: 1, refused: 0, lastError: null },
  ...changes,
});

export const destination = (name: string, changes: Partial<DestinationRow> = {}): DestinationRow => ({
  name,
  label: name,
  configured: false,
  paused: false,
  connecting: 0,
  active: 1,
  idle: 1,
  draining: 0,
  pending: 0,
  maxConnections: 10,
  utilization: 0.2,
  endpointsReady: 2,
  endpointsTotal: 2,
  endpointsUnfit: 0,
  discovery: { source: 'dns', state: 'ready', error: null },
  breaker: 'closed',
  signals: [],
  requestsPerSecond: 12.5,
  failedShare: 0,
  reuseShare: 0.98,
  p50Ms: 4.2,
  p99Ms: 31,
  ...changes,
});

export const finding = (changes: Partial<Finding> = {}): Finding => ({
  code: 'pool_exhausted',
  severity: 'error',
  destination: 'orders.shop:8080',
  title: 'The pool is exhausted: 10 of 10 connections in use, 14 requests wait',
  detail: 'For 40 seconds all connections have been busy.',
  remedies: ['Raise pool.maxConnections to 24.', 'Or let the origin answer faster.'],
  lines: ['pool:', '  maxConnections: 24'],
  ...changes,
});

export const event = (sequence: number, changes: Partial<EventRow> = {}): EventRow => ({
  sequence,
  time: NOW - 1000,
  type: 'connection_closed',
  severity: 'info',
  destination: 'orders.shop:8080',
  endpoint: '10.0.0.5:8080',
  reason: 'idle',
  count: 1,
  text: `event number ${sequence}`,
  ...changes,
});

export const error = (code: string, changes: Partial<ErrorRow> = {}): ErrorRow => ({
  code,
  destination: 'orders.shop:8080',
  count: 7,
  status: 503,
  lastTime: NOW - 2000,
  lastMessage: 'no connection to orders.shop:8080 became free within 5 s',
  hint: 'Raise pool.maxConnections, or let fewer requests in.',
  ...changes,
});

export const connection = (id: number, changes: Partial<ConnectionRow> = {}): ConnectionRow => ({
  id,
  endpoint: '10.0.0.5:8080',
  state: 'active',
  protocol: 'http1',
  ageMs: 61_400,
  idleMs: null,
  requests: 7,
  streams: 1,
  reason: null,
  ...changes,
});

export const endpoint = (id: string, changes: Partial<EndpointRow> = {}): EndpointRow => ({
  id,
  state: 'ready',
  inRotation: true,
  outstanding: 1,
  active: 1,
  idle: 1,
  draining: 0,
  connecting: 0,
  latencyMs: 4.2,
  connectMs: 0.6,
  consecutiveFailures: 0,
  ejectedForMs: 0,
  check: null,
  idleTimeMs: 55_000,
  idleTimeSource: 'learned',
  changes: 0,
  ...changes,
});

export const detail = (name: string, changes: Partial<DestinationDetail> = {}): DestinationDetail => ({
  name,
  balancer: 'p2c',
  limit: { configured: 10, scaled: null, share: null, budget: null },
  floor: 0,
  endpoints: [endpoint('10.0.0.5:8080'), endpoint('10.0.0.6:8080', { state: 'ejected', ejectedForMs: 12_000 })],
  connections: [connection(71), connection(72, { state: 'idle', idleMs: 250 })],
  connectionsTotal: 2,
  ...changes,
});

/** A sidecar with one destination that is short of connections, and one that is well. */
export const snapshot = (changes: Partial<StatusSnapshot> = {}): StatusSnapshot => ({
  time: NOW,
  sidecar: sidecar(),
  findings: [finding()],
  destinations: [
    destination('catalog.shop:8080'),
    destination('orders.shop:8080', { active: 10, idle: 0, pending: 14, utilization: 1, requestsPerSecond: 40 }),
  ],
  history: {
    'orders.shop:8080': {
      intervalMs: 5000,
      points: [0, 20, 40, 80].map((requests) => ({ requests, failed: 0, utilization: 0.5, pending: 0 })),
    },
  },
  errors: [error('POOL_TIMEOUT'), error('CONNECT_FAILED', { destination: 'catalog.shop:8080', count: 2 })],
  events: [event(3), event(2, { destination: 'catalog.shop:8080' }), event(1)],
  detail: null,
  ...changes,
});
