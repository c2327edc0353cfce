import { ACCESS_LOGS, LOG_LEVELS } from './choices.ts';
import type { SettingGroup } from './setting.ts';

/** What the sidecar tells of itself: log, metrics, traces (docs/operations.md, docs/metrics.md, docs/tracing.md). */
export const TELEMETRY_SCHEMA = {
  logLevel: {
    doc: 'The least level that is logged.',
    format: 'choice',
    choices: LOG_LEVELS,
    default: 'info',
    applies: 'at once',
  },
  accessLog: {
    doc: 'Which requests have a line in the log.',
    format: 'choice',
    choices: ACCESS_LOGS,
    default: 'off',
    applies: 'at once',
  },
  accessLogSample: {
    doc: 'Share of requests that `sampled` logs.',
    format: 'ratio',
    default: 0.01,
    applies: 'at once',
  },
  accessLogPath: {
    doc: 'Adds the path, cut at `?`. Off, because paths may hold what is nobody’s business.',
    format: 'boolean',
    default: false,
    applies: 'at once',
  },
  maxDestinations: {
    doc: 'Destinations that are not configured but have a metric label of their own; the others share `other`.',
    format: 'count',
    max: 10_000,
    default: 50,
    applies: 'at once',
  },
  poolLogInterval: {
    doc: 'How often the pools are logged.',
    format: 'duration',
    min: 1000,
    zero: 'never',
    default: '60s',
    applies: 'at once',
  },
  exemplars: {
    doc: 'Adds the trace of one request to each bucket of the histograms of requests, for scrapers that ask for OpenMetrics: of requests whose `traceparent` says that they are sampled, and of carpool’s own spans.',
    format: 'boolean',
    default: false,
    applies: 'at once',
  },
  tracing: {
    enabled: {
      doc: 'Makes spans of requests and sends them to a collector by OTLP. Off, `traceparent` and `tracestate` pass as they are.',
      format: 'boolean',
      default: false,
      applies: 'at once',
    },
    endpoint: {
      doc: 'The collector, by OTLP over HTTP: `http://host:4318`; `/v1/traces` is added where there is no path.',
      format: 'collectorUrl',
      default: null,
      nullable: true,
      absent: 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, else OTEL_EXPORTER_OTLP_ENDPOINT, else `http://localhost:4318`',
      applies: 'at once',
    },
    sampleRatio: {
      doc: 'Share of the requests without a `traceparent` that are traced. With one, its sampled flag decides.',
      format: 'ratio',
      default: 0.01,
      applies: 'at once',
    },
    headersFile: {
      doc: 'A file with fields for the collector, a line `name: value` each: a mounted Secret. It is followed.',
      format: 'path',
      default: null,
      nullable: true,
      absent: 'OTEL_EXPORTER_OTLP_HEADERS alone',
      // Whoever writes the fields themselves here by mistake must not find them in a log.
      sensitive: true,
      applies: 'at once',
    },
    timeout: {
      doc: 'How long the collector may take for a batch, its tries together.',
      format: 'duration',
      min: 100,
      max: 60_000,
      default: '10s',
      applies: 'at once',
    },
    serviceName: {
      doc: '`service.name` of the spans.',
      format: 'name',
      default: null,
      nullable: true,
      absent:
        'OTEL_SERVICE_NAME, else what OTEL_RESOURCE_ATTRIBUTES says, else the pod’s name without its generated parts',
      applies: 'at once',
    },
  },
} as const satisfies SettingGroup;
