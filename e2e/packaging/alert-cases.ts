/**
 * For each alert: what Prometheus has seen when it must fire, and what when it must not, in promtool's notation
 * (`0+60x90`: 90 more values, each 60 higher; one a minute).
 */

export type Seen = Readonly<Record<string, string>>;

export type AlertCase = {
  /** When to look, and what has been seen until then. */
  readonly at: string;
  readonly fires: Seen;
  /** Each by the reason why it must be quiet. */
  readonly quiet: Readonly<Record<string, Seen>>;
  /** Looked at then instead, where it must be quiet. */
  readonly quietAt?: string;
};

/** Labels that the PodMonitor gives to a target. */
const POD = 'namespace="shop", workload="web", pod="web-1"';
const TO = `${POD}, destination="orders.shop:8080"`;

const requests = (code: string) =>
  `carpool_requests_total{${TO}, method_class="read", protocol="http1", code_class="${code}"}`;
const pooled = (reused: boolean) => `carpool_pool_requests_total{${TO}, reused="${reused}"}`;
const OPENED = `carpool_pool_connections_created_total{${TO}}`;
const REFUSED = `carpool_pool_connect_errors_total{${TO}, code="ECONNREFUSED"}`;
const CERTIFICATE =
  'carpool_webhook_certificate_expiry_timestamp_seconds{namespace="carpool-system", pod="carpool-webhook-1"}';
const decided = (outcome: string) =>
  `carpool_webhook_requests_total{namespace="carpool-system", pod="carpool-webhook-1", outcome="${outcome}"}`;
const DAY = 86_400;

