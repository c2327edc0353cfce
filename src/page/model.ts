import type {
  DestinationDetail,
  DestinationRow,
  ErrorRow,
  EventRow,
  Finding,
  History,
  HistoryPoint,
  SidecarView,
  StatusSnapshot,
  StatusUpdate,
} from '../status/types.ts';

/** As many as the sidecar keeps. */
const MAX_EVENTS = 200;
const MAX_POINTS = 60;
const DEFAULT_INTERVAL_MS = 5000;

/** What the page knows of the sidecar. Never changed in place: what is the same object is not drawn again. */
export type Model = {
  readonly time: number;
  readonly sidecar: SidecarView;
  readonly findings: readonly Finding[];
  readonly rows: ReadonlyMap<string, DestinationRow>;
  readonly history: ReadonlyMap<string, History>;
  readonly errors: readonly ErrorRow[];
  readonly events: readonly EventRow[];
  readonly detail: DestinationDetail | null;
  /** Rises with each interval of the history, and where rows come or go: the moments at which a table may be sorted anew. */
  readonly beat: number;
};

/** The first message of a stream; what was known before, of another stream, makes its beat rise. */
export function fromSnapshot(snapshot: StatusSnapshot, before: Model | null): Model {
  const { time, sidecar, findings, errors, events, detail } = snapshot;
  return {
    time,
    sidecar,
    findings,
    rows: new Map(snapshot.destinations.map((row) => [row.name, row])),
    history: new Map(Object.entries(snapshot.history)),
    errors,
    events,
    detail,
    beat: (before?.beat ?? 0) + 1,
  };
}

/** A later message: only what it names is another object afterwards. */
export function withUpdate(model: Model, update: StatusUpdate): Model {
  const rows = mergeRows(model.rows, update);
  const history = mergeHistory(model.history, update);
  return {
    time: update.time,
    sidecar: update.sidecar,
    findings: update.findings ?? model.findings,
    rows,
    history,
    errors: update.errors ?? model.errors,
    events: update.events?.length ? mergeEvents(model.events, update.events) : model.events,
    detail: update.detail === undefined ? model.detail : update.detail,
    beat: model.beat + (history !== model.history || rows.size !== model.rows.size ? 1 : 0),
  };
}

/** What came again takes the place of what it was. */
function mergeEvents(events: Model['events'], news: Model['events']): Model['events'] {
  const renewed = new Set(news.map(firstOf));
  return [...news, ...events.filter((event) => !renewed.has(firstOf(event)))].slice(0, MAX_EVENTS);
}

const firstOf = ({ first, sequence }: EventRow): number => first ?? sequence;

function mergeRows(rows: Model['rows'], { destinations = [], removed = [] }: StatusUpdate): Model['rows'] {
  if (destinations.length === 0 && removed.length === 0) return rows;
  const merged = new Map(rows);
  for (const name of removed) merged.delete(name);
  for (const row of destinations) merged.set(row.name, row);
  return merged;
}

function mergeHistory(history: Model['history'], { points, removed = [] }: StatusUpdate): Model['history'] {
  if (points === undefined && removed.length === 0) return history;
  const merged = new Map(history);
  for (const name of removed) merged.delete(name);
  for (const [name, point] of Object.entries(points ?? {})) merged.set(name, withPoint(merged.get(name), point));
  return merged;
}

function withPoint(history: History | undefined, point: HistoryPoint): History {
  const points = history?.points ?? [];
  return { intervalMs: history?.intervalMs ?? DEFAULT_INTERVAL_MS, points: [...points, point].slice(-MAX_POINTS) };
}
