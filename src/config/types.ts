/**
 * The configuration as the rest of carpool reads it: durations in milliseconds (`…Ms`), sizes in bytes (`…Bytes`),
 * every default filled in, patterns parsed. `config/schema.ts` is the source; `config/resolve.ts` turns its values
 * into this. Objects are frozen: a reload makes a new `Config`, it never changes one.
 */

export type Balancer = 'p2c' | 'round_robin' | 'least_loaded' | 'sticky';
export type Mode = 'pool' | 'observe';
export type RetryKind = 'reset' | 'timeout' | 'status';
export type HealthKind = 'tcp' | 'http' | 'grpc';
export type RateExceeded = 'refuse' | 'queue';
export type StickyKey = 'header' | 'cookie' | 'address';
export type Coordinator = 'kubernetes' | 'redis';
export type AccessLogMode = 'off' | 'errors' | 'sampled' | 'all';
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';
export type UpstreamProtocol = 'auto' | 'http1' | 'http2';
export type ViaMode = 'off' | 'request' | 'response' | 'both';
export type Vanished = 'keep' | 'evict';

export type PoolPolicy = {
  readonly enabled: boolean;
  readonly maxConnections: number;
  /** 0: no cap of its own. */
  readonly maxIdle: number;
  /** `auto`: learned. */
  readonly minConnections: number | 'auto';
  /** `load`: the limit follows the load. */
  readonly scaling: 'off' | 'load';
  /** How long a request waits while its destination is paused. */
  readonly pauseTimeoutMs: number;
  /** A cap set by the user, or null: 50 s until something is known, then up to 300 s. */
  readonly idleTimeoutMs: number | null;
  /** 0: no limit. */
  readonly maxAgeMs: number;
  readonly maxAgeGraceMs: number;
  /** 0: no limit. */
  readonly maxRequests: number;
  readonly unsafeMaxIdleMs: number;
  readonly acquireTimeoutMs: number;
  readonly maxPending: number;
  readonly maxStreams: number;
  readonly tcpKeepAliveMs: number;
  readonly sweepIntervalMs: number;
};

export type TimeoutPolicy = {
  readonly connectMs: number;
  readonly connectAttemptMs: number;
  readonly responseMs: number;
  readonly bodyIdleMs: number;
  readonly writeMs: number;
  readonly streamIdleMs: number;
  /** 0: none. */
  readonly totalMs: number;
};

export type RetryPolicy = {
  /** Tries of a request in all; null: only what is safe by its kind, and one more after the reset of a new connection. */
  readonly attempts: number | null;
  readonly on: readonly RetryKind[];
  readonly statusCodes: readonly number[];
  /** Also for methods that are not idempotent: 429, and others where they come with Retry-After. */
  readonly unsafeStatuses: readonly number[];
  readonly backoffBaseMs: number;
  readonly backoffMaxMs: number;
  readonly idempotencyKey: boolean;
  /** Share of the requests of the last 10 s. */
  readonly budget: number;
  readonly budgetMinimum: number;
  /** Bytes of a request body that are kept so that a retry can send them again. */
  readonly replayBytes: number;
};

export type HealthCheckPolicy = {
  readonly enabled: boolean;
  readonly kind: HealthKind;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly threshold: number;
  /** Begins with a slash, or empty: the root. */
  readonly path: string;
  readonly port: number | null;
  readonly service: string | null;
};

export type RateLimitPolicy = {
  /** 0: no limit. */
  readonly requestsPerMinute: number;
  readonly burst: number | null;
  readonly exceeded: RateExceeded;
  readonly maxWaitMs: number;
};

export type StickyPolicy = { readonly by: StickyKey; readonly name: string | null };

export type ScalingPolicy = { readonly cooldownMs: number; readonly windowMs: number };

/** A field that requests get; its value is written here, or in a file (then with `prefix` before what the file holds). */
export type HeaderValue = {
  /** In lower case. */
  readonly name: string;
  readonly value: string | null;
  readonly file: string | null;
  readonly prefix: string;
};

export type HeadersPolicy = { readonly set: readonly HeaderValue[]; readonly remove: readonly string[] };

