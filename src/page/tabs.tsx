import type { JSX } from 'preact';
import { hashOf, type View } from './place.ts';

export type Tab = { readonly view: View; readonly words: string; readonly count?: number };
type Props = {
  readonly label: string;
  readonly destination: string | null;
  readonly view: View;
  readonly tabs: readonly Tab[];
};

/** Links between the views of one thing; each has its own address. */
export function Tabs({ label, destination, view, tabs }: Props): JSX.Element {
  return (
    <nav class="tabs" aria-label={label}>
      {tabs.map((tab) => (
        <a
          key={tab.view}
          href={hashOf({ destination, view: tab.view })}
          aria-current={tab.view === view ? 'page' : undefined}
        >
          {tab.words}
          {tab.count !== undefined && <span class="count"> {tab.count}</span>}
        </a>
      ))}
    </nav>
  );
}
