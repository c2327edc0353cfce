import { showDuration } from '../config/duration.ts';
import type { CarpoolEvent, CloseReason, PoolSignal } from '../observer.ts';
import type { LoggedEvent } from '../telemetry/event-log.ts';
import { sentence } from './number-words.ts';
import type { EventRow, Severity } from './types.ts';

type EventOf<Type extends CarpoolEvent['type']> = Extract<CarpoolEvent, { readonly type: Type }>;
type Texts = { readonly [Type in CarpoolEvent['type']]: (event: EventOf<Type>) => string };

/** Why a connection ended, as the end of a sentence. */
const CLOSED: Readonly<Record<CloseReason, string>> = {
  idle_timeout: 'it had been idle for as long as is safe (pool.idleTimeout, or what was learned of the server)',
  max_age: 'it reached pool.maxAge',
  max_requests: 'it carried pool.maxRequests requests',
  endpoint_removed: 'its endpoint is gone',
  endpoint_terminating: 'its endpoint is terminating',
  goaway: 'the server asked for it (GOAWAY)',
  rebalance: 'its place was needed elsewhere, or the limit was lowered',
  error: 'it failed',
  protocol_error: 'the server broke the protocol',
  health_check: 'its endpoint failed its health checks, or it did not answer a ping',
  admin: 'an operator asked for it, or a reload changed how the destination is spoken to',
  shutdown: 'the sidecar stops, or its destination was dropped',
  upstream_closed: 'the server closed it',
  aborted: 'its exchange could not be finished cleanly, so it could not be used again',
  not_reusable: 'one exchange is all that it could carry',
};

const STRAINS: Readonly<Record<PoolSignal, (value: number, threshold: number) => string>> = {
  pending: (value, threshold) => `${value} requests wait for a connection (over ${threshold})`,
  errors: (value, threshold) =>
    `${percent(value)} of the requests of the last minute failed (over ${percent(threshold)})`,
  utilization: (value, threshold) => `${percent(value)} of the connection limit is in use (over ${percent(threshold)})`,
};

const RELIEFS: Readonly<Record<PoolSignal, string>> = {
  pending: 'few requests or none wait for a connection again',
  errors: 'few requests or none fail again',
  utilization: 'there is room below the connection limit again',
};

