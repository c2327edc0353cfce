import { annotations } from './annotations.ts';
import {
  CONNECT_STEPS,
  ERROR_STEPS,
  errorShare,
  keyFigures,
  PENDING_STEPS,
  quantile,
  REUSE_STEPS,
  reuseShare,
  sumRate,
  UTILIZATION_STEPS,
} from './key-figures.ts';
import type { Dashboard, Row } from './panel.ts';
import { failedConnects, openedAndClosed, ownErrors } from './shared-panels.ts';

/** The sidecars that are chosen, and the destinations. */
const SIDECARS = 'namespace=~"$namespace", workload=~"$workload", pod=~"$pod"';
const OF = `${SIDECARS}, destination=~"$destination"`;
const POD_DESTINATION = 'namespace, pod, destination';
const LEGEND = '{{pod}} {{destination}}';

const requests: Row = {
  title: 'Requests',
  panels: [
    {
      title: 'Requests by answer',
      kind: 'stacked',
      description: 'A second, by class of status; none: nobody was answered.',
      unit: 'reqps',
      queries: [
        {
          expr: sumRate('carpool_requests_total', OF, 'method_class, code_class'),
          legend: '{{method_class}} {{code_class}}',
        },
      ],
      width: 8,
    },
    {
      title: 'Failed requests',
      kind: 'lines',
      description: 'Answered with a 5xx or not at all, as a share.',
      unit: 'percentunit',
      queries: [{ expr: errorShare(OF, 'destination'), legend: '{{destination}}' }],
      steps: ERROR_STEPS,
      width: 8,
    },
    {
      title: 'Duration',
      kind: 'lines',
      description: 'From the request head to the end of the response, all tries included.',
      unit: 's',
      queries: [
        {
          expr: quantile(0.5, 'carpool_request_duration_seconds', OF, 'destination'),
          legend: '{{destination}} median',
        },
        { expr: quantile(0.99, 'carpool_request_duration_seconds', OF, 'destination'), legend: '{{destination}} 99th' },
      ],
      width: 8,
    },
    ownErrors(OF),
    {
      title: 'Retries',
      kind: 'lines',
      description: 'Tries after the first, a second. Many success: connections die under way, and carpool hides it.',
      unit: 'reqps',
      queries: [
        {
          expr: sumRate('carpool_retries_total', OF, 'reason, outcome'),
          legend: '{{reason}} {{outcome}}',
          emptyUntil: 'a request is tried again',
        },
      ],
      width: 8,
    },
    {
      title: 'Over the rate limit',
      kind: 'lines',
      description: 'Requests refused with 429, or queued until their turn, a second.',
      unit: 'reqps',
      queries: [
        {
          expr: sumRate('carpool_rate_limited_total', OF, 'destination, outcome'),
          legend: '{{destination}} {{outcome}}',
          emptyUntil: 'a rate limit is configured and reached',
        },
      ],
      width: 8,
    },
  ],
};

