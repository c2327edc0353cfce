import { type JsonObject, listAt, numberAt, objectAt, parseObject, textAt, textsAt } from '../cli/json-reader.ts';
import type {
  ConnectionRow,
  DestinationDetail,
  DestinationRow,
  EndpointRow,
  ErrorRow,
  EventRow,
  Finding,
  History,
  SidecarView,
  StatusSnapshot,
} from '../status/types.ts';

const SEVERITIES = ['error', 'warning', 'info'] as const;
const ENDPOINT_STATES = ['ready', 'suspended', 'unready', 'terminating', 'removed', 'ejected', 'failing'] as const;

/**
 * An answer of `/status`. The sidecar may be older or newer than this program: what it does not say reads as empty.
 * @param from who answered, for the message
 * @throws CliError where it is no JSON object
 */
export function readStatus(text: string, from: string): StatusSnapshot {
  const status = parseObject(text, from);
  const history = objectAt(status, 'history');
  return {
    time: numberAt(status, 'time'),
    sidecar: readSidecar(objectAt(status, 'sidecar')),
    findings: listAt(status, 'findings').map(readFinding),
    destinations: listAt(status, 'destinations').map(readDestination),
    history: Object.fromEntries([...history.keys()].map((name) => [name, readHistory(objectAt(history, name))])),
    errors: listAt(status, 'errors').map(readError),
    events: listAt(status, 'events').map(readEvent),
    detail: has(status, 'detail') ? readDetail(objectAt(status, 'detail')) : null,
  };
}

function readSidecar(sidecar: JsonObject): SidecarView {
  const kubernetes = objectAt(sidecar, 'kubernetes');
  const fleet = objectAt(sidecar, 'fleet');
  const reloads = objectAt(sidecar, 'reloads');
  const connected = kubernetes.get('connected');
  return {
    version: textAt(sidecar, 'version'),
    state: oneOf(textAt(sidecar, 'state'), ['starting', 'ready', 'draining'] as const, 'starting'),
    uptimeMs: numberAt(sidecar, 'uptimeMs'),
    host: textAt(sidecar, 'host'),
    proxyUrl: textAt(sidecar, 'proxyUrl'),
    configFile: textOrNull(sidecar, 'configFile'),
    exchanges: numberAt(sidecar, 'exchanges'),
    tunnels: numberAt(sidecar, 'tunnels'),
    downstreamConnections: numberAt(sidecar, 'downstreamConnections'),
    upstreamConnections: numberAt(sidecar, 'upstreamConnections'),
    maxConnections: numberAt(sidecar, 'maxConnections'),
    bufferedBytes: numberAt(sidecar, 'bufferedBytes'),
    bufferBytes: numberAt(sidecar, 'bufferBytes'),
    memoryBytes: numberAt(sidecar, 'memoryBytes'),
    cpuShare: numberAt(sidecar, 'cpuShare'),
    kubernetes: has(sidecar, 'kubernetes')
      ? {
          connected: typeof connected === 'boolean' ? connected : null,
          watches: numberAt(kubernetes, 'watches'),
          problems: listAt(kubernetes, 'problems').map((problem) => ({
            message: textAt(problem, 'message'),
            hint: textAt(problem, 'hint'),
          })),
        }
      : null,
    fleet: has(sidecar, 'fleet')
      ? {
          coordinator: textAt(fleet, 'coordinator'),
          state: textAt(fleet, 'state'),
          peers: numberAt(fleet, 'peers'),
          problem: textOrNull(fleet, 'problem'),
        }
      : null,
    reloads: {
      applied: numberAt(reloads, 'applied'),
      refused: numberAt(reloads, 'refused'),
      lastError: textOrNull(reloads, 'lastError'),
    },
  };
}

function readFinding(finding: JsonObject): Finding {
  return {
    code: textAt(finding, 'code'),
    severity: oneOf(textAt(finding, 'severity'), SEVERITIES, 'warning'),
    destination: textOrNull(finding, 'destination'),
    title: textAt(finding, 'title'),
    detail: textAt(finding, 'detail'),
    remedies: textsAt(finding, 'remedies'),
    lines: textsAt(finding, 'lines'),
  };
}

function readHistory(history: JsonObject): History {
  return {
    intervalMs: numberAt(history, 'intervalMs'),
    points: listAt(history, 'points').map((point) => ({
      requests: numberAt(point, 'requests'),
      failed: numberAt(point, 'failed'),
      utilization: numberAt(point, 'utilization'),
      pending: numberAt(point, 'pending'),
    })),
  };
}

