/**
 * A dashboard as data: rows of panels, panels of queries. `draw.ts` makes Grafana's JSON of it.
 */

export type Query = {
  readonly expr: string;
  /** Grafana's legend: `{{label}}`. */
  readonly legend?: string;
  /** Why it may have nothing to show for a sidecar that is well: what must happen first. Absent: it always shows something. */
  readonly emptyUntil?: string;
};

/** From `from` on a value has that colour; the first step has none. */
export type Step = { readonly colour: 'green' | 'yellow' | 'red'; readonly from: number | null };

/** Units as Grafana calls them; what begins with `suffix:` is put behind the number as it is. */
export const UNITS = ['short', 'reqps', 'percentunit', 's', 'bytes', 'cps', 'suffix: cores'] as const;
export type Unit = (typeof UNITS)[number];

export type PanelKind = 'stat' | 'lines' | 'stacked' | 'table';

export type Panel = {
  readonly title: string;
  readonly kind: PanelKind;
  /** What it shows and what to do about it: the text behind the panel's information sign. */
  readonly description: string;
  readonly unit: Unit;
  readonly queries: readonly Query[];
  readonly steps?: readonly Step[];
  /** Of a stat: shows the name of its series (the legend) in place of its value. */
  readonly text?: 'name';
  readonly min?: number;
  readonly max?: number;
  /** Of 24 columns. */
  readonly width: number;
  /** Of a table: the names of its columns of values, in order of the queries. */
  readonly columns?: readonly { readonly name: string; readonly unit: Unit; readonly steps?: readonly Step[] }[];
};

export type Row = { readonly title: string; readonly collapsed?: boolean; readonly panels: readonly Panel[] };

export type Variable = {
  readonly name: string;
  readonly label: string;
  readonly query: string;
  /** Exactly one can be chosen, and not all of them. Compare with `=` then, for Grafana escapes only lists for `=~`. */
  readonly single?: boolean;
};

/** What is marked in all panels of a dashboard: the moments at which a query has a value above 0. */
export type Annotation = {
  readonly name: string;
  readonly expr: string;
  /** With `{{label}}`, as legends. */
  readonly title: string;
  readonly text: string;
  readonly colour: 'blue' | 'green' | 'orange' | 'red' | 'purple';
};

export type Dashboard = {
  /** Stable: links of users hold it. */
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly variables: readonly Variable[];
  readonly annotations: readonly Annotation[];
  readonly rows: readonly Row[];
};
