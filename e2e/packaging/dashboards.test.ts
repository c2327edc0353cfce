import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import { DASHBOARDS } from '../../dashboards/generate.ts';
import { at, isJson, type Json, listAt, textAt } from '../cluster/json.ts';
import { runToEnd } from '../interop/run-to-end.ts';
import { until } from '../until.ts';
import { startBusySidecar } from './busy-sidecar.ts';
import { carpoolMetricsIn, metricNames } from './metric-names.ts';
import { lacking, program } from './monitoring-tools.ts';
import { Prometheus } from './prometheus.ts';

const ROOT = join(import.meta.dirname, '..', '..');

/** What does not happen to the sidecars of this test. Every other query must have something to show. */
const NOT_HERE: ReadonlySet<string> = new Set([
  'a Kubernetes Service is called',
  'the API server takes an endpoint away',
  'fleet.maxConnections is configured',
  'an endpoint is silent',
  'the webhook is asked',
  'there is a webhook',
]);

type Shown = { readonly dashboard: string; readonly panel: string; readonly expr: string };

const dashboard = (name: string): unknown =>
  JSON.parse(readFileSync(join(ROOT, `charts/carpool/files/dashboards/${name}.json`), 'utf8'));

/** The panels of a dashboard, those inside of folded rows too. */
function panelsOf(name: string): readonly unknown[] {
  return listAt(dashboard(name), 'panels').flatMap((panel) =>
    textAt(panel, 'type') === 'row' ? listAt(panel, 'panels') : [panel],
  );
}

const SHOWN: readonly Shown[] = Object.keys(DASHBOARDS).flatMap((name) =>
  panelsOf(name).flatMap((panel) =>
    listAt(panel, 'targets').map((target) => ({
      dashboard: name,
      panel: textAt(panel, 'title'),
      expr: textAt(target, 'expr'),
    })),
  ),
);

/** Why a query may have nothing to show, by the query. */
const EMPTY_UNTIL = new Map(
  Object.values(DASHBOARDS).flatMap(({ rows }) =>
    rows.flatMap(({ panels }) =>
      panels.flatMap(({ queries }) => queries.map(({ expr, emptyUntil }) => [expr, emptyUntil] as const)),
    ),
  ),
);

/** As Grafana fills it in where nothing is chosen, for a time of a minute. */
const filledIn = (expr: string): string =>
  expr
    .replaceAll('$__rate_interval', '20s')
    .replaceAll('$__range', '1m')
    .replaceAll(/"\$(namespace|workload|pod|destination)"/g, '".*"');

t.test('every query of the dashboards has something to show', { skip: lacking('prometheus') }, async (t) => {
  const [first, second] = [await startBusySidecar(t), await startBusySidecar(t)];
  const prometheus = await Prometheus.start(
    t,
    [
      { port: first.operatorPort, labels: { namespace: 'shop', workload: 'web', pod: 'web-1' } },
      { port: second.operatorPort, labels: { namespace: 'shop', workload: 'cart', pod: 'cart-1' } },
    ],
    [join(ROOT, 'dashboards/carpool.rules.yaml')],
  );
  for (const shown of SHOWN) {
    const reason = EMPTY_UNTIL.get(shown.expr);
    const query = filledIn(shown.expr);
    const name = `${shown.dashboard}, ${shown.panel}: ${shown.expr}`;
    if (reason !== undefined && NOT_HERE.has(reason)) {
      t.same(await prometheus.query(query), [], `${name} shows nothing until ${reason}`);
      continue;
    }
    const found = await until(name, async () => {
      const series = await prometheus.query(query);
      return series.some(isNumber) && series;
    }).catch(() => []);
    t.ok(found.length > 0, name);
  }
  // A share is 0 where there is nothing of it: here there is.
  const isShare = ({ panel, expr }: Shown) => ['Reuse', 'Errors'].includes(panel) && !expr.includes(' by ');
  for (const { dashboard, panel, expr } of SHOWN.filter(isShare)) {
    const [series] = await prometheus.query(filledIn(expr));
    const value = Number(listAt(series, 'value')[1]);
    t.ok(value > 0 && value < 1, `${dashboard}, ${panel}: ${value}`);
  }
  for (const { variables } of Object.values(DASHBOARDS))
    for (const { name, query } of variables) {
      const [, selector = '', label = ''] = /^label_values\((.+), (\w+)\)$/.exec(query) ?? [];
      t.ok((await prometheus.labelValues(label, filledIn(selector))).length > 0, `${name} can be chosen`);
    }
  t.same(await prometheus.brokenRules(), [], 'and every rule can be evaluated');
});

