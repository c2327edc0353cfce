import type { Variable } from './panel.ts';

/** What Grafana puts into a query before Prometheus sees it. */
export type Filling = {
  /** Of `$__rate_interval` and `$__range`, such as `1m`. */
  readonly rateInterval: string;
  readonly range: string;
  /** What is chosen, by variable; one that is absent has all. */
  readonly chosen: Readonly<Record<string, readonly string[]>>;
};

/** Inside of a string in PromQL, and of a regular expression in there: as Grafana's data source escapes them. */
const asText = (value: string): string => value.replaceAll('\\', '\\\\').replaceAll('"', '\\"');
const asPattern = (value: string): string => asText(value.replaceAll(/[$^*{}[\]'+?.()|\\]/g, '\\$&'));

function valueFor({ name, single = false }: Variable, { chosen }: Filling): string {
  const values = chosen[name];
  if (single) return asText(values?.[0] ?? '');
  if (values === undefined) return '.*';
  const patterns = values.map(asPattern);
  return patterns.length === 1 ? (patterns[0] ?? '') : `(${patterns.join('|')})`;
}

/** A query as it is sent when its dashboard has these variables. */
export function filledIn(expr: string, variables: readonly Variable[], filling: Filling): string {
  const known = new Map([
    ['__rate_interval', filling.rateInterval],
    ['__range', filling.range],
    ...variables.map((variable): [string, string] => [variable.name, valueFor(variable, filling)]),
  ]);
  return expr.replaceAll(/\$(\w+)/g, (whole, name: string) => known.get(name) ?? whole);
}
