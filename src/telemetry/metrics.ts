import type { Inspector } from '../admin/inspector.ts';
import type { Clock } from '../clock.ts';
import { DestinationObserver, type DiscoveryObserver } from '../observer.ts';
import { DestinationGauges, SeenValues } from './destination-gauges.ts';
import type { DestinationLabels } from './destination-labels.ts';
import type { DestinationSnapshot } from './destination-samples.ts';
import type { EventLoopMonitor } from './event-loop.ts';
import type { Exposition, ExpositionFormat } from './exposition.ts';
import { Pacer } from './pacer.ts';
import { countOpenFds, type ProcessSnapshot } from './process-samples.ts';

export type { Exposition } from './exposition.ts';

export type MetricsOptions = {
  readonly labels: DestinationLabels;
  readonly inspector: Inspector;
  readonly eventLoop: EventLoopMonitor;
  readonly clock: Clock;
  /** Lines that the log had to give up so far. */
  readonly droppedLogLines: () => number;
  readonly discovery: DiscoveryObserver;
};

/**
 * The metrics, pulled: a request costs nothing but its additions in a `DestinationObserver`; everything else happens
 * when somebody scrapes, in slices between which requests go on.
 */
export class Metrics {
  readonly #options: MetricsOptions;
  readonly #seen = new SeenValues();
  readonly #startedAtSeconds: number;
  readonly #inFlight = new Map<ExpositionFormat, Promise<Exposition>>();

  constructor(options: MetricsOptions) {
    this.#options = options;
    this.#startedAtSeconds = options.clock.wall() / 1000 - process.uptime();
  }

  /**
   * One scrape. Scrapes in the same format at the same time share one answer.
   * @param accept the Accept field, for the choice between OpenMetrics and the older text format
   */
  scrape(accept: string | undefined): Promise<Exposition> {
    const format = chooseFormat(accept);
    const running = this.#inFlight.get(format);
    if (running) return running;
    const scrape = this.#render(format).finally(() => this.#inFlight.delete(format));
    this.#inFlight.set(format, scrape);
    return scrape;
  }

  async #render(format: ExpositionFormat): Promise<Exposition> {
    const [{ renderExposition }, sidecar] = await Promise.all([import('./exposition.ts'), this.#processSnapshot()]);
    return renderExposition(format, await this.#destinationSnapshots(), sidecar);
  }

  async #destinationSnapshots(): Promise<DestinationSnapshot[]> {
    const { labels, inspector } = this.#options;
    const pacer = new Pacer();
    for (const _ of labels.drain()) await pacer.breathe();
    const gauges = new Map<string, DestinationGauges>();
    for (const stats of inspector.counts()) {
      const label = labels.labelOf(stats.name);
      let sum = gauges.get(label);
      if (!sum) {
        sum = new DestinationGauges();
        gauges.set(label, sum);
      }
      sum.add(stats);
      await pacer.breathe();
    }
    const snapshots = new Map<string, DestinationSnapshot>();
    for (const { label, total } of labels.groups()) {
      const current = gauges.get(label) ?? null;
      if (current) this.#seen.complete(label, current);
      snapshots.set(label, { shared: { destination: label }, counters: total, gauges: current });
    }
    // A destination that the labels do not know (it began during this scrape) still shows its gauges.
    for (const [label, current] of gauges)
      if (!snapshots.has(label))
        snapshots.set(label, {
          shared: { destination: label },
          counters: new DestinationObserver(label),
          gauges: current,
        });
    this.#seen.retain(snapshots);
    return [...snapshots.values()];
  }

  async #processSnapshot(): Promise<ProcessSnapshot> {
    const { inspector, eventLoop, droppedLogLines, discovery } = this.#options;
    const openFds = await countOpenFds();
    const delay = eventLoop.read();
    eventLoop.nextWindow();
    return {
      stats: inspector.process(),
      eventLoop: delay,
      memory: process.memoryUsage(),
      cpu: process.cpuUsage(),
      openFds,
      startedAtSeconds: this.#startedAtSeconds,
      droppedLogLines: droppedLogLines(),
      discovery,
    };
  }
}

/** OpenMetrics where the scraper names it and does not prefer the older format by its q value. */
function chooseFormat(accept: string | undefined): ExpositionFormat {
  let openMetrics = 0;
  let text = 0;
  for (const range of (accept ?? '').toLowerCase().split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim());
    const quality = parameters.find((parameter) => parameter.startsWith('q='));
    const q = quality === undefined ? 1 : Number(quality.slice(2));
    if (type === 'application/openmetrics-text') openMetrics = Math.max(openMetrics, q);
    else if (type === 'text/plain') text = Math.max(text, q);
  }
  return openMetrics > 0 && openMetrics >= text ? 'openmetrics' : 'prometheus';
}
