import { HEALTH_KINDS, RATE_EXCEEDED, RETRY_KINDS, STICKY_KEYS } from './choices.ts';
import type { SettingGroup } from './setting.ts';

/** What a destination does about failures and load: part of its policy (see policy-schema.ts). */
export const RETRY_SCHEMA = {
  attempts: {
    doc: 'Tries of a request in all, for the causes in `on`. What provably was not processed is sent again whatever this is.',
    format: 'count',
    min: 1,
    max: 10,
    default: null,
    nullable: true,
    absent:
      'a new connection that is reset before the response costs an idempotent request one more try; time-outs and statuses cost none',
    applies: 'at once',
  },
  on: {
    doc: 'Causes of another try where `attempts` is set: `reset` (a connection that ends before the response begins), `timeout` (no response head in timeouts.response), `status` (statusCodes, unsafeStatuses). Idempotent methods only, but for unsafeStatuses.',
    format: 'choices',
    choices: RETRY_KINDS,
    default: RETRY_KINDS,
    applies: 'at once',
  },
  statusCodes: {
    doc: 'Statuses after which an idempotent request is sent again.',
    format: 'statuses',
    default: [],
    applies: 'at once',
  },
  unsafeStatuses: {
    doc: 'Statuses with which the server says that it did not act, so that POST and PATCH are sent again too: 429, and any other only where it comes with Retry-After.',
    format: 'statuses',
    default: [],
    applies: 'at once',
  },
  backoffBase: {
    doc: 'Before try n + 1 after a status or a time-out: a random time up to this × 2ⁿ⁻¹, at least half of that.',
    format: 'duration',
    zero: 'none',
    default: '500ms',
    applies: 'at once',
  },
  backoffMax: {
    doc: 'The longest of these waits. An answer whose Retry-After asks for more is passed on to the app.',
    format: 'duration',
    max: 600_000,
    default: '60s',
    applies: 'at once',
  },
  idempotencyKey: {
    doc: 'A request with an `Idempotency-Key` field counts as idempotent, whatever its method.',
    format: 'boolean',
    default: false,
    applies: 'at once',
  },
  budget: {
    doc: 'Tries that are not provably safe, as a share of the requests of the last 10 s: under an outage the upstream sees that much more and no storm.',
    format: 'ratio',
    default: 0.2,
    applies: 'at once',
  },
  budgetMinimum: {
    doc: 'So many of them in 10 s are allowed whatever the share.',
    format: 'count',
    max: 10_000,
    default: 10,
    applies: 'at once',
  },
  replayBytes: {
    doc: 'How much of a request body is kept so that a retry can send it again.',
    format: 'size',
    max: 64 * 1024 * 1024,
    zero: 'none',
    default: '64KiB',
    applies: 'at once',
  },
} as const satisfies SettingGroup;

export const BREAKER_SCHEMA = {
  failures: {
    doc: 'Failures of one endpoint in a row (connect errors, resets, time-outs, 502, 503, 504, gRPC UNAVAILABLE) after which it is taken out of rotation. Never more than half of the endpoints are out.',
    format: 'count',
    min: 1,
    max: 1_000_000,
    default: 5,
    applies: 'at once',
  },
  recovery: {
    doc: 'How long it stays out before one request may try it; longer each time that this fails, up to five times as long.',
    format: 'duration',
    min: 100,
    default: '60s',
    applies: 'at once',
  },
  destinationFailures: {
    doc: 'Failures in a row over all endpoints after which the destination’s breaker opens: requests get 503 CIRCUIT_OPEN at once, until `recovery` has passed and one of them has tried.',
    format: 'count',
    min: 1,
    max: 1_000_000,
    default: null,
    nullable: true,
    absent: 'off',
    applies: 'at once',
  },
} as const satisfies SettingGroup;

