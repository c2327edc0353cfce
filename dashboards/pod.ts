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
import { podProcess } from './pod-process.ts';
import { breakersOpen, endpointsOut, failedAttempts, ownErrors, propagation } from './shared-panels.ts';

/** The one sidecar, and its destinations that are chosen. */
const SIDECAR = 'namespace="$namespace", pod="$pod"';
const OF = `${SIDECAR}, destination=~"$destination"`;

const HEARS_STEPS = [
  { colour: 'red', from: null },
  { colour: 'green', from: 1 },
] as const;

const destinations: Row = {
  title: 'Destinations',
  panels: [
    {
      title: 'Destinations',
      kind: 'table',
      description: 'As this sidecar sees them. A name leads to its dashboard, and to its place on the status page.',
      unit: 'short',
      queries: [
        { expr: sumRate('carpool_requests_total', OF, 'destination') },
        { expr: errorShare(OF, 'destination') },
        { expr: reuseShare(OF, 'destination') },
        { expr: quantile(0.99, 'carpool_request_duration_seconds', OF, 'destination') },
        { expr: `max by (destination) (carpool_pool_utilization_ratio{${OF}})` },
        { expr: `max by (destination) (carpool_pool_pending_requests{${OF}})` },
        { expr: `max by (destination) (carpool_pool_connections_max{${OF}})` },
      ],
      columns: [
        { name: 'requests', unit: 'reqps' },
        { name: 'errors', unit: 'percentunit', steps: ERROR_STEPS },
        { name: 'reuse', unit: 'percentunit', steps: REUSE_STEPS },
        { name: '99th percentile', unit: 's' },
        { name: 'utilisation', unit: 'percentunit', steps: UTILIZATION_STEPS },
        { name: 'pending', unit: 'short', steps: PENDING_STEPS },
        { name: 'limit', unit: 'short' },
      ],
      width: 24,
    },
  ],
};

const connections: Row = {
  title: 'Connections',
  panels: [
    {
      title: 'Connections by state',
      kind: 'stacked',
      description: 'Idle ones are ready to be used again. Many connecting for long: the endpoints accept slowly.',
      unit: 'short',
      queries: [{ expr: `sum by (state) (carpool_pool_connections{${OF}})`, legend: '{{state}}' }],
      width: 8,
    },
    {
      title: 'Connections closed by reason',
      kind: 'stacked',
      description:
        'A second. upstream_closed: the server keeps idle connections for a shorter time than expected. error, protocol_error: something is wrong.',
      unit: 'cps',
      queries: [
        {
          expr: sumRate('carpool_pool_connections_closed_total', OF, 'reason'),
          legend: '{{reason}}',
          emptyUntil: 'a connection ends',
        },
      ],
      width: 8,
    },
    {
      title: 'Fullest pools',
      kind: 'lines',
      description: 'Connections in use as a share of the limit. The ten fullest.',
      unit: 'percentunit',
      queries: [
        {
          expr: `topk(10, max by (destination) (carpool_pool_utilization_ratio{${OF}}))`,
          legend: '{{destination}}',
        },
      ],
      steps: UTILIZATION_STEPS,
      width: 8,
    },
    {
      title: 'Time to connect',
      kind: 'lines',
      description: 'TCP and TLS, of all destinations that are chosen.',
      unit: 's',
      queries: [0.5, 0.95, 0.99].map((q) => ({
        expr: quantile(q, 'carpool_pool_connect_duration_seconds', OF),
        legend: q === 0.5 ? 'median' : `${q * 100}th percentile`,
        emptyUntil: 'a connection is opened',
      })),
      steps: CONNECT_STEPS,
      width: 8,
    },
    {
      title: 'Wait for a connection',
      kind: 'lines',
      description: 'From asking the pool to having one: what the limits cost the app. It appears when one had to wait.',
      unit: 's',
      queries: [0.5, 0.99].map((q) => ({
        expr: quantile(q, 'carpool_pool_acquire_duration_seconds', OF),
        legend: q === 0.5 ? 'median' : `${q * 100}th percentile`,
        emptyUntil: 'a request waits for a connection over 1 ms',
      })),
      width: 8,
    },
    {
      title: 'Longest queues',
      kind: 'lines',
      description: 'Requests that wait for a connection. The ten longest queues.',
      unit: 'short',
      queries: [
        {
          expr: `topk(10, max by (destination) (carpool_pool_pending_requests{${OF}}))`,
          legend: '{{destination}}',
        },
      ],
      steps: PENDING_STEPS,
      width: 8,
    },
    failedAttempts(OF),
    ownErrors(OF),
    {
      title: 'Of the app',
      kind: 'lines',
      description: 'Connections that the app holds, its requests in progress, and tunnels (CONNECT, WebSocket).',
      unit: 'short',
      queries: [
        { expr: `carpool_downstream_connections{${SIDECAR}}`, legend: 'connections' },
        { expr: `carpool_exchanges{${SIDECAR}}`, legend: 'requests' },
        { expr: `carpool_tunnels{${SIDECAR}}`, legend: 'tunnels' },
      ],
      width: 8,
    },
  ],
};

