import {
  ACCESS_LOGS,
  BALANCERS,
  COORDINATORS,
  HEALTH_KINDS,
  LOG_LEVELS,
  MODES,
  ORIGIN_FORMS,
  PROFILES,
  PROTOCOLS,
  RATE_EXCEEDED,
  RETRY_KINDS,
  SCALINGS,
  STICKY_KEYS,
  TLS_VERSIONS,
  VANISHED,
  VIA_MODES,
} from './choices.ts';
import { automaticBufferBytes } from './memory-limit.ts';
import { RawReader } from './raw-reader.ts';
import { DESTINATION_SETTINGS, SETTINGS } from './schema.ts';
import type {
  Config,
  DestinationConfig,
  DestinationPolicy,
  HealthCheckPolicy,
  Mode,
  PoolPolicy,
  RetryPolicy,
  TimeoutPolicy,
  TlsPolicy,
} from './types.ts';

/** Turns checked raw values into the `Config` that the rest of carpool reads. */

/** Raw values by path. */
export type RawValues = ReadonlyMap<string, unknown>;

/** Builds the configuration out of the merged values of all sources and those of each destination. */
export function resolveConfig(values: RawValues, destinations: readonly RawValues[], memoryLimit: number): Config {
  const raw = new RawReader(values, SETTINGS);
  const whole: Whole = {
    mode: raw.choice('mode', MODES),
    fleetMaxConnections: raw.orNull('fleet.maxConnections', raw.number),
  };
  return freeze({
    profile: raw.choice('profile', PROFILES),
    listener: {
      host: raw.text('listener.host'),
      port: raw.number('listener.port'),
      allowNonLoopback: raw.boolean('listener.allowNonLoopback'),
      originForm: raw.choice('listener.originForm', ORIGIN_FORMS),
      idleTimeoutMs: raw.duration('listener.idleTimeout'),
      headTimeoutMs: raw.duration('listener.headTimeout'),
      maxHeadBytes: raw.size('listener.maxHeadBytes'),
      maxFields: raw.number('listener.maxFields'),
      maxTargetBytes: raw.size('listener.maxTargetBytes'),
      maxConnections: raw.number('listener.maxConnections'),
      upgradeProtocols: raw.tokens('listener.upgradeProtocols'),
    },
    operator: {
      enabled: raw.boolean('operator.enabled'),
      host: raw.text('operator.host'),
      port: raw.number('operator.port'),
    },
    control: {
      socket: raw.orNull('control.socket', raw.text),
      port: raw.orNull('control.port', raw.number),
      tokenFile: raw.orNull('control.tokenFile', raw.text),
    },
    security: {
      allowAddresses: raw.addressRanges('security.allowAddresses'),
      allowLoopback: raw.boolean('security.allowLoopback'),
      connectPorts: raw.ports('security.connectPorts'),
    },
    connect: { tlsPorts: raw.ports('connect.tlsPorts'), sniffTimeoutMs: raw.duration('connect.sniffTimeout') },
    http2: {
      maxStreams: raw.number('http2.maxStreams'),
      pingAfterMs: raw.duration('http2.pingAfter'),
      webSocket: raw.boolean('http2.webSocket'),
    },
    discovery: {
      emptyWaitMs: raw.duration('discovery.emptyWait'),
      kubernetes: {
        enabled: raw.autoBoolean('discovery.kubernetes.enabled'),
        firstLookupMs: raw.duration('discovery.kubernetes.firstLookup'),
        kubeconfig: raw.orNull('discovery.kubernetes.kubeconfig', raw.text),
        apiServer: raw.orNull('discovery.kubernetes.apiServer', raw.httpsUrl),
        tokenDir: raw.text('discovery.kubernetes.tokenDir'),
        namespace: raw.orNull('discovery.kubernetes.namespace', raw.text),
        namespaces: raw.namespaces('discovery.kubernetes.namespaces'),
        node: raw.orNull('discovery.kubernetes.node', raw.text),
        zone: raw.orNull('discovery.kubernetes.zone', raw.text),
        podAddress: raw.orNull('discovery.kubernetes.podAddress', raw.text),
      },
      dns: {
        minTtlMs: raw.duration('discovery.dns.minTtl'),
        maxTtlMs: raw.duration('discovery.dns.maxTtl'),
        negativeTtlMs: raw.duration('discovery.dns.negativeTtl'),
        hostsFile: raw.text('discovery.dns.hostsFile'),
        resolvConf: raw.text('discovery.dns.resolvConf'),
      },
    },
    limits: {
      maxConnections: raw.number('limits.maxConnections'),
      tunnels: raw.number('limits.tunnels'),
      bufferBytes: raw.sizeOrWord('limits.bufferBytes') ?? automaticBufferBytes(memoryLimit),
      destinations: raw.number('limits.destinations'),
    },
    via: { mode: raw.choice('via.mode', VIA_MODES), maxSelf: raw.number('via.maxSelf') },
    mode: whole.mode,
    fleet: resolveFleet(raw),
    egress: {
      parentProxy: {
        url: raw.orNull('egress.parentProxy.url', raw.proxyUrl),
        noProxy: raw.noProxy('egress.parentProxy.noProxy'),
        credentialsFile: raw.orNull('egress.parentProxy.credentialsFile', raw.text),
        ca: raw.orNull('egress.parentProxy.ca', raw.text),
      },
    },
    defaults: resolvePolicy(raw, 'defaults.', whole),
    destinations: destinations.map((entry) => resolveDestination(entry, whole)),
    telemetry: {
      logLevel: raw.choice('telemetry.logLevel', LOG_LEVELS),
      accessLog: raw.choice('telemetry.accessLog', ACCESS_LOGS),
      accessLogSample: raw.number('telemetry.accessLogSample'),
      accessLogPath: raw.boolean('telemetry.accessLogPath'),
      maxDestinations: raw.number('telemetry.maxDestinations'),
      poolLogIntervalMs: raw.duration('telemetry.poolLogInterval'),
      exemplars: raw.boolean('telemetry.exemplars'),
      tracing: {
        enabled: raw.boolean('telemetry.tracing.enabled'),
        endpoint: raw.orNull('telemetry.tracing.endpoint', raw.collectorUrl),
        sampleRatio: raw.number('telemetry.tracing.sampleRatio'),
        headersFile: raw.orNull('telemetry.tracing.headersFile', raw.text),
        timeoutMs: raw.duration('telemetry.tracing.timeout'),
        serviceName: raw.orNull('telemetry.tracing.serviceName', raw.text),
      },
    },
    shutdown: { graceMs: raw.duration('shutdown.grace'), quietMs: raw.duration('shutdown.quiet') },
  });
}

