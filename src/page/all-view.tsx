import type { JSX } from 'preact';
import { Configuration } from './configuration.tsx';
import { DestinationsTable } from './destinations-table.tsx';
import { ErrorsTable } from './errors-table.tsx';
import { EventsTable } from './events-table.tsx';
import { FiguresOfAll } from './figures.tsx';
import { FindingsList } from './findings-list.tsx';
import type { Model } from './model.ts';
import type { View } from './place.ts';
import { SidecarFacts } from './sidecar-facts.tsx';
import { Tabs } from './tabs.tsx';

type Props = { readonly model: Model; readonly view: View; readonly filter: string };

/** The first screen: is all well, the key figures, and below them all that there is, one view at a time. */
export function AllView({ model, view, filter }: Props): JSX.Element {
  return (
    <>
      <FindingsList findings={model.findings} about={null} open={view === 'destinations'} />
      <FiguresOfAll model={model} />
      <Tabs
        label="Views"
        destination={null}
        view={view}
        tabs={[
          { view: 'destinations', words: 'Destinations', count: model.rows.size },
          { view: 'events', words: 'Events', count: model.events.length },
          { view: 'errors', words: 'Errors', count: model.errors.length },
          { view: 'configuration', words: 'Configuration' },
          { view: 'sidecar', words: 'Sidecar' },
        ]}
      />
      <ViewOf model={model} view={view} filter={filter} />
    </>
  );
}

function ViewOf({ model, view, filter }: Props): JSX.Element {
  switch (view) {
    case 'events':
      return <EventsTable events={model.events} about={null} />;
    case 'errors':
      return <ErrorsTable errors={model.errors} about={null} />;
    case 'configuration':
      return <Configuration reloads={model.sidecar.reloads} />;
    case 'sidecar':
      return <SidecarFacts sidecar={model.sidecar} />;
    default:
      return <DestinationsTable key={filter} model={model} startFilter={filter} />;
  }
}
