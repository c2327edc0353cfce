import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { AllView } from './all-view.tsx';
import { DestinationView } from './destination-view.tsx';
import { Header } from './header.tsx';
import { type Hearing, LiveFeed } from './live-feed.ts';
import type { Model } from './model.ts';
import { News } from './news.tsx';
import { betterPlace, hashOf, type Place, placeOf } from './place.ts';
import { Silence, silenceOf } from './silence.tsx';

type Heard = { readonly hearing: Hearing; readonly silentMs: number };

/** The whole page: what is known, where the reader is, and the keys that work everywhere. */
export function App(): JSX.Element {
  const [model, setModel] = useState<Model | null>(null);
  const [heard, setHeard] = useState<Heard>({ hearing: 'connecting', silentMs: 0 });
  const place = usePlace();
  const feed = useMemo(
    () =>
      new LiveFeed({
        model: setModel,
        hearing: (hearing, heardAt) => {
          const silentMs = hearing === 'live' ? 0 : Math.floor((performance.now() - heardAt) / 1000) * 1000;
          setHeard((before) =>
            before.hearing === hearing && before.silentMs === silentMs ? before : { hearing, silentMs },
          );
        },
      }),
    [],
  );
  useEffect(() => feed.follow(place.destination), [feed, place.destination]);
  useBetterPlace(place, model);
  useKeys(place);
  useTitle(model, place, heard.hearing);
  const silentMs = silenceOf(heard.hearing, heard.silentMs);

  return (
    <div class={silentMs === null ? 'frame' : 'frame old'}>
      <button type="button" class="skip" onClick={toContent}>
        Skip to content
      </button>
      <Header sidecar={model?.sidecar ?? null} hearing={heard.hearing} silentMs={heard.silentMs} />
      <main id="content" tabIndex={-1}>
        {silentMs !== null && <Silence sidecar={model?.sidecar ?? null} silentMs={silentMs} />}
        {model === null ? (
          silentMs === null && (
            <p class="waiting">
              {heard.hearing === 'gone' ? 'The sidecar does not answer. Trying again …' : 'Connecting …'}
            </p>
          )
        ) : place.destination === null ? (
          <AllView model={model} view={place.view} filter={place.filter} />
        ) : (
          <DestinationView key={place.destination} model={model} name={place.destination} view={place.view} />
        )}
      </main>
      <News findings={model?.findings ?? null} hearing={heard.hearing} />
    </div>
  );
}

function usePlace(): Place {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const read = (): void => setHash(location.hash);
    addEventListener('hashchange', read);
    return () => removeEventListener('hashchange', read);
  }, []);
  return useMemo(() => placeOf(hash), [hash]);
}

/** A link by a metric's label becomes one by the destination's name, once it is known. */
function useBetterPlace(place: Place, model: Model | null): void {
  const rows = model?.rows;
  useEffect(() => {
    const better = rows === undefined ? null : betterPlace(place, rows);
    if (better !== null) location.replace(hashOf(better));
  }, [place, rows]);
}

/** `/` goes to the filter, Escape out of it, and from a destination back to all of them. */
function useKeys(place: Place): void {
  const current = useRef(place);
  current.current = place;
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      const field = event.target instanceof HTMLElement && event.target.matches('input, select, textarea');
      if (event.key === '/' && !field) {
        const filter = document.querySelector<HTMLInputElement>('input[type=search]');
        if (filter === null) return;
        event.preventDefault();
        filter.focus();
      } else if (event.key === 'Escape' && field && event.target instanceof HTMLElement) event.target.blur();
      else if (event.key === 'Escape' && current.current.destination !== null)
        location.hash = hashOf({ destination: null, view: 'destinations' });
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, []);
}

function useTitle(model: Model | null, place: Place, hearing: Hearing): void {
  const urgent = model?.findings.filter(({ severity }) => severity !== 'info').length ?? 0;
  const host = model?.sidecar.host ?? '';
  useEffect(() => {
    const parts = [place.destination, host, 'carpool'].filter((part) => part !== null && part !== '');
    const mark = hearing === 'gone' ? '(gone) ' : urgent > 0 ? `(${urgent}) ` : '';
    document.title = `${mark}${parts.join(' · ')}`;
  }, [urgent, host, place.destination, hearing]);
}

/** Not a link: the hash is the reader's place. */
function toContent(): void {
  document.querySelector<HTMLElement>('#content')?.focus();
}