export const ALERT_CASES: Readonly<Record<string, AlertCase>> = {
  CarpoolRequestsPending: {
    at: '6m',
    fires: { [`carpool_pool_pending_requests{${TO}}`]: '51x10' },
    quiet: {
      'fifty wait': { [`carpool_pool_pending_requests{${TO}}`]: '50x10' },
      'many waited for a moment': { [`carpool_pool_pending_requests{${TO}}`]: '0 0 0 400x2 0x10' },
    },
  },
  CarpoolPoolUtilizationHigh: {
    at: '6m',
    fires: { [`carpool_pool_utilization_ratio{${TO}}`]: '0.95x10' },
    quiet: { 'a tenth is free': { [`carpool_pool_utilization_ratio{${TO}}`]: '0.9x10' } },
  },
  CarpoolConnectErrors: {
    at: '20m',
    fires: { [OPENED]: '0+20x20', [REFUSED]: '0+2x20' },
    quiet: {
      'one of a hundred fails': { [OPENED]: '0+100x20', [REFUSED]: '0+1x20' },
      'a single attempt failed': { [OPENED]: '0x20', [REFUSED]: '0 0 0 0 0 0 0 0 0 0 0 0 1x20' },
    },
  },
  CarpoolReuseLow: {
    at: '40m',
    fires: { [pooled(false)]: '0+60x60', [pooled(true)]: '0+240x60' },
    quiet: {
      'nineteen of twenty are reused': { [pooled(false)]: '0+15x60', [pooled(true)]: '0+285x60' },
      'there is a request each minute': { [pooled(false)]: '0+1x60' },
      'nothing is pooled on purpose': {
        [pooled(false)]: '0+300x60',
        [`carpool_observe_would_reuse_total{${TO}}`]: '0+290x60',
      },
    },
  },
  CarpoolBreakerOpen: {
    at: '3m',
    fires: { [`carpool_circuit_breaker_state{${TO}}`]: '2x10' },
    quiet: { 'it is half open': { [`carpool_circuit_breaker_state{${TO}}`]: '1x10' } },
  },
  CarpoolEndpointsOut: {
    at: '20m',
    fires: {
      [`carpool_endpoints{${TO}, state="ready"}`]: '2x30',
      [`carpool_endpoints{${TO}, state="ejected"}`]: '1x30',
    },
    quiet: {
      'they are there, or leave': {
        [`carpool_endpoints{${TO}, state="ready"}`]: '2x30',
        [`carpool_endpoints{${TO}, state="terminating"}`]: '1x30',
        [`carpool_endpoints{${TO}, state="ejected"}`]: '0x30',
      },
    },
  },
  CarpoolPaused: {
    at: '20m',
    fires: { [`carpool_pool_paused{${TO}}`]: '1x30' },
    quiet: { 'it was let go': { [`carpool_pool_paused{${TO}}`]: '1x10 0x30' } },
  },
  CarpoolErrorBudgetBurnFast: {
    at: '70m',
    fires: { [requests('2xx')]: '0+60x100', [requests('none')]: '0+40x100' },
    quiet: {
      'one of twenty fails': { [requests('2xx')]: '0+95x100', [requests('5xx')]: '0+5x100' },
      'callers make mistakes': { [requests('2xx')]: '0+60x100', [requests('4xx')]: '0+40x100' },
      'it is over': { [requests('2xx')]: '0+60x100', [requests('5xx')]: '0+60x55 3300x60' },
      'there are hardly any requests': { [requests('5xx')]: '0x30 1x60', [requests('2xx')]: '0x40 1x60' },
    },
  },
  CarpoolErrorBudgetBurn: {
    at: '390m',
    fires: { [requests('2xx')]: '0+80x400', [requests('5xx')]: '0+20x400' },
    quiet: { 'one of twenty fails': { [requests('2xx')]: '0+95x400', [requests('5xx')]: '0+5x400' } },
  },
  CarpoolErrorBudgetBurnSlow: {
    at: '25h',
    fires: { [requests('2xx')]: '0+92x1600', [requests('5xx')]: '0+8x1600' },
    quiet: { 'one of twenty fails': { [requests('2xx')]: '0+95x1600', [requests('5xx')]: '0+5x1600' } },
  },
  CarpoolDiscoveryDisconnected: {
    at: '6m',
    fires: { [`carpool_discovery_connected{${POD}}`]: '0x10' },
    quiet: {
      'it hears': { [`carpool_discovery_connected{${POD}}`]: '1x10' },
      'it was away for a moment': { [`carpool_discovery_connected{${POD}}`]: '1 1 0 0 0 1x10' },
    },
  },
  CarpoolConfigReloadRefused: {
    at: '20m',
    fires: { [`carpool_config_reloads_total{${POD}, outcome="refused"}`]: '0x10 1x20' },
    quiet: {
      'it is long ago': { [`carpool_config_reloads_total{${POD}, outcome="refused"}`]: '0 0 1x30' },
      'it was applied': {
        [`carpool_config_reloads_total{${POD}, outcome="applied"}`]: '0x10 1x20',
        [`carpool_config_reloads_total{${POD}, outcome="refused"}`]: '0x30',
      },
    },
  },
  CarpoolEventLoopSlow: {
    at: '12m',
    fires: { [`carpool_event_loop_lag_seconds{${POD}, quantile="0.99"}`]: '0.15x20' },
    quiet: {
      'it is late now and then': {
        [`carpool_event_loop_lag_seconds{${POD}, quantile="0.99"}`]: '0.02x20',
        [`carpool_event_loop_lag_seconds{${POD}, quantile="1"}`]: '0.9x20',
      },
    },
  },
  CarpoolWebhookFailing: {
    at: '20m',
    fires: { [decided('failed')]: '0x10 1x20' },
    quiet: { 'pods are skipped': { [decided('failed')]: '0x30', [decided('skipped')]: '0+1x30' } },
  },
  CarpoolWebhookCertificateExpiring: {
    at: '2h',
    fires: { [CERTIFICATE]: `${6 * DAY}x200` },
    quiet: { 'it is good for a month': { [CERTIFICATE]: `${30 * DAY}x200` } },
  },
};
