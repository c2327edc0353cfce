/**
 * For each alert: what Prometheus has seen when it must fire, and what when it must not, in promtool's notation
 * (`0+60x90`: 90 more values, each 60 higher; one each `every`).
 */

export type Seen = Readonly<Record<string, string>>;

export type AlertCase = {
  /** When to look, and what has been seen until then. */
  readonly at: string;
  /** Between two values; 1m unless it is said. */
  readonly every?: '5m';
  readonly fires: Seen;
  /** Each by the reason why it must be quiet. */
  readonly quiet: Readonly<Record<string, Seen>>;
  /** What it must fire at as well, each by what is special: just over the threshold, a counter that begins anew. */
  readonly alsoFires?: Readonly<Record<string, Seen>>;
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
      'the pod has gone': { [`carpool_pool_pending_requests{${TO}}`]: '400x3 stale' },
      'fifty wait': { [`carpool_pool_pending_requests{${TO}}`]: '50x10' },
      'many waited for a moment': { [`carpool_pool_pending_requests{${TO}}`]: '0 0 0 400x2 0x10' },
    },
    alsoFires: {
      'just over fifty by turns with many more': {
        [`carpool_pool_pending_requests{${TO}}`]: '51 900 51 900 51 900 51x5',
      },
    },
  },
  CarpoolPoolUtilizationHigh: {
    at: '6m',
    fires: { [`carpool_pool_utilization_ratio{${TO}}`]: '0.95x10' },
    quiet: {
      'nothing is seen of it': {},
      'a tenth is free': { [`carpool_pool_utilization_ratio{${TO}}`]: '0.9x10' },
    },
    alsoFires: {
      'just over nine tenths': { [`carpool_pool_utilization_ratio{${TO}}`]: '0.901x10' },
    },
  },
  CarpoolConnectErrors: {
    at: '20m',
    fires: { [OPENED]: '0+20x20', [REFUSED]: '0+2x20' },
    quiet: {
      'one for each twenty that were opened': { [OPENED]: '0+20x20', [REFUSED]: '0+1x20' },
      'none has failed ever': { [OPENED]: '0+20x20' },
      'one of a hundred fails': { [OPENED]: '0+100x20', [REFUSED]: '0+1x20' },
      'a single attempt failed': { [OPENED]: '0x20', [REFUSED]: '0 0 0 0 0 0 0 0 0 0 0 0 1x20' },
    },
    alsoFires: {
      'a little more than one for each twenty': { [OPENED]: '0+100x20', [REFUSED]: '0+6x20' },
      'the sidecar was restarted in between': { [OPENED]: '0+20x12 0+20x8', [REFUSED]: '0+2x12 0+2x8' },
    },
  },
  CarpoolReuseLow: {
    at: '40m',
    fires: { [pooled(false)]: '0+60x60', [pooled(true)]: '0+240x60' },
    quiet: {
      'nine of ten are reused': { [pooled(false)]: '0+30x60', [pooled(true)]: '0+270x60' },
      'the sidecar was restarted, and all are reused': {
        [pooled(false)]: '0+3x30 0+3x30',
        [pooled(true)]: '0+297x30 0+297x30',
      },
      'nineteen of twenty are reused': { [pooled(false)]: '0+15x60', [pooled(true)]: '0+285x60' },
      'there is a request each minute': { [pooled(false)]: '0+1x60' },
      'nothing is pooled on purpose': {
        [pooled(false)]: '0+300x60',
        [`carpool_observe_would_reuse_total{${TO}}`]: '0+290x60',
      },
    },
    alsoFires: {
      'a little less than nine of ten': { [pooled(false)]: '0+33x60', [pooled(true)]: '0+267x60' },
      'none is reused ever': { [pooled(false)]: '0+300x60' },
    },
  },
  CarpoolBreakerOpen: {
    at: '3m',
    fires: { [`carpool_circuit_breaker_state{${TO}}`]: '2x10' },
    quiet: {
      'it was open for a moment': { [`carpool_circuit_breaker_state{${TO}}`]: '0 0 2 0x10' },
      'there is none': {},
      'it is half open': { [`carpool_circuit_breaker_state{${TO}}`]: '1x10' },
    },
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
    alsoFires: {
      'a health check fails': { [`carpool_endpoints{${TO}, state="failing"}`]: '1x30' },
    },
  },
  CarpoolPaused: {
    at: '20m',
    fires: { [`carpool_pool_paused{${TO}}`]: '1x30' },
    quiet: {
      'the sidecar was restarted, and has none': { [`carpool_pool_paused{${TO}}`]: '1x10 stale' },
      'it was let go': { [`carpool_pool_paused{${TO}}`]: '1x10 0x30' },
    },
  },
  CarpoolErrorBudgetBurnFast: {
    at: '70m',
    fires: { [requests('2xx')]: '0+60x100', [requests('none')]: '0+40x100' },
    quiet: {
      'it is a little slower than that': { [requests('2xx')]: '0+72x100', [requests('5xx')]: '0+28x100' },
      'none has failed ever': { [requests('2xx')]: '0+60x100' },
      'one of twenty fails': { [requests('2xx')]: '0+95x100', [requests('5xx')]: '0+5x100' },
      'callers make mistakes': { [requests('2xx')]: '0+60x100', [requests('4xx')]: '0+40x100' },
      'it is over': { [requests('2xx')]: '0+60x100', [requests('5xx')]: '0+60x55 3300x60' },
      'there are hardly any requests': { [requests('5xx')]: '0x30 1x60', [requests('2xx')]: '0x40 1x60' },
    },
    alsoFires: {
      'just over 14.4 times the budget': { [requests('2xx')]: '0+71x100', [requests('5xx')]: '0+29x100' },
      'the sidecar was restarted in between': {
        [requests('2xx')]: '0+60x50 0+60x50',
        [requests('none')]: '0+40x50 0+40x50',
      },
    },
  },
  CarpoolErrorBudgetBurn: {
    at: '390m',
    every: '5m',
    fires: { [requests('2xx')]: '0+80x80', [requests('5xx')]: '0+20x80' },
    quiet: {
      'it is a little slower than that': { [requests('2xx')]: '0+885x80', [requests('5xx')]: '0+115x80' },
      'it is over': { [requests('2xx')]: '0+80x80', [requests('5xx')]: '0+20x70 1400x10' },
      'one of twenty fails': { [requests('2xx')]: '0+95x80', [requests('5xx')]: '0+5x80' },
    },
    alsoFires: {
      'just over 6 times the budget': { [requests('2xx')]: '0+875x80', [requests('none')]: '0+125x80' },
    },
  },
  CarpoolErrorBudgetBurnSlow: {
    at: '25h',
    every: '5m',
    fires: { [requests('2xx')]: '0+92x320', [requests('5xx')]: '0+8x320' },
    quiet: {
      'it is a little slower than that': { [requests('2xx')]: '0+945x320', [requests('5xx')]: '0+55x320' },
      'it is over': { [requests('2xx')]: '0+92x320', [requests('5xx')]: '0+8x260 2080x60' },
      'one of twenty fails': { [requests('2xx')]: '0+95x320', [requests('5xx')]: '0+5x320' },
    },
    alsoFires: {
      'just over 3 times the budget': { [requests('2xx')]: '0+935x320', [requests('5xx')]: '0+65x320' },
    },
  },
  CarpoolDiscoveryDisconnected: {
    at: '6m',
    fires: { [`carpool_discovery_connected{${POD}}`]: '0x10' },
    quiet: {
      'no Service is called': { [`carpool_build_info{${POD}}`]: '1x10' },
      'it hears': { [`carpool_discovery_connected{${POD}}`]: '1x10' },
      'it was away for a moment': { [`carpool_discovery_connected{${POD}}`]: '1 1 0 0 0 1x10' },
    },
    alsoFires: {
      'another pod hears': {
        [`carpool_discovery_connected{${POD}}`]: '0x10',
        'carpool_discovery_connected{namespace="shop", workload="web", pod="web-2"}': '1x10',
      },
    },
  },
  CarpoolConfigReloadRefused: {
    at: '20m',
    fires: { [`carpool_config_reloads_total{${POD}, outcome="refused"}`]: '0x10 1x20' },
    quiet: {
      'the sidecar was restarted since': { [`carpool_config_reloads_total{${POD}, outcome="refused"}`]: '1x15 0x15' },
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
      'it is late by just that': { [`carpool_event_loop_lag_seconds{${POD}, quantile="0.99"}`]: '0.1x20' },
      'it is late now and then': {
        [`carpool_event_loop_lag_seconds{${POD}, quantile="0.99"}`]: '0.02x20',
        [`carpool_event_loop_lag_seconds{${POD}, quantile="1"}`]: '0.9x20',
      },
    },
    alsoFires: {
      'it is late by a little more': { [`carpool_event_loop_lag_seconds{${POD}, quantile="0.99"}`]: '0.101x20' },
    },
  },
  CarpoolWebhookFailing: {
    at: '20m',
    fires: { [decided('failed')]: '0x10 1x20' },
    quiet: {
      'it was restarted since': { [decided('failed')]: '3x15 0x15' },
      'pods are skipped': { [decided('failed')]: '0x30', [decided('skipped')]: '0+1x30' },
    },
  },
  CarpoolWebhookCertificateExpiring: {
    at: '2h',
    fires: { [CERTIFICATE]: `${6 * DAY}x200` },
    quiet: {
      'it is good for a little more than a week': { [CERTIFICATE]: `${7 * DAY + 2 * 3600 + 60}x200` },
      'it is good for a month': { [CERTIFICATE]: `${30 * DAY}x200` },
    },
    alsoFires: {
      'it has expired': { [CERTIFICATE]: '60x200' },
      'there is none': { [CERTIFICATE]: '0x200' },
      'it has been good for less than a week for an hour': { [CERTIFICATE]: `${7 * DAY + 3500}x200` },
    },
  },
};
