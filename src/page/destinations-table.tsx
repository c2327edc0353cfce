import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import type { DestinationRow, History } from '../status/types.ts';
import { Badge } from './badge.tsx';
import { Filter } from './filter.tsx';
import { memo } from './memo.ts';
import { Meter } from './meter.tsx';
import type { Model } from './model.ts';
import { FIRST_SORT, type Sort, type SortKey, sortedNames } from './order.ts';
import { hashOf } from './place.ts';
import { Spark } from './spark.tsx';
import { failedOf, failing, type Standing, standingOf } from './standing.ts';
import { type Column, Table } from './table.tsx';
import { latency, number, percent } from './words.ts';

type SortColumn = Column & { readonly sort: SortKey | null };

const COLUMNS: readonly SortColumn[] = [
  { key: 'name', words: 'Destination', sort: 'name' },
  { key: 'state', words: 'State', sort: 'state' },
  { key: 'requests', words: 'Requests/s', numeric: true, sort: 'requests' },
  { key: 'history', words: 'Last 5 min', sort: null },
  { key: 'failed', words: 'Failed', numeric: true, sort: 'failed' },
  { key: 'connections', words: 'Connections', sort: 'connections' },
  { key: 'pending', words: 'Waiting', numeric: true, sort: 'pending' },
  { key: 'endpoints', words: 'Endpoints', numeric: true, sort: 'endpoints' },
  { key: 'reuse', words: 'Reuse', numeric: true, sort: 'reuse' },
  { key: 'p50', words: 'p50', numeric: true, sort: 'p50' },
  { key: 'p99', words: 'p99', numeric: true, sort: 'p99' },
];

/** All destinations: sorted anew with each interval of the history, not with each second, so that rows can be read. */
export function DestinationsTable({
  model,
  startFilter,
}: {
  readonly model: Model;
  readonly startFilter: string;
}): JSX.Element {
  const [filter, setFilter] = useState(startFilter);
  const [sort, setSort] = useState<Sort>(FIRST_SORT);
  const { rows, findings, history, beat } = model;
  // Rows change each second: `beat` says when to sort.
  const names = useMemo(() => sortedNames(rows, findings, sort, filter), [beat, findings.length, sort, filter]);
  return (
    <section aria-label="Destinations">
      <Filter words="Filter destinations" value={filter} onInput={setFilter} shown={names.length} total={rows.size} />
      <div class="wide">
        <Table
          caption="Destinations, with the rates of the last minute"
          columns={COLUMNS}
          items={names}
          sorted={sort}
          empty={
            filter === ''
              ? 'No destination yet: one appears with its first request.'
              : 'No destination has that in its name.'
          }
          head={(column) => <SortHead column={column} sort={sort} onSort={setSort} />}
          row={(name, index) => {
            const row = rows.get(name);
            return row === undefined ? (
              <tr key={name} data-row />
            ) : (
              <Row
                key={name}
                row={row}
                history={history.get(name)}
                index={index}
                {...flat(standingOf(row, findings))}
              />
            );
          }}
        />
      </div>
    </section>
  );
}

function flat({ level, words }: Standing): Standing {
  return { level, words };
}

const FAILED: Readonly<Record<Standing['level'], string>> = { good: '', info: '', warning: 'bad', error: 'bad urgent' };

type RowProps = Standing & {
  readonly row: DestinationRow;
  readonly history: History | undefined;
  readonly index: number;
};

const Row = memo(({ row, history, index, level, words }: RowProps) => (
  <tr data-row aria-rowindex={index + 2}>
    <th scope="row" class="name">
      <a href={hashOf({ destination: row.name, view: 'endpoints' })} title={row.name}>
        {row.name}
      </a>
    </th>
    <td class="state">
      <Badge level={level} words={words} />
    </td>
    <td class="requests numeric">{number(row.requestsPerSecond)}</td>
    <td class="history">
      <Spark history={history} what="requests" />
    </td>
    <td class={`failed numeric ${FAILED[failing(failedOf(row))]}`}>{percent(failedOf(row))}</td>
    <td class="connections">
      <Meter
        used={row.active + row.idle + row.connecting + row.draining}
        limit={row.maxConnections}
        utilization={row.utilization}
      />
    </td>
    <td class={`pending numeric ${row.pending > 0 ? 'bad' : ''}`}>{number(row.pending)}</td>
    <td class={`endpoints numeric ${row.endpointsReady < row.endpointsTotal ? 'bad' : ''}`}>
      {row.endpointsReady}
      <span class="of"> / {row.endpointsTotal}</span>
    </td>
    <td class="reuse numeric">{percent(row.reuseShare)}</td>
    <td class="p50 numeric">{latency(row.p50Ms)}</td>
    <td class="p99 numeric">{latency(row.p99Ms)}</td>
  </tr>
));

type HeadProps = { readonly column: Column; readonly sort: Sort; readonly onSort: (sort: Sort) => void };

function SortHead({ column, sort, onSort }: HeadProps): JSX.Element {
  const key = COLUMNS.find((each) => each.key === column.key)?.sort ?? null;
  if (key === null) return <>{column.words}</>;
  const now = sort.key === key;
  const first = key !== 'name' && key !== 'endpoints';
  return (
    <button type="button" class="sort" onClick={() => onSort({ key, descending: now ? !sort.descending : first })}>
      {column.words}
      <span class="arrow" aria-hidden="true">
        {now ? (sort.descending ? ' ▾' : ' ▴') : ''}
      </span>
    </button>
  );
}
