import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { RULE_GROUPS } from '../../dashboards/alert-rules.ts';
import { startBusySidecar } from './busy-sidecar.ts';
import { carpoolMetricsIn, metricNames } from './metric-names.ts';
import { lacking } from './monitoring-tools.ts';
import { PlayedCluster, SIDECAR_ADDRESSES } from './played-cluster.ts';
import { Prometheus } from './prometheus.ts';

const DOCS = join(import.meta.dirname, '..', '..', 'docs');
const ALERTS = RULE_GROUPS.flatMap(({ rules }) => rules).flatMap((rule) => ('alert' in rule ? [rule] : []));
const NAMES = ALERTS.map(({ alert }) => alert);
const SECTIONS = ['What it means', 'Why it matters', 'Look first', 'What to do', 'Tune or silence'];

const pageOf = (alert: string): string => readFileSync(join(DOCS, 'runbooks', `${alert}.md`), 'utf8');

/** The lines of the blocks of a language in all pages. */
function linesOf(language: string): readonly string[] {
  const blocks = NAMES.flatMap((alert) => [...pageOf(alert).matchAll(/^```(\w+)\n([\s\S]*?)^```/gm)]);
  const lines = blocks.flatMap(([, name, text = '']) => (name === language ? text.trim().split('\n') : []));
  return [...new Set(lines)];
}

t.test('each alert has its page, and each page its alert', async (t) => {
  t.same(readdirSync(join(DOCS, 'runbooks')).sort(), NAMES.map((alert) => `${alert}.md`).sort());
  for (const { alert, severity } of ALERTS) {
    const page = pageOf(alert);
    t.equal(/^# (.+)$/m.exec(page)?.[1], alert);
    t.match(page, `Severity: ${severity}.`, alert);
  }
});

t.test('a page has all its sections, in this order, and none of them is empty', async (t) => {
  for (const alert of NAMES) {
    const [, ...sections] = pageOf(alert).split(/^## /m);
    t.same(
      sections.map((section) => section.split('\n')[0]),
      SECTIONS,
      alert,
    );
    for (const section of sections) t.ok(section.split('\n').slice(1).join('').length > 20, `${alert}: ${section}`);
    t.match(sections[2], '```promql', `${alert} has a query`);
    t.match(sections[2], '```sh', `${alert} has a command`);
  }
});

t.test('a page names the thresholds of its alert', async (t) => {
  for (const { alert, expr } of ALERTS)
    for (const [, name = ''] of expr.matchAll(/%\{(\w+)\}/g)) {
      if (name === 'selector') continue;
      t.match(pageOf(alert), `\`${name}\``, `${alert}: ${name}`);
    }
});

t.test('docs/alerts.md has a line for each, with its severity', async (t) => {
  const index = readFileSync(join(DOCS, 'alerts.md'), 'utf8');
  const rows = [...index.matchAll(/^\| \[(\w+)\]\(runbooks\/(\w+)\.md\) \| (\w+) \|/gm)];
  t.same(
    rows.map(([, name, file, severity]) => [name, file, severity]),
    ALERTS.map(({ alert, severity }) => [alert, alert, severity]),
  );
});

t.test('links of the pages lead somewhere', async (t) => {
  for (const alert of NAMES)
    for (const [, path = ''] of pageOf(alert).matchAll(/\]\(([^)#]+)/g))
      t.ok(readFileSync(join(DOCS, 'runbooks', path)).length > 0, `${alert}: ${path}`);
});

t.test('metrics in the pages are those of carpool', async (t) => {
  const known = await metricNames();
  for (const line of linesOf('promql'))
    for (const name of carpoolMetricsIn(line)) t.ok(known.has(name), `${name} in ${line}`);
});

t.test('the pages’ commands and queries can be run as they are', { skip: lacking('prometheus') }, async (t) => {
  const cluster = await PlayedCluster.start(t, 2);
  const sidecar = await startBusySidecar(t, cluster, SIDECAR_ADDRESSES[0]);
  const labels = { namespace: 'shop', workload: 'web', pod: 'web-1' };
  const prometheus = await Prometheus.start(t, [{ port: sidecar.operatorPort, labels }], []);
  for (const query of linesOf('promql')) await t.resolves(prometheus.query(query), query);
  const commands = linesOf('sh').filter((line) => line.startsWith('carpool '));
  t.ok(commands.length > 5);
  for (const command of commands) {
    const [, ...args] = command.split(' ');
    // It looks for half a minute unless told otherwise.
    const sooner = args[0] === 'advise' ? ['--for', '0'] : [];
    const { code, stdout, stderr } = await sidecar.command(...args, ...sooner);
    // Something is wrong here, and the doctor says so.
    t.equal(code, args[0] === 'doctor' ? 1 : 0, `${command}: ${stderr}`);
    t.not(stdout + stderr, '', command);
  }
});
