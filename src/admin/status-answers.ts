import type { StatusModel } from '../status/status-model.ts';
import type { StatusSnapshot } from '../status/types.ts';
import { type Answer, jsonList } from './answer.ts';
import type { Inspector } from './inspector.ts';
import { unknownDestination } from './unknown-destination.ts';

type StatusContext = { readonly inspector: Inspector; readonly status: StatusModel };
type StatusRequest = { readonly query: URLSearchParams };

/**
 * `/status`: what the status page and the console show. `?destination=NAME` adds the connections of one, `?history=none`
 * leaves out what is most of the answer.
 */
export async function statusAnswer({ inspector, status }: StatusContext, { query }: StatusRequest): Promise<Answer> {
  const wanted = query.get('destination');
  if (wanted !== null && !status.has(wanted)) return unknownDestination(wanted, inspector);
  const snapshot = status.snapshot(await status.look(), wanted, query.get('history') !== 'none');
  return {
    status: 200,
    contentType: 'application/json',
    body: withLineEnd(snapshotParts(snapshot, JSON.stringify(snapshot.detail))),
  };
}

/** `/status/endpoints`: the endpoints of all destinations, or of one. */
export function statusEndpoints({ inspector, status }: StatusContext, { query }: StatusRequest): Answer {
  const wanted = query.get('destination');
  if (wanted !== null && !status.has(wanted)) return unknownDestination(wanted, inspector);
  return jsonList({}, 'endpoints', status.endpoints(wanted));
}

/** The snapshot as JSON of one line, in pieces that are made while the reader takes them. @param detail as it is written */
export function* snapshotParts(snapshot: StatusSnapshot, detail: string): Generator<string> {
  const { destinations, history, detail: _, ...rest } = snapshot;
  yield `${JSON.stringify(rest).slice(0, -1)},"destinations":[`;
  let separator = '';
  for (const row of destinations) {
    yield separator + JSON.stringify(row);
    separator = ',';
  }
  yield '],"history":{';
  separator = '';
  for (const [name, points] of Object.entries(history)) {
    yield `${separator}${JSON.stringify(name)}:${JSON.stringify(points)}`;
    separator = ',';
  }
  yield `},"detail":${detail}}`;
}

function* withLineEnd(parts: Iterable<string>): Generator<string> {
  yield* parts;
  yield '\n';
}
