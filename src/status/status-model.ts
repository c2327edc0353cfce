import type { Inspector } from '../admin/inspector.ts';
import type { Clock } from '../clock.ts';
import type { EventLog } from '../telemetry/event-log.ts';
import { Pacer } from '../telemetry/pacer.ts';
import { type CountChanges, detailOf, endpointRows } from './destination-detail.ts';
import { sightOf, together } from './destination-sight.ts';
import type { ErrorBook } from './error-book.ts';
import { eventRow } from './event-text.ts';
import { eachFinding, worstFirst } from './findings/findings.ts';
import type { DestinationSight, Sight } from './findings/sight.ts';
import type { FlapWatch } from './flap-watch.ts';
import { HistoryBook } from './history-book.ts';
import { LostSpans } from './lost-spans.ts';
import type { SeenDestination } from './seen-destination.ts';
import { SidecarViews } from './sidecar-view.ts';
import type {
  DestinationDetail,
  DestinationRow,
  EndpointRow,
  ErrorRow,
  EventRow,
  Finding,
  History,
  HistoryPoint,
  SidecarView,
  StatusSnapshot,
} from './types.ts';

export type StatusModelOptions = {
  readonly clock: Clock;
  readonly inspector: Pick<Inspector, 'process' | 'config'>;
  /** Those that take requests before those that only end. */
  readonly destinations: () => readonly SeenDestination[];
  /** The metric label of a destination now. */
  readonly labelOf: (name: string) => string;
  readonly events: EventLog;
  readonly errors: ErrorBook;
  readonly flaps: FlapWatch;
  readonly configFile: string | null;
  /** What the app's HTTP_PROXY has to be, and whether a request has come. */
  readonly listening: { readonly proxyUrl: string; readonly requestSeen: boolean };
};

/** All that is the same for every reader at one moment. */
export type Look = {
  readonly time: number;
  readonly sidecar: SidecarView;
  readonly findings: readonly Finding[];
  readonly destinations: readonly DestinationRow[];
  readonly errors: readonly ErrorRow[];
};

/**
 * What people see of the running sidecar, made when somebody looks. Between looks it keeps a point of history
 * each five seconds, and how many spans were lost lately.
 */
export class StatusModel {
  readonly #options: StatusModelOptions;
  readonly #views: SidecarViews;
  readonly #history: HistoryBook;
  readonly #changes: CountChanges;
  readonly #lostSpans = new LostSpans();
  #looking: Promise<Look> | null = null;

  constructor(options: StatusModelOptions) {
    this.#options = options;
    this.#views = new SidecarViews(options.clock, options.configFile);
    this.#history = new HistoryBook(options.clock.now());
    this.#changes = (destination, endpoint) => options.flaps.changes(destination, endpoint);
  }

  /** Once a tick. */
  tick(now: number): void {
    this.#history.tick(now, this.#options.destinations);
    this.#lostSpans.note(this.#options.inspector.process().spans, now);
  }

  /** In slices, between which requests go on; who asks while one is under way gets that one. */
  look(): Promise<Look> {
    this.#looking ??= this.#lookAtAll().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  async #lookAtAll(): Promise<Look> {
    const { clock, inspector, errors, flaps, listening } = this.#options;
    const pacer = new Pacer();
    const sights = await this.#sights(pacer);
    const sidecar = this.#views.of(inspector.process(), listening.proxyUrl);
    const seen = errors.seen();
    const sight: Sight = {
      sidecar,
      config: inspector.config(),
      destinations: sights,
      errors: seen,
      misuses: errors.misuses(),
      flapping: flaps.flapping(),
      requestSeen: listening.requestSeen,
      spansLost: this.#lostSpans.lately(clock.now()),
    };
    const found: Finding[] = [];
    for (const finding of eachFinding(sight)) {
      if (finding !== null) found.push(finding);
      if (pacer.due) await pacer.breathe();
    }
    return {
      time: clock.wall(),
      sidecar,
      findings: worstFirst(found),
      destinations: sights.map(({ row }) => row),
      errors: errors.rows(),
    };
  }

  /**
   * @param look what all readers see
   * @param destination whose detail is wanted, or null
   * @param history whether the history is wanted, which is most of it
   */
  snapshot(look: Look, destination: string | null, history = true): StatusSnapshot {
    return {
      ...look,
      history: history ? this.histories() : {},
      events: this.events(0),
      detail: destination === null ? null : this.detail(destination),
    };
  }

  /** By destination's name. */
  histories(): Record<string, History> {
    return this.#fromHistories((history) => history.history());
  }

  /** How many points have ended since the start. */
  get points(): number {
    return this.#history.points;
  }

  /** The last point of each destination that has a history. */
  lastPoints(): Record<string, HistoryPoint> {
    return this.#fromHistories((history) => history.lastPoint);
  }

  /** Sequence of the last event. */
  get lastEvent(): number {
    return this.#options.events.last;
  }

  /** The events after that sequence, the newest first. */
  events(after: number): EventRow[] {
    return this.#options.events.recent(after).map(eventRow);
  }

  /** Whether there is a destination of that name. */
  has(name: string): boolean {
    return this.#options.destinations().some((destination) => destination.name === name);
  }

  /** Null: there is no destination of that name. */
  detail(name: string): DestinationDetail | null {
    return detailOf(
      this.#options.destinations().filter((destination) => destination.name === name),
      this.#changes,
      this.#options.clock.now(),
    );
  }

  /** All endpoints, one destination at a time. @param name of this one alone; null: of all */
  *endpoints(name: string | null): Generator<EndpointRow & { readonly destination: string }> {
    const now = this.#options.clock.now();
    for (const destination of this.#options.destinations()) {
      if (name !== null && destination.name !== name) continue;
      for (const row of endpointRows(destination, this.#changes, now)) yield { destination: destination.name, ...row };
    }
  }

  async #sights(pacer: Pacer): Promise<DestinationSight[]> {
    const now = this.#options.clock.now();
    const sights = new Map<string, DestinationSight>();
    for (const destination of this.#options.destinations()) {
      const { name } = destination;
      const figures = this.#history.of(destination, now)?.figures(destination.observer, now) ?? null;
      const sight = sightOf(destination, this.#options.labelOf(name), figures, now);
      const known = sights.get(name);
      sights.set(name, known === undefined ? sight : together(known, sight));
      if (pacer.due) await pacer.breathe();
    }
    return [...sights.values()];
  }

  #fromHistories<T>(read: (history: NonNullable<ReturnType<HistoryBook['of']>>) => T | null): Record<string, T> {
    const found: Record<string, T> = Object.create(null);
    const now = this.#options.clock.now();
    for (const destination of this.#options.destinations()) {
      const history = this.#history.of(destination, now);
      if (history === null || destination.name in found) continue;
      const value = read(history);
      if (value !== null) found[destination.name] = value;
    }
    return found;
  }
}
