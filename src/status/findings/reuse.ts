import { figure, percent } from '../number-words.ts';
import { carpool, type DestinationRule, settingOf } from './rule.ts';

/** Over so much reuse is good; so far below it is worth a word. */
const GOOD = 0.9;
const LOW = 0.7;
/** Below so many requests a second a connection may well be too old by the next one. */
const ENOUGH_PER_SECOND = 2;
/** A pool of a young sidecar is still growing to its load. */
const SETTLED_MS = 120_000;
const SHORT_AGE_MS = 60_000;

/** Most requests open a connection of their own. */
const reuseLow: DestinationRule = (destination, sight) => {
  const { row, policy } = destination;
  const { reuseShare, requestsPerSecond: rate } = row;
  if (reuseShare === null || reuseShare >= LOW || rate < ENOUGH_PER_SECOND || policy.mode === 'observe') return null;
  if (sight.sidecar.uptimeMs < SETTLED_MS) return null;
  const { pool } = policy;
  const title = `Only ${percent(reuseShare)} of the requests go out on a used connection (over ${percent(GOOD)} is good)`;
  const finding = (detail: string, remedies: readonly string[], lines: readonly string[]) =>
    ({ code: 'reuse_low', severity: 'warning', destination: row.name, title, detail, remedies, lines }) as const;
  if (!pool.enabled)
    return finding(
      'pool.enabled is false for this destination.',
      ['Set pool.enabled: true.'],
      [settingOf(destination, sight, 'pool: { enabled: true }')],
    );
  if (pool.maxRequests > 0 && pool.maxRequests <= 1 / (1 - LOW))
    return finding(
      `pool.maxRequests is ${pool.maxRequests}: a connection ends after so many.`,
      ['Raise it, or leave it out.'],
      [settingOf(destination, sight, 'pool: { maxRequests: 0 }')],
    );
  const young = pool.maxAgeMs > 0 && pool.maxAgeMs < SHORT_AGE_MS;
  return finding(
    `${figure(rate)} requests a second, and most had to open a connection first.`,
    [
      'Turn keep-alive on at the server: it ends connections with each response (Connection: close), or soon after.',
      'carpool connections shows how long they live, the events why they end; advise names the setting.',
      ...(young ? ['Raise pool.maxAge: connections end by their age.'] : []),
    ],
    [carpool('advise', row.name), carpool('events', row.name)],
  );
};

export const REUSE_RULES = { reuseLow };
