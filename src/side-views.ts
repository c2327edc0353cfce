import type { Inspector } from './admin/inspector.ts';
import type { Clock } from './clock.ts';
import type { EventSink } from './observer.ts';
import type { Router } from './routing/router.ts';
import { ErrorBook } from './status/error-book.ts';
import { FlapWatch } from './status/flap-watch.ts';
import { StatusModel } from './status/status-model.ts';
import type { DestinationLabels } from './telemetry/destination-labels.ts';
import { EventLog } from './telemetry/event-log.ts';
import type { Logger } from './telemetry/log.ts';

/** What the views are of, once it is there. */
export type Viewed = {
  readonly inspector: Pick<Inspector, 'process' | 'config'>;
  readonly router: Router;
  readonly labels: DestinationLabels;
  readonly configFile: string | null;
  readonly listening: { readonly proxyUrl: string; readonly requestSeen: boolean };
};

/** What is kept for people who look: events, the last words of errors, which endpoints flap, and the model of `/status`. */
export class SideViews {
  /** Takes all events. */
  readonly events: EventSink;
  readonly errors: ErrorBook;
  readonly #clock: Clock;
  readonly #log: EventLog;
  readonly #flaps: FlapWatch;

  constructor(options: { readonly logger: Logger; readonly clock: Clock }) {
    this.#clock = options.clock;
    this.#log = new EventLog(options);
    this.#flaps = new FlapWatch(options.clock, this.#log);
    this.events = this.#flaps;
    this.errors = new ErrorBook(options.clock);
  }

  /** What `/status` tells of a running sidecar. Its `tick` must be called about once a second. */
  model({ router, labels, ...viewed }: Viewed): StatusModel {
    return new StatusModel({
      ...viewed,
      clock: this.#clock,
      destinations: () => router.destinations,
      labelOf: (name) => labels.labelOf(name),
      events: this.#log,
      errors: this.errors,
      flaps: this.#flaps,
    });
  }

  /** A reload came to its end: its lines are in the log already. */
  reloaded(type: 'config_applied' | 'config_refused', lines: readonly string[]): void {
    // The first line of a refusal says that it is one.
    const told = type === 'config_refused' && lines.length > 1 ? lines.slice(1) : lines;
    this.events.emit({ type, lines: told.length, first: told[0] ?? '' });
  }

  /** Says what was held back, and stops its timer. */
  close(): void {
    this.#log.close();
  }
}
