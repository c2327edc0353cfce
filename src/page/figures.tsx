import type { ComponentChildren, JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import type { DestinationRow, History } from '../status/types.ts';
import { Meter } from './meter.tsx';
import type { Model } from './model.ts';
import { hashOf } from './place.ts';
import { Spark } from './spark.tsx';
import { failedOf, failing, fullness, type Standing } from './standing.ts';
import { historyOfAll, totalsOf } from './totals.ts';
import { latency, number, percent } from './words.ts';

type FigureProps = {
  readonly name: string;
  readonly value: string;
  readonly level?: string;
  readonly children?: ComponentChildren;
};

function Figure({ name, value, level = '', children }: FigureProps): JSX.Element {
  return (
    <div class={`figure ${level}`}>
      <dt>{name}</dt>
      <dd>
        <span class="value">{value}</span>
        {children !== undefined && <span class="aside">{children}</span>}
      </dd>
    </div>
  );
}

/** The sidecar in its key figures; rates are those of the last minute. */
export function FiguresOfAll({ model }: { readonly model: Model }): JSX.Element {
  const totals = useMemo(() => totalsOf(model.rows.values()), [model.rows]);
  const history = useMemo(() => historyOfAll(model.history.values()), [model.history]);
  const { fullest, slowest } = totals;
  return (
    <dl class="figures" aria-label="Over the last minute">
      <Figure name="Requests a second" value={number(totals.requestsPerSecond)}>
        <Spark history={history} what="requests" />
      </Figure>
      <Figure name="Failed" value={percent(totals.failedShare)} level={levelClass(failing(totals.failedShare))}>
        of all requests
      </Figure>
      <Figure name="Slowest p99" value={latency(slowest?.p99Ms ?? null)}>
        {slowest !== null && <DestinationLink name={slowest.name} />}
      </Figure>
      <Figure name="Connection reuse" value={percent(totals.reuseShare)}>
        of requests
      </Figure>
      <Figure name="Connections" value={number(totals.active + totals.idle + totals.connecting)}>
        {number(totals.active)} active, {number(totals.idle)} idle
        {totals.connecting > 0 && `, ${number(totals.connecting)} connecting`}
      </Figure>
      <Figure
        name="Fullest pool"
        value={percent(fullest?.utilization ?? null)}
        level={levelClass(fullness(fullest?.utilization ?? 0).level)}
      >
        {fullest !== null && <DestinationLink name={fullest.name} />}
      </Figure>
      <Figure name="Waiting requests" value={number(totals.pending)} level={totals.pending > 0 ? 'warning' : ''}>
        {totals.pending > 0 ? 'for a connection' : 'none has to wait'}
      </Figure>
    </dl>
  );
}

/** The same of one destination. */
export function FiguresOfOne({
  row,
  history,
}: {
  readonly row: DestinationRow;
  readonly history: History | undefined;
}): JSX.Element {
  const used = row.active + row.idle + row.connecting + row.draining;
  return (
    <dl class="figures" aria-label="Over the last minute">
      <Figure name="Requests a second" value={number(row.requestsPerSecond)}>
        <Spark history={history} what="requests" />
      </Figure>
      <Figure name="Failed" value={percent(failedOf(row))} level={levelClass(failing(failedOf(row)))}>
        of all requests
      </Figure>
      <Figure name="p99" value={latency(row.p99Ms)}>
        median {latency(row.p50Ms)}
      </Figure>
      <Figure name="Connection reuse" value={percent(row.reuseShare)}>
        of requests
      </Figure>
      <Figure name="Connections" value={percent(row.utilization)}>
        <Meter used={used} limit={row.maxConnections} utilization={row.utilization} />
      </Figure>
      <Figure name="Waiting requests" value={number(row.pending)} level={row.pending > 0 ? 'warning' : ''}>
        {row.pending > 0 ? 'for a connection' : 'none has to wait'}
      </Figure>
    </dl>
  );
}

function DestinationLink({ name }: { readonly name: string }): JSX.Element {
  return (
    <a class="name" href={hashOf({ destination: name, view: 'endpoints' })} title={name}>
      {name}
    </a>
  );
}

function levelClass(level: Standing['level']): string {
  return level === 'good' ? '' : level;
}
