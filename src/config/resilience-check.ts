import { accessSync, constants } from 'node:fs';
import { isLoopback, showHostPattern } from './addresses.ts';
import type { Config, DestinationPolicy, HeadersPolicy } from './types.ts';

/** Takes a contradiction: the path that it is told of, then those that have a part in it. */
export type Refuse = (paths: readonly string[], message: string) => void;
export type Warn = Refuse;

/** Who takes what is found, and whether a path was written by somebody. */
export type Checks = {
  readonly refuse: Refuse;
  readonly warn: Warn;
  readonly written: (path: string) => boolean;
};

/** Policies that contradict themselves: each says what to set. @param path of the policy, e.g. `defaults` */
export function checkPolicy(policy: DestinationPolicy, path: string, checks: Checks): void {
  const { refuse, warn, written } = checks;
  checkRetry(policy, path, checks);
  checkHealth(policy, path, warn);
  checkHeaderFiles(policy.headers, path, checks);
  if (policy.mode === 'observe' && policy.pool.minConnections !== 0 && written(`${path}.pool.minConnections`))
    warn([`${path}.pool.minConnections`, `${path}.mode`], 'does nothing with mode: observe, which keeps no connection');
  const { sticky, rateLimit, headers, balancer } = policy;
  if (sticky.by !== 'address' && sticky.name === null)
    refuse([`${path}.sticky.by`, `${path}.sticky.name`], `is ${sticky.by}, which needs ${path}.sticky.name`);
  // A name that is inherited from `defaults` may be of no use here.
  else if (sticky.by === 'address' && sticky.name !== null && written(`${path}.sticky.name`))
    refuse(
      [`${path}.sticky.name`, `${path}.sticky.by`],
      `is ${sticky.name}, which needs ${path}.sticky.by: header or cookie`,
    );
  else if (balancer !== 'sticky' && (sticky.by !== 'address' || sticky.name !== null))
    warn([`${path}.sticky`, `${path}.balancer`], `does nothing without ${path}.balancer: sticky`);
  if (rateLimit.requestsPerMinute === 0 && rateLimit.burst !== null)
    refuse(
      [`${path}.rateLimit.burst`, `${path}.rateLimit.requestsPerMinute`],
      `needs ${path}.rateLimit.requestsPerMinute`,
    );
  const both = headers.set.find(({ name }) => headers.remove.includes(name));
  if (both !== undefined)
    refuse(
      [`${path}.headers.remove`, `${path}.headers.set`],
      `has ${both.name}, which headers.set has too: what is set replaces what the request has anyhow`,
    );
}

/** Checks that tell less than they seem to. */
function checkHealth({ healthCheck, protocol }: DestinationPolicy, path: string, warn: Warn): void {
  const { enabled, kind, intervalMs, timeoutMs } = healthCheck;
  if (!enabled) return;
  if (timeoutMs > intervalMs)
    warn(
      [`${path}.healthCheck.timeout`, `${path}.healthCheck.interval`, `${path}.healthCheck.enabled`],
      `is longer than ${path}.healthCheck.interval: an endpoint that hangs is asked less often than that`,
    );
  if (kind === 'grpc' && protocol === 'http1')
    warn(
      [`${path}.healthCheck.kind`, `${path}.healthCheck.enabled`, `${path}.protocol`],
      'is grpc, which goes by HTTP/2, but protocol is http1: use http or tcp',
    );
}

/** A file that is not there yet may come; until then requests go without the field. */
function checkHeaderFiles({ set }: HeadersPolicy, path: string, { warn, written }: Checks): void {
  const at = `${path}.headers.set`;
  if (!written(at)) return;
  for (const { name, file } of set) {
    if (file === null) continue;
    try {
      accessSync(file, constants.R_OK);
    } catch (error) {
      const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : '';
      warn([at], `names ${file} for ${name}, which cannot be read now (${String(code)})`);
    }
  }
}

