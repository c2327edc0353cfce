import type {
  AccessLogMode,
  Balancer,
  Config,
  Coordinator,
  HealthKind,
  LogLevel,
  Mode,
  RateExceeded,
  RetryKind,
  StickyKey,
  TlsVersion,
  UpstreamProtocol,
  Vanished,
  ViaMode,
} from './types.ts';

/** The values of every setting that is one of a few words, typed, so that schema and types cannot drift apart. */

export const PROFILES = ['production', 'development'] as const satisfies readonly Config['profile'][];
export const PRESETS = ['classic', 'external-api'] as const;
export const BALANCERS = ['p2c', 'round_robin', 'least_loaded', 'sticky'] as const satisfies readonly Balancer[];
export const PROTOCOLS = ['auto', 'http1', 'http2'] as const satisfies readonly UpstreamProtocol[];
export const VANISHED = ['keep', 'evict'] as const satisfies readonly Vanished[];
export const MODES = ['pool', 'observe'] as const satisfies readonly Mode[];
export const RETRY_KINDS = ['reset', 'timeout', 'status'] as const satisfies readonly RetryKind[];
export const HEALTH_KINDS = ['tcp', 'http', 'grpc'] as const satisfies readonly HealthKind[];
export const RATE_EXCEEDED = ['refuse', 'queue'] as const satisfies readonly RateExceeded[];
export const STICKY_KEYS = ['header', 'cookie', 'address'] as const satisfies readonly StickyKey[];
export const SCALINGS = ['off', 'load'] as const;
export const COORDINATORS = ['kubernetes', 'redis'] as const satisfies readonly Coordinator[];
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