const isNumber = (series: Json): boolean => Number.isFinite(Number(listAt(series, 'value')[1]));

t.test('every metric in a dashboard is one that carpool has', async (t) => {
  const known = await metricNames();
  for (const { dashboard, panel, expr } of SHOWN)
    for (const name of carpoolMetricsIn(expr)) t.ok(known.has(name), `${name} in ${dashboard}, ${panel}`);
});

t.test('the panels of a dashboard neither overlap nor stand outside of it', async (t) => {
  for (const name of Object.keys(DASHBOARDS)) {
    const taken = new Set<string>();
    const twice: string[] = [];
    for (const panel of listAt(dashboard(name), 'panels')) {
      const [x, y, w, h] = ['x', 'y', 'w', 'h'].map((key) => Number(at(panel, 'gridPos', key) ?? 0));
      if (x === undefined || y === undefined || w === undefined || h === undefined) throw new Error('no place');
      t.ok(x + w <= 24 && w > 0 && h > 0, `${name}: ${textAt(panel, 'title')}`);
      for (let column = x; column < x + w; column++)
        for (let row = y; row < y + h; row++) {
          const cell = `${column} ${row}`;
          if (taken.has(cell)) twice.push(`${textAt(panel, 'title')} at ${cell}`);
          taken.add(cell);
        }
    }
    t.same(twice, [], name);
  }
});

t.test('a panel says what it shows, and asks the chosen data source', async (t) => {
  const uids = Object.values(DASHBOARDS).map(({ uid }) => uid);
  t.equal(new Set(uids).size, uids.length);
  for (const name of Object.keys(DASHBOARDS))
    for (const panel of panelsOf(name)) {
      const title = `${name}: ${textAt(panel, 'title')}`;
      t.not(textAt(panel, 'description'), '', title);
      t.same(at(panel, 'datasource'), { type: 'prometheus', uid: '$datasource' }, title);
      for (const target of listAt(panel, 'targets')) t.same(at(target, 'datasource'), at(panel, 'datasource'), title);
    }
});

t.test('the chart makes a ConfigMap of each, for Grafana’s sidecar', { skip: lacking('helm') }, async (t) => {
  const { code, stdout, stderr } = await runToEnd([
    program('helm'),
    'template',
    'carpool',
    join(ROOT, 'charts/carpool'),
    '--show-only=templates/dashboards.yaml',
    '--set=dashboards.enabled=true,dashboards.folder=Proxies,dashboards.namespace=monitoring',
  ]);
  t.equal(code, 0, stderr);
  const maps = parseAllDocuments(stdout)
    .map((document): unknown => document.toJS())
    .filter(isJson);
  t.equal(maps.length, Object.keys(DASHBOARDS).length);
  for (const map of maps) {
    t.equal(textAt(map, 'metadata', 'labels', 'grafana_dashboard'), '1');
    t.equal(textAt(map, 'metadata', 'namespace'), 'monitoring');
    t.equal(textAt(map, 'metadata', 'annotations', 'grafana_folder'), 'Proxies');
    const [[file = '', text = ''] = []] = Object.entries(at(map, 'data') ?? {});
    t.same(JSON.parse(String(text)), dashboard(file.replace(/\.json$/, '')));
  }
});
