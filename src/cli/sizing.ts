import { showDuration } from '../config/duration.ts';
import { figure } from '../status/number-words.ts';
import { HEADROOM, LARGEST_POOL, poolSize, SMALLEST_POOL } from '../status/pool-size.ts';
import { type CliDeps, EXIT } from './deps.ts';
import type { Format } from './show.ts';

export type SizeOptions = {
  /** Requests a second, of all pods together. */
  readonly rps: number;
  /** How long one request takes, in milliseconds. */
  readonly latencyMs: number;
  readonly pods: number;
  readonly output: Format;
};

/** `carpool size`: the limit of connections for a load, with its arithmetic. */
export function showSize({ rps, latencyMs, pods, output }: SizeOptions, deps: CliDeps): number {
  const each = poolSize(rps / pods, latencyMs);
  const { concurrency, wanted, maxConnections } = each;
  const yaml = `defaults:\n  pool: { maxConnections: ${maxConnections} }\n`;
  if (output === 'json') {
    const total = maxConnections * pods;
    deps.out(`${JSON.stringify({ rps, latencyMs, pods, ...each, totalConnections: total, yaml }, null, 2)}\n`);
    return EXIT.ok;
  }
  const lines: string[] = [];
  if (pods > 1) lines.push(`${figure(rps)} requests/s over ${pods} pods: ${figure(rps / pods)} in each`);
  lines.push(
    `${figure(rps / pods)} requests/s × ${figure(latencyMs)} ms ÷ 1000 = ${figure(concurrency)} at a time`,
    `${figure(concurrency)} × ${HEADROOM} for bursts = ${wanted} connections${bounds(wanted)}`,
  );
  if (pods > 1) lines.push(`${pods} × ${maxConnections} = ${pods * maxConnections}: the most that the upstream sees`);
  lines.push('HTTP/2 carries many requests on one connection (pool.maxStreams), and needs fewer.');
  deps.out(`${lines.join('\n')}\n\n${yaml}`);
  return EXIT.ok;
}

function bounds(wanted: number): string {
  if (wanted < SMALLEST_POOL) return `; at least ${SMALLEST_POOL}`;
  if (wanted > LARGEST_POOL) return `; at most ${LARGEST_POOL}: rather more pods, or a faster upstream`;
  return '';
}

export type TimeoutsOptions = {
  /** Round trip to the upstream, in milliseconds. */
  readonly networkMs: number;
  /** How long the upstream itself may take for an answer, in seconds. */
  readonly providerS: number;
  readonly output: Format;
};

const CONNECT_AT_LEAST_MS = 5000;
const READ_AT_LEAST_MS = 10_000;
const REST_MS = 5000;

export type SuggestedTimeouts = { readonly connectMs: number; readonly responseMs: number; readonly totalMs: number };

/** Time-outs for an upstream that is `networkMs` away and gives itself `providerS` seconds for an answer. */
export function timeoutsFor(networkMs: number, providerS: number): SuggestedTimeouts {
  const connectMs = Math.max(CONNECT_AT_LEAST_MS, Math.ceil(2 * networkMs));
  const responseMs = Math.max(READ_AT_LEAST_MS, Math.ceil(800 * providerS));
  return { connectMs, responseMs, totalMs: connectMs + responseMs + REST_MS };
}

/** `carpool timeouts`: time-outs with their arithmetic. */
export function showTimeouts({ networkMs, providerS, output }: TimeoutsOptions, deps: CliDeps): number {
  const timeouts = timeoutsFor(networkMs, providerS);
  const [connect, response, total] = [timeouts.connectMs, timeouts.responseMs, timeouts.totalMs].map(showDuration);
  const yaml = `defaults:\n  timeouts: { connect: ${connect}, response: ${response}, total: ${total} }\n`;
  if (output === 'json') deps.out(`${JSON.stringify({ networkMs, providerS, ...timeouts, yaml }, null, 2)}\n`);
  else
    deps.out(
      [
        `connect   the longer of 5s and 2 × ${figure(networkMs)} ms = ${connect}`,
        `response  the longer of 10s and 0.8 × ${figure(providerS)} s = ${response}`,
        `total     connect + response + 5s = ${total}`,
        'total ends the whole exchange: leave it out where responses are streams.',
        '',
        yaml,
      ].join('\n'),
    );
  return EXIT.ok;
}
