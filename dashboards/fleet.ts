import { annotations } from './annotations.ts';
import {
  ANY_STEPS,
  CONNECT_STEPS,
  ERROR_STEPS,
  errorShare,
  keyFigures,
  LAG_STEPS,
  PENDING_STEPS,
  quantile,
  REUSE_STEPS,
  reuseShare,
  sumRate,
  UTILIZATION_STEPS,
} from './key-figures.ts';
import type { Dashboard, Row } from './panel.ts';
import { breakersOpen, endpointsOut, failedAttempts, openedAndClosed, propagation } from './shared-panels.ts';

/** All sidecars of the namespaces and workloads that are chosen. */
const OF = 'namespace=~"$namespace", workload=~"$workload"';
const WORKLOAD = 'namespace, workload';
const DESTINATION = 'namespace, workload, destination';
const POD = 'namespace, pod';
const POD_LEGEND = '{{namespace}}/{{pod}}';

const traffic: Row = {
  title: 'Traffic',
  panels: [
    {
      title: 'Requests by workload',
      kind: 'stacked',
      description: 'Requests that ended, a second.',
      unit: 'reqps',
      queries: [{ expr: sumRate('carpool_requests_total', OF, WORKLOAD), legend: '{{namespace}}/{{workload}}' }],
      width: 8,
    },
    {
      title: 'Failed requests by destination',
      kind: 'lines',
      description: 'Answered with a 5xx or not at all, as a share of the requests to the destination. The ten worst.',
      unit: 'percentunit',
      queries: [{ expr: `topk(10, ${errorShare(OF, 'destination')})`, legend: '{{destination}}' }],
      steps: ERROR_STEPS,
      width: 8,
    },
    {
      title: 'Duration of requests',
      kind: 'lines',
      description: 'From the request head to the end of the response, all tries included.',
      unit: 's',
      queries: [
        { expr: quantile(0.5, 'carpool_request_duration_seconds', OF), legend: 'median' },
        { expr: quantile(0.99, 'carpool_request_duration_seconds', OF), legend: '99th percentile' },
      ],
      width: 8,
    },
    {
      title: 'Destinations',
      kind: 'table',
      description: 'Each destination as all sidecars of a workload see it.',
      unit: 'short',
      queries: [
        { expr: sumRate('carpool_requests_total', OF, DESTINATION) },
        { expr: errorShare(OF, DESTINATION) },
        { expr: reuseShare(OF, DESTINATION) },
        { expr: quantile(0.99, 'carpool_request_duration_seconds', OF, DESTINATION) },
        { expr: `max by (${DESTINATION}) (carpool_pool_utilization_ratio{${OF}})` },
        { expr: `max by (${DESTINATION}) (carpool_pool_pending_requests{${OF}})` },
      ],
      columns: [
        { name: 'requests', unit: 'reqps' },
        { name: 'errors', unit: 'percentunit', steps: ERROR_STEPS },
        { name: 'reuse', unit: 'percentunit', steps: REUSE_STEPS },
        { name: '99th percentile', unit: 's' },
        { name: 'utilisation', unit: 'percentunit', steps: UTILIZATION_STEPS },
        { name: 'pending', unit: 'short', steps: PENDING_STEPS },
      ],
      width: 24,
    },
  ],
};

const pools: Row = {
  title: 'Pools',
  panels: [
    {
      title: 'Upstream connections',
      kind: 'stacked',
      description: 'By state. Many connecting for long: the endpoints accept slowly.',
      unit: 'short',
      queries: [{ expr: `sum by (state) (carpool_pool_connections{${OF}})`, legend: '{{state}}' }],
      width: 8,
    },
    openedAndClosed('A second. Those closed by reason: error and protocol_error say that something is wrong.', OF),
    failedAttempts(OF),
    {
      title: 'Fullest pools',
      kind: 'lines',
      description: 'Connections in use as a share of the limit of their pool. The ten fullest.',
      unit: 'percentunit',
      queries: [
        {
          expr: `topk(10, max by (${POD}, destination) (carpool_pool_utilization_ratio{${OF}}))`,
          legend: `${POD_LEGEND} {{destination}}`,
        },
      ],
      steps: UTILIZATION_STEPS,
      width: 8,
    },
    {
      title: 'Longest queues',
      kind: 'lines',
      description: 'Requests that wait for a connection. The ten longest queues.',
      unit: 'short',
      queries: [
        {
          expr: `topk(10, max by (${POD}, destination) (carpool_pool_pending_requests{${OF}}))`,
          legend: `${POD_LEGEND} {{destination}}`,
        },
      ],
      steps: PENDING_STEPS,
      width: 8,
    },
    {
      title: 'Connect time by destination',
      kind: 'lines',
      description: 'Time to a usable connection, 95th percentile.',
      unit: 's',
      queries: [
        {
          expr: quantile(0.95, 'carpool_pool_connect_duration_seconds', OF, 'destination'),
          legend: '{{destination}}',
          emptyUntil: 'a connection is opened',
        },
      ],
      steps: CONNECT_STEPS,
      width: 8,
    },
  ],
};