export type WeightedTarget = { readonly host: string; readonly port: number; readonly weight: number };

export type EvictionPolicy = {
  /** How long exchanges and tunnels of an endpoint that is gone may go on; 0: until they are done. */
  readonly graceMs: number;
};

export type EjectionPolicy = {
  /** Consecutive failures of one endpoint before it is taken out for `recoveryMs`. */
  readonly failures: number;
  readonly recoveryMs: number;
  /** Failures in a row over all endpoints that open the destination's breaker; null: it has none. */
  readonly destinationFailures: number | null;
};

/** TLS to the upstream; files are read when a connection needs them, and again when they change. */
export type TlsPolicy = {
  /** TLS for requests that came in clear; a request to `https://` goes by TLS without it. */
  readonly originate: boolean;
  /** PEM file with the CAs that are trusted, or null: those that Node brings. */
  readonly ca: string | null;
  /** PEM files of the client certificate and its key: both, or none. */
  readonly cert: string | null;
  readonly key: string | null;
  /** Name for SNI and for the check of the certificate, or null: the destination's host. */
  readonly serverName: string | null;
  readonly minVersion: TlsVersion;
};

/** Everything that can be set under `defaults` and again for each destination. */
export type DestinationPolicy = {
  readonly balancer: Balancer;
  /** How long a new endpoint takes less than its share; 0: not at all. */
  readonly slowStartMs: number;
  readonly protocol: UpstreamProtocol;
  readonly tls: TlsPolicy;
  readonly pool: PoolPolicy;
  readonly timeouts: TimeoutPolicy;
  readonly retry: RetryPolicy;
  readonly breaker: EjectionPolicy;
  readonly healthCheck: HealthCheckPolicy;
  readonly rateLimit: RateLimitPolicy;
  readonly sticky: StickyPolicy;
  readonly scaling: ScalingPolicy;
  readonly headers: HeadersPolicy;
  readonly mode: Mode;
  /** Connections from all sidecars of the workload together; null: no budget. */
  readonly fleetMaxConnections: number | null;
  readonly eviction: EvictionPolicy;
  /** What becomes of connections to an address that left the DNS answer; null: by the name (cluster domain or not). */
  readonly vanished: Vanished | null;
};

/** `host[:port]`; `*` stands for one label. */
export type HostPattern = { readonly host: string; readonly port: number | null };

export type DestinationConfig = {
  /** The metric label; the matched host:port where the user gave none. */
  readonly name: string | null;
  readonly match: HostPattern;
  /** Port of a loopback listener that serves this destination alone, or null. */
  readonly localPort: number | null;
  readonly basePath: string;
  /** Static endpoints, or null: found by discovery. */
  readonly endpoints: readonly { readonly address: string; readonly port: number }[] | null;
  /** Where requests go instead, or null. */
  readonly to: readonly WeightedTarget[] | null;
  /** What the entry says itself; `policy` has what is in force. */
  readonly mode: Mode | null;
  readonly fleet: { readonly maxConnections: number | null };
  readonly policy: DestinationPolicy;
};

/** How Services are found through the API server. */
export type KubernetesSettings = {
  /** `auto`: where there are credentials. */
  readonly enabled: 'auto' | 'on' | 'off';
  /** How long the first request to a name waits for its endpoints before DNS is asked. */
  readonly firstLookupMs: number;
  /** A kubeconfig file, or null: the pod's service account. */
  readonly kubeconfig: string | null;
  /** `https://host:port`, or null: as the pod's environment (or the kubeconfig) says. */
  readonly apiServer: string | null;
  /** Where token, ca.crt and namespace are mounted. */
  readonly tokenDir: string;
  /** The pod's own namespace, or null: POD_NAMESPACE, else the mounted file's. */
  readonly namespace: string | null;
  /** Further namespaces whose Services are watched; `*`: any, for the rights are cluster-wide. */
  readonly namespaces: readonly string[];
  /** The node that the pod runs on (NODE_NAME) and its zone, or null: not known. */
  readonly node: string | null;
  readonly zone: string | null;
  /** The pod's address: the key of a Service's session affinity. */
  readonly podAddress: string | null;
};

