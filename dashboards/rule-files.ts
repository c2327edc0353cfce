import { stringify } from 'yaml';
import { type AlertRule, type RecordingRule, RULE_GROUPS } from './alert-rules.ts';
import { RULE_THRESHOLDS } from './rule-thresholds.ts';

const HEADER = '# Made by dashboards/generate.ts from dashboards/alert-rules.ts: change that.\n';

/** Where the runbooks are, unless an installation says otherwise: the chart's `prometheusRule.runbookUrl` by default. */
export const RUNBOOK_URL = 'https://carpool.dev/docs/runbooks';

/** The address of an alert's runbook: where the base has no place for its name, a file as docs/runbooks has it. */
export const runbookUrl = (base: string, alert: string): string =>
  base.includes('{alert}') ? base.replaceAll('{alert}', alert) : `${base.replace(/\/$/, '')}/${alert}.md`;

/** @param runbooks where they are; null: alerts have no link yet */
function asPrometheus(rule: RecordingRule | AlertRule, runbooks: string | null): Record<string, unknown> {
  if ('record' in rule) return rule;
  const { alert, expr, for: held, severity, summary, description } = rule;
  const link = runbooks === null ? {} : { runbook_url: runbookUrl(runbooks, alert) };
  return { alert, expr, for: held, labels: { severity }, annotations: { summary, description, ...link } };
}

function ruleFile(runbooks: string | null): string {
  const groups = RULE_GROUPS.map(({ name, rules }) => ({
    name,
    rules: rules.map((rule) => asPrometheus(rule, runbooks)),
  }));
  return HEADER + stringify({ groups }, { lineWidth: 0 });
}

/** The groups with their placeholders, for the chart's template to fill in and to add the links. */
export function chartRules(): string {
  return ruleFile(null);
}

/** The groups with the default thresholds, as Prometheus's `rule_files` takes them. */
export function plainRules(): string {
  const thresholds = Object.entries(RULE_THRESHOLDS);
  const text = ruleFile(RUNBOOK_URL).replaceAll(',%{selector}', '').replaceAll('{%{selector}}', '');
  return thresholds.reduce((filled, [name, value]) => filled.replaceAll(`%{${name}}`, String(value)), text);
}
