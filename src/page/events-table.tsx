import type { EventRow } from '../status/types.ts';
import { Badge } from './badge.tsx';
import { memo } from './memo.ts';
import { hashOf } from './place.ts';
import { type Column, Table } from './table.tsx';
import { timeOfDay } from './words.ts';

const COLUMNS: readonly Column[] = [
  { key: 'time', words: 'Time' },
  { key: 'what', words: 'What' },
  { key: 'text', words: 'What happened, and why' },
  { key: 'of', words: 'Destination' },
];

type Props = { readonly events: readonly EventRow[]; readonly about: string | null };

/** What happened, the newest first. */
export const EventsTable = memo(({ events, about }: Props) => (
  <section class="events" aria-label="Events">
    <div class="wide">
      <Table
        caption="Events, the newest first"
        columns={about === null ? COLUMNS : COLUMNS.slice(0, 3)}
        items={events}
        empty="Nothing has happened yet: evictions, failures, changes of endpoints and reloads are written down here."
        whole
        row={(event) => <Row key={event.sequence} event={event} linked={about === null} />}
      />
    </div>
  </section>
));

const Row = memo(({ event, linked }: { readonly event: EventRow; readonly linked: boolean }) => (
  <tr data-row>
    <td class="time">
      <time dateTime={new Date(event.time).toISOString()}>{timeOfDay(event.time)}</time>
    </td>
    <td class="what">
      <Badge level={event.severity} words={event.type.replaceAll('_', ' ')} />
    </td>
    <td class="text">
      {event.count > 1 && <strong>{event.count} × </strong>}
      {event.text}
    </td>
    {linked && (
      <td class="of">
        {event.destination !== null && (
          <a href={hashOf({ destination: event.destination, view: 'events' })} title={event.destination}>
            {event.destination}
          </a>
        )}
      </td>
    )}
  </tr>
));
