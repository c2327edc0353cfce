import type { JSX } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { SidecarView } from '../status/types.ts';
import { Filter } from './filter.tsx';
import { memo } from './memo.ts';
import { type Setting, settingsOf } from './settings.ts';
import { type Column, Table } from './table.tsx';

const COLUMNS: readonly Column[] = [
  { key: 'path', words: 'Setting' },
  { key: 'value', words: 'Value' },
  { key: 'origin', words: 'From' },
];

type Read = { readonly settings: readonly Setting[] } | { readonly problem: string } | null;

/** The configuration in force, and where each value comes from. Read anew where the sidecar has taken another one. */
export function Configuration({ reloads }: { readonly reloads: SidecarView['reloads'] }): JSX.Element {
  const [read, setRead] = useState<Read>(null);
  const [filter, setFilter] = useState('');
  const [all, setAll] = useState(false);
  const { applied, refused, lastError } = reloads;

  // A reload makes another configuration.
  useEffect(() => {
    const leave = new AbortController();
    fetch('debug/config?sources', { signal: leave.signal })
      .then(async (answer) => setRead({ settings: settingsOf(await answer.json()) }))
      .catch((error: unknown) => {
        if (!leave.signal.aborted) setRead({ problem: String(error) });
      });
    return () => leave.abort();
  }, [applied]);

  const settings = read !== null && 'settings' in read ? read.settings : [];
  const hasOrigins = settings.some(({ origin }) => origin !== 'default');
  const shown = useMemo(() => {
    const wanted = filter.trim().toLowerCase();
    return settings.filter(
      ({ path, text, origin }) =>
        (all || !hasOrigins || wanted !== '' || origin !== 'default') &&
        `${path} ${text}`.toLowerCase().includes(wanted),
    );
  }, [settings, hasOrigins, filter, all]);

  return (
    <section aria-label="Configuration">
      {lastError !== null && (
        <p class="none">
          <strong>The last reload was refused</strong>, so what stands here is still in force: {lastError}
        </p>
      )}
      {read !== null && 'problem' in read && <p class="none">It could not be read: {read.problem}</p>}
      <Filter words="Filter settings" value={filter} onInput={setFilter} shown={shown.length} total={settings.length}>
        <label class="tick">
          <input type="checkbox" checked={all} onChange={(event) => setAll(event.currentTarget.checked)} /> defaults too
        </label>
      </Filter>
      <div class="wide">
        <Table
          caption={`Configuration in force; ${applied} reloads applied, ${refused} refused`}
          columns={COLUMNS}
          items={shown}
          empty={read === null ? 'Reading …' : 'Nothing is set: all values are defaults.'}
          row={(setting, index) => <Row key={setting.path} setting={setting} index={index} />}
        />
      </div>
    </section>
  );
}

const Row = memo(({ setting, index }: { readonly setting: Setting; readonly index: number }) => (
  <tr data-row aria-rowindex={index + 2}>
    <th scope="row" class="path" title={setting.path}>
      <code>{setting.path}</code>
    </th>
    <td class="value" title={setting.text}>
      <code>{setting.text}</code>
    </td>
    <td class="origin" title={setting.where}>
      {setting.origin}
      {setting.where !== '' && setting.where !== setting.origin && <span class="of"> {setting.where}</span>}
    </td>
  </tr>
));