function readDestination(row: JsonObject): DestinationRow {
  const discovery = objectAt(row, 'discovery');
  return {
    name: textAt(row, 'name'),
    label: textAt(row, 'label'),
    configured: row.get('configured') === true,
    paused: row.get('paused') === true,
    connecting: numberAt(row, 'connecting'),
    active: numberAt(row, 'active'),
    idle: numberAt(row, 'idle'),
    draining: numberAt(row, 'draining'),
    pending: numberAt(row, 'pending'),
    maxConnections: numberAt(row, 'maxConnections'),
    utilization: numberAt(row, 'utilization'),
    endpointsReady: numberAt(row, 'endpointsReady'),
    endpointsTotal: numberAt(row, 'endpointsTotal'),
    endpointsUnfit: numberAt(row, 'endpointsUnfit'),
    discovery: {
      source: textAt(discovery, 'source'),
      state: textAt(discovery, 'state'),
      error: textOrNull(discovery, 'error'),
    },
    breaker: oneOf(textAt(row, 'breaker'), ['off', 'closed', 'open', 'half_open'] as const, 'off'),
    signals: textsAt(row, 'signals'),
    requestsPerSecond: numberAt(row, 'requestsPerSecond'),
    failedShare: numberAt(row, 'failedShare'),
    reuseShare: numberOrNull(row, 'reuseShare'),
    p50Ms: numberOrNull(row, 'p50Ms'),
    p99Ms: numberOrNull(row, 'p99Ms'),
  };
}

function readError(row: JsonObject): ErrorRow {
  return {
    code: textAt(row, 'code'),
    destination: textAt(row, 'destination'),
    count: numberAt(row, 'count'),
    status: numberAt(row, 'status'),
    lastTime: numberAt(row, 'lastTime'),
    lastMessage: textAt(row, 'lastMessage'),
    hint: textAt(row, 'hint'),
  };
}

function readEvent(row: JsonObject): EventRow {
  return {
    sequence: numberAt(row, 'sequence'),
    time: numberAt(row, 'time'),
    type: textAt(row, 'type'),
    severity: oneOf(textAt(row, 'severity'), SEVERITIES, 'info'),
    destination: textOrNull(row, 'destination'),
    endpoint: textOrNull(row, 'endpoint'),
    reason: textOrNull(row, 'reason'),
    count: numberAt(row, 'count'),
    text: textAt(row, 'text'),
  };
}

function readDetail(detail: JsonObject): DestinationDetail {
  const limit = objectAt(detail, 'limit');
  return {
    name: textAt(detail, 'name'),
    balancer: textAt(detail, 'balancer'),
    limit: {
      configured: numberAt(limit, 'configured'),
      scaled: numberOrNull(limit, 'scaled'),
      share: numberOrNull(limit, 'share'),
      budget: numberOrNull(limit, 'budget'),
    },
    floor: numberAt(detail, 'floor'),
    endpoints: listAt(detail, 'endpoints').map(readEndpoint),
    connections: listAt(detail, 'connections').map(readConnection),
    connectionsTotal: numberAt(detail, 'connectionsTotal'),
  };
}

function readEndpoint(row: JsonObject): EndpointRow {
  const check = textAt(row, 'check');
  return {
    id: textAt(row, 'id'),
    state: oneOf(textAt(row, 'state'), ENDPOINT_STATES, 'ready'),
    inRotation: row.get('inRotation') === true,
    outstanding: numberAt(row, 'outstanding'),
    active: numberAt(row, 'active'),
    idle: numberAt(row, 'idle'),
    draining: numberAt(row, 'draining'),
    connecting: numberAt(row, 'connecting'),
    latencyMs: numberAt(row, 'latencyMs'),
    connectMs: numberOrNull(row, 'connectMs'),
    consecutiveFailures: numberAt(row, 'consecutiveFailures'),
    ejectedForMs: numberAt(row, 'ejectedForMs'),
    check: check === '' ? null : oneOf(check, ['passing', 'failing', 'pending'] as const, 'pending'),
    idleTimeMs: numberAt(row, 'idleTimeMs'),
    idleTimeSource: textAt(row, 'idleTimeSource'),
    changes: numberAt(row, 'changes'),
  };
}

function readConnection(row: JsonObject): ConnectionRow {
  return {
    id: numberAt(row, 'id'),
    endpoint: textAt(row, 'endpoint'),
    state: oneOf(textAt(row, 'state'), ['idle', 'active', 'draining'] as const, 'active'),
    protocol: oneOf(textAt(row, 'protocol'), ['http1', 'http2'] as const, 'http1'),
    ageMs: numberAt(row, 'ageMs'),
    idleMs: numberOrNull(row, 'idleMs'),
    requests: numberAt(row, 'requests'),
    streams: numberAt(row, 'streams'),
    reason: textOrNull(row, 'reason'),
  };
}

function has(object: JsonObject, key: string): boolean {
  const value = object.get(key);
  return typeof value === 'object' && value !== null;
}

function oneOf<T extends string>(text: string, known: readonly T[], otherwise: T): T {
  return known.find((each) => each === text) ?? otherwise;
}

function textOrNull(object: JsonObject, key: string): string | null {
  const value = object.get(key);
  return typeof value === 'string' ? value : null;
}

function numberOrNull(object: JsonObject, key: string): number | null {
  const value = object.get(key);
  return typeof value === 'number' ? value : null;
}
