import { METRICS } from '../../src/telemetry/metric-definitions.ts';
import { WebhookMetrics } from '../../src/webhook/webhook-metrics.ts';

/** The metrics of sidecars and of the webhook, as they are called in a scrape; a histogram by its own name. */
export async function metricNames(): Promise<ReadonlySet<string>> {
  const { body } = await new WebhookMetrics('test').render(null);
  const webhook = [...body.matchAll(/^# TYPE (\w+)/gm)].map(([, name = '']) => name);
  return new Set([...METRICS.map(({ name }) => name), ...webhook]);
}

/** The metrics of carpool in a query, as they are defined: a histogram without its suffix. */
export function carpoolMetricsIn(query: string): readonly string[] {
  return [...query.matchAll(/\bcarpool_\w+/g)].map(([name]) => name.replace(/_bucket$/, ''));
}
