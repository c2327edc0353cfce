import type { Seen } from './alert-cases.ts';

/** What Prometheus has seen, and the value that a recording rule makes of it 70 minutes later; null: no series. */
type RecordingCase = { readonly series: Seen; readonly value: number | null };

/** Without the pod: a rule adds up the sidecars of a workload. */
export const RECORDED_FOR = '{namespace="shop", workload="web", destination="orders.shop:8080"}';

const to = (pod: string): string => `namespace="shop", workload="web", pod="${pod}", destination="orders.shop:8080"`;
const requests = (code: string, pod = 'web-1') =>
  `carpool_requests_total{${to(pod)}, method_class="read", protocol="http1", code_class="${code}"}`;
const counter = (name: string, labels = '') => `carpool_${name}{${to('web-1')}${labels}}`;

const errorCases: Readonly<Record<string, RecordingCase>> = {
  'a quarter fails, with a 5xx or with no answer': {
    series: { [requests('2xx')]: '0+45x80', [requests('5xx')]: '0+10x80', [requests('none')]: '0+5x80' },
    value: 0.25,
  },
  'two sidecars have one share': {
    series: { [requests('2xx')]: '0+30x80', [requests('5xx', 'web-2')]: '0+30x80' },
    value: 0.5,
  },
  'none has failed ever': { series: { [requests('2xx')]: '0+60x80', [requests('4xx')]: '0+60x80' }, value: 0 },
  'a sidecar begins to count anew': {
    series: { [requests('2xx')]: '0+45x69 0+45x10', [requests('5xx')]: '0+15x69 0+15x10' },
    value: 0.25,
  },
  'nothing is seen': { series: {}, value: null },
};

/** All of them in the first two buckets, half and half: the 99th percentile is near the end of the second. */
const durations = (name: string): Readonly<Record<string, RecordingCase>> => ({
  'half take up to 1 ms, the others up to 5': {
    series: {
      [counter(`${name}_bucket`, ', le="0.001"')]: '0+30x80',
      [counter(`${name}_bucket`, ', le="0.005"')]: '0+60x80',
      [counter(`${name}_bucket`, ', le="+Inf"')]: '0+60x80',
    },
    value: 0.001 + 0.004 * 0.98,
  },
  'nothing is seen': { series: {}, value: null },
});

const WINDOWS = ['5m', '30m', '1h', '2h', '6h', '1d'];

/** For each recording rule. */
export const RECORDING_CASES: Readonly<Record<string, Readonly<Record<string, RecordingCase>>>> = {
  'carpool:requests:rate5m': {
    'one a second of each of two sidecars': {
      series: { [requests('2xx')]: '0+60x80', [requests('5xx', 'web-2')]: '0+60x80' },
      value: 2,
    },
    'they have ended': { series: { [requests('2xx')]: '0+60x50 3000x30' }, value: 0 },
  },
  ...Object.fromEntries(WINDOWS.map((window) => [`carpool:request_errors:ratio_rate${window}`, errorCases])),
  'carpool:pool_reuse:ratio_rate15m': {
    'four of five': {
      series: {
        [counter('pool_requests_total', ', reused="true"')]: '0+48x80',
        [counter('pool_requests_total', ', reused="false"')]: '0+12x80',
      },
      value: 0.8,
    },
    'none ever': { series: { [counter('pool_requests_total', ', reused="false"')]: '0+12x80' }, value: 0 },
  },
  'carpool:pool_connect_errors:ratio_rate10m': {
    'one for each ten that were opened, by two codes': {
      series: {
        [counter('pool_connections_created_total')]: '0+20x80',
        [counter('pool_connect_errors_total', ', code="ECONNREFUSED"')]: '0+1x80',
        [counter('pool_connect_errors_total', ', code="ETIMEDOUT"')]: '0+1x80',
      },
      value: 0.1,
    },
    'none ever': { series: { [counter('pool_connections_created_total')]: '0+20x80' }, value: null },
  },
  'carpool:request_duration_seconds:p99_rate5m': durations('request_duration_seconds'),
  'carpool:pool_connect_duration_seconds:p99_rate5m': durations('pool_connect_duration_seconds'),
};
