import { type Json, listAt, at as valueAt } from '../e2e/cluster/json.ts';
import type { Prometheus } from '../e2e/packaging/prometheus.ts';
import { type Filling, filledIn } from './filled-in.ts';
import type { Annotation, Dashboard, Panel } from './panel.ts';

/** What is drawn: a stretch of time, in seconds since the epoch, and what is chosen in it. */
export type View = { readonly from: number; readonly to: number; readonly step: number; readonly filling: Filling };

/** A point: seconds since the epoch, and the value then. */
export type Point = readonly [number, number];
export type Series = {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly points: readonly Point[];
};
/** By query of the panel. */
export type PanelData = readonly (readonly Series[])[];

export type Mark = { readonly time: number; readonly colour: Annotation['colour']; readonly title: string };

function labelsOf(series: Json): Record<string, string> {
  const metric = valueAt(series, 'metric');
  const entries = typeof metric === 'object' && metric !== null ? Object.entries(metric) : [];
  return Object.fromEntries(entries.map(([name, value]) => [name, String(value)]));
}

const pointsOf = (series: Json): readonly Point[] =>
  listAt(series, 'values').flatMap((pair): Point[] => {
    const [time, value] = Array.isArray(pair) ? pair.map(Number) : [];
    return time === undefined || value === undefined || !Number.isFinite(value) ? [] : [[time, value]];
  });

/** A legend with its labels filled in. */
const named = (legend: string, labels: Readonly<Record<string, string>>): string =>
  legend.replaceAll(/\{\{(\w+)\}\}/g, (_, label: string) => labels[label] ?? '').trim();

/** Asks for what a panel shows. A table shows the last moment. */
export async function panelData(
  panel: Panel,
  { variables }: Dashboard,
  { from, to, step, filling }: View,
  prometheus: Prometheus,
): Promise<PanelData> {
  return Promise.all(
    panel.queries.map(async ({ expr, legend = '' }) => {
      const sent = filledIn(expr, variables, filling);
      const found = await prometheus.queryRange(sent, panel.kind === 'table' ? to : from, to, step);
      return found.map((series) => {
        const labels = labelsOf(series);
        return { name: named(legend, labels), labels, points: pointsOf(series) };
      });
    }),
  );
}

/** The moments at which something begins that a dashboard marks. */
export async function marksOf(
  { annotations, variables }: Dashboard,
  { from, to, step, filling }: View,
  prometheus: Prometheus,
): Promise<readonly Mark[]> {
  const marks: Mark[] = [];
  for (const { name, expr, colour } of annotations) {
    const found = await prometheus.queryRange(filledIn(expr, variables, filling), from, to, step);
    const times = found.flatMap(pointsOf).map(([time]) => time);
    const sorted = [...new Set(times)].sort((a, b) => a - b);
    // What goes on is one mark: where it begins.
    for (const [index, time] of sorted.entries())
      if (time - (sorted[index - 1] ?? Number.NEGATIVE_INFINITY) > 2 * step) marks.push({ time, colour, title: name });
  }
  return marks;
}
