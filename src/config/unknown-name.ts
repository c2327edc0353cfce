import { nearest, sameName } from './nearest.ts';
import { SETTINGS } from './schema.ts';
import type { SettingGroup } from './setting.ts';

/**
 * Settings of carpool that this version has not: whoever copies them from elsewhere is told so, instead of being sent
 * after a similar name. Those that a destination has too are named without `defaults.`.
 */
const LATER = new Set([
  'fleet',
  'egress',
  'scaling',
  'mode',
  'rateLimit',
  'healthCheck',
  'headers',
  'to',
  'sticky',
  'pool.scaling',
  'retry.attempts',
  'retry.backoffBase',
  'retry.backoffMax',
  'retry.statuses',
  'retry.statusCodes',
  'retry.on',
  'retry.unsafeStatuses',
  'retry.idempotencyKey',
  'breaker.destinationFailures',
]);

/** Names of pooling guides, and of places where one might look for a setting, with ours. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  max_keepalive_connections: 'pool.maxIdle',
  keepalive_expiry: 'pool.idleTimeout',
  pool_block_timeout: 'pool.acquireTimeout',
  read_timeout: 'timeouts.response',
  'timeouts.read': 'timeouts.response',
  'timeouts.pool': 'pool.acquireTimeout',
  'breaker.failureThreshold': 'breaker.failures',
  'breaker.recoveryTimeout': 'breaker.recovery',
  'discovery.dns.vanished': 'vanished',
};

/** `destinations[3].to` and `defaults.to` → `to`. */
const inPolicy = (path: string): string => path.replace(/^(defaults|destinations\[\d+\])\./, '');

/** Whether the name belongs to a feature that comes later. */
function comesLater(path: string): boolean {
  const name = inPolicy(path);
  return LATER.has(path) || LATER.has(name);
}

/** The right name for a wrong one: what a guide's name is here, a neighbour, or the same name elsewhere. */
function rightName(path: string, name: string, group: SettingGroup): string | null {
  const policyPath = inPolicy(path);
  const base = policyPath === path ? 'defaults.' : path.slice(0, path.length - policyPath.length);
  for (const [theirs, ours] of Object.entries(ELSEWHERE))
    if (sameName(theirs, policyPath) || sameName(theirs, name)) return base + ours;
  const neighbours = Object.keys(group);
  const written = neighbours.find((neighbour) => sameName(neighbour, name));
  if (written !== undefined) return written;
  // `pool` at the top: the place is wrong, not the name.
  const moved = `defaults.${path}`;
  if (SETTINGS.some((setting) => setting.path === moved || setting.path.startsWith(`${moved}.`))) return moved;
  return (
    nearest(name, neighbours) ??
    SETTINGS.find((setting) => sameName(setting.path.split('.').at(-1) ?? '', name))?.path ??
    null
  );
}

/** The message about a name that is not in the schema. */
export function unknownName(path: string, name: string, group: SettingGroup): string {
  if (comesLater(path)) return 'is not in this version of carpool';
  const right = rightName(path, name, group);
  return right === null
    ? `is no setting; here are: ${Object.keys(group).slice(0, 24).join(', ')}`
    : `is no setting; did you mean ${right}?`;
}
