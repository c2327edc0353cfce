import type { RegistrySample } from 'prom-client/lib/registry.js';
import type { Exemplar, FixedHistogram } from '../observer.ts';

const NONE: Readonly<Record<string, string>> = {};

/** `le` of each bucket; OpenMetrics wants numbers written as floats (`1.0`), the older format as Go's shortest form. */
export function boundsText(bounds: readonly number[], openMetrics: boolean): readonly string[] {
  const text = bounds.map((bound) => (openMetrics && Number.isInteger(bound) ? `${bound}.0` : String(bound)));
  return [...text, '+Inf'];
}

/** As OpenMetrics has it; the older format leaves it out. */
const exemplarSample = ({
  traceId,
  spanId,
  valueSeconds,
  timeSeconds,
}: Exemplar): RegistrySample['exemplar'] & object => ({
  labelSet: { trace_id: traceId, span_id: spanId },
  value: valueSeconds,
  timestamp: timeSeconds,
});

/**
 * Adds the samples of one histogram to `out`: its buckets (cumulative), `_sum` and `_count`.
 * @param bounds as `boundsText` writes them
 * @param sharedLabels labels that all its samples have; undefined: none
 */
export function addHistogram(
  name: string,
  source: FixedHistogram,
  bounds: readonly string[],
  out: RegistrySample[],
  sharedLabels?: Readonly<Record<string, string>>,
): void {
  const shared = sharedLabels === undefined ? {} : { sharedLabels };
  let cumulative = 0;
  for (const [index, le] of bounds.entries()) {
    cumulative += source.counts[index] ?? 0;
    const bucket = { metricName: `${name}_bucket`, labels: { le }, ...shared, value: cumulative };
    const exemplar = source.exemplars?.[index];
    out.push(exemplar === undefined ? bucket : { ...bucket, exemplar: exemplarSample(exemplar) });
  }
  out.push({ metricName: `${name}_sum`, labels: NONE, ...shared, value: source.sumSeconds });
  out.push({ metricName: `${name}_count`, labels: NONE, ...shared, value: cumulative });
}
