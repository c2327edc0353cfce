import type { JSX } from 'preact';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import type { DestinationDetail, DestinationRow } from '../status/types.ts';
import { Badge } from './badge.tsx';
import { ConnectionsTable } from './connections-table.tsx';
import { EndpointsTable } from './endpoints-table.tsx';
import { ErrorsTable } from './errors-table.tsx';
import { EventsTable } from './events-table.tsx';
import { FiguresOfOne } from './figures.tsx';
import { FindingsList } from './findings-list.tsx';
import type { Model } from './model.ts';
import { hashOf, type View } from './place.ts';
import { Charts } from './spark.tsx';
import { standingOf } from './standing.ts';
import { Tabs } from './tabs.tsx';
import { number } from './words.ts';

type Props = { readonly model: Model; readonly name: string; readonly view: View };

/** One destination: what is the matter with it, its figures and curves, and each endpoint and connection. */
export function DestinationView({ model, name, view }: Props): JSX.Element {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    scrollTo(0, 0);
    heading.current?.focus();
  }, []);
  const row = model.rows.get(name);
  const detail = model.detail?.name === name ? model.detail : null;
  const findings = useMemo(() => model.findings.filter((each) => each.destination === name), [model.findings, name]);
  const events = useMemo(() => model.events.filter((each) => each.destination === name), [model.events, name]);
  const label = row?.label ?? name;
  const errors = useMemo(() => model.errors.filter((each) => each.destination === label), [model.errors, label]);
  return (
    <article class="destination">
      <nav aria-label="Back">
        <a class="back" href={hashOf({ destination: null, view: 'destinations' })}>
          ← All destinations
        </a>
      </nav>
      <div class="heading">
        <h2 ref={heading} tabIndex={-1}>
          {name}
        </h2>
        {row !== undefined && <Badge {...standingOf(row, model.findings)} />}
      </div>
      {row === undefined ? (
        <p class="none">No destination has this name yet. It appears with its first request.</p>
      ) : (
        <>
          <Facts row={row} detail={detail} />
          <FindingsList findings={findings} about={name} open={view === 'endpoints'} />
          <FiguresOfOne row={row} history={model.history.get(name)} />
          <Charts history={model.history.get(name)} />
          <Tabs
            label="Views of this destination"
            destination={name}
            view={view}
            tabs={[
              { view: 'endpoints', words: 'Endpoints', count: row.endpointsTotal },
              { view: 'connections', words: 'Connections', count: row.active + row.idle + row.draining },
              { view: 'events', words: 'Events', count: events.length },
              { view: 'errors', words: 'Errors', count: errors.length },
            ]}
          />
          {view === 'events' && <EventsTable events={events} about={name} />}
          {view === 'errors' && <ErrorsTable errors={errors} about={name} />}
          {view === 'connections' && detail !== null && <ConnectionsTable detail={detail} />}
          {view === 'endpoints' && detail !== null && <EndpointsTable endpoints={detail.endpoints} />}
          {(view === 'connections' || view === 'endpoints') && detail === null && <p class="none">Reading …</p>}
        </>
      )}
    </article>
  );
}

const SOURCES: Readonly<Record<string, string>> = {
  static: 'Endpoints from the configuration (static)',
  dns: 'Endpoints from DNS',
  kubernetes: 'Endpoints from Kubernetes',
  literal: 'One endpoint, the address itself (literal)',
  parent_proxy: 'One endpoint, the proxy above (parent_proxy)',
};

/** Where its endpoints come from, and which limit holds. */
function Facts({
  row,
  detail,
}: {
  readonly row: DestinationRow;
  readonly detail: DestinationDetail | null;
}): JSX.Element {
  const { source, state, error } = row.discovery;
  return (
    <p class="facts">
      {SOURCES[source] ?? `Endpoints from ${source}`}, {state}
      {error !== null && <strong>, {error}</strong>}.{' '}
      {detail !== null && (
        <>
          Balanced by {detail.balancer}. {limitWords(row, detail)}
        </>
      )}
    </p>
  );
}

function limitWords(row: DestinationRow, { limit, floor }: DestinationDetail): string {
  const reasons = [
    `${number(limit.configured)} configured`,
    ...(limit.scaled === null ? [] : [`${number(limit.scaled)} by the load`]),
    ...(limit.share === null
      ? []
      : [`${number(limit.share)} as its share of the fleet's ${number(limit.budget ?? 0)}`]),
  ];
  const kept = floor > 0 ? ` At least ${number(floor)} are kept open.` : '';
  return `Limit in force: ${number(row.maxConnections)} connections (${reasons.join(', ')}).${kept}`;
}