/** Spans of requests, and where they go. */
export type TracingSettings = {
  readonly enabled: boolean;
  /** With or without a path; null: as the environment says. */
  readonly endpoint: string | null;
  /** 0 to 1. */
  readonly sampleRatio: number;
  readonly headersFile: string | null;
  readonly timeoutMs: number;
  /** Null: as the environment says. */
  readonly serviceName: string | null;
};

export type Config = {
  readonly profile: 'development' | 'production';
  readonly listener: {
    readonly host: string;
    readonly port: number;
    readonly allowNonLoopback: boolean;
    readonly originForm: 'refuse' | 'route';
    readonly idleTimeoutMs: number;
    readonly headTimeoutMs: number;
    readonly maxHeadBytes: number;
    readonly maxFields: number;
    readonly maxTargetBytes: number;
    readonly maxConnections: number;
    readonly upgradeProtocols: readonly string[];
  };
  readonly operator: { readonly enabled: boolean; readonly host: string; readonly port: number };
  readonly control: {
    /** Path of the Unix socket, or null: none. */
    readonly socket: string | null;
    /** Loopback port with a token, or null: none. */
    readonly port: number | null;
    readonly tokenFile: string | null;
  };
  readonly security: {
    /** Address ranges that may be dialled although they are denied by default. */
    readonly allowAddresses: readonly string[];
    readonly allowLoopback: boolean;
    /** Inclusive ranges. */
    readonly connectPorts: readonly { readonly from: number; readonly to: number }[];
  };
  readonly connect: {
    /** Inclusive ranges of ports at which a CONNECT is dialled before it is answered. */
    readonly tlsPorts: readonly { readonly from: number; readonly to: number }[];
    /** Silence of the app inside a CONNECT after which the upstream is dialled; 0: at once. */
    readonly sniffTimeoutMs: number;
  };
  readonly http2: {
    /** Streams at a time on one connection of the app. */
    readonly maxStreams: number;
    /** Quiet time with open streams before a PING; 0: never. */
    readonly pingAfterMs: number;
    /** Extended CONNECT (RFC 8441) from the app. */
    readonly webSocket: boolean;
  };
  readonly discovery: {
    /** How long a request waits for a first endpoint; 0: it fails at once. */
    readonly emptyWaitMs: number;
    readonly kubernetes: KubernetesSettings;
    readonly dns: {
      readonly minTtlMs: number;
      readonly maxTtlMs: number;
      readonly negativeTtlMs: number;
      readonly hostsFile: string;
      readonly resolvConf: string;
    };
  };
  readonly limits: {
    readonly maxConnections: number;
    readonly tunnels: number;
    readonly bufferBytes: number;
    readonly destinations: number;
  };
  readonly via: { readonly mode: ViaMode; readonly maxSelf: number };
  readonly mode: Mode;
  readonly fleet: {
    readonly coordinator: Coordinator | null;
    readonly maxConnections: number | null;
    /** `name` or `name.namespace`. */
    readonly service: string | null;
    readonly workload: string | null;
    readonly minShare: number;
    readonly failoverTimeoutMs: number;
    readonly redis: {
      readonly url: string | null;
      readonly username: string | null;
      readonly passwordFile: string | null;
      readonly ca: string | null;
      readonly prefix: string;
    };
  };
  readonly egress: {
    readonly parentProxy: {
      readonly url: string | null;
      readonly noProxy: readonly string[];
      readonly credentialsFile: string | null;
      readonly ca: string | null;
    };
  };
  readonly defaults: DestinationPolicy;
  readonly destinations: readonly DestinationConfig[];
  readonly telemetry: {
    readonly logLevel: LogLevel;
    readonly accessLog: AccessLogMode;
    /** Share of requests in `sampled` mode, 0–1. */
    readonly accessLogSample: number;
    readonly accessLogPath: boolean;
    readonly maxDestinations: number;
    readonly poolLogIntervalMs: number;
    readonly exemplars: boolean;
    readonly tracing: TracingSettings;
  };
  readonly shutdown: { readonly graceMs: number; readonly quietMs: number };
};
