/**
 * Every metric by name, type, labels and help. `docs/metrics.md` explains them at length, and a test compares the two.
 * `destination` metrics have one set of series for each label of `DestinationLabels`; their names are stable.
 */

export type MetricType = 'counter' | 'gauge' | 'histogram';

export type MetricDefinition = {
  /** With the `carpool_` prefix; counters end with `_total`. */
  readonly name: string;
  readonly type: MetricType;
  readonly labels: readonly string[];
  readonly help: string;
};

function define<const Name extends string, const Label extends string>(
  name: Name,
  type: MetricType,
  labels: readonly Label[],
  help: string,
): { readonly name: `carpool_${Name}`; readonly type: MetricType; readonly labels: readonly Label[]; help: string } {
  return { name: `carpool_${name}`, type, labels, help };
}

/** Read from the counters and snapshots of destinations. */
export const DESTINATION_METRICS = [
  define(
    'pool_connections',
    'gauge',
    ['destination', 'protocol', 'state'],
    'Open upstream connections, by protocol and state (connecting, active, idle, draining).',
  ),
  define(
    'pool_connections_max',
    'gauge',
    ['destination'],
    'Limit of open connections in force: pool.maxConnections, as far as the load and the share of a fleet let it.',
  ),
  define(
    'pool_connections_share',
    'gauge',
    ['destination'],
    'This share of the budget of a fleet (fleet.maxConnections); absent where there is none.',
  ),
  define(
    'pool_utilization_ratio',
    'gauge',
    ['destination'],
    'Connections that are active or connecting, as a share of the limit in force.',
  ),
  define('pool_pending_requests', 'gauge', ['destination'], 'Requests that wait for a connection.'),
  define('pool_connections_created_total', 'counter', ['destination'], 'Upstream connections opened.'),
  define(
    'pool_connections_closed_total',
    'counter',
    ['destination', 'reason'],
    'Upstream connections ended, by reason.',
  ),
  define(
    'pool_connect_errors_total',
    'counter',
    ['destination', 'code'],
    'Connection attempts that failed, by system or TLS error code.',
  ),
  define(
    'pool_connect_timeouts_total',
    'counter',
    ['destination'],
    'Connection attempts that were given up after timeouts.connect.',
  ),
  define(
    'pool_connect_duration_seconds',
    'histogram',
    ['destination'],
    'Time to a usable upstream connection: TCP and, where there is one, TLS.',
  ),
  define(
    'pool_acquire_duration_seconds',
    'histogram',
    ['destination'],
    'Time from asking the pool to having a connection; appears with the first request that waited over 1 ms.',
  ),
  define(
    'pool_requests_total',
    'counter',
    ['destination', 'reused'],
    'Requests by whether their connection had served one before; the share of true is the reuse rate.',
  ),
  define(
    'pool_learned_idle_seconds',
    'gauge',
    ['destination', 'source'],
    'How long an idle connection is kept: the shortest of the endpoints, by where it comes from.',
  ),
  define(
    'requests_total',
    'counter',
    ['destination', 'method_class', 'code_class', 'protocol'],
    'Exchanges that ended, by kind of method, class of status and the protocol the app spoke.',
  ),
  define(
    'request_duration_seconds',
    'histogram',
    ['destination'],
    'Time from the request head to the end of the response, tries included.',
  ),
  define(
    'retries_total',
    'counter',
    ['destination', 'reason', 'outcome'],
    'Tries after the first, by cause and outcome.',
  ),
  define('errors_total', 'counter', ['destination', 'code'], 'Errors that carpool answered itself, by code.'),
  define('endpoints', 'gauge', ['destination', 'state'], 'Endpoints known, by state.'),
  define(
    'circuit_breaker_state',
    'gauge',
    ['destination'],
    'The breaker of the destination: 0 closed, 1 half open, 2 open; absent where breaker.destinationFailures is not set.',
  ),
  define(
    'rate_limited_total',
    'counter',
    ['destination', 'outcome'],
    'Requests over the rate limit: refused, or queued until their turn.',
  ),
  define('health_checks_total', 'counter', ['destination', 'outcome'], 'Active health checks, passed or failed.'),
  define('pool_paused', 'gauge', ['destination'], '1 while an operator holds the destination; absent until one did.'),
  define(
    'pool_health_warning',
    'gauge',
    ['destination', 'signal'],
    '1 while the pool health monitor warns (pending, errors, utilization), 0 afterwards; absent until it did.',
  ),
  define(
    'observe_would_reuse_total',
    'counter',
    ['destination'],
    'With mode observe: requests that would have found an idle connection.',
  ),
] as const;

