import type { ComponentChildren, JSX } from 'preact';
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
      .then(async (answer) => {
        if (!answer.ok) throw new Error(`the sidecar answered ${answer.status}`);
        setRead({ settings: settingsOf(await answer.json()) });
      })
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
    <section class="settings" aria-label="Configuration">
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
          empty={emptyWords(read, filter)}
          whole
          row={(setting) => <Row key={setting.path} setting={setting} />}
        />
      </div>
    </section>
  );
}

function emptyWords(read: Read, filter: string): string {
  if (read === null) return 'Reading …';
  if ('problem' in read) return 'Nothing was read.';
  return filter.trim() === ''
    ? 'Nothing is set: all values are defaults.'
    : 'No setting has that in its name or value.';
}

/** A path may go on in the next line behind a dot. */
function breakable(path: string): ComponentChildren {
  return path.split(/(?<=\.)/).map((part) => (
    <>
      {part}
      <wbr />
    </>
  ));
}

const Row = memo(({ setting }: { readonly setting: Setting }) => (
  <tr data-row>
    <th scope="row" class="path">
      <code>{breakable(setting.path)}</code>
    </th>
    <td class="value">
      <code>{setting.text}</code>
    </td>
    <td class="origin">
      {setting.origin}
      {setting.where !== '' && setting.where !== setting.origin && <span class="of"> {setting.where}</span>}
    </td>
  </tr>
));