const pool: Row = {
  title: 'Pool',
  panels: [
    {
      title: 'Connections and their limit',
      kind: 'lines',
      description: 'By protocol and state, and the limit in force; the share is of the budget of a fleet.',
      unit: 'short',
      queries: [
        { expr: `sum by (protocol, state) (carpool_pool_connections{${OF}})`, legend: '{{protocol}} {{state}}' },
        { expr: `sum(carpool_pool_connections_max{${OF}})`, legend: 'limit' },
        {
          expr: `sum(carpool_pool_connections_share{${OF}})`,
          legend: 'share',
          emptyUntil: 'fleet.maxConnections is configured',
        },
      ],
      width: 8,
    },
    {
      title: 'Utilisation',
      kind: 'lines',
      description: 'Connections in use as a share of the limit.',
      unit: 'percentunit',
      queries: [{ expr: `max by (${POD_DESTINATION}) (carpool_pool_utilization_ratio{${OF}})`, legend: LEGEND }],
      steps: UTILIZATION_STEPS,
      width: 8,
    },
    {
      title: 'Pending requests',
      kind: 'lines',
      description: 'Requests that wait for a connection.',
      unit: 'short',
      queries: [{ expr: `max by (${POD_DESTINATION}) (carpool_pool_pending_requests{${OF}})`, legend: LEGEND }],
      steps: PENDING_STEPS,
      width: 8,
    },
    {
      title: 'Reuse',
      kind: 'lines',
      description:
        'Requests on a connection that had served one before, as a share; and with mode observe those that could have been.',
      unit: 'percentunit',
      queries: [
        { expr: reuseShare(OF, 'destination'), legend: '{{destination}}' },
        {
          expr: `${sumRate('carpool_observe_would_reuse_total', OF, 'destination')} / ${sumRate('carpool_pool_requests_total', OF, 'destination')}`,
          legend: '{{destination}} could be',
          emptyUntil: 'mode observe is configured',
        },
      ],
      steps: REUSE_STEPS,
      width: 8,
    },
    {
      title: 'Time to a connection',
      kind: 'lines',
      description: 'Connect: TCP and TLS. Wait: from asking the pool to having one; it appears when one had to wait.',
      unit: 's',
      queries: [
        {
          expr: quantile(0.95, 'carpool_pool_connect_duration_seconds', OF, 'destination'),
          legend: '{{destination}} connect 95th',
          emptyUntil: 'a connection is opened',
        },
        {
          expr: quantile(0.99, 'carpool_pool_acquire_duration_seconds', OF, 'destination'),
          legend: '{{destination}} wait 99th',
          emptyUntil: 'a request waits for a connection over 1 ms',
        },
      ],
      steps: CONNECT_STEPS,
      width: 8,
    },
    openedAndClosed(
      'A second. upstream_closed: the server keeps idle connections for a shorter time than expected.',
      OF,
    ),
    {
      title: 'Failed connection attempts',
      kind: 'lines',
      description: 'A second, by code; time-outs are among them, and beside them.',
      unit: 'cps',
      queries: [
        failedConnects(OF),
        {
          expr: sumRate('carpool_pool_connect_timeouts_total', OF, 'destination'),
          legend: '{{destination}} timed out',
          emptyUntil: 'an endpoint is silent',
        },
      ],
      width: 8,
    },
    {
      title: 'Idle connections are kept for',
      kind: 'lines',
      description: 'The shortest of the endpoints. A few seconds, learned: the server closes early.',
      unit: 's',
      queries: [
        {
          expr: `min by (destination, source) (carpool_pool_learned_idle_seconds{${OF}})`,
          legend: '{{destination}} {{source}}',
        },
      ],
      width: 8,
    },
    {
      title: 'Warnings of the pool health monitor',
      kind: 'lines',
      description: 'Pools that it warns of, by signal. carpool advise says what to set.',
      unit: 'short',
      queries: [
        {
          expr: `sum by (destination, signal) (carpool_pool_health_warning{${OF}})`,
          legend: '{{destination}} {{signal}}',
          emptyUntil: 'the monitor warns',
        },
        {
          expr: `sum by (destination) (carpool_pool_paused{${OF}})`,
          legend: '{{destination}} paused',
          emptyUntil: 'an operator pauses a destination',
        },
      ],
      width: 8,
    },
  ],
};

const endpoints: Row = {
  title: 'Endpoints',
  panels: [
    {
      title: 'Endpoints',
      kind: 'lines',
      description: 'Known to a sidecar, the most of all, by state.',
      unit: 'short',
      queries: [
        { expr: `max by (destination, state) (carpool_endpoints{${OF}})`, legend: '{{destination}} {{state}}' },
      ],
      width: 8,
    },
    {
      title: 'Circuit breaker',
      kind: 'lines',
      description: '0 closed, 1 half open, 2 open.',
      unit: 'short',
      queries: [
        {
          expr: `max by (${POD_DESTINATION}) (carpool_circuit_breaker_state{${OF}})`,
          legend: LEGEND,
          emptyUntil: 'breaker.destinationFailures is configured',
        },
      ],
      max: 2,
      width: 8,
    },
    {
      title: 'Health checks',
      kind: 'lines',
      description: 'A second, by outcome.',
      unit: 'cps',
      queries: [
        {
          expr: sumRate('carpool_health_checks_total', OF, 'destination, outcome'),
          legend: '{{destination}} {{outcome}}',
          emptyUntil: 'health checks are configured',
        },
      ],
      width: 8,
    },
  ],
};

export const DESTINATION: Dashboard = {
  uid: 'carpool-destination',
  title: 'carpool / Destination',
  description: 'One destination, or one pod: its requests, its pool, its endpoints.',
  variables: [
    { name: 'namespace', label: 'Namespace', query: 'label_values(carpool_build_info, namespace)' },
    {
      name: 'workload',
      label: 'Workload',
      query: 'label_values(carpool_build_info{namespace=~"$namespace"}, workload)',
    },
    {
      name: 'pod',
      label: 'Pod',
      query: 'label_values(carpool_build_info{namespace=~"$namespace", workload=~"$workload"}, pod)',
    },
    {
      name: 'destination',
      label: 'Destination',
      query:
        'label_values(carpool_pool_connections_created_total{namespace=~"$namespace", workload=~"$workload", pod=~"$pod"}, destination)',
    },
  ],
  annotations: annotations({ sidecars: SIDECARS, destinations: OF, by: 'namespace, pod' }),
  rows: [{ title: 'At a glance', panels: keyFigures(OF) }, requests, pool, endpoints],
};
