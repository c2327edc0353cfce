import type { JSX } from 'preact';
import type { SidecarView } from '../status/types.ts';
import { CopyLines } from './copy-lines.tsx';
import type { Hearing } from './live-feed.ts';
import { age } from './words.ts';

/** After so many milliseconds without a word the page says nothing else: what it shows may be long over. */
const SILENT_MS = 5000;

/** For how long the sidecar has said nothing, in milliseconds, or null: what is shown is what is. */
export function silenceOf(hearing: Hearing, silentMs: number): number | null {
  return (hearing === 'late' || hearing === 'gone') && silentMs >= SILENT_MS ? silentMs : null;
}

type Props = { readonly sidecar: SidecarView | null; readonly silentMs: number };

/** Stands where the verdict stood: that the sidecar does not answer, what that may mean, and where to look. */
export function Silence({ sidecar, silentMs }: Props): JSX.Element {
  const pod = sidecar?.host ?? 'POD';
  return (
    <section class="findings silence" aria-labelledby="findings-title">
      <h2 id="findings-title">No answer from the sidecar for {age(silentMs)}</h2>
      <div class="finding error">
        <div class="body">
          <p>
            {sidecar?.state === 'draining' && 'It was draining when it spoke last: something had told it to stop. '}
            It may have been stopped or restarted, or the way to it has ended.{' '}
            {sidecar !== null && 'What stands below is what it said last, and may be over. '}
            The page goes on trying.
          </p>
          <h3>What to do</h3>
          <ol>
            <li>
              In a cluster: see whether the pod is there and its containers run. A <code>kubectl port-forward</code>{' '}
              ends with the container that it leads to: begin it anew.
            </li>
            <li>
              See whether the sidecar answers where it runs, by <code>carpool stats</code>.
            </li>
          </ol>
          <CopyLines text={`kubectl get pod ${pod}`} />
          <CopyLines text={`kubectl exec ${pod} -c carpool -- carpool stats`} />
        </div>
      </div>
    </section>
  );
}
