import { type JsonObject, listAt, numberAt, textAt } from './json-reader.ts';
import { type Shown, tableText } from './show.ts';
import { type Asking, ask } from './status-reading.ts';
import { left, type Row, right } from './table.ts';
import { age } from './times.ts';

const COLUMNS = [
  right('ID'),
  left('DESTINATION'),
  left('ENDPOINT'),
  left('PROTOCOL', 4),
  left('STATE'),
  right('AGE'),
  right('IDLE', 3),
  right('REQUESTS', 1),
  right('STREAMS', 5),
  left('REASON', 2),
];

/** `carpool connections`: a row for each upstream connection. */
export async function lookAtConnections(asking: Asking, destination: string | null): Promise<Shown> {
  const rows: Row[] = [];
  const json: Record<string, unknown>[] = [];
  for (const pool of listAt(await ask(asking, '/stats', destination), 'destinations'))
    for (const endpoint of listAt(pool, 'endpoints'))
      for (const connection of listAt(endpoint, 'connections')) {
        const place = { destination: textAt(pool, 'name'), endpoint: textAt(endpoint, 'id') };
        json.push({ ...place, ...Object.fromEntries(connection) });
        rows.push(connectionRow(connection, place.destination, place.endpoint));
      }
  return { json, text: tableText(COLUMNS, rows), empty: 'no upstream connection is open', findings: [] };
}

function connectionRow(connection: JsonObject, destination: string, endpoint: string): Row {
  const idle = connection.get('idleMs');
  const state = textAt(connection, 'state');
  return [
    textAt(connection, 'id'),
    destination,
    endpoint,
    textAt(connection, 'protocol'),
    { text: state, style: state === 'draining' ? 'yellow' : null },
    age(numberAt(connection, 'ageMs')),
    typeof idle === 'number' ? age(idle) : '-',
    String(numberAt(connection, 'requests')),
    String(numberAt(connection, 'streams')),
    textAt(connection, 'reason') || '-',
  ];
}
