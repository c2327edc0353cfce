import type { Preset, Profile } from './choices.ts';

/** Raw values by path: what a profile changes of the defaults. */
export const PROFILE_VALUES: Readonly<Record<Profile, ReadonlyMap<string, unknown>>> = {
  production: new Map<string, unknown>([['defaults.healthCheck.interval', '15s']]),
  development: new Map<string, unknown>([
    ['defaults.pool.maxConnections', 20],
    ['defaults.retry.attempts', 1],
    ['defaults.healthCheck.enabled', false],
    ['telemetry.accessLog', 'errors'],
    ['telemetry.logLevel', 'debug'],
  ]),
};

/** Raw values by path relative to `defaults` or a destination: what a preset sets there. */
export const PRESET_VALUES: Readonly<Record<Preset, ReadonlyMap<string, unknown>>> = {
  classic: new Map<string, unknown>([
    ['pool.maxConnections', 100],
    ['pool.maxIdle', 20],
    ['pool.idleTimeout', '300s'],
    ['pool.acquireTimeout', '5s'],
    ['timeouts.connect', '10s'],
    ['timeouts.response', '30s'],
    ['timeouts.write', '10s'],
  ]),
  'external-api': new Map<string, unknown>([
    ['retry.attempts', 3],
    ['retry.statusCodes', [408, 429, 500, 502, 503, 504]],
    ['retry.unsafeStatuses', [429, 503, 529]],
    ['retry.backoffBase', '500ms'],
    ['retry.backoffMax', '60s'],
    ['retry.replayBytes', '1MiB'],
  ]),
};
