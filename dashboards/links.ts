import { DashboardLinkBuilder, DashboardLinkType } from '@grafana/grafana-foundation-sdk/dashboard';
import type { Dashboard, Panel } from './panel.ts';

/** Where a click leads: to another of the dashboards, with its time and what is chosen, or to the status page of a sidecar. */

/** The variable that holds where the status page is; the chart's `dashboards.statusPage` takes its place in links. */
export const STATUS_PAGE = 'status_page';
export const STATUS_PAGE_DEFAULT = 'http://localhost:14191';
export const STATUS_PAGE_HOW =
  'Where links find the status page of a sidecar. At localhost after: kubectl -n NAMESPACE port-forward pod/POD 14191';

type DataLink = { readonly title: string; readonly url: string; readonly targetBlank?: boolean };
type Label = 'destination' | 'pod';
const isLabel = (label: string): label is Label => label === 'destination' || label === 'pod';

/** The variables of a dashboard as they are now, but those that a link sets itself. */
function kept({ variables }: Dashboard, without: readonly string[]): string {
  const names = ['datasource', ...variables.map(({ name }) => name), STATUS_PAGE];
  return names.flatMap((name) => (without.includes(name) ? [] : [`\${${name}:queryparam}`])).join('&');
}

/**
 * Links of what has these labels.
 * @param has whether it has such a label
 * @param value how Grafana's links name the value of a label
 */
function links(of: Dashboard, has: (label: string) => boolean, value: (label: string) => string): readonly DataLink[] {
  const made: DataLink[] = [];
  const set = (labels: readonly string[]) => {
    const own = labels.filter(has);
    return [...own.map((label) => `var-${label}=${value(label)}`), kept(of, own)].join('&');
  };
  const to = (uid: string, title: string, labels: readonly string[]) => {
    if (of.uid !== uid) made.push({ title, url: `/d/${uid}?\${__url_time_range}&${set(labels)}` });
  };
  if (has('destination')) {
    to('carpool-destination', 'This destination', ['namespace', 'workload', 'pod', 'destination']);
    made.push({
      title: 'Status page',
      url: `\${${STATUS_PAGE}}/#destination=${value('destination')}`,
      targetBlank: true,
    });
  }
  if (has('pod')) to('carpool-pod', 'This pod', ['namespace', 'pod']);
  return made;
}

/** The labels that the series of all queries of a panel have: what they are added up by. */
function labelsOf({ queries }: Panel): readonly string[] {
  const [first = [], ...others] = queries.map(({ expr }) => (/ by \(([^)]+)\)/.exec(expr)?.[1] ?? '').split(', '));
  return first.filter((label) => others.every((labels) => labels.includes(label)));
}

/** Of the lines of a panel. */
export function linksOfSeries(panel: Panel, of: Dashboard): readonly DataLink[] {
  const labels = labelsOf(panel);
  return links(
    of,
    (label) => labels.includes(label),
    (label) => `\${__field.labels.${label}}`,
  );
}

/** Of a column of labels of a table: its other labels go along. */
export function linksOfColumn(column: Label, panel: Panel, of: Dashboard): readonly DataLink[] {
  const labels = labelsOf(panel).filter((label) => label === column || !isLabel(label));
  if (!labels.includes(column)) return [];
  return links(
    of,
    (label) => labels.includes(label),
    (label) => `\${__data.fields.${label}}`,
  );
}

/** At the head of a dashboard. Where a destination can be chosen the page opens with it. */
export function statusPageLink({ variables }: Dashboard): DashboardLinkBuilder {
  const fragment = variables.some(({ name }) => name === 'destination') ? '#destination=$destination' : '';
  return new DashboardLinkBuilder('Status page')
    .type(DashboardLinkType.Link)
    .icon('external link')
    .url(`\${${STATUS_PAGE}}/${fragment}`)
    .tooltip(STATUS_PAGE_HOW)
    .targetBlank(true);
}
