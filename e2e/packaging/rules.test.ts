import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parse, stringify } from 'yaml';
import { RULE_GROUPS } from '../../dashboards/alert-rules.ts';
import { generatedFiles } from '../../dashboards/generate.ts';
import { RULE_THRESHOLDS } from '../../dashboards/rule-thresholds.ts';
import { staleAmong } from '../../src/config/written-files.ts';
import { at, listAt, textAt } from '../cluster/json.ts';
import { runToEnd } from '../interop/run-to-end.ts';
import { ALERT_CASES, type Seen } from './alert-cases.ts';
import { carpoolMetricsIn, metricNames } from './metric-names.ts';
import { lacking, program } from './monitoring-tools.ts';
import { RECORDED_FOR, RECORDING_CASES } from './recording-cases.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const PLAIN = join(ROOT, 'dashboards/carpool.rules.yaml');
const ALERTS = RULE_GROUPS.flatMap(({ rules }) => rules).flatMap((rule) => ('alert' in rule ? [rule] : []));

function folder(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'carpool-rules-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const seen = (series: Seen) => Object.entries(series).map(([name, values]) => ({ series: name, values }));

/** The groups of the chart's PrometheusRule with these values under `prometheusRule`. */
async function fromChart(values: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
  const { code, stdout, stderr } = await runToEnd([
    program('helm'),
    'template',
    'carpool',
    join(ROOT, 'charts/carpool'),
    '--show-only=templates/prometheusrule.yaml',
    `--set-json=prometheusRule=${JSON.stringify({ enabled: true, ...values })}`,
  ]);
  if (code !== 0) throw new Error(stderr);
  return at(parse(stdout), 'spec', 'groups');
}

const alertsOf = (groups: unknown) =>
  listAt({ groups }, 'groups')
    .flatMap((group) => listAt(group, 'rules'))
    .filter((rule) => at(rule, 'alert') !== undefined);

t.test('the rules and dashboards are as they would be made', async (t) => {
  t.same(staleAmong(generatedFiles()), [], 'run node dashboards/generate.ts');
});

t.test('each alert fires when it should, and only then', { skip: lacking('promtool') }, async (t) => {
  t.same(Object.keys(ALERT_CASES).sort(), ALERTS.map(({ alert }) => alert).sort(), 'each alert has its cases');
  for (const every of ['1m', '5m']) {
    const cases = Object.entries(ALERT_CASES).filter(([, { every: own = '1m' }]) => own === every);
    const tests = cases.flatMap(([alert, { at: eval_time, fires, quiet, alsoFires = {} }]) => {
      const look = (name: string, series: Seen, count: number) => ({
        name: `${alert}: ${name}`,
        interval: every,
        input_series: seen(series),
        promql_expr_test: [
          {
            expr: `count(ALERTS{alertname="${alert}", alertstate="firing"}) or vector(0)`,
            eval_time,
            exp_samples: [{ labels: '{}', value: count }],
          },
        ],
      });
      const each = (all: Readonly<Record<string, Seen>>, count: number) =>
        Object.entries(all).map(([why, series]) => look(why, series, count));
      return [look('fires', fires, 1), ...each(alsoFires, 1), ...each(quiet, 0)];
    });
    const file = join(folder(t), 'tests.yaml');
    writeFileSync(file, stringify({ rule_files: [PLAIN], evaluation_interval: every, tests }));
    const { code, stdout, stderr } = await runToEnd([program('promtool'), 'test', 'rules', file]);
    t.equal(code, 0, `${stdout}${stderr}`);
  }
});

t.test('an alert says where it is, and how bad', { skip: lacking('promtool') }, async (t) => {
  const tests = ['CarpoolConnectErrors', 'CarpoolErrorBudgetBurnFast', 'CarpoolWebhookCertificateExpiring'].map(
    (alertname) => ({
      interval: '1m',
      input_series: seen(ALERT_CASES[alertname]?.fires ?? {}),
      alert_rule_test: [{ alertname, eval_time: ALERT_CASES[alertname]?.at, exp_alerts: [SAYS[alertname]] }],
    }),
  );
  const file = join(folder(t), 'tests.yaml');
  writeFileSync(file, stringify({ rule_files: [PLAIN], evaluation_interval: '1m', tests }));
  const { code, stdout, stderr } = await runToEnd([program('promtool'), 'test', 'rules', file]);
  t.equal(code, 0, `${stdout}${stderr}`);
});

const ORDERS = { namespace: 'shop', workload: 'web', destination: 'orders.shop:8080' };
const runbook = (alert: string) => ({ runbook_url: `https://carpool.dev/docs/runbooks/${alert}.md` });
const SAYS: Readonly<Record<string, unknown>> = {
  CarpoolConnectErrors: {
    exp_labels: { ...ORDERS, severity: 'warning' },
    exp_annotations: {
      summary: 'Connections of shop/web to orders.shop:8080 fail',
      description:
        'For each connection opened in 10 minutes, 0.10 attempts failed (more than 0.05). The label code of carpool_pool_connect_errors_total says why.',
      ...runbook('CarpoolConnectErrors'),
    },
  },
  CarpoolErrorBudgetBurnFast: {
    exp_labels: { ...ORDERS, severity: 'critical' },
    exp_annotations: {
      summary: 'Requests of shop/web to orders.shop:8080 fail',
      description:
        '40% of the requests of the last hour failed: at this rate the error budget of 30 days (0.02) is used up in 2 days.',
      ...runbook('CarpoolErrorBudgetBurnFast'),
    },
  },
  CarpoolWebhookCertificateExpiring: {
    exp_labels: { namespace: 'carpool-system', severity: 'critical' },
    exp_annotations: {
      summary: 'The certificate of the webhook in carpool-system expires',
      description:
        'It is valid for 5d 22h 0m 0s more and was not renewed. Afterwards new pods start without their sidecar.',
      ...runbook('CarpoolWebhookCertificateExpiring'),
    },
  },
};

t.test('each recording rule says what has been seen', { skip: lacking('promtool') }, async (t) => {
  const recorded = RULE_GROUPS.flatMap(({ rules }) => rules).flatMap((rule) => ('record' in rule ? [rule.record] : []));
  t.same(Object.keys(RECORDING_CASES).sort(), recorded.sort(), 'each rule has its cases');
  const tests = Object.entries(RECORDING_CASES).flatMap(([record, cases]) =>
    Object.entries(cases).map(([name, { series, value }]) => ({
      name: `${record}: ${name}`,
      interval: '1m',
      input_series: seen(series),
      promql_expr_test: [
        {
          // Sums of floating-point numbers are not told apart by their last digit.
          expr: `abs(${record} - ${value ?? 0}) < bool 1e-9`,
          eval_time: '70m',
          exp_samples: value === null ? [] : [{ labels: RECORDED_FOR, value: 1 }],
        },
      ],
    })),
  );
  const file = join(folder(t), 'tests.yaml');
  writeFileSync(file, stringify({ rule_files: [PLAIN], evaluation_interval: '1m', tests }));
  const { code, stdout, stderr } = await runToEnd([program('promtool'), 'test', 'rules', file]);
  t.equal(code, 0, `${stdout}${stderr}`);
});

t.test('promtool finds nothing wrong with the rules', { skip: lacking('promtool') }, async (t) => {
  const { code, stdout, stderr } = await runToEnd([program('promtool'), 'check', 'rules', '--lint-fatal', PLAIN]);
  t.equal(code, 0, `${stdout}${stderr}`);
});

t.test('every metric in a rule is one that carpool has', async (t) => {
  const known = await metricNames();
  const recorded = new Set<string>();
  for (const rule of RULE_GROUPS.flatMap(({ rules }) => rules)) {
    for (const name of carpoolMetricsIn(rule.expr)) t.ok(known.has(name), `${name} in ${rule.expr}`);
    // A group before has recorded what a rule builds on.
    for (const [name] of rule.expr.matchAll(/carpool:[\w:]+/g)) t.ok(recorded.has(name), `${name} is recorded`);
    if ('record' in rule) recorded.add(rule.record);
  }
});

t.test('the chart makes the same rules', { skip: lacking('helm') }, async (t) => {
  t.same(await fromChart(), at(parse(readFileSync(PLAIN, 'utf8')), 'groups'));
});

t.test('the chart’s thresholds are those of the plain file', async (t) => {
  const values: unknown = parse(readFileSync(join(ROOT, 'charts/carpool/values.yaml'), 'utf8'));
  t.same(at(values, 'prometheusRule', 'thresholds'), RULE_THRESHOLDS);
});

t.test(
  'values change thresholds, labels and links, and leave alerts out',
  { skip: lacking('helm', 'promtool') },
  async (t) => {
    const groups = await fromChart({
      thresholds: { pending: 7, errorBudget: 0.001 },
      alertLabels: { team: 'edge' },
      runbookUrl: 'https://runbooks.test/a/{alert}/',
      disabled: ['CarpoolPaused', 'CarpoolReuseLow'],
      interval: '45s',
      selector: 'namespace!="dev"',
    });
    const alerts = alertsOf(groups);
    const names = alerts.map((alert) => textAt(alert, 'alert'));
    t.equal(names.length, ALERTS.length - 2);
    t.notOk(names.includes('CarpoolPaused') || names.includes('CarpoolReuseLow'));
    const pending = alerts.find((alert) => textAt(alert, 'alert') === 'CarpoolRequestsPending');
    t.match(textAt(pending, 'expr'), /carpool_pool_pending_requests\{namespace!="dev"\}\) > 7$/);
    t.match(textAt(pending, 'annotations', 'description'), /more than 7/);
    t.equal(textAt(pending, 'annotations', 'runbook_url'), 'https://runbooks.test/a/CarpoolRequestsPending/');
    t.same(at(pending, 'labels'), { severity: 'warning', team: 'edge' });
    t.ok(listAt({ groups }, 'groups').every((group) => at(group, 'interval') === '45s'));
    const rules = listAt({ groups }, 'groups').flatMap((group) => listAt(group, 'rules'));
    for (const rule of rules) {
      const expr = textAt(rule, 'expr');
      t.notMatch(expr, /%\{/, 'no placeholder is left');
      const series = [...expr.matchAll(/carpool_\w+(\{[^}]*\})?/g)];
      for (const [whole, matchers = ''] of series) t.ok(matchers.includes('namespace!="dev"'), whole);
    }
    const file = join(folder(t), 'rules.yaml');
    writeFileSync(file, stringify({ groups }));
    const { code, stdout, stderr } = await runToEnd([program('promtool'), 'check', 'rules', file]);
    t.equal(code, 0, `${stdout}${stderr}`);
  },
);

t.test('each alert links to its runbook, at the place that the values say', { skip: lacking('helm') }, async (t) => {
  const linksAt = async (values: Readonly<Record<string, unknown>>) =>
    alertsOf(await fromChart(values)).map((alert) => at(alert, 'annotations', 'runbook_url'));
  const files = (base: string) => ALERTS.map(({ alert }) => `${base}/${alert}.md`);
  t.same(await linksAt({}), files('https://carpool.dev/docs/runbooks'));
  t.same(
    await linksAt({ runbookUrl: 'https://git.test/carpool/docs/runbooks/' }),
    files('https://git.test/carpool/docs/runbooks'),
  );
  t.same(
    await linksAt({ runbookUrl: '' }),
    ALERTS.map(() => undefined),
    'empty: there is no link',
  );
});
