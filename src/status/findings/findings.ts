import type { Finding, Severity } from '../types.ts';
import { ENDPOINT_RULES } from './endpoints.ts';
import { FAILURE_RULES } from './failures.ts';
import { PROXY_RULES } from './proxy-variables.ts';
import { REUSE_RULES } from './reuse.ts';
import { ROOM_RULES } from './room.ts';
import { forEach, type Rule } from './rule.ts';
import { SIDECAR_RULES } from './sidecar.ts';
import type { Sight } from './sight.ts';

/** In the order in which findings of one severity are shown: what explains others comes first. */
const RULES: readonly Rule[] = [
  PROXY_RULES.misused,
  ROOM_RULES.connectionsUsedUp,
  ROOM_RULES.buffersFull,
  forEach(FAILURE_RULES.breakerOpen),
  forEach(ROOM_RULES.poolExhausted),
  forEach(ENDPOINT_RULES.noEndpoints),
  forEach(FAILURE_RULES.tlsFailing),
  forEach(FAILURE_RULES.connectsFailing),
  FAILURE_RULES.noRoute,
  forEach(ENDPOINT_RULES.endpointsUnfit),
  forEach(FAILURE_RULES.errorsHigh),
  SIDECAR_RULES.reloadRefused,
  PROXY_RULES.noRequests,
  forEach(FAILURE_RULES.paused),
  forEach(ENDPOINT_RULES.endpointFlapping),
  forEach(ROOM_RULES.waitingForConnects),
  forEach(FAILURE_RULES.rateLimited),
  SIDECAR_RULES.discoveryDisconnected,
  SIDECAR_RULES.fleetFailover,
  SIDECAR_RULES.tracesLost,
  forEach(ENDPOINT_RULES.discoveryFailing),
  forEach(REUSE_RULES.reuseLow),
];

const RANK: Readonly<Record<Severity, number>> = { error: 0, warning: 1, info: 2 };

/** So many are shown; a sidecar that is wrong in more ways is wrong in the first ones. */
const MOST = 50;

/** What a person should know, the worst first. It keeps nothing: the same sight makes the same findings. */
export function findingsOf(sight: Sight): Finding[] {
  return worstFirst([...eachFinding(sight)]);
}

/** The same in small steps, for who must not hold the event loop up; `worstFirst` makes an end of what they yield. */
export function* eachFinding(sight: Sight): Generator<Finding | null> {
  for (const rule of RULES) yield* rule(sight);
}

/** In the order in which they are shown. */
export function worstFirst(found: readonly (Finding | null)[]): Finding[] {
  return found
    .filter((finding) => finding !== null)
    .sort((a, b) => RANK[a.severity] - RANK[b.severity])
    .slice(0, MOST);
}