const discovery: Row = {
  title: 'Endpoints and discovery',
  panels: [
    {
      title: 'Sidecars that hear nothing of the API server',
      kind: 'stat',
      description: 'The last known endpoints serve, and new ones are not seen.',
      unit: 'short',
      queries: [
        {
          expr: `count(carpool_discovery_connected{${OF}} == 0) or 0 * count(carpool_discovery_connected{${OF}})`,
          emptyUntil: 'a Kubernetes Service is called',
        },
      ],
      steps: ANY_STEPS,
      width: 6,
    },
    endpointsOut('Ejected after failures, or failing their health checks, as the sidecars see them, added up.', OF, 6),
    breakersOpen(OF, OF, 6),
    {
      title: 'Configurations refused',
      kind: 'stat',
      description: 'In the time that is shown. The log of the sidecar names what is wrong.',
      unit: 'short',
      queries: [{ expr: `sum(increase(carpool_config_reloads_total{${OF}, outcome="refused"}[$__range]))` }],
      steps: ANY_STEPS,
      width: 6,
    },
    {
      title: 'Endpoints',
      kind: 'stacked',
      description: 'As the sidecars see them, added up, by state.',
      unit: 'short',
      queries: [{ expr: `sum by (state) (carpool_endpoints{${OF}})`, legend: '{{state}}' }],
      width: 8,
    },
    {
      title: 'Requests to the API server',
      kind: 'lines',
      description: 'A second, by verb and outcome. forbidden: rights are missing, carpool doctor says which.',
      unit: 'reqps',
      queries: [
        {
          expr: sumRate('carpool_discovery_requests_total', OF, 'verb, outcome'),
          legend: '{{verb}} {{outcome}}',
          emptyUntil: 'a Kubernetes Service is called',
        },
      ],
      width: 8,
    },
    propagation(OF),
  ],
};

const sidecars: Row = {
  title: 'Sidecars',
  panels: [
    {
      title: 'Versions',
      kind: 'stacked',
      description: 'Sidecars that run, by version.',
      unit: 'short',
      queries: [{ expr: `count by (version) (carpool_build_info{${OF}})`, legend: '{{version}}' }],
      width: 6,
    },
    {
      title: 'CPU',
      kind: 'lines',
      description: 'CPU time used, a second. The ten busiest.',
      unit: 'suffix: cores',
      queries: [{ expr: `topk(10, ${sumRate('carpool_process_cpu_seconds_total', OF, POD)})`, legend: POD_LEGEND }],
      width: 6,
    },
    {
      title: 'Memory',
      kind: 'lines',
      description: 'Resident memory. The ten largest.',
      unit: 'bytes',
      queries: [
        {
          expr: `topk(10, max by (${POD}) (carpool_process_resident_memory_bytes{${OF}}))`,
          legend: POD_LEGEND,
        },
      ],
      width: 6,
    },
    {
      title: 'Event loop',
      kind: 'lines',
      description: 'How late it ran, 99th percentile. Over 50 ms: the CPU limit throttles the sidecar. The ten latest.',
      unit: 's',
      queries: [
        {
          expr: `topk(10, max by (${POD}) (carpool_event_loop_lag_seconds{${OF}, quantile="0.99"}))`,
          legend: POD_LEGEND,
        },
      ],
      steps: LAG_STEPS,
      width: 6,
    },
  ],
};

const webhook: Row = {
  title: 'Webhook',
  collapsed: true,
  panels: [
    {
      title: 'Pods seen',
      kind: 'stacked',
      description: 'A second, by outcome.',
      unit: 'reqps',
      queries: [
        {
          expr: 'sum by (outcome) (rate(carpool_webhook_requests_total[$__rate_interval]))',
          legend: '{{outcome}}',
          emptyUntil: 'the webhook is asked',
        },
      ],
      width: 12,
    },
    {
      title: 'Its certificate is valid for',
      kind: 'stat',
      description: 'It is made anew when a third of its time is left.',
      unit: 's',
      queries: [
        {
          expr: 'min(carpool_webhook_certificate_expiry_timestamp_seconds) - time()',
          emptyUntil: 'there is a webhook',
        },
      ],
      width: 12,
    },
  ],
};

export const FLEET: Dashboard = {
  uid: 'carpool-fleet',
  title: 'carpool / Fleet',
  description: 'All sidecars: what they carry, how full their pools are, what fails.',
  variables: [
    { name: 'namespace', label: 'Namespace', query: 'label_values(carpool_build_info, namespace)' },
    {
      name: 'workload',
      label: 'Workload',
      query: 'label_values(carpool_build_info{namespace=~"$namespace"}, workload)',
    },
  ],
  annotations: annotations({ sidecars: OF, destinations: OF, by: WORKLOAD }),
  rows: [{ title: 'At a glance', panels: keyFigures(OF) }, traffic, pools, discovery, sidecars, webhook],
};
