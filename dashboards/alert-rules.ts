/**
 * What is worth a person's attention, once. From here come the chart's PrometheusRule and the file for a Prometheus without
 * the operator; docs/runbooks has a page for each alert.
 *
 * `%{name}` in an expression or text is a threshold (rule-thresholds.ts), `%{selector}` what an installation adds to every series.
 * Rates are taken before sums: a series that ends must not look like a fall of the sum.
 */

export type Severity = 'warning' | 'critical';

export type RecordingRule = { readonly record: string; readonly expr: string };

export type AlertRule = {
  readonly alert: string;
  readonly expr: string;
  /** How long it must hold. */
  readonly for: string;
  readonly severity: Severity;
  readonly summary: string;
  readonly description: string;
};

export type RuleGroup = { readonly name: string; readonly rules: readonly (RecordingRule | AlertRule)[] };

/** A destination as all sidecars of a workload see it. `workload` is there where the chart's PodMonitor scrapes. */
const BY = 'namespace, workload, destination';
const BY_POD = 'namespace, workload, pod, destination';
const WHERE = '{{ $labels.namespace }}/{{ $labels.workload }} to {{ $labels.destination }}';
const WHERE_POD = '{{ $labels.namespace }}/{{ $labels.pod }} to {{ $labels.destination }}';

const rate = (metric: string, window: string, matchers = '') =>
  `rate(${metric}{${matchers === '' ? '' : `${matchers},`}%{selector}}[${window}])`;
const sumRate = (metric: string, window: string, matchers = '') => `sum by (${BY}) (${rate(metric, window, matchers)})`;

/** The windows that the alerts on the error budget look at. */
const WINDOWS = ['5m', '30m', '1h', '2h', '6h', '1d'] as const;
type Window = (typeof WINDOWS)[number];

/** Nobody was answered, or with a 5xx: the app sees a failure. */
const FAILED = 'code_class=~"5xx|none"';
const errorRatio = (window: Window): RecordingRule => ({
  record: `carpool:request_errors:ratio_rate${window}`,
  // Without a failure there is no such series, and the share is 0.
  expr: `(${sumRate('carpool_requests_total', window, FAILED)} or 0 * ${sumRate('carpool_requests_total', window)})
  / ${sumRate('carpool_requests_total', window)}`,
});

const RECORDING: RuleGroup = {
  name: 'carpool.recording',
  rules: [
    { record: 'carpool:requests:rate5m', expr: sumRate('carpool_requests_total', '5m') },
    ...WINDOWS.map(errorRatio),
    {
      record: 'carpool:pool_reuse:ratio_rate15m',
      expr: `(${sumRate('carpool_pool_requests_total', '15m', 'reused="true"')} or 0 * ${sumRate('carpool_pool_requests_total', '15m')})
  / ${sumRate('carpool_pool_requests_total', '15m')}`,
    },
    {
      record: 'carpool:pool_connect_errors:ratio_rate10m',
      expr: `${sumRate('carpool_pool_connect_errors_total', '10m')}
  / ${sumRate('carpool_pool_connections_created_total', '10m')}`,
    },
    {
      record: 'carpool:request_duration_seconds:p99_rate5m',
      expr: `histogram_quantile(0.99, sum by (${BY}, le) (${rate('carpool_request_duration_seconds_bucket', '5m')}))`,
    },
    {
      record: 'carpool:pool_connect_duration_seconds:p99_rate5m',
      expr: `histogram_quantile(0.99, sum by (${BY}, le) (${rate('carpool_pool_connect_duration_seconds_bucket', '5m')}))`,
    },
  ],
};

const POOLS: RuleGroup = {
  name: 'carpool.pools',
  rules: [
    {
      alert: 'CarpoolRequestsPending',
      expr: `max by (${BY_POD}) (carpool_pool_pending_requests{%{selector}}) > %{pending}`,
      for: '5m',
      severity: 'warning',
      summary: `Requests of ${WHERE_POD} wait for a connection`,
      description:
        '{{ $value }} requests have been waiting for 5 minutes (more than %{pending}). The limit of connections is too low for the load, or the upstream answers slowly.',
    },
    {
      alert: 'CarpoolPoolUtilizationHigh',
      expr: `max by (${BY_POD}) (carpool_pool_utilization_ratio{%{selector}}) > %{utilization}`,
      for: '5m',
      severity: 'warning',
      summary: `The pool of ${WHERE_POD} is nearly full`,
      description:
        '{{ $value | humanizePercentage }} of the connections that it may have are in use. Requests will soon wait.',
    },
    {
      alert: 'CarpoolConnectErrors',
      // More than one in the window: a single failure of a destination that is rarely dialled is not a trend.
      expr: `carpool:pool_connect_errors:ratio_rate10m > %{connectErrors}
  and ${sumRate('carpool_pool_connect_errors_total', '10m')} * 600 > 2`,
      for: '5m',
      severity: 'warning',
      summary: `Connections of ${WHERE} fail`,
      description:
        'For each connection opened in 10 minutes, {{ printf "%.2f" $value }} attempts failed (more than %{connectErrors}). The label code of carpool_pool_connect_errors_total says why.',
    },
    {
      alert: 'CarpoolReuseLow',
      // With mode observe nothing is pooled, on purpose.
      expr: `carpool:pool_reuse:ratio_rate15m < %{reuse}
  and avg by (${BY}) (sum by (${BY_POD}) (${rate('carpool_pool_requests_total', '15m')})) > %{reuseMinimumRate}
  unless ${sumRate('carpool_observe_would_reuse_total', '15m')} > 0`,
      for: '15m',
      severity: 'warning',
      summary: `Connections of ${WHERE} are hardly reused`,
      description:
        'Only {{ $value | humanizePercentage }} of the requests found a connection that had served one before (less than %{reuse}). The upstream may close each connection, or keep idle ones too short a time.',
    },
    {
      alert: 'CarpoolBreakerOpen',
      expr: `max by (${BY_POD}) (carpool_circuit_breaker_state{%{selector}}) == 2`,
      for: '1m',
      severity: 'critical',
      summary: `The circuit breaker of ${WHERE_POD} is open`,
      description:
        'Requests are answered 503 CIRCUIT_OPEN at once, for the upstream kept failing on all its endpoints.',
    },
    {
      alert: 'CarpoolEndpointsOut',
      expr: `sum by (${BY_POD}) (carpool_endpoints{state=~"ejected|failing",%{selector}}) > 0`,
      for: '15m',
      severity: 'warning',
      summary: `Endpoints of ${WHERE_POD} keep failing`,
      description: '{{ $value }} endpoints have been out for 15 minutes after failures or failed health checks.',
    },
    {
      alert: 'CarpoolPaused',
      expr: `max by (${BY_POD}) (carpool_pool_paused{%{selector}}) == 1`,
      for: '15m',
      severity: 'warning',
      summary: `${WHERE_POD} is paused`,
      description: 'An operator holds the destination (carpool pause) and has not let it go for 15 minutes.',
    },
  ],
};

