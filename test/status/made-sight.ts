import { loadConfig } from '../../src/config/load.ts';
import type { ErrorSeen } from '../../src/status/error-book.ts';
import type { DestinationSight, Sight } from '../../src/status/findings/sight.ts';
import type { DestinationRow, SidecarView } from '../../src/status/types.ts';

const { config } = loadConfig({ file: null, env: {}, flags: [] });

/** A sidecar in the best of health. */
const WELL: SidecarView = {
  version: '1.2.3',
  state: 'ready',
  uptimeMs: 600_000,
  host: 'web-1',
  proxyUrl: 'http://127.0.0.1:14140',
  configFile: '/etc/carpool/carpool.yaml',
  exchanges: 1,
  tunnels: 0,
  downstreamConnections: 1,
  upstreamConnections: 1,
  maxConnections: 1000,
  bufferedBytes: 0,
  bufferBytes: 67_108_864,
  memoryBytes: 50_000_000,
  cpuShare: 0,
  kubernetes: null,
  fleet: null,
  reloads: { applied: 0, refused: 0, lastError: null },
};

/** A destination with nothing to complain of, but for these changes. */
export function destinationSight(
  row: Partial<DestinationRow> = {},
  changes: Partial<Omit<DestinationSight, 'row'>> = {},
): DestinationSight {
  const name = row.name ?? 'orders.shop:8080';
  return {
    row: {
      name,
      label: name,
      configured: false,
      paused: false,
      connecting: 0,
      active: 1,
      idle: 1,
      draining: 0,
      pending: 0,
      maxConnections: 100,
      utilization: 0.01,
      endpointsReady: 2,
      endpointsTotal: 2,
      endpointsUnfit: 0,
      discovery: { source: 'kubernetes', state: 'ready', error: null },
      breaker: 'off',
      signals: [],
      requestsPerSecond: 10,
      failedShare: 0,
      reuseShare: 0.99,
      p50Ms: 10,
      p99Ms: 20,
      ...row,
    },
    policy: config.defaults,
    limit: { configured: 100, scaled: null, share: null, budget: null },
    places: { counted: 2, taken: 1 },
    ended: 600,
    serviceMs: 10,
    http2: false,
    unreached: [],
    unfit: [],
    ...changes,
  };
}

/** What is seen of a sidecar that is well, but for these changes. */
export function sight(changes: Partial<Omit<Sight, 'sidecar'>> & { sidecar?: Partial<SidecarView> } = {}): Sight {
  return {
    config,
    destinations: [destinationSight()],
    errors: [],
    misuses: [],
    flapping: [],
    requestSeen: true,
    spansLost: 0,
    ...changes,
    sidecar: { ...WELL, ...changes.sidecar },
  };
}

/** An error as the book has it: one NO_ROUTE of the last minute, where nothing else is said. */
export const error = (changes: Partial<ErrorSeen>): ErrorSeen => ({
  code: 'NO_ROUTE',
  destination: 'orders.shop:8080',
  count: 1,
  status: 502,
  lastTime: 0,
  lastMessage: 'words of the case',
  hint: 'a hint',
  lastMinute: 1,
  lastTenMinutes: 1,
  ...changes,
});