const discovery: Row = {
  title: 'Endpoints, discovery and fleet',
  panels: [
    {
      title: 'Hears the API server',
      kind: 'stat',
      description: '1: it is told of changes. 0: the last known endpoints serve, and new ones are not seen.',
      unit: 'short',
      queries: [{ expr: `min(carpool_discovery_connected{${SIDECAR}})`, emptyUntil: 'a Kubernetes Service is called' }],
      steps: HEARS_STEPS,
      width: 4,
    },
    {
      title: 'Watches',
      kind: 'stat',
      description: 'At the API server: one for each namespace whose Services are called.',
      unit: 'short',
      queries: [{ expr: `max(carpool_discovery_watches{${SIDECAR}})`, emptyUntil: 'a Kubernetes Service is called' }],
      width: 4,
    },
    endpointsOut('Ejected after failures, or failing their health checks.', OF, 4),
    breakersOpen(OF, SIDECAR, 4),
    {
      title: 'Hears the fleet',
      kind: 'stat',
      description: '1: the coordinator answers. 0: it does not, and the even share of the budget is used.',
      unit: 'short',
      queries: [{ expr: `min(carpool_fleet_connected{${SIDECAR}})`, emptyUntil: 'fleet.coordinator is configured' }],
      steps: HEARS_STEPS,
      width: 4,
    },
    {
      title: 'Sidecars that share the budget',
      kind: 'stat',
      description: 'Peers of the fleet, this one among them. Against the number of pods.',
      unit: 'short',
      queries: [{ expr: `max(carpool_fleet_peers{${SIDECAR}})`, emptyUntil: 'fleet.coordinator is configured' }],
      width: 4,
    },
    {
      title: 'Endpoints by state',
      kind: 'stacked',
      description: 'Of all destinations that are chosen.',
      unit: 'short',
      queries: [{ expr: `sum by (state) (carpool_endpoints{${OF}})`, legend: '{{state}}' }],
      width: 8,
    },
    {
      title: 'What the API server told',
      kind: 'lines',
      description: 'Events of endpoints a second, by type. LIST: all anew, after a watch was lost.',
      unit: 'cps',
      queries: [
        {
          expr: sumRate('carpool_discovery_events_total', SIDECAR, 'type'),
          legend: '{{type}}',
          emptyUntil: 'a Kubernetes Service is called',
        },
      ],
      width: 8,
    },
    propagation(SIDECAR),
  ],
};

export const POD: Dashboard = {
  uid: 'carpool-pod',
  title: 'carpool / Pod',
  description: 'One sidecar: its destinations, its connections, what it needs of the node.',
  variables: [
    { name: 'namespace', label: 'Namespace', query: 'label_values(carpool_build_info, namespace)', single: true },
    {
      name: 'pod',
      label: 'Pod',
      query: 'label_values(carpool_build_info{namespace="$namespace"}, pod)',
      single: true,
    },
    {
      name: 'destination',
      label: 'Destination',
      query: 'label_values(carpool_pool_connections_created_total{namespace="$namespace", pod="$pod"}, destination)',
    },
  ],
  annotations: annotations({ sidecars: SIDECAR, destinations: OF, by: 'namespace, pod' }),
  rows: [{ title: 'At a glance', panels: keyFigures(OF) }, destinations, connections, podProcess(SIDECAR), discovery],
};
