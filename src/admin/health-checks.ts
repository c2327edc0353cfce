import type { DestinationStats } from '../pool/stats.ts';
import type { EventLoopDelay } from '../telemetry/event-loop.ts';
import type { ProcessStats } from './inspector.ts';
import { isUnfit, standingOf } from './standing.ts';

/** A health check's verdict and what it means in words. */
export type Check = { readonly status: 'ok' | 'warn' | 'fail'; readonly message: string };
export type Health = {
  readonly status: 'ok' | 'warn' | 'fail';
  readonly checks: {
    readonly pools: Check;
    readonly discovery: Check;
    readonly memory: Check;
    readonly eventLoop: Check;
  };
};

const PENDING_WARN = 100;
const UTILIZATION_WARN = 0.9;
/** Shares of limits.bufferBytes: above half no replay copies are kept, at the whole new exchanges are refused. */
const BUFFERS_WARN = 0.5;
const BUFFERS_FAIL = 0.95;
/** Event-loop lag in milliseconds, 99th percentile. */
const LAG_WARN_MS = 50;
const LAG_FAIL_MS = 1000;

/** How many names a message lists. */
const NAMED = 5;

/**
 * The sidecar's own health. An upstream that is away is a warning, not a failure: nothing about this process gets
 * better by restarting it.
 */
export function checkHealth(
  destinations: Iterable<DestinationStats>,
  sidecar: ProcessStats,
  eventLoop: EventLoopDelay | null,
): Health {
  const waiting: string[] = [];
  const full: string[] = [];
  const paused: string[] = [];
  const open: string[] = [];
  const failing: string[] = [];
  const partly: string[] = [];
  const unfit: string[] = [];
  let count = 0;
  for (const destination of destinations) {
    count++;
    if (destination.pending > PENDING_WARN) waiting.push(destination.name);
    if (destination.active + destination.connecting > UTILIZATION_WARN * destination.maxConnections)
      full.push(destination.name);
    if (destination.paused) paused.push(destination.name);
    if (destination.breaker.state === 'open') open.push(destination.name);
    const { state, error } = destination.discovery;
    if (state === 'failing') failing.push(destination.name);
    else if (error !== null) partly.push(`${destination.name} (${error})`);
    if (standingOf(destination) !== 'fit' && destination.endpoints.some(isUnfit)) unfit.push(destination.name);
  }
  const checks = {
    pools: poolsCheck(count, { waiting, full, paused, open }, sidecar),
    discovery: discoveryCheck(count, { failing, partly, unfit }, sidecar),
    memory: memoryCheck(sidecar),
    eventLoop: eventLoopCheck(eventLoop),
  };
  const statuses = new Set(Object.values(checks).map((check) => check.status));
  return { status: statuses.has('fail') ? 'fail' : statuses.has('warn') ? 'warn' : 'ok', checks };
}

function names(list: readonly string[]): string {
  const rest = list.length - NAMED;
  return list.slice(0, NAMED).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}

type Strained = Readonly<Record<'waiting' | 'full' | 'paused' | 'open', readonly string[]>>;

function poolsCheck(count: number, { waiting, full, paused, open }: Strained, { fleet }: ProcessStats): Check {
  const words: string[] = [];
  if (waiting.length > 0) words.push(`more than ${PENDING_WARN} requests wait for a connection to ${names(waiting)}`);
  if (full.length > 0)
    words.push(`over ${UTILIZATION_WARN * 100} % of the limit of connections in use for ${names(full)}`);
  if (open.length > 0) words.push(`the circuit breaker is open for ${names(open)}`);
  if (paused.length > 0) words.push(`paused by an operator: ${names(paused)}`);
  if (fleet?.state === 'failover')
    words.push(`the coordinator of the fleet is away${fleet.problem === null ? '' : `: ${fleet.problem}`}`);
  if (words.length > 0) return { status: 'warn', message: words.join('; ') };
  return { status: 'ok', message: `${count} destinations, none short of connections` };
}

type Endpoints = Readonly<Record<'failing' | 'partly' | 'unfit', readonly string[]>>;

function discoveryCheck(count: number, { failing, partly, unfit }: Endpoints, { kubernetes }: ProcessStats): Check {
  const words: string[] = [];
  const problem = kubernetes?.problems[0];
  const why = problem === undefined ? '' : `: ${problem.message}. ${problem.hint}`;
  if (kubernetes?.connected === false) words.push(`the Kubernetes API server tells no changes of endpoints${why}`);
  else if (problem !== undefined) words.push(`Kubernetes discovery${why}`);
  if (failing.length > 0) words.push(`no good answer about endpoints of ${names(failing)}`);
  // A destination that one of the problems above concerns would only say the same again.
  if (partly.length > 0 && words.length === 0) words.push(`not all endpoints are known of ${names(partly)}`);
  if (unfit.length > 0) words.push(`all endpoints fail, by their health checks or requests, of ${names(unfit)}`);
  if (words.length > 0) return { status: 'warn', message: words.join('; ') };
  return { status: 'ok', message: `endpoints of ${count} destinations known or being looked up` };
}

function memoryCheck(sidecar: ProcessStats): Check {
  const limit = sidecar.limits.bufferBytes;
  const share = limit === 0 ? 0 : sidecar.bufferedBytes / limit;
  const words = `${sidecar.bufferedBytes} of ${limit} bytes of buffers in use (limits.bufferBytes)`;
  if (share >= BUFFERS_FAIL) return { status: 'fail', message: `${words}: new requests are refused` };
  return { status: share >= BUFFERS_WARN ? 'warn' : 'ok', message: words };
}

function eventLoopCheck(delay: EventLoopDelay | null): Check {
  if (!delay) return { status: 'ok', message: 'measuring has just begun' };
  const message = `99 % of turns less than ${delay.p99Ms.toFixed(1)} ms late, the worst ${delay.maxMs.toFixed(1)} ms`;
  if (delay.p99Ms >= LAG_FAIL_MS) return { status: 'fail', message };
  return { status: delay.p99Ms >= LAG_WARN_MS ? 'warn' : 'ok', message };
}
