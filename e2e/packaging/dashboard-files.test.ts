import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import { DASHBOARDS } from '../../dashboards/generate.ts';
import { UNITS } from '../../dashboards/panel.ts';
import { at, isJson, listAt, textAt } from '../cluster/json.ts';
import { runToEnd } from '../interop/run-to-end.ts';
import { carpoolMetricsIn, metricNames } from './metric-names.ts';
import { lacking, program } from './monitoring-tools.ts';
import { ANNOTATION_QUERIES, dashboardFile, PANEL_QUERIES, panelsOf } from './shown-queries.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const NAMES = Object.keys(DASHBOARDS);

t.test('every metric in a dashboard is one that carpool has', async (t) => {
  const known = await metricNames();
  const variables = Object.entries(DASHBOARDS).flatMap(([dashboard, { variables }]) =>
    variables.map(({ name, query }) => ({ dashboard, panel: `variable ${name}`, expr: query })),
  );
  for (const { dashboard, panel, expr } of [...PANEL_QUERIES, ...ANNOTATION_QUERIES, ...variables]) {
    const named = carpoolMetricsIn(expr);
    t.ok(named.length > 0 && named.every((name) => known.has(name)), `${dashboard}, ${panel}: ${named}`);
  }
});

t.test('every metric of a sidecar is in one of them', async (t) => {
  const shown = new Set(PANEL_QUERIES.flatMap(({ expr }) => carpoolMetricsIn(expr)));
  const unseen = [...(await metricNames())].filter((name) => !name.startsWith('carpool_webhook_') && !shown.has(name));
  t.same(unseen, []);
});

