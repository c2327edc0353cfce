import type { Config, DestinationPolicy } from './types.ts';

export type Refuse = (paths: readonly string[], message: string) => void;
export type Warn = (path: string, message: string) => void;

/** Policies that contradict themselves: each says what to set. @param path of the policy, e.g. `defaults` */
export function checkPolicy(policy: DestinationPolicy, path: string, refuse: Refuse, warn: Warn): void {
  checkRetry(policy, path, refuse, warn);
  const { sticky, rateLimit, headers, balancer } = policy;
  if (sticky.by !== 'address' && sticky.name === null)
    refuse([`${path}.sticky.by`, `${path}.sticky.name`], `is ${sticky.by}, which needs ${path}.sticky.name`);
  if (balancer !== 'sticky' && (sticky.by !== 'address' || sticky.name !== null))
    warn(`${path}.sticky`, `does nothing without ${path}.balancer: sticky`);
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
  if (policy.fleetMaxConnections !== null && policy.fleetMaxConnections < 1)
    refuse([`${path}.fleet.maxConnections`], 'must be at least 1');
}

function checkRetry({ retry }: DestinationPolicy, path: string, refuse: Refuse, warn: Warn): void {
  const { attempts, statusCodes, unsafeStatuses, on, backoffBaseMs, backoffMaxMs, budget, budgetMinimum } = retry;
  for (const [name, list] of [
    ['statusCodes', statusCodes],
    ['unsafeStatuses', unsafeStatuses],
  ] as const) {
    if (list.length === 0) continue;
    const at = `${path}.retry.${name}`;
    if (attempts === null || attempts < 2)
      refuse(
        [at, `${path}.retry.attempts`],
        `is [${list.join(', ')}], but retry.attempts is ${attempts ?? 'not set'}: set it to the tries in all, such as 3`,
      );
    else if (!on.includes('status'))
      refuse([at, `${path}.retry.on`], `is [${list.join(', ')}], but retry.on has no status`);
  }
  if (backoffBaseMs > backoffMaxMs)
    refuse([`${path}.retry.backoffBase`, `${path}.retry.backoffMax`], 'is longer than retry.backoffMax');
  if (attempts !== null && attempts > 1 && budget === 0 && budgetMinimum === 0)
    refuse([`${path}.retry.attempts`, `${path}.retry.budget`], 'needs a retry.budget or a retry.budgetMinimum above 0');
  if (attempts !== null && attempts > 1 && on.length === 0)
    warn(`${path}.retry.attempts`, 'does nothing while retry.on is empty');
}

/** A budget needs who divides it, and who divides it has to be found. */
export function checkFleet(config: Config, places: readonly number[], refuse: Refuse, warn: Warn): void {
  const { coordinator, maxConnections, service, redis, failoverTimeoutMs } = config.fleet;
  const budgets: string[] = [];
  if (maxConnections !== null) budgets.push('fleet.maxConnections');
  for (const [index, { fleet }] of config.destinations.entries())
    if (fleet.maxConnections !== null) budgets.push(`destinations[${places[index]}].fleet.maxConnections`);
  const [first] = budgets;
  if (coordinator === null) {
    if (first !== undefined)
      refuse([first, 'fleet.coordinator'], 'needs fleet.coordinator: kubernetes or redis, which divides the budget');
    return;
  }
  if (first === undefined)
    warn('fleet.coordinator', 'has nothing to divide: set fleet.maxConnections, at the top or for a destination');
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
  if (coordinator === 'redis' && failoverTimeoutMs < 2000) refuse(['fleet.failoverTimeout'], 'must be at least 2s');
}

/** A parent proxy's settings are of no use without it. */
export function checkEgress({ egress }: Config, warn: Warn): void {
  const { url, credentialsFile } = egress.parentProxy;
  if (url === null && credentialsFile !== null)
    warn('egress.parentProxy.credentialsFile', 'does nothing without egress.parentProxy.url');
}
