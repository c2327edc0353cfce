/**
 * The registry of prom-client alone. The package's main module also loads the cluster, push-gateway and
 * default-metrics parts, which cost 10 MB of resident memory in a sidecar that needs the text format only; its typings
 * do not cover this file.
 */
declare module 'prom-client/lib/registry.js' {
  import type { OpenMetricsContentType, PrometheusContentType } from 'prom-client';

  /** One line of output. `sharedLabels` are formatted once for all samples that hold the same object. */
  export type RegistrySample = {
    readonly metricName?: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly sharedLabels?: Readonly<Record<string, string>>;
    readonly value: number;
    /** Written in OpenMetrics alone; `timestamp` in seconds since the epoch. */
    readonly exemplar?: {
      readonly labelSet: Readonly<Record<string, string>>;
      readonly value: number;
      readonly timestamp: number;
    };
  };

  /** What the registry needs of a metric: its samples, when it is asked. */
  export type PulledMetric = {
    readonly name: string;
    get(): Promise<{
      readonly name: string;
      readonly help: string;
      readonly type: 'counter' | 'gauge' | 'histogram';
      readonly values: readonly RegistrySample[];
    }>;
  };

  export default class Registry {
    static readonly PROMETHEUS_CONTENT_TYPE: PrometheusContentType;
    static readonly OPENMETRICS_CONTENT_TYPE: OpenMetricsContentType;
    constructor(contentType: PrometheusContentType | OpenMetricsContentType);
    registerMetric(metric: PulledMetric): void;
    getSingleMetricAsString(name: string): Promise<string>;
  }
}
