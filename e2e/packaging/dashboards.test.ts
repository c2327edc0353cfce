import { join } from 'node:path';
import t from 'tap';
import { DASHBOARDS } from '../../dashboards/generate.ts';
import { type Json, listAt, textAt } from '../cluster/json.ts';
import { until } from '../until.ts';
import { startBusySidecar } from './busy-sidecar.ts';
import { lacking } from './monitoring-tools.ts';
import { PlayedCluster, SIDECAR_ADDRESSES } from './played-cluster.ts';
import { Prometheus } from './prometheus.ts';
import { ANNOTATION_QUERIES, asSent, PANEL_QUERIES, type Shown } from './shown-queries.ts';
import { startWebhook } from './webhook-process.ts';

const ROOT = join(import.meta.dirname, '..', '..');
/** Of a dashboard that is about one sidecar. */
const ONE = { namespace: ['shop'], pod: ['web-1'] };

const isNumber = (series: Json): boolean => Number.isFinite(Number(listAt(series, 'value')[1]));
const nameOf = ({ dashboard, panel, expr }: Shown): string => `${dashboard}, ${panel}: ${expr}`;
const chosenOf = ({ dashboard }: { readonly dashboard: string }) => (dashboard === 'pod' ? ONE : {});

t.test('every query of the dashboards has something to show', { skip: lacking('prometheus') }, async (t) => {
  const cluster = await PlayedCluster.start(t, 3);
  const [first, second] = [
    await startBusySidecar(t, cluster, SIDECAR_ADDRESSES[0]),
    await startBusySidecar(t, cluster, SIDECAR_ADDRESSES[1]),
  ];
  const begun = Date.now() / 1000;
  const prometheus = await Prometheus.start(
    t,
    [
      { port: first.operatorPort, labels: { namespace: 'shop', workload: 'web', pod: 'web-1' } },
      { port: second.operatorPort, labels: { namespace: 'shop', workload: 'cart', pod: 'cart-1' } },
      { port: await startWebhook(t), labels: { namespace: 'carpool-system', pod: 'carpool-webhook-1' } },
    ],
    [join(ROOT, 'dashboards/carpool.rules.yaml')],
  );
  // A pod of a Service goes and comes, and a configuration is read again.
  let turn = 0;
  const news = setInterval(() => {
    const { pods } = cluster;
    const away = pods[++turn % pods.length];
    cluster.serve(pods.filter((pod) => pod !== away));
    if (turn % 4 === 0) first.reload({ profile: turn % 8 === 0 ? 'production' : 'development' });
  }, 500);
  t.teardown(() => clearInterval(news));

  for (const shown of PANEL_QUERIES) {
    const query = asSent(shown, chosenOf(shown));
    const found = await until(nameOf(shown), async () => {
      const series = await prometheus.query(query);
      return series.some(isNumber) && series;
    }).catch(() => []);
    t.ok(found.length > 0, nameOf(shown));
  }
  // A share is 0 where there is nothing of it: here there is.
  const isShare = ({ panel, expr }: Shown) => ['Reuse', 'Errors'].includes(panel) && !expr.includes(' by ');
  for (const shown of PANEL_QUERIES.filter(isShare)) {
    const [series] = await prometheus.query(asSent(shown, chosenOf(shown)));
    const value = Number(listAt(series, 'value')[1]);
    t.ok(value > 0 && value < 1, `${shown.dashboard}, ${shown.panel}: ${value}`);
  }

  // A dot for a trace, in each curve of durations of requests and of waits for a connection.
  for (const shown of PANEL_QUERIES.filter(({ expr }) => /_(request|acquire)_duration_seconds_bucket/.test(expr)))
    t.ok((await prometheus.exemplars(asSent(shown, chosenOf(shown)), begun)) > 0, `exemplars of ${nameOf(shown)}`);

  await first.restart();
  for (const shown of ANNOTATION_QUERIES) {
    const query = asSent(shown, chosenOf(shown));
    const look = async () => {
      const series = await prometheus.queryRange(query, begun, Date.now() / 1000, 1);
      return series.length > 0 && series;
    };
    // A restart is seen against what was there `$__rate_interval` (20 s) before.
    const marks = await until(nameOf(shown), look, 40_000).catch(() => []);
    t.ok(marks.length > 0, nameOf(shown));
    const values = marks.flatMap((series) =>
      listAt(series, 'values').map((pair) => Number(Array.isArray(pair) && pair[1])),
    );
    t.ok(
      values.every((value) => value > 0),
      'a mark is where the value is above 0, and nowhere else is one',
    );
  }

  for (const [dashboard, { variables }] of Object.entries(DASHBOARDS))
    for (const { name, query } of variables) {
      const [, selector = '', label = ''] = /^label_values\((.+), (\w+)\)$/.exec(query) ?? [];
      const sent = asSent({ dashboard, expr: selector }, chosenOf({ dashboard }));
      t.ok((await prometheus.labelValues(label, sent)).length > 0, `${dashboard}: ${name} can be chosen`);
    }

  // Names have dots and colons: what is chosen is that, and nothing that looks like it.
  const expr = 'count by (destination) (carpool_pool_connections_max{destination=~"$destination"})';
  const namesAt = async (...destination: string[]) => {
    const found = await prometheus.query(asSent({ dashboard: 'destination', expr }, { destination }));
    return found.map((series) => textAt(series, 'metric', 'destination')).sort();
  };
  t.same(await namesAt('orders.shop:8080'), ['orders.shop:8080']);
  t.same(await namesAt('held.shop:8080', 'orders.shop:8080'), ['held.shop:8080', 'orders.shop:8080']);
  t.same(await namesAt('orders-shop:8080', 'o.*'), []);

  t.same(await prometheus.brokenRules(), [], 'and every rule can be evaluated');
});
