import { type JsonObject, listAt, numberAt, textAt } from './json-reader.ts';
import type { Style } from './paper.ts';
import { type Shown, tableText } from './show.ts';
import { type Asking, ask, askStatus, findingsIn } from './status-reading.ts';
import { left, type Row, right } from './table.ts';
import { age } from './times.ts';

const COLUMNS = [
  left('DESTINATION'),
  left('ENDPOINT'),
  left('STATE'),
  left('ROTATION'),
  right('RUNNING', 5),
  right('CONNECTIONS', 3),
  right('LATENCY', 4),
  right('FAILURES', 1),
  right('CHANGES/10M'),
  left('NOTES', 2),
];

const STYLES: Readonly<Record<string, Style>> = {
  ejected: 'red',
  failing: 'red',
  unready: 'yellow',
  suspended: 'yellow',
  terminating: 'yellow',
  removed: 'yellow',
};

/** `carpool endpoints`: a row for each endpoint. */
export async function lookAtEndpoints(asking: Asking, destination: string | null): Promise<Shown> {
  const answer = await ask(asking, '/status/endpoints', destination);
  const status = await askStatus(asking);
  const endpoints = listAt(answer, 'endpoints');
  return {
    json: endpoints.map(Object.fromEntries),
    text: tableText(COLUMNS, endpoints.map(endpointRow)),
    empty: 'no endpoint is known yet: they come with the first request to a destination',
    findings: findingsIn(status, destination),
  };
}

function endpointRow(endpoint: JsonObject): Row {
  const state = textAt(endpoint, 'state');
  const count = (key: string): number => numberAt(endpoint, key);
  const inRotation = endpoint.get('inRotation') === true;
  const failures = count('consecutiveFailures');
  const connections = count('active') + count('idle') + count('draining') + count('connecting');
  return [
    textAt(endpoint, 'destination'),
    textAt(endpoint, 'id'),
    { text: state, style: STYLES[state] ?? null },
    inRotation ? 'in' : { text: 'out', style: 'yellow' },
    String(count('outstanding')),
    String(connections),
    latency(count('latencyMs')),
    { text: String(failures), style: failures > 0 ? 'yellow' : null },
    String(count('changes')),
    notes(endpoint),
  ];
}

/** What is out of the ordinary about an endpoint, in a few words each. */
function notes(endpoint: JsonObject): string {
  const words: string[] = [];
  const ejectedForMs = numberAt(endpoint, 'ejectedForMs');
  if (ejectedForMs > 0) words.push(`back in ${age(ejectedForMs)}`);
  const check = textAt(endpoint, 'check');
  if (check === 'failing' || check === 'pending') words.push(`check ${check}`);
  if (numberAt(endpoint, 'draining') > 0) words.push(`${numberAt(endpoint, 'draining')} draining`);
  if (numberAt(endpoint, 'connecting') > 0) words.push(`${numberAt(endpoint, 'connecting')} connecting`);
  if (textAt(endpoint, 'idleTimeSource') === 'learned')
    words.push(`keeps idle connections ${age(numberAt(endpoint, 'idleTimeMs'))}`);
  return words.join('; ') || '-';
}

/** Milliseconds; below 10 with a tenth. */
function latency(ms: number): string {
  if (ms <= 0) return '-';
  return ms < 10 ? `${ms.toFixed(1)}ms` : age(ms);
}
