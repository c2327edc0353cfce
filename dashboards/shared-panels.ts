import { ANY_STEPS, quantile, sumRate } from './key-figures.ts';
import type { Panel } from './panel.ts';

/** Panels that more than one dashboard has. `matchers` say whose series they are of. */

/** Connections opened, and closed by their reasons, a second. */
export const openedAndClosed = (description: string, matchers: string): Panel => ({
  title: 'Connections opened and closed',
  kind: 'lines',
  description,
  unit: 'cps',
  queries: [
    { expr: sumRate('carpool_pool_connections_created_total', matchers), legend: 'opened' },
    {
      expr: sumRate('carpool_pool_connections_closed_total', matchers, 'reason'),
      legend: 'closed: {{reason}}',
      emptyUntil: 'a connection ends',
    },
  ],
  width: 8,
});

/** Attempts to connect that failed, a second, by code. */
export const failedConnects = (matchers: string): Panel['queries'][number] => ({
  expr: sumRate('carpool_pool_connect_errors_total', matchers, 'destination, code'),
  legend: '{{destination}} {{code}}',
  emptyUntil: 'a connection cannot be opened',
});

/** Errors of carpool's own, by destination and code. */
export const ownErrors = (matchers: string): Panel => ({
  title: 'Errors that carpool answered itself',
  kind: 'lines',
  description: 'A second, by code. docs/errors.md says what each means.',
  unit: 'reqps',
  queries: [
    {
      expr: sumRate('carpool_errors_total', matchers, 'destination, code'),
      legend: '{{destination}} {{code}}',
      emptyUntil: 'carpool answers an error itself',
    },
  ],
  width: 8,
});

/** Attempts to connect that failed, by destination and code. */
export const failedAttempts = (matchers: string): Panel => ({
  title: 'Failed connection attempts',
  kind: 'lines',
  description: 'A second, by system or TLS code.',
  unit: 'cps',
  queries: [failedConnects(matchers)],
  width: 8,
});

/** Endpoints that get no requests though they are known. */
export const endpointsOut = (description: string, matchers: string, width: number): Panel => ({
  title: 'Endpoints out',
  kind: 'stat',
  description,
  unit: 'short',
  queries: [
    {
      expr: `sum(carpool_endpoints{${matchers}, state=~"ejected|failing"}) or 0 * sum(carpool_endpoints{${matchers}})`,
    },
  ],
  steps: ANY_STEPS,
  width,
});

/** @param sidecars matchers of the sidecars as a whole: 0 where none of them has a breaker */
export const breakersOpen = (matchers: string, sidecars: string, width: number): Panel => ({
  title: 'Breakers open',
  kind: 'stat',
  description: 'Destinations whose requests are answered 503 CIRCUIT_OPEN at once.',
  unit: 'short',
  queries: [
    { expr: `count(carpool_circuit_breaker_state{${matchers}} == 2) or 0 * count(carpool_build_info{${sidecars}})` },
  ],
  steps: ANY_STEPS,
  width,
});

/** From an event of the API server to the last close that it led to. */
export const propagation = (matchers: string): Panel => ({
  title: 'From the news of an endpoint to its last connection’s end',
  kind: 'lines',
  description: '99th percentile. Below 10 ms on a sidecar that has CPU.',
  unit: 's',
  queries: [
    {
      expr: quantile(0.99, 'carpool_endpoint_propagation_seconds', matchers),
      legend: '99th percentile',
      emptyUntil: 'the API server takes an endpoint away',
    },
  ],
  width: 8,
});
