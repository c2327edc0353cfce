import { nearest, sameName } from './nearest.ts';
import { SETTINGS } from './schema.ts';
import type { SettingGroup } from './setting.ts';

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
  'retry.statuses': 'retry.statusCodes',
  'retry.maxAttempts': 'retry.attempts',
  'retry.base': 'retry.backoffBase',
  'healthCheck.type': 'healthCheck.kind',
  'healthCheck.unhealthyThreshold': 'healthCheck.threshold',
  check_interval: 'healthCheck.interval',
  unhealthy_threshold: 'healthCheck.threshold',
  health_check_timeout: 'healthCheck.timeout',
  requests_per_minute: 'rateLimit.requestsPerMinute',
};

/** `destinations[3].to` and `defaults.to` → `to`. */
const inPolicy = (path: string): string => path.replace(/^(defaults|destinations\[\d+\])\./, '');

/** What a guide's name is here, a neighbour in the same group, or the same name elsewhere. */
function rightName(
  path: string,
  name: string,
  group: SettingGroup,
): { readonly neighbour: string } | { readonly path: string } | null {
  const policyPath = inPolicy(path);
  const base = policyPath === path ? 'defaults.' : path.slice(0, path.length - policyPath.length);
  for (const [theirs, ours] of Object.entries(ELSEWHERE))
    if (sameName(theirs, policyPath) || sameName(theirs, name)) return { path: base + ours };
  const neighbours = Object.keys(group);
  const written = neighbours.find((neighbour) => sameName(neighbour, name));
  if (written !== undefined) return { neighbour: written };
  // `pool` at the top: the place is wrong, not the name.
  const moved = `defaults.${path}`;
  if (SETTINGS.some((setting) => setting.path === moved || setting.path.startsWith(`${moved}.`)))
    return { path: moved };
  const near = nearest(name, neighbours);
  if (near !== null) return { neighbour: near };
  return SETTINGS.find((setting) => sameName(setting.path.split('.').at(-1) ?? '', name)) ?? null;
}

/**
 * The whole path that was probably meant, or null.
 * @param name the last part of the path, which is not in `group`
 */
export function rightPath(path: string, name: string, group: SettingGroup): string | null {
  const right = rightName(path, name, group);
  if (right === null) return null;
  return 'path' in right ? right.path : path.slice(0, path.length - name.length) + right.neighbour;
}

/** The message about a name in a file that is not in the schema: of a neighbour it gives the name alone, as it stands there. */
export function unknownName(path: string, name: string, group: SettingGroup): string {
  const right = rightName(path, name, group);
  if (right === null) return noneLike(group);
  return `is no setting; did you mean ${'path' in right ? right.path : right.neighbour}?`;
}

/** The message where nothing comes near. */
export function noneLike(group: SettingGroup): string {
  return `is no setting; here are: ${Object.keys(group).slice(0, 24).join(', ')}`;
}