function checkRetry({ retry }: DestinationPolicy, path: string, { refuse, warn, written }: Checks): void {
  const { attempts, statusCodes, unsafeStatuses, on, backoffBaseMs, backoffMaxMs, budget, budgetMinimum } = retry;
  for (const [name, list] of [
    ['statusCodes', statusCodes],
    ['unsafeStatuses', unsafeStatuses],
  ] as const) {
    if (list.length === 0) continue;
    const at = `${path}.retry.${name}`;
    const codes = `[${list.join(', ')}]`;
    if (attempts === null || attempts < 2) {
      const set = `${attempts ?? 'not set'}`;
      const other = `${path}.retry.attempts`;
      if (written(at) || !written(other))
        refuse([at, other], `is ${codes}, but retry.attempts is ${set}: set it to the tries in all, such as 3`);
      else
        refuse([other, at], `is ${set}, but retry.${name} is ${codes}: also set retry.${name}: [], or more attempts`);
    } else if (!on.includes('status')) {
      const other = `${path}.retry.on`;
      if (written(at) || !written(other))
        refuse([at, other], `is ${codes}, but retry.on has no status: add it, or set retry.${name}: []`);
      else
        refuse([other, at], `has no status, but retry.${name} is ${codes}: also set retry.${name}: [], or add status`);
    }
  }
  if (backoffBaseMs > backoffMaxMs)
    refuse([`${path}.retry.backoffBase`, `${path}.retry.backoffMax`], 'is longer than retry.backoffMax');
  if (attempts !== null && attempts > 1 && budget === 0 && budgetMinimum === 0)
    refuse(
      [`${path}.retry.attempts`, `${path}.retry.budget`, `${path}.retry.budgetMinimum`],
      'needs a retry.budget or a retry.budgetMinimum above 0',
    );
  if (attempts !== null && attempts > 1 && on.length === 0)
    warn([`${path}.retry.attempts`, `${path}.retry.on`], 'does nothing while retry.on is empty');
}

/** A budget needs who divides it, and who divides it has to be found. */
export function checkFleet(config: Config, places: readonly number[], refuse: Refuse, warn: Warn): void {
  const { coordinator, service, redis, minShare } = config.fleet;
  const first = budgetsOf(config, places)[0]?.[0];
  if (coordinator === null) {
    if (first !== undefined)
      refuse([first, 'fleet.coordinator'], 'needs fleet.coordinator: kubernetes or redis, which divides the budget');
    return;
  }
  if (first === undefined)
    warn(['fleet.coordinator'], 'has nothing to divide: set fleet.maxConnections, at the top or for a destination');
  if (coordinator === 'kubernetes' && service === null)
    refuse(
      ['fleet.coordinator', 'fleet.service'],
      'is kubernetes, which needs fleet.service: the Service of the workload itself',
    );
  if (coordinator === 'kubernetes' && config.discovery.kubernetes.enabled === 'off')
    refuse(
      ['fleet.coordinator', 'discovery.kubernetes.enabled'],
      'is kubernetes, but discovery.kubernetes.enabled is false',
    );
  if (coordinator === 'redis' && redis.url === null)
    refuse(['fleet.coordinator', 'fleet.redis.url'], 'is redis, which needs fleet.redis.url');
  const small = budgetsOf(config, places).find(([, budget]) => budget < minShare);
  if (small !== undefined)
    warn(
      ['fleet.minShare'],
      `is ${minShare}, more than ${small[0]} (${small[1]}): no sidecar can have more than the whole budget`,
    );
}

/** Each budget with its path. */
function budgetsOf(config: Config, places: readonly number[]): [path: string, budget: number][] {
  const budgets: [string, number][] = [];
  if (config.fleet.maxConnections !== null) budgets.push(['fleet.maxConnections', config.fleet.maxConnections]);
  for (const [index, { fleet }] of config.destinations.entries())
    if (fleet.maxConnections !== null)
      budgets.push([`destinations[${places[index]}].fleet.maxConnections`, fleet.maxConnections]);
  return budgets;
}

/** A parent proxy's settings are of no use without it, and it must be another process. */
export function checkEgress(config: Config, { refuse, warn, written }: Checks): void {
  const { url } = config.egress.parentProxy;
  if (url === null) {
    for (const name of ['credentialsFile', 'noProxy', 'ca'])
      if (written(`egress.parentProxy.${name}`))
        warn([`egress.parentProxy.${name}`], 'does nothing without egress.parentProxy.url');
    return;
  }
  const { hostname, port, protocol } = new URL(url);
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  const at = port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
  const listening = [config.listener.port, ...config.destinations.map(({ localPort }) => localPort)];
  if ((isLoopback(host) || host === config.listener.host) && listening.includes(at))
    refuse(
      ['egress.parentProxy.url'],
      `is a listener of carpool itself (${showHostPattern({ host, port: at })}): requests would go round in circles`,
    );
}
