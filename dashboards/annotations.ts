import type { Annotation } from './panel.ts';

/** Which series a dashboard is about: of sidecars as a whole, and of their destinations; and what its marks are told apart by. */
type Scope = { readonly sidecars: string; readonly destinations: string; readonly by: string };

/** The reasons of connections that were closed for their endpoint leaves, or has left. */
const LEFT = 'endpoint_removed|endpoint_terminating';

/**
 * Where a counter has risen. A series appears with the first thing that it counts, and `increase` sees no rise in that: a sidecar that
 * was there before, and a series that was not, is a rise too.
 */
const rises = (series: string, sidecars: string): string =>
  `(increase(${series}[$__rate_interval]) > 0
  or (${series} unless ${series} offset $__rate_interval)
    and on (namespace, pod) carpool_build_info{${sidecars}} offset $__rate_interval)`;

/** What is worth a mark in every panel: a curve that bends there has found its reason. */
export function annotations({ sidecars, destinations, by }: Scope): readonly Annotation[] {
  const who = by.split(', ').map((label) => `{{${label}}}`);
  const where = who.join('/');
  const started = `carpool_process_start_time_seconds{${sidecars}}`;
  const closed = `carpool_pool_connections_closed_total{${destinations}, reason=~"${LEFT}"}`;
  return [
    {
      name: 'Evictions',
      expr: `sum by (${by}, destination, reason) ${rises(closed, sidecars)}`,
      title: 'Endpoints left: {{destination}}',
      text: `${where} closed connections: {{reason}}`,
      colour: 'blue',
    },
    {
      name: 'Reloads',
      expr: `sum by (${by}, outcome) (increase(carpool_config_reloads_total{${sidecars}}[$__rate_interval])) > 0`,
      title: 'Configuration {{outcome}}',
      text: where,
      colour: 'purple',
    },
    {
      name: 'Breakers open',
      expr: `count by (${by}, destination) (carpool_circuit_breaker_state{${destinations}} == 2)`,
      title: 'Breaker open: {{destination}}',
      text: `${where} answers 503 CIRCUIT_OPEN`,
      colour: 'red',
    },
    {
      name: 'Restarts',
      // A later start than the one before, which may be some minutes ago: a container that ends again and again is held back.
      expr: `count by (${by}) (${started} > last_over_time(${started}[10m] offset $__rate_interval))`,
      title: 'Sidecar restarted',
      text: where,
      colour: 'orange',
    },
  ];
}
