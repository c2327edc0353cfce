import Registry, { type RegistrySample } from 'prom-client/lib/registry.js';
import type { Outcome } from './verdict.ts';

/** Upper bounds of the duration histogram, in seconds. */
const BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5] as const;
const OUTCOMES = ['injected', 'unchanged', 'skipped', 'failed', 'ignored', 'refused'] as const satisfies readonly (
  | Outcome
  | 'refused'
)[];

/** What the program counts, and the text that Prometheus reads. */
export class WebhookMetrics {
  readonly #requests = new Map<string, number>(OUTCOMES.map((outcome) => [outcome, 0]));
  readonly #skipped = new Map<string, number>();
  readonly #buckets: number[] = BOUNDS.map(() => 0);
  readonly #reloads = { applied: 0, refused: 0 };
  readonly #rotations = { made: 0, adopted: 0, failed: 0 };
  #sum = 0;
  #count = 0;
  #broken = 0;
  readonly #version: string;

  constructor(version: string) {
    this.#version = version;
  }

  /** A question was answered. @param reason why a pod was skipped */
  answered(outcome: Outcome, reason: string | null, seconds: number): void {
    add(this.#requests, outcome);
    if (reason !== null) add(this.#skipped, reason);
    this.#sum += seconds;
    this.#count++;
    for (const [index, bound] of BOUNDS.entries())
      if (seconds <= bound) this.#buckets[index] = (this.#buckets[index] ?? 0) + 1;
  }

  /** A request was no question that can be answered. */
  refused(): void {
    add(this.#requests, 'refused');
  }

  settings(outcome: 'applied' | 'refused'): void {
    this.#reloads[outcome]++;
  }

  /** `made` by this process, `adopted` from another replica or cert-manager, or `failed`. */
  certificate(outcome: 'made' | 'adopted' | 'failed'): void {
    this.#rotations[outcome]++;
  }

  /** A handshake failed, or a connection broke. */
  connectionBroken(): void {
    this.#broken++;
  }

  /**
   * The text of a scrape.
   * @param expiryMs when the certificate that is served expires, in milliseconds since the epoch; null: there is none
   */
  async render(expiryMs: number | null): Promise<{ readonly contentType: string; readonly body: string }> {
    const registry = new Registry(Registry.PROMETHEUS_CONTENT_TYPE);
    const parts: string[] = [];
    const put = async (
      name: string,
      type: 'counter' | 'gauge' | 'histogram',
      help: string,
      values: RegistrySample[],
    ) => {
      registry.registerMetric({ name, get: () => Promise.resolve({ name, help, type, values }) });
      parts.push(await registry.getSingleMetricAsString(name));
    };
    const prefix = 'carpool_webhook';
    await put(
      `${prefix}_requests_total`,
      'counter',
      'Requests of the API server by what came of them; failed: a fault, the pod starts without a sidecar; refused: no question that can be read.',
      by('outcome', this.#requests),
    );
    await put(
      `${prefix}_skipped_total`,
      'counter',
      'Pods that were skipped, by the reason.',
      by('reason', this.#skipped),
    );
    await put(
      `${prefix}_request_duration_seconds`,
      'histogram',
      "From a question's head to its answer.",
      this.#duration(`${prefix}_request_duration_seconds`),
    );
    await put(
      `${prefix}_certificate_expiry_timestamp_seconds`,
      'gauge',
      'When the certificate that is served expires, in seconds since the epoch; 0: there is none.',
      one((expiryMs ?? 0) / 1000),
    );
    await put(
      `${prefix}_certificate_rotations_total`,
      'counter',
      'New certificates: made by this replica, adopted from another or from cert-manager, or failed tries.',
      by('outcome', new Map(Object.entries(this.#rotations))),
    );
    await put(
      `${prefix}_settings_reloads_total`,
      'counter',
      'Reads of a changed settings file; refused: the last good one stays.',
      by('outcome', new Map(Object.entries(this.#reloads))),
    );
    await put(
      `${prefix}_broken_connections_total`,
      'counter',
      'TLS handshakes that failed and connections that broke; it rises where the API server does not trust the certificate.',
      one(this.#broken),
    );
    await put(`${prefix}_build_info`, 'gauge', 'Always 1.', [
      { labels: { version: this.#version, node: process.version }, value: 1 },
    ]);
    await put(
      `${prefix}_process_resident_memory_bytes`,
      'gauge',
      'Resident memory of the process.',
      one(process.memoryUsage.rss()),
    );
    return { contentType: Registry.PROMETHEUS_CONTENT_TYPE, body: `${parts.join('\n')}\n` };
  }

  #duration(name: string): RegistrySample[] {
    const buckets = BOUNDS.map((bound, index) => ({
      metricName: `${name}_bucket`,
      labels: { le: String(bound) },
      value: this.#buckets[index] ?? 0,
    }));
    return [
      ...buckets,
      { metricName: `${name}_bucket`, labels: { le: '+Inf' }, value: this.#count },
      { metricName: `${name}_sum`, labels: {}, value: this.#sum },
      { metricName: `${name}_count`, labels: {}, value: this.#count },
    ];
  }
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function by(label: string, counts: ReadonlyMap<string, number>): RegistrySample[] {
  return [...counts].map(([key, value]) => ({ labels: { [label]: key }, value }));
}

function one(value: number): RegistrySample[] {
  return [{ labels: {}, value }];
}
