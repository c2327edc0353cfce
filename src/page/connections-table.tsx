import type { ConnectionRow, DestinationDetail } from '../status/types.ts';
import { Badge } from './badge.tsx';
import { memo } from './memo.ts';
import { type Column, Table } from './table.tsx';
import { age, number } from './words.ts';

const COLUMNS: readonly Column[] = [
  { key: 'id', words: 'No.', numeric: true },
  { key: 'state', words: 'State' },
  { key: 'protocol', words: 'Protocol' },
  { key: 'age', words: 'Age', numeric: true },
  { key: 'idle', words: 'Idle for', numeric: true },
  { key: 'requests', words: 'Requests', numeric: true },
  { key: 'streams', words: 'Streams', numeric: true },
  { key: 'name', words: 'Endpoint' },
  { key: 'reason', words: 'Why it closes' },
];

/** The open connections of a destination: the busiest and the draining first. */
export const ConnectionsTable = memo(({ detail }: { readonly detail: DestinationDetail }) => (
  <section aria-label="Connections">
    {detail.connectionsTotal > detail.connections.length && (
      <p class="none">
        The first {number(detail.connections.length)} of {number(detail.connectionsTotal)}.
      </p>
    )}
    <div class="wide">
      <Table
        caption="Connections"
        columns={COLUMNS}
        items={detail.connections}
        empty="No connection is open."
        row={(connection, index) => <Row key={connection.id} index={index} {...connection} />}
      />
    </div>
  </section>
));

const LEVELS = { idle: 'info', active: 'good', draining: 'warning' } as const;
const PROTOCOLS = { http1: 'HTTP/1.1', http2: 'HTTP/2' };

// Their fields are properties one by one: the rows come anew with each message, and most say the same.
const Row = memo((connection: ConnectionRow & { readonly index: number }) => (
  <tr data-row aria-rowindex={connection.index + 2}>
    <th scope="row" class="id numeric">
      {connection.id}
    </th>
    <td class="state">
      <Badge level={LEVELS[connection.state]} words={connection.state} />
    </td>
    <td class="protocol">{PROTOCOLS[connection.protocol]}</td>
    <td class="age numeric">{age(connection.ageMs)}</td>
    <td class="idle numeric">{connection.idleMs === null ? '–' : age(connection.idleMs)}</td>
    <td class="requests numeric">{number(connection.requests)}</td>
    <td class="streams numeric">{connection.protocol === 'http1' ? '–' : number(connection.streams)}</td>
    <td class="name">{connection.endpoint}</td>
    <td class="reason">{connection.reason?.replaceAll('_', ' ') ?? '–'}</td>
  </tr>
));