/** Both windows are over the rate: the long one says that it matters, the short one that it still goes on. */
const burn = (factor: number, long: Window, short: Window) =>
  `carpool:request_errors:ratio_rate${long} > ${factor} * %{errorBudget}
  and carpool:request_errors:ratio_rate${short} > ${factor} * %{errorBudget}
  and ${sumRate('carpool_requests_total', long)} > %{minimumRate}`;

const ERRORS: RuleGroup = {
  name: 'carpool.errors',
  rules: [
    {
      alert: 'CarpoolErrorBudgetBurnFast',
      expr: burn(14.4, '1h', '5m'),
      for: '2m',
      severity: 'critical',
      summary: `Requests of ${WHERE} fail`,
      description:
        '{{ $value | humanizePercentage }} of the requests of the last hour failed: at this rate the error budget of 30 days (%{errorBudget}) is used up in 2 days.',
    },
    {
      alert: 'CarpoolErrorBudgetBurn',
      expr: burn(6, '6h', '30m'),
      for: '15m',
      severity: 'critical',
      summary: `Requests of ${WHERE} fail`,
      description:
        '{{ $value | humanizePercentage }} of the requests of the last 6 hours failed: at this rate the error budget of 30 days (%{errorBudget}) is used up in 5 days.',
    },
    {
      alert: 'CarpoolErrorBudgetBurnSlow',
      expr: burn(3, '1d', '2h'),
      for: '1h',
      severity: 'warning',
      summary: `Requests of ${WHERE} fail`,
      description:
        '{{ $value | humanizePercentage }} of the requests of the last day failed: at this rate the error budget of 30 days (%{errorBudget}) is used up in 10 days.',
    },
  ],
};

const SIDECARS: RuleGroup = {
  name: 'carpool.sidecars',
  rules: [
    {
      alert: 'CarpoolDiscoveryDisconnected',
      expr: `count by (namespace, workload) (carpool_discovery_connected{%{selector}} == 0)`,
      for: '5m',
      severity: 'warning',
      summary: 'Sidecars of {{ $labels.namespace }}/{{ $labels.workload }} hear nothing of the API server',
      description:
        '{{ $value }} sidecars have not been told of changes for 5 minutes. The last known endpoints serve; new ones are not seen.',
    },
    {
      alert: 'CarpoolConfigReloadRefused',
      expr: `sum by (namespace, workload) (increase(carpool_config_reloads_total{outcome="refused",%{selector}}[15m])) > 0`,
      for: '0m',
      severity: 'warning',
      summary: 'A configuration of {{ $labels.namespace }}/{{ $labels.workload }} was refused',
      description:
        'The configuration that was there before stays in force. The log of the sidecar names what is wrong.',
    },
    {
      alert: 'CarpoolEventLoopSlow',
      expr: `max by (namespace, workload, pod) (carpool_event_loop_lag_seconds{quantile="0.99",%{selector}}) > %{eventLoopLag}`,
      for: '10m',
      severity: 'warning',
      summary: 'The sidecar of {{ $labels.namespace }}/{{ $labels.pod }} is short of CPU',
      description:
        'Its event loop is {{ $value | humanizeDuration }} late. Each request waits for that, perhaps often.',
    },
  ],
};

const WEBHOOK: RuleGroup = {
  name: 'carpool.webhook',
  rules: [
    {
      alert: 'CarpoolWebhookFailing',
      expr: `sum by (namespace) (increase(carpool_webhook_requests_total{outcome="failed",%{selector}}[15m])) > 0`,
      for: '0m',
      severity: 'warning',
      summary: 'The webhook in {{ $labels.namespace }} has a fault',
      description: 'Pods started without their sidecar. The log of the webhook says why.',
    },
    {
      alert: 'CarpoolWebhookCertificateExpiring',
      expr: `min by (namespace) (carpool_webhook_certificate_expiry_timestamp_seconds{%{selector}}) - time() < %{certificateDays} * 86400`,
      for: '1h',
      severity: 'critical',
      summary: 'The certificate of the webhook in {{ $labels.namespace }} expires',
      description:
        'It is valid for {{ $value | humanizeDuration }} more and was not renewed. Afterwards new pods start without their sidecar.',
    },
  ],
};

export const RULE_GROUPS: readonly RuleGroup[] = [RECORDING, POOLS, ERRORS, SIDECARS, WEBHOOK];