const TEXTS: Texts = {
  connection_closed: ({ reason, ageMs, requests, endpoint }) =>
    `Connection to ${endpoint} closed after ${showAge(ageMs)} and ${count(requests, 'request')}: ${CLOSED[reason]}.`,
  connect_failed: ({ endpoint, code, message }) => `Cannot connect to ${endpoint} (${code}): ${sentence(message)}`,
  endpoint_added: ({ endpoint }) => `${endpoint} is a new endpoint.`,
  endpoint_removed: ({ endpoint }) => `${endpoint} is gone: discovery names it no more.`,
  endpoint_terminating: ({ endpoint }) =>
    `${endpoint} is terminating: it gets no new requests while another one is ready.`,
  endpoint_suspended: ({ endpoint }) =>
    `${endpoint} is out of rotation: it was not in the last DNS answer. Its connections stay.`,
  endpoint_unready: ({ endpoint }) => `${endpoint} is not ready: it gets no requests until it is.`,
  endpoint_ready: ({ endpoint }) => `${endpoint} is ready again.`,
  endpoint_ejected: ({ endpoint, forMs, cause }) =>
    `${endpoint} is left alone for ${showAge(forMs)}: ${sentence(cause)}`,
  endpoint_restored: ({ endpoint }) => `${endpoint} is back: it answered again.`,
  tls_files_changed: () => 'TLS files were read again, and serve new connections.',
  tls_files_refused: ({ message }) => `TLS files cannot be used: ${sentence(message)}`,
  idle_learned: ({ endpoint, seconds }) =>
    `Learned how long ${endpoint} keeps idle connections: they are used for ${seconds} s and closed before it closes them.`,
  destination_added: ({ destination }) => `${destination} was called for the first time, or is configured to be warm.`,
  destination_removed: ({ destination }) => `${destination} was dropped: nobody used it, or a reload made it anew.`,
  breaker_opened: ({ destination, forMs, cause }) =>
    `The circuit breaker of ${destination} is open for ${showAge(forMs)}, and requests are answered 503 at once: ${sentence(cause)}`,
  breaker_half_open: ({ destination }) => `The circuit breaker of ${destination} lets one request try.`,
  breaker_closed: ({ destination }) => `The circuit breaker of ${destination} is closed: requests go through again.`,
  check_failed: ({ endpoint, message }) => `${endpoint} fails its health checks: ${sentence(message)}`,
  check_passed: ({ endpoint }) => `${endpoint} passes its health checks again.`,
  destination_paused: ({ destination }) =>
    `${destination} is paused by an operator: new requests wait (pool.pauseTimeout).`,
  destination_resumed: ({ destination }) => `${destination} is resumed.`,
  destination_reconnected: ({ destination, connections }) =>
    `All connections of ${destination} are replaced: ${connections} of them.`,
  limit_scaled: ({ from, to, utilization }) =>
    `The connection limit follows the load: ${from} → ${to} (${percent(utilization)} in use).`,
  pool_strained: ({ signal, value, threshold, hint }) => `${STRAINS[signal](value, threshold)}. ${sentence(hint)}`,
  pool_relieved: ({ signal }) => `The pool is well again: ${RELIEFS[signal]}.`,
  fleet_share: ({ share, budget, peers }) =>
    `This sidecar’s share of the fleet’s budget is ${share} of ${budget} connections, among ${count(peers, 'sidecar')}.`,
  fleet_short: ({ budget, peers }) =>
    `${peers} sidecars share ${budget} connections, so some may open none: raise fleet.maxConnections, or run fewer.`,
  fleet_failover: ({ coordinator, message }) =>
    `The fleet’s coordinator (${coordinator}) does not answer, and the even share is used: ${sentence(message)}`,
  fleet_restored: ({ coordinator }) => `The fleet’s coordinator (${coordinator}) answers again.`,
  target_missing: ({ target, message }) => `The target ${target} gets no requests: ${sentence(message)}`,
  target_found: ({ target }) => `The target ${target} gets requests again.`,
  secret_file_refused: ({ file, message }) => `The file ${file} cannot be used: ${sentence(message)}`,
  secret_file_changed: ({ file }) => `The file ${file} was read again.`,
  config_applied: ({ first, lines }) => `Another configuration is in force: ${sentence(first)}${more(lines)}`,
  config_refused: ({ first, lines }) =>
    `A configuration was refused, the last good one stays: ${sentence(first)}${more(lines)}`,
};

/** Those that are neither a bad sign nor bad. */
const SEVERITIES: Readonly<Partial<Record<CarpoolEvent['type'], Severity>>> = {
  connect_failed: 'warning',
  endpoint_unready: 'warning',
  endpoint_ejected: 'warning',
  tls_files_refused: 'error',
  breaker_opened: 'error',
  check_failed: 'warning',
  destination_paused: 'warning',
  pool_strained: 'warning',
  fleet_short: 'warning',
  fleet_failover: 'warning',
  target_missing: 'warning',
  secret_file_refused: 'error',
  config_refused: 'error',
};

/** An event as people read it. */
export function eventRow({ sequence, time, event, count: times, joined }: LoggedEvent): EventRow {
  return {
    sequence,
    time,
    type: event.type,
    severity: SEVERITIES[event.type] ?? 'info',
    destination: 'destination' in event ? event.destination : null,
    endpoint: 'endpoint' in event ? event.endpoint : null,
    reason: event.type === 'connection_closed' ? event.reason : null,
    count: times,
    ...(joined === undefined ? {} : { first: joined.first }),
    text: `${textOf(event, event.type)}${joined === undefined ? '' : ` The first of them was ${showAge(time - joined.since)} before.`}`,
  };
}

/** One function for a union of types: TypeScript cannot see by itself that a type and its text belong together. */
function textOf<Type extends CarpoolEvent['type']>(event: CarpoolEvent, type: Type): string {
  return isOf(event, type) ? TEXTS[type](event) : event.type;
}

function isOf<Type extends CarpoolEvent['type']>(event: CarpoolEvent, type: Type): event is EventOf<Type> {
  return event.type === type;
}

function percent(value: number): string {
  return `${Math.round(value * 100)} %`;
}

function count(value: number, noun: string): string {
  return `${value} ${noun}${value === 1 ? '' : 's'}`;
}

function more(lines: number): string {
  return lines > 1 ? ` (${lines - 1} more in the log.)` : '';
}

/** To a second; below one as it is. */
function showAge(ms: number): string {
  return showDuration(ms < 1000 ? Math.round(ms) : Math.round(ms / 1000) * 1000);
}
