import type {
  AccessLogMode,
  Balancer,
  Config,
  LogLevel,
  TlsVersion,
  UpstreamProtocol,
  Vanished,
  ViaMode,
} from './types.ts';

/** The values of every setting that is one of a few words, typed, so that schema and types cannot drift apart. */

export const PROFILES = ['production', 'development'] as const satisfies readonly Config['profile'][];
export const PRESETS = ['classic'] as const;
export const BALANCERS = ['p2c', 'round_robin', 'least_loaded'] as const satisfies readonly Balancer[];
export const PROTOCOLS = ['auto', 'http1', 'http2'] as const satisfies readonly UpstreamProtocol[];
export const VANISHED = ['keep', 'evict'] as const satisfies readonly Vanished[];
export const TLS_VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const satisfies readonly TlsVersion[];
export const ORIGIN_FORMS = ['refuse', 'route'] as const satisfies readonly Config['listener']['originForm'][];
export const VIA_MODES = ['off', 'request', 'response', 'both'] as const satisfies readonly ViaMode[];
export const LOG_LEVELS = [
  'trace',
  'debug',
  'info',
  'warn',
  'error',
  'fatal',
  'silent',
] as const satisfies readonly LogLevel[];
export const ACCESS_LOGS = ['off', 'errors', 'sampled', 'all'] as const satisfies readonly AccessLogMode[];

export type Profile = (typeof PROFILES)[number];
export type Preset = (typeof PRESETS)[number];
