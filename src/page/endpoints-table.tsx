import type { EndpointRow } from '../status/types.ts';
import { Badge } from './badge.tsx';
import { memo } from './memo.ts';
import { endpointStanding } from './standing.ts';
import { type Column, Table } from './table.tsx';
import { age, latency, number } from './words.ts';

const COLUMNS: readonly Column[] = [
  { key: 'name', words: 'Endpoint' },
  { key: 'state', words: 'State' },
  { key: 'changes', words: 'Changes', about: 'Changes of its state in the last 10 minutes', numeric: true },
  { key: 'outstanding', words: 'Running', about: 'Requests under way', numeric: true },
  { key: 'connections', words: 'Active / idle', numeric: true },
  { key: 'latency', words: 'Latency', numeric: true },
  { key: 'connect', words: 'Connect', numeric: true },
  { key: 'failures', words: 'Failures', about: 'Failures in a row', numeric: true },
  { key: 'check', words: 'Health check' },
  { key: 'idle-time', words: 'Idle time' },
];

/** The endpoints of a destination, those in trouble first. */
export const EndpointsTable = memo(({ endpoints }: { readonly endpoints: readonly EndpointRow[] }) => (
  <section aria-label="Endpoints">
    <div class="wide">
      <Table
        caption="Endpoints"
        columns={COLUMNS}
        items={endpoints}
        empty="No endpoint is known."
        row={(endpoint, index) => <Row key={endpoint.id} endpoint={endpoint} index={index} />}
      />
    </div>
  </section>
));

const Row = memo(({ endpoint, index }: { readonly endpoint: EndpointRow; readonly index: number }) => (
  <tr data-row aria-rowindex={index + 2}>
    <th scope="row" class="name">
      {endpoint.id}
    </th>
    <td class="state">
      <Badge {...endpointStanding(endpoint)} />
      {endpoint.ejectedForMs > 0 && <span class="of"> for {age(endpoint.ejectedForMs)}</span>}
      {!endpoint.inRotation && endpoint.state === 'ready' && <span class="of"> takes nothing new</span>}
    </td>
    <td class={`changes numeric ${endpoint.changes >= 3 ? 'bad' : ''}`}>{number(endpoint.changes)}</td>
    <td class="outstanding numeric">{number(endpoint.outstanding)}</td>
    <td class="connections numeric">
      {number(endpoint.active)} / {number(endpoint.idle)}
      {endpoint.draining > 0 && <span class="of"> +{endpoint.draining} draining</span>}
    </td>
    <td class="latency numeric">{latency(endpoint.latencyMs)}</td>
    <td class="connect numeric">{latency(endpoint.connectMs)}</td>
    <td class={`failures numeric ${endpoint.consecutiveFailures > 0 ? 'bad' : ''}`}>
      {number(endpoint.consecutiveFailures)}
    </td>
    <td class="check">{endpoint.check ?? 'off'}</td>
    <td class="idle-time">
      {age(endpoint.idleTimeMs)} <span class="of">{endpoint.idleTimeSource}</span>
    </td>
  </tr>
));