/** Of the sidecar as a whole. */
export const PROCESS_METRICS = [
  define('downstream_connections', 'gauge', [], 'Connections that the app holds to the listener.'),
  define('exchanges', 'gauge', [], 'Requests that are in progress.'),
  define('tunnels', 'gauge', [], 'Open tunnels: CONNECT and upgraded connections.'),
  define('upstream_connections', 'gauge', [], 'Open upstream connections of all destinations, draining ones included.'),
  define('upstream_connections_max', 'gauge', [], 'Limit over all destinations (limits.maxConnections).'),
  define('buffered_bytes', 'gauge', [], 'Bytes held in buffers for requests in progress.'),
  define('buffer_limit_bytes', 'gauge', [], 'Budget for them (limits.bufferBytes).'),
  define(
    'discovery_connected',
    'gauge',
    [],
    '1 while the Kubernetes API server tells of changes of endpoints, 0 while it does not; absent until a Service is used.',
  ),
  define('discovery_watches', 'gauge', [], 'Watches at the Kubernetes API server: one for a namespace.'),
  define(
    'discovery_requests_total',
    'counter',
    ['verb', 'outcome'],
    'Requests to the Kubernetes API server, by verb (get, list, watch) and outcome.',
  ),
  define(
    'discovery_events_total',
    'counter',
    ['type'],
    'What the Kubernetes API server told: events by type, and whole lists (LIST).',
  ),
  define(
    'fleet_connected',
    'gauge',
    [],
    '1 while the coordinator of the fleet answers, 0 while it does not; absent without one.',
  ),
  define('fleet_peers', 'gauge', [], 'Sidecars that share the budget of the fleet, this one among them.'),
  define(
    'endpoint_propagation_seconds',
    'histogram',
    [],
    'From the last byte of an event that takes an endpoint away to the close call of its last idle connection.',
  ),
  define('config_reloads_total', 'counter', ['outcome'], 'Reloads of the configuration, by outcome.'),
  define('log_dropped_lines_total', 'counter', [], 'Log lines given up because the reader of stdout stood still.'),
  define(
    'trace_spans_total',
    'counter',
    ['outcome'],
    'Spans by what became of them: exported, failed (the collector did not take them), dropped (no place in the queue); absent while none were ever made.',
  ),
  define('build_info', 'gauge', ['version', 'node'], 'Always 1; the labels say what runs.'),
  define('process_cpu_seconds_total', 'counter', ['mode'], 'CPU time used, in user and system mode.'),
  define('process_start_time_seconds', 'gauge', [], 'When the process started, in seconds since 1970.'),
  define('process_resident_memory_bytes', 'gauge', [], 'Resident memory.'),
  define('process_heap_bytes', 'gauge', [], 'JavaScript heap that is reserved.'),
  define('process_heap_used_bytes', 'gauge', [], 'JavaScript heap in use.'),
  define('process_external_memory_bytes', 'gauge', [], 'Memory of buffers and other objects outside the heap.'),
  define('process_open_fds', 'gauge', [], 'Open file descriptors.'),
  define('process_max_fds', 'gauge', [], 'Limit of open file descriptors.'),
  define(
    'event_loop_lag_seconds',
    'gauge',
    ['quantile'],
    'How late the event loop ran since the scrape before: median, 99th percentile, maximum; from the second scrape on.',
  ),
] as const;

/** All of them, in order of output. */
export const METRICS: readonly MetricDefinition[] = [...DESTINATION_METRICS, ...PROCESS_METRICS];

export type DestinationMetricName = (typeof DESTINATION_METRICS)[number]['name'];
export type ProcessMetricName = (typeof PROCESS_METRICS)[number]['name'];