/** What is set at the top and again for one destination, but not under `defaults`. */
type Whole = { readonly mode: Mode; readonly fleetMaxConnections: number | null };

function resolveFleet(raw: RawReader): Config['fleet'] {
  return {
    coordinator: raw.orNull('fleet.coordinator', (path) => raw.choice(path, COORDINATORS)),
    maxConnections: raw.orNull('fleet.maxConnections', raw.number),
    service: raw.orNull('fleet.service', raw.serverName),
    workload: raw.orNull('fleet.workload', raw.text),
    minShare: raw.number('fleet.minShare'),
    failoverTimeoutMs: raw.duration('fleet.failoverTimeout'),
    redis: {
      url: raw.orNull('fleet.redis.url', raw.redisUrl),
      username: raw.orNull('fleet.redis.username', raw.text),
      passwordFile: raw.orNull('fleet.redis.passwordFile', raw.text),
      ca: raw.orNull('fleet.redis.ca', raw.text),
      prefix: raw.text('fleet.redis.prefix'),
    },
  };
}

function resolveDestination(values: RawValues, whole: Whole): DestinationConfig {
  const raw = new RawReader(values, DESTINATION_SETTINGS);
  const mode = raw.orNull('mode', (path) => raw.choice(path, MODES));
  const budget = raw.orNull('fleet.maxConnections', raw.number);
  return {
    name: raw.orNull('name', raw.text),
    match: raw.hostPattern('match'),
    localPort: raw.orNull('localPort', raw.number),
    basePath: raw.basePath('basePath'),
    endpoints: raw.orNull('endpoints', raw.endpoints),
    to: raw.orNull('to', raw.targets),
    mode,
    fleet: { maxConnections: budget },
    policy: resolvePolicy(raw, '', {
      mode: mode ?? whole.mode,
      fleetMaxConnections: budget ?? whole.fleetMaxConnections,
    }),
  };
}

