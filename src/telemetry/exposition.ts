import Registry, { type PulledMetric, type RegistrySample } from 'prom-client/lib/registry.js';
import { type DestinationSnapshot, destinationSamples } from './destination-samples.ts';
import { DESTINATION_METRICS, type MetricDefinition, PROCESS_METRICS } from './metric-definitions.ts';
import { Pacer } from './pacer.ts';
import { type ProcessSnapshot, processSamples } from './process-samples.ts';

/** The two text formats a scraper may ask for. */
export type ExpositionFormat = 'prometheus' | 'openmetrics';

export type Exposition = { readonly contentType: string; readonly body: string };

/** Destinations that are formatted in one go: some 60 lines of the largest histogram, well under a millisecond. */
const DESTINATIONS_PER_STEP = 5;

/**
 * Writes one scrape. Loaded with the first one, because it brings prom-client with it. The registry lives for one
 * scrape only: it holds metrics that read the given snapshots and counts nothing itself.
 */
export async function renderExposition(
  format: ExpositionFormat,
  destinations: readonly DestinationSnapshot[],
  sidecar: ProcessSnapshot,
): Promise<Exposition> {
  const openMetrics = format === 'openmetrics';
  const contentType = openMetrics ? Registry.OPENMETRICS_CONTENT_TYPE : Registry.PROMETHEUS_CONTENT_TYPE;
  const registry = new Registry(contentType);
  const pacer = new Pacer();
  const parts: string[] = [];

  for (const definition of DESTINATION_METRICS) {
    let step: readonly DestinationSnapshot[] = [];
    const read = () => destinationSamples(definition.name, step, openMetrics);
    registry.registerMetric(pulled(definition, openMetrics, read));
    for (let from = 0; from === 0 || from < destinations.length; from += DESTINATIONS_PER_STEP) {
      step = destinations.slice(from, from + DESTINATIONS_PER_STEP);
      const text = await registry.getSingleMetricAsString(definition.name);
      const samples = from === 0 ? text : withoutHeader(text);
      if (samples !== '') parts.push(samples);
      await pacer.breathe();
    }
  }
  for (const definition of PROCESS_METRICS) {
    registry.registerMetric(pulled(definition, openMetrics, () => processSamples(definition.name, sidecar)));
    parts.push(await registry.getSingleMetricAsString(definition.name));
  }
  if (openMetrics) parts.push('# EOF');
  return { contentType, body: `${parts.join('\n')}\n` };
}

/** In OpenMetrics a counter family has its name without `_total`; the registry puts the suffix back on each sample. */
function pulled(definition: MetricDefinition, openMetrics: boolean, read: () => RegistrySample[]): PulledMetric {
  const { type, help } = definition;
  const family = openMetrics && type === 'counter' ? definition.name.replace(/_total$/, '') : definition.name;
  return {
    name: definition.name,
    get: () => Promise.resolve({ name: family, help, type, values: read() }),
  };
}

/** Without the HELP and TYPE lines, which a family has once. */
function withoutHeader(text: string): string {
  const help = text.indexOf('\n');
  const type = text.indexOf('\n', help + 1);
  return type < 0 ? '' : text.slice(type + 1);
}
