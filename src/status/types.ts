/**
 * What the status page and the console show: the answers of `/status` and the messages of `/status/stream`. Types only, for the
 * page is built for a browser from the same file. Times are milliseconds since the epoch, durations milliseconds.
 */

/** The sidecar as a whole. */
export type SidecarView = {
  readonly version: string;
  readonly state: 'starting' | 'ready' | 'draining';
  readonly uptimeMs: number;
  /** The pod, as its container knows it (its host name), or the machine. */
  readonly host: string;
  /** What the app's HTTP_PROXY has to be. */
  readonly proxyUrl: string;
  /** The configuration file, or null. */
  readonly configFile: string | null;
  readonly exchanges: number;
  readonly tunnels: number;
  readonly downstreamConnections: number;
  readonly upstreamConnections: number;
  readonly maxConnections: number;
  readonly bufferedBytes: number;
  readonly bufferBytes: number;
  /** Resident memory. */
  readonly memoryBytes: number;
  /** The share of one processor that the process used since the last look. */
  readonly cpuShare: number;
  readonly kubernetes: {
    readonly connected: boolean | null;
    readonly watches: number;
    readonly problems: readonly { readonly message: string; readonly hint: string }[];
  } | null;
  readonly fleet: {
    readonly coordinator: string;
    readonly state: string;
    readonly peers: number;
    readonly problem: string | null;
  } | null;
  readonly reloads: { readonly applied: number; readonly refused: number; readonly lastError: string | null };
};

export type Severity = 'error' | 'warning' | 'info';

/** What a person should know, why the sidecar says so, and what to do about it. The worst come first. */
export type Finding = {
  readonly code: string;
  readonly severity: Severity;
  /** The destination that it is about, or null: the sidecar as a whole. */
  readonly destination: string | null;
  /** One line: what is the matter, with its numbers. */
  readonly title: string;
  /** What was seen, in a sentence or two. */
  readonly detail: string;
  /** What to do, the likeliest first: each a sentence. */
  readonly remedies: readonly string[];
  /** Lines to type or to set, as they are: a setting in YAML, a command. */
  readonly lines: readonly string[];
};

/** One point of a destination's history: `intervalMs` long. */
export type HistoryPoint = {
  /** Requests that ended. */
  readonly requests: number;
  /** Those of them that failed: 5xx, or no answer. */
  readonly failed: number;
  /** Of the limit, at the end of the interval: 0 to 1. */
  readonly utilization: number;
  readonly pending: number;
};

export type History = {
  readonly intervalMs: number;
  /** The oldest first; at most 60. */
  readonly points: readonly HistoryPoint[];
};

/** A destination in a row: all that can be said without its connections one by one. */
export type DestinationRow = {
  /** As the app named it; the key of a row. */
  readonly name: string;
  readonly label: string;
  readonly configured: boolean;
  readonly paused: boolean;
  readonly connecting: number;
  readonly active: number;
  readonly idle: number;
  readonly draining: number;
  readonly pending: number;
  /** The limit in force. */
  readonly maxConnections: number;
  /** 0 to 1. */
  readonly utilization: number;
  readonly endpointsReady: number;
  readonly endpointsTotal: number;
  /** Ejected after failures, or failing their health checks. */
  readonly endpointsUnfit: number;
  readonly discovery: { readonly source: string; readonly state: string; readonly error: string | null };
  readonly breaker: 'off' | 'closed' | 'open' | 'half_open';
  readonly signals: readonly string[];
  /** Over the last minute: a second; 0 to 1; 0 to 1 or null where nothing was sent; milliseconds or null. */
  readonly requestsPerSecond: number;
  readonly failedShare: number;
  readonly reuseShare: number | null;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
};

export type ConnectionRow = {
  readonly id: number;
  readonly endpoint: string;
  readonly state: 'idle' | 'active' | 'draining';
  readonly protocol: 'http1' | 'http2';
  readonly ageMs: number;
  readonly idleMs: number | null;
  readonly requests: number;
  readonly streams: number;
  /** Why it is draining, or null. */
  readonly reason: string | null;
};

export type EndpointRow = {
  /** address:port; the key of a row. */
  readonly id: string;
  readonly state: 'ready' | 'suspended' | 'unready' | 'terminating' | 'removed' | 'ejected' | 'failing';
  readonly inRotation: boolean;
  readonly outstanding: number;
  readonly active: number;
  readonly idle: number;
  readonly draining: number;
  readonly connecting: number;
  readonly latencyMs: number;
  readonly connectMs: number | null;
  readonly consecutiveFailures: number;
  readonly ejectedForMs: number;
  readonly check: 'passing' | 'failing' | 'pending' | null;
  readonly idleTimeMs: number;
  readonly idleTimeSource: string;
  /** How often its state has changed in the last 10 minutes. */
  readonly changes: number;
};

/** The destination that a reader asked for, with all that it holds. */
export type DestinationDetail = {
  readonly name: string;
  readonly balancer: string;
  readonly limit: {
    readonly configured: number;
    readonly scaled: number | null;
    readonly share: number | null;
    readonly budget: number | null;
  };
  readonly floor: number;
  readonly endpoints: readonly EndpointRow[];
  /** The busiest and the draining first; at most 1000 of them. */
  readonly connections: readonly ConnectionRow[];
  readonly connectionsTotal: number;
};

/** Errors of one code that carpool answered itself, at one destination. */
export type ErrorRow = {
  readonly code: string;
  /** A metric label: a destination, `other`, or `-` where none could be read. */
  readonly destination: string;
  readonly count: number;
  /** HTTP status of the answer; 0: nobody was left to answer. */
  readonly status: number;
  /** The last one: when, and in the words of its case. */
  readonly lastTime: number;
  readonly lastMessage: string;
  readonly hint: string;
};

export type EventRow = {
  /** Rises by one with each event that is kept. */
  readonly sequence: number;
  readonly time: number;
  readonly type: string;
  readonly severity: Severity;
  readonly destination: string | null;
  readonly endpoint: string | null;
  /** Why a connection ended, or null. */
  readonly reason: string | null;
  /** How many of its kind it stands for. */
  readonly count: number;
  /** The sequence of the first row that this one takes the place of, where it does: a row with it, here or as its own, is out of date. */
  readonly first?: number;
  /** A sentence for a person: what happened, and why. */
  readonly text: string;
};

/** The answer of `/status`, and the first message of a stream (`event: snapshot`). */
export type StatusSnapshot = {
  readonly time: number;
  readonly sidecar: SidecarView;
  readonly findings: readonly Finding[];
  readonly destinations: readonly DestinationRow[];
  /** By destination's name. */
  readonly history: Readonly<Record<string, History>>;
  readonly errors: readonly ErrorRow[];
  /** The newest first; at most 200. */
  readonly events: readonly EventRow[];
  /** Of `?destination=`; null: none was asked for, or there is none of that name. */
  readonly detail: DestinationDetail | null;
};

/** A later message of a stream (`event: update`): what has changed; what is absent has not. */
export type StatusUpdate = {
  readonly time: number;
  readonly sidecar: SidecarView;
  readonly findings?: readonly Finding[];
  /** Rows that are new or have changed. */
  readonly destinations?: readonly DestinationRow[];
  /** Names of rows that are gone. */
  readonly removed?: readonly string[];
  /** By destination's name: the next points of its history, where an interval has passed. */
  readonly points?: Readonly<Record<string, HistoryPoint>>;
  /** All of them. */
  readonly errors?: readonly ErrorRow[];
  /** New ones, the newest first. */
  readonly events?: readonly EventRow[];
  readonly detail?: DestinationDetail | null;
};