function resolvePolicy(raw: RawReader, at: string, whole: Whole): DestinationPolicy {
  return {
    ...whole,
    balancer: raw.choice(`${at}balancer`, BALANCERS),
    slowStartMs: raw.duration(`${at}slowStart`),
    protocol: raw.choice(`${at}protocol`, PROTOCOLS),
    tls: resolveTls(raw, `${at}tls.`),
    // What only observes has nothing to pool: all that asks whether there is a pool needs to ask for that alone.
    pool: resolvePool(raw, `${at}pool.`, whole.mode === 'pool'),
    timeouts: resolveTimeouts(raw, `${at}timeouts.`),
    retry: resolveRetry(raw, `${at}retry.`),
    breaker: {
      failures: raw.number(`${at}breaker.failures`),
      recoveryMs: raw.duration(`${at}breaker.recovery`),
      destinationFailures: raw.orNull(`${at}breaker.destinationFailures`, raw.number),
    },
    healthCheck: resolveHealthCheck(raw, `${at}healthCheck.`),
    rateLimit: {
      requestsPerMinute: raw.number(`${at}rateLimit.requestsPerMinute`),
      burst: raw.orNull(`${at}rateLimit.burst`, raw.number),
      exceeded: raw.choice(`${at}rateLimit.exceeded`, RATE_EXCEEDED),
      maxWaitMs: raw.duration(`${at}rateLimit.maxWait`),
    },
    sticky: {
      by: raw.choice(`${at}sticky.by`, STICKY_KEYS),
      name: raw.orNull(`${at}sticky.name`, raw.fieldName),
    },
    scaling: {
      cooldownMs: raw.duration(`${at}scaling.cooldown`),
      windowMs: raw.duration(`${at}scaling.window`),
    },
    headers: { set: raw.headerSet(`${at}headers.set`), remove: raw.fieldNames(`${at}headers.remove`) },
    eviction: { graceMs: raw.duration(`${at}eviction.grace`) },
    vanished: raw.orNull(`${at}vanished`, (path) => raw.choice(path, VANISHED)),
  };
}

function resolveRetry(raw: RawReader, at: string): RetryPolicy {
  return {
    attempts: raw.orNull(`${at}attempts`, raw.number),
    on: raw.choices(`${at}on`, RETRY_KINDS),
    statusCodes: raw.statuses(`${at}statusCodes`),
    unsafeStatuses: raw.statuses(`${at}unsafeStatuses`),
    backoffBaseMs: raw.duration(`${at}backoffBase`),
    backoffMaxMs: raw.duration(`${at}backoffMax`),
    idempotencyKey: raw.boolean(`${at}idempotencyKey`),
    budget: raw.number(`${at}budget`),
    budgetMinimum: raw.number(`${at}budgetMinimum`),
    replayBytes: raw.size(`${at}replayBytes`),
  };
}

function resolveHealthCheck(raw: RawReader, at: string): HealthCheckPolicy {
  return {
    enabled: raw.boolean(`${at}enabled`),
    kind: raw.choice(`${at}kind`, HEALTH_KINDS),
    intervalMs: raw.duration(`${at}interval`),
    timeoutMs: raw.duration(`${at}timeout`),
    threshold: raw.number(`${at}threshold`),
    path: raw.basePath(`${at}path`),
    port: raw.orNull(`${at}port`, raw.number),
    service: raw.orNull(`${at}service`, raw.text),
  };
}

function resolveTls(raw: RawReader, at: string): TlsPolicy {
  return {
    originate: raw.boolean(`${at}originate`),
    ca: raw.orNull(`${at}ca`, raw.text),
    cert: raw.orNull(`${at}cert`, raw.text),
    key: raw.orNull(`${at}key`, raw.text),
    serverName: raw.orNull(`${at}serverName`, raw.serverName),
    minVersion: raw.choice(`${at}minVersion`, TLS_VERSIONS),
  };
}

function resolvePool(raw: RawReader, at: string, pools: boolean): PoolPolicy {
  return {
    enabled: pools && raw.boolean(`${at}enabled`),
    maxConnections: raw.number(`${at}maxConnections`),
    maxIdle: raw.number(`${at}maxIdle`),
    minConnections: raw.countOrWord(`${at}minConnections`) ?? 'auto',
    scaling: raw.choice(`${at}scaling`, SCALINGS),
    pauseTimeoutMs: raw.duration(`${at}pauseTimeout`),
    idleTimeoutMs: raw.orNull(`${at}idleTimeout`, raw.duration),
    maxAgeMs: raw.duration(`${at}maxAge`),
    maxAgeGraceMs: raw.duration(`${at}maxAgeGrace`),
    maxRequests: raw.number(`${at}maxRequests`),
    unsafeMaxIdleMs: raw.duration(`${at}unsafeMaxIdle`),
    acquireTimeoutMs: raw.duration(`${at}acquireTimeout`),
    maxPending: raw.number(`${at}maxPending`),
    maxStreams: raw.number(`${at}maxStreams`),
    tcpKeepAliveMs: raw.duration(`${at}tcpKeepAlive`),
    sweepIntervalMs: raw.duration(`${at}sweepInterval`),
  };
}

function resolveTimeouts(raw: RawReader, at: string): TimeoutPolicy {
  return {
    connectMs: raw.duration(`${at}connect`),
    connectAttemptMs: raw.duration(`${at}connectAttempt`),
    responseMs: raw.duration(`${at}response`),
    bodyIdleMs: raw.duration(`${at}bodyIdle`),
    writeMs: raw.duration(`${at}write`),
    streamIdleMs: raw.duration(`${at}streamIdle`),
    totalMs: raw.duration(`${at}total`),
  };
}

/** A `Config` is shared by everything that runs: nobody may change it. */
function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) freeze(inner);
  }
  return value;
}