export const HEALTH_CHECK_SCHEMA = {
  enabled: {
    doc: 'Asks each endpoint whether it is well. In Kubernetes readiness is known without it.',
    format: 'boolean',
    default: false,
    applies: 'at once',
  },
  kind: {
    doc: '`tcp`: it takes a connection (over TLS, the handshake too). `http`: GET of `path` is answered by 200 to 399. `grpc`: grpc.health.v1.Health/Check says SERVING.',
    format: 'choice',
    choices: HEALTH_KINDS,
    default: 'tcp',
    applies: 'at once',
  },
  interval: {
    doc: 'Between two checks of an endpoint (±10 %).',
    format: 'duration',
    min: 100,
    default: '30s',
    applies: 'at once',
  },
  timeout: { doc: 'How long one check may take.', format: 'duration', min: 10, default: '5s', applies: 'at once' },
  threshold: {
    doc: 'Failed checks in a row after which an endpoint is drained, and good ones in a row (at most two) after which it is taken back, slowly.',
    format: 'count',
    min: 1,
    max: 1000,
    default: 3,
    applies: 'at once',
  },
  path: { doc: 'What kind `http` asks for.', format: 'basePath', default: '/', applies: 'at once' },
  port: {
    doc: 'Another port than that of the endpoint.',
    format: 'port',
    default: null,
    nullable: true,
    absent: 'the endpoint’s own',
    applies: 'at once',
  },
  service: {
    doc: 'The name that kind `grpc` asks about.',
    format: 'name',
    default: null,
    nullable: true,
    absent: 'the server as a whole',
    applies: 'at once',
  },
} as const satisfies SettingGroup;

export const RATE_LIMIT_SCHEMA = {
  requestsPerMinute: {
    doc: 'Requests to the destination from this sidecar.',
    format: 'count',
    max: 100_000_000,
    zero: 'no limit',
    default: 0,
    applies: 'at once',
  },
  burst: {
    doc: 'How many of them may come at once.',
    format: 'count',
    min: 1,
    max: 100_000_000,
    default: null,
    nullable: true,
    absent: 'what ten seconds allow, at least 1',
    applies: 'at once',
  },
  exceeded: {
    doc: 'What a request over the limit gets: `refuse` answers 429 with Retry-After, `queue` lets it wait for its turn.',
    format: 'choice',
    choices: RATE_EXCEEDED,
    default: 'refuse',
    applies: 'at once',
  },
  maxWait: {
    doc: 'With `queue`: a request whose turn is further away than this is refused.',
    format: 'duration',
    default: '30s',
    applies: 'at once',
  },
} as const satisfies SettingGroup;

export const STICKY_SCHEMA = {
  by: {
    doc: 'With balancer `sticky`, what requests for the same endpoint have in common: a `header` or a `cookie` (see `name`), or the `address` of the pod.',
    format: 'choice',
    choices: STICKY_KEYS,
    default: 'address',
    applies: 'at once',
  },
  name: {
    doc: 'Of the header or the cookie. A request without it goes by the address of the pod.',
    format: 'fieldName',
    default: null,
    nullable: true,
    absent: 'none',
    applies: 'at once',
  },
} as const satisfies SettingGroup;

export const SCALING_SCHEMA = {
  cooldown: {
    doc: 'Between two steps of `pool.scaling: load`.',
    format: 'duration',
    min: 1000,
    default: '300s',
    applies: 'at once',
  },
  window: {
    doc: 'The period of `minConnections: auto`: what was needed at the same time of earlier periods is opened a little before that time comes again.',
    format: 'duration',
    min: 60_000,
    max: 7 * 86_400_000,
    default: '3600s',
    applies: 'at once',
  },
} as const satisfies SettingGroup;

export const HEADERS_SCHEMA = {
  set: {
    doc: 'Fields that requests get, in place of those of the same name: `name: text`, or `name: { file: /path }` for what a mounted Secret holds; `{ file: /path, prefix: "Bearer " }` puts something before it. Files are followed without a restart. Values are in no log, metric or view.',
    format: 'headerSet',
    default: {},
    sensitive: true,
    applies: 'at once',
  },
  remove: {
    doc: 'Fields that requests lose.',
    format: 'fieldNames',
    default: [],
    applies: 'at once',
  },
} as const satisfies SettingGroup;