t.test('the panels of a dashboard neither overlap nor stand outside of it', async (t) => {
  for (const name of NAMES) {
    const taken = new Set<string>();
    const twice: string[] = [];
    const folded = listAt(dashboardFile(name), 'panels').flatMap((panel) => listAt(panel, 'panels'));
    for (const panel of [...listAt(dashboardFile(name), 'panels'), ...folded]) {
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
  for (const name of NAMES)
    for (const panel of panelsOf(name)) {
      const title = `${name}: ${textAt(panel, 'title')}`;
      t.not(textAt(panel, 'description'), '', title);
      t.same(at(panel, 'datasource'), { type: 'prometheus', uid: '$datasource' }, title);
      for (const target of listAt(panel, 'targets')) t.same(at(target, 'datasource'), at(panel, 'datasource'), title);
    }
});

t.test('panels and rows have numbers of their own, and a unit that Grafana knows', async (t) => {
  for (const name of NAMES) {
    const rows = listAt(dashboardFile(name), 'panels').filter((panel) => textAt(panel, 'type') === 'row');
    const ids = [...rows, ...panelsOf(name)].map((panel) => Number(at(panel, 'id')));
    t.ok(ids.every((id) => id > 0));
    t.equal(new Set(ids).size, ids.length, name);
    for (const panel of panelsOf(name)) {
      const units = listAt(panel, 'fieldConfig', 'overrides')
        .flatMap((override) => listAt(override, 'properties'))
        .filter((property) => at(property, 'id') === 'unit')
        .map((property) => textAt(property, 'value'))
        .concat(textAt(panel, 'type') === 'table' ? [] : textAt(panel, 'fieldConfig', 'defaults', 'unit'));
      t.ok(units.length > 0 && units.every((unit) => UNITS.some((known) => known === unit)), `${name}: ${units}`);
    }
  }
});

/** What Grafana brings itself. */
const BUILT_IN = /^__(all|rate_interval|range|url_time_range|field|data|value)$/;

t.test('every variable that is used is one of the dashboard', async (t) => {
  for (const name of NAMES) {
    const file = dashboardFile(name);
    const known = new Set(listAt(file, 'templating', 'list').map((variable) => textAt(variable, 'name')));
    const used = new Set([...JSON.stringify(file).matchAll(/\$\{?(\w+)/g)].map(([, variable = '']) => variable));
    for (const variable of used) t.ok(known.has(variable) || BUILT_IN.test(variable), `${name}: ${variable}`);
    for (const variable of known) t.ok(used.has(variable), `${name} uses ${variable}`);
  }
});

t.test('the six figures have the thresholds of a pool that is well', async (t) => {
  const WELL = {
    Errors: ['green', 'yellow 0.02', 'red 0.05'],
    Reuse: ['red', 'yellow 0.8', 'green 0.9'],
    Utilisation: ['green', 'yellow 0.7', 'red 0.85'],
    Pending: ['green', 'yellow 5', 'red 50'],
    'Connect time': ['green', 'yellow 0.02', 'red 0.1'],
  };
  for (const name of NAMES)
    for (const [title, expected] of Object.entries(WELL)) {
      const panel = panelsOf(name).find((panel) => textAt(panel, 'title') === title);
      const steps = listAt(panel, 'fieldConfig', 'defaults', 'thresholds', 'steps');
      const said = steps.map((step) => `${textAt(step, 'color')} ${at(step, 'value') ?? ''}`.trim());
      t.same(said, expected, `${name}: ${title}`);
    }
});

t.test('durations ask for exemplars, and nothing else does', async (t) => {
  for (const name of NAMES)
    for (const panel of panelsOf(name))
      for (const target of listAt(panel, 'targets')) {
        const isCurve = at(target, 'range') === true && textAt(target, 'expr').includes('_bucket{');
        t.equal(at(target, 'exemplar') === true, isCurve, `${name}, ${textAt(panel, 'title')}`);
      }
});

/** The links of a panel, or of the column of a table. */
function linksOf(panel: unknown, column?: string): readonly unknown[] {
  const isIt = (override: unknown) =>
    textAt(override, 'matcher', 'options') === (column ?? 'number') && listAt(override, 'properties').length > 0;
  return listAt(panel, 'fieldConfig', 'overrides')
    .filter(isIt)
    .flatMap((override) => listAt(override, 'properties'))
    .filter((property) => at(property, 'id') === 'links')
    .flatMap((property) => listAt(property, 'value'));
}

t.test('a click on a destination or a pod leads on, with the time and what is chosen', async (t) => {
  const panelAt = (name: string, title: string) => panelsOf(name).find((panel) => textAt(panel, 'title') === title);
  const row = linksOf(panelAt('fleet', 'Destinations'), 'destination');
  t.same(
    row.map((link) => textAt(link, 'url')),
    [
      `/d/carpool-destination?\${__url_time_range}&var-namespace=\${__data.fields.namespace}&var-workload=\${__data.fields.workload}&var-destination=\${__data.fields.destination}&\${datasource:queryparam}&\${status_page:queryparam}`,
      `\${status_page}/#destination=\${__data.fields.destination}`,
    ],
  );
  const line = linksOf(panelAt('fleet', 'Longest queues')).map((link) => textAt(link, 'url'));
  t.equal(line.length, 3);
  t.match(
    line[2],
    `/d/carpool-pod?\${__url_time_range}&var-namespace=\${__field.labels.namespace}&var-pod=\${__field.labels.pod}&`,
  );
  const [status, pod] = linksOf(panelAt('destination', 'Pending requests')).map((link) => textAt(link, 'url'));
  t.equal(status, `\${status_page}/#destination=\${__field.labels.destination}`);
  t.match(pod, `var-namespace=\${__field.labels.namespace}&var-pod=\${__field.labels.pod}&`, 'a pod is of a namespace');
  t.same(linksOf(panelAt('fleet', 'Versions')), [], 'what is neither leads nowhere');
  for (const name of NAMES) {
    const [others, status] = listAt(dashboardFile(name), 'links');
    t.match(others, { type: 'dashboards', tags: ['carpool'], includeVars: true, keepTime: true });
    t.match(textAt(status, 'url'), name === 'fleet' ? /^\$\{status_page\}\/$/ : /\/#destination=\$destination$/);
    t.match(textAt(status, 'tooltip'), /kubectl -n NAMESPACE port-forward pod\/POD 14191/);
  }
});

t.test('the files that are imported by hand are those of the chart', async (t) => {
  for (const name of NAMES)
    t.same(JSON.parse(readFileSync(join(ROOT, `dashboards/${name}.json`), 'utf8')), dashboardFile(name));
});

/** The dashboards that the chart makes, by the name of their file. */
async function fromChart(...settings: readonly string[]) {
  const { code, stdout, stderr } = await runToEnd([
    program('helm'),
    'template',
    'carpool',
    join(ROOT, 'charts/carpool'),
    '--show-only=templates/dashboards.yaml',
    ...['dashboards.enabled=true', ...settings].map((setting) => `--set=${setting}`),
  ]);
  if (code !== 0) throw new Error(stderr);
  return parseAllDocuments(stdout)
    .map((document): unknown => document.toJS())
    .filter(isJson);
}

t.test('the chart makes a ConfigMap of each, for Grafana’s sidecar', { skip: lacking('helm') }, async (t) => {
  const maps = await fromChart('dashboards.folder=Proxies', 'dashboards.namespace=monitoring');
  t.equal(maps.length, NAMES.length);
  for (const map of maps) {
    t.equal(textAt(map, 'metadata', 'labels', 'grafana_dashboard'), '1');
    t.equal(textAt(map, 'metadata', 'namespace'), 'monitoring');
    t.equal(textAt(map, 'metadata', 'annotations', 'grafana_folder'), 'Proxies');
    const [[file = '', text = ''] = []] = Object.entries(at(map, 'data') ?? {});
    t.same(JSON.parse(String(text)), dashboardFile(file.replace(/\.json$/, '')));
  }
});

t.test('status pages behind an ingress: links go there', { skip: lacking('helm') }, async (t) => {
  for (const map of await fromChart(`dashboards.statusPage=https://pools.test/\${namespace}/"x"/\${pod}`)) {
    const [text] = Object.values(at(map, 'data') ?? {});
    const file: unknown = JSON.parse(String(text));
    const [, status] = listAt(file, 'links');
    t.match(textAt(status, 'url'), `https://pools.test/\${namespace}/"x"/\${pod}/`);
    t.notMatch(String(text), `\${status_page}/`);
  }
});
