import type { Panel, Step } from './panel.ts';
import { RULE_THRESHOLDS } from './rule-thresholds.ts';

/** The figures that say at a glance how a pool is, and from where on they are yellow and red. */

const RED_AFTER = (yellow: number, red: number): readonly Step[] => [
  { colour: 'green', from: null },
  { colour: 'yellow', from: yellow },
  { colour: 'red', from: red },
];
const GREEN_AFTER = (yellow: number, green: number): readonly Step[] => [
  { colour: 'red', from: null },
  { colour: 'yellow', from: yellow },
  { colour: 'green', from: green },
];

export const UTILIZATION_STEPS = RED_AFTER(0.7, 0.85);
export const ERROR_STEPS = RED_AFTER(0.02, 0.05);
export const CONNECT_STEPS = RED_AFTER(0.02, 0.1);
export const PENDING_STEPS = RED_AFTER(5, RULE_THRESHOLDS.pending);
export const REUSE_STEPS = GREEN_AFTER(0.8, 0.9);
export const LAG_STEPS = RED_AFTER(0.05, RULE_THRESHOLDS.eventLoopLag);
/** Any at all is worth a look. */
export const ANY_STEPS: readonly Step[] = [
  { colour: 'green', from: null },
  { colour: 'red', from: 1 },
];

/** A share of all, 0 where there is none of it. */
export const share = (part: string, all: string): string => `(${part} or 0 * ${all}) / ${all}`;

/** `sum(rate(metric))`, by labels where there are some. */
export const sumRate = (metric: string, matchers: string, by = ''): string =>
  `sum${by === '' ? '' : ` by (${by})`} (rate(${metric}{${matchers}}[$__rate_interval]))`;

export const quantile = (q: number, metric: string, matchers: string, by = ''): string =>
  `histogram_quantile(${q}, ${sumRate(`${metric}_bucket`, matchers, by === '' ? 'le' : `${by}, le`)})`;

export const errorShare = (matchers: string, by = ''): string =>
  share(
    sumRate('carpool_requests_total', `${matchers}, code_class=~"5xx|none"`, by),
    sumRate('carpool_requests_total', matchers, by),
  );

export const reuseShare = (matchers: string, by = ''): string =>
  share(
    sumRate('carpool_pool_requests_total', `${matchers}, reused="true"`, by),
    sumRate('carpool_pool_requests_total', matchers, by),
  );

const WIDTH = 4;

/** Six figures of the series that `matchers` names. */
export function keyFigures(matchers: string): readonly Panel[] {
  return [
    {
      title: 'Requests',
      kind: 'stat',
      description: 'Requests that ended, a second.',
      unit: 'reqps',
      queries: [{ expr: sumRate('carpool_requests_total', matchers) }],
      width: WIDTH,
    },
    {
      title: 'Errors',
      kind: 'stat',
      description: 'Requests that were answered with a 5xx or not at all, as a share. Good: below 2 %.',
      unit: 'percentunit',
      queries: [{ expr: errorShare(matchers) }],
      steps: ERROR_STEPS,
      width: WIDTH,
    },
    {
      title: 'Reuse',
      kind: 'stat',
      description: 'Requests on a connection that had served one before, as a share. Good: above 90 %.',
      unit: 'percentunit',
      queries: [{ expr: reuseShare(matchers) }],
      steps: REUSE_STEPS,
      width: WIDTH,
    },
    {
      title: 'Utilisation',
      kind: 'stat',
      description: 'The fullest pool: connections in use as a share of its limit. Good: below 70 %, bad: above 85 %.',
      unit: 'percentunit',
      queries: [{ expr: `max(carpool_pool_utilization_ratio{${matchers}})` }],
      steps: UTILIZATION_STEPS,
      width: WIDTH,
    },
    {
      title: 'Pending',
      kind: 'stat',
      description: 'Requests that wait for a connection, in the pool with most of them. Good: below 5.',
      unit: 'short',
      queries: [{ expr: `max(carpool_pool_pending_requests{${matchers}})` }],
      steps: PENDING_STEPS,
      width: WIDTH,
    },
    {
      title: 'Connect time',
      kind: 'stat',
      description: 'Time to a usable connection, 95th percentile. Good inside a cluster: below 20 ms.',
      unit: 's',
      // Where nothing was opened of late, the whole time that Prometheus remembers of it is asked.
      queries: [
        {
          expr: `histogram_quantile(0.95, sum by (le) (increase(carpool_pool_connect_duration_seconds_bucket{${matchers}}[$__range])))`,
          emptyUntil: 'a connection is opened in the time that is shown',
        },
      ],
      steps: CONNECT_STEPS,
      width: WIDTH,
    },
  ];
}
