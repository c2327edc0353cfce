import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { SidecarView } from '../status/types.ts';
import type { Hearing } from './live-feed.ts';
import { memo } from './memo.ts';
import { hashOf } from './place.ts';
import { silenceOf } from './silence.tsx';
import { storedTheme, THEMES, wear } from './theme.ts';
import { age } from './words.ts';

const ALL = hashOf({ destination: null, view: 'destinations' });

type Props = { readonly sidecar: SidecarView | null; readonly hearing: Hearing; readonly silentMs: number };

/** Which sidecar this is, how it stands, and how fresh the page is. */
export const Header = memo(({ sidecar, hearing, silentMs }: Props) => (
  <header class="top">
    <a class="brand" href={ALL}>
      <img src="icon.svg" alt="" width="28" height="28" />
      <div>
        <h1>carpool{sidecar !== null && <span class="host"> {sidecar.host}</span>}</h1>
        {sidecar !== null && <span class="version">version {sidecar.version}</span>}
      </div>
    </a>
    <div class="standing">
      {sidecar !== null && <State state={sidecar.state} answers={silenceOf(hearing, silentMs) === null} />}
      <Freshness hearing={hearing} silentMs={silentMs} />
      <ThemeSwitch />
    </div>
  </header>
));

type StateProps = { readonly state: SidecarView['state']; readonly answers: boolean };

function State({ state, answers }: StateProps): JSX.Element {
  if (!answers) return <span class="badge error">no answer</span>;
  const level = state === 'ready' ? 'good' : 'warning';
  return <span class={`badge ${level}`}>{state}</span>;
}

const WORDS: Readonly<Record<Hearing, string>> = {
  connecting: 'Connecting …',
  live: 'Live',
  late: 'No news for',
  asking: 'Every 5 s',
  gone: 'No answer for',
  asleep: 'Asleep',
};

function Freshness({ hearing, silentMs }: Omit<Props, 'sidecar'>): JSX.Element {
  const old = hearing === 'late' || hearing === 'gone';
  return (
    <span class={`fresh ${hearing}`} data-hearing={hearing}>
      <span class="dot" aria-hidden="true" />
      {WORDS[hearing]}
      {old && ` ${age(silentMs)}`}
      {hearing === 'gone' && ', trying again'}
    </span>
  );
}

function ThemeSwitch(): JSX.Element {
  const [theme, setTheme] = useState(storedTheme);
  return (
    <label class="theme">
      <span class="hidden">Colours</span>
      <select
        value={theme}
        onChange={(event) => {
          const chosen = THEMES.find((each) => each === event.currentTarget.value) ?? 'auto';
          wear(chosen);
          setTheme(chosen);
        }}
      >
        {THEMES.map((each) => (
          <option key={each} value={each}>
            {each === 'auto' ? 'Auto' : each === 'light' ? 'Light' : 'Dark'}
          </option>
        ))}
      </select>
    </label>
  );
}
