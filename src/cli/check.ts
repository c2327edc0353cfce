import { showHostPattern } from '../config/addresses.ts';
import { showDuration } from '../config/duration.ts';
import type { Environment } from '../config/environment.ts';
import type { Flag } from '../config/flags.ts';
import { type LoadedConfig, loadConfig } from '../config/load.ts';
import { ConfigProblems, EXIT_CONFIG_INVALID } from '../config/problems.ts';
import type { DestinationConfig, DestinationPolicy } from '../config/types.ts';

/** What `carpool check` reads and writes besides the file. */
export type CheckIo = {
  /** Takes one line for standard output, without its end. */
  readonly out: (line: string) => void;
  /** Takes one line for standard error, without its end. */
  readonly err: (line: string) => void;
  readonly env?: Environment;
  readonly flags?: readonly Flag[];
};

/**
 * `carpool check FILE`: says whether carpool would run with this file (and this environment and these flags).
 * @returns the exit code: 0, or 78 with one line for each problem on standard error
 */
export function runCheck(file: string, io: CheckIo): number {
  try {
    const loaded = loadConfig({ file, env: io.env ?? {}, flags: io.flags ?? [] });
    io.out(`${file}: ok`);
    for (const line of summary(loaded)) io.out(`  ${line}`);
    for (const warning of loaded.warnings) io.err(`warning: ${warning}`);
    return 0;
  } catch (error) {
    if (!(error instanceof ConfigProblems)) throw error;
    for (const line of error.lines) io.err(line);
    return EXIT_CONFIG_INVALID;
  }
}

function summary({ config, provenance }: LoadedConfig): string[] {
  const set = (kind: string): number =>
    // The list of destinations is no setting of its own; what stands in it is.
    [...provenance].filter(([path, origin]) => path !== 'destinations' && origin.kind === kind).length;
  const { listener, operator, destinations, egress, fleet } = config;
  const lines = [
    `profile ${config.profile}; ${set('file')} settings from the file, ${set('environment')} from the environment, ${set('flag')} from flags`,
    `listens on ${showHostPattern({ host: listener.host, port: listener.port })}${
      operator.enabled ? `, operator port ${operator.port}` : ', no operator port'
    }`,
  ];
  const { url } = egress.parentProxy;
  if (url !== null) lines.push(`calls to the outside go by the parent proxy ${url.replace(/\/$/, '')}`);
  if (fleet.coordinator !== null) lines.push(`${fleet.coordinator} divides the budgets of the fleet`);
  for (const { match, name, localPort, endpoints, to, policy } of destinations.slice(0, 20))
    lines.push(
      `destination ${showHostPattern(match)}${name === null ? '' : ` (${name})`}: ${connections(policy.pool.maxConnections)}${
        endpoints === null ? '' : `, ${endpoints.length} static endpoint${endpoints.length === 1 ? '' : 's'}`
      }${localPort === null ? '' : `, local port ${localPort}`}${[...targetWords(to), ...policyWords(policy)]
        .map((words) => `, ${words}`)
        .join('')}`,
    );
  if (destinations.length > 20) lines.push(`and ${destinations.length - 20} more destinations`);
  return lines;
}

const connections = (count: number): string => `${count} connection${count === 1 ? '' : 's'}`;

function targetWords(to: DestinationConfig['to']): string[] {
  if (to === null) return [];
  return [
    `to ${to.map(({ host, port, weight }) => `${showHostPattern({ host, port })}${to.length > 1 ? ` × ${weight}` : ''}`).join(' and ')}`,
  ];
}

/** What of a policy is on that is off by default. */
function policyWords(policy: DestinationPolicy): string[] {
  const { protocol, tls, retry, breaker, healthCheck, rateLimit, balancer, sticky, mode, fleetMaxConnections } = policy;
  const { minConnections, scaling } = policy.pool;
  const words: string[] = [];
  if (minConnections === 'auto') words.push('a learned floor');
  else if (minConnections > 0) words.push(`${minConnections} kept warm`);
  if (scaling === 'load') words.push('a limit that follows the load');
  if (protocol !== 'auto') words.push(protocol === 'http2' ? 'HTTP/2' : 'HTTP/1.1');
  if (tls.originate) words.push(tls.cert === null ? 'TLS' : 'TLS with a client certificate');
  if (mode === 'observe') words.push('observed only');
  if (retry.attempts !== null) words.push(`${retry.attempts} ${retry.attempts === 1 ? 'try' : 'tries'}`);
  if (breaker.destinationFailures !== null) words.push(`breaker after ${breaker.destinationFailures} failures`);
  if (healthCheck.enabled) words.push(`${healthCheck.kind} checks every ${showDuration(healthCheck.intervalMs)}`);
  if (rateLimit.requestsPerMinute > 0) words.push(`${rateLimit.requestsPerMinute} requests a minute`);
  if (balancer === 'sticky') words.push(`sticky by ${sticky.by === 'address' ? 'address' : sticky.name}`);
  if (fleetMaxConnections !== null) words.push(`${connections(fleetMaxConnections)} for the fleet`);
  return words;
}
