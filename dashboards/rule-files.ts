import { stringify } from 'yaml';
import { type AlertRule, type RecordingRule, RULE_GROUPS } from './alert-rules.ts';
import { RULE_THRESHOLDS } from './rule-thresholds.ts';

const HEADER = '# Made by dashboards/generate.ts from dashboards/alert-rules.ts: change that.\n';

function asPrometheus(rule: RecordingRule | AlertRule): Record<string, unknown> {
  if ('record' in rule) return rule;
  const { alert, expr, for: held, severity, summary, description } = rule;
  return { alert, expr, for: held, labels: { severity }, annotations: { summary, description } };
}

/** The groups with their placeholders, for the chart's template to fill in. */
export function chartRules(): string {
  const groups = RULE_GROUPS.map(({ name, rules }) => ({ name, rules: rules.map(asPrometheus) }));
  return HEADER + stringify({ groups }, { lineWidth: 0 });
}

/** The groups with the default thresholds, as Prometheus's `rule_files` takes them. */
export function plainRules(): string {
  const thresholds = Object.entries(RULE_THRESHOLDS);
  const text = chartRules().replaceAll(',%{selector}', '').replaceAll('{%{selector}}', '');
  return thresholds.reduce((filled, [name, value]) => filled.replaceAll(`%{${name}}`, String(value)), text);
}
