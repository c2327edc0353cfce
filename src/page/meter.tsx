import type { JSX } from 'preact';
import { fullness } from './standing.ts';
import { number, percent } from './words.ts';

type Props = { readonly used: number; readonly limit: number; readonly utilization: number };

/** How much of its limit a pool uses: a bar, the numbers, and from 70 % on a word. */
export function Meter({ used, limit, utilization }: Props): JSX.Element {
  const { level, words } = fullness(utilization);
  return (
    <span class="meter">
      <span class="numbers">
        {number(used)}
        <span class="of"> / {number(limit)}</span>
        {words !== '' && <span class={`word ${level}`}> {words}</span>}
      </span>
      <svg
        class={`bar ${level}`}
        viewBox="0 0 100 4"
        preserveAspectRatio="none"
        role="img"
        aria-label={percent(utilization)}
      >
        <rect class="ground" width="100" height="4" />
        <rect class="fill" width={Math.min(100, Math.max(0, utilization * 100))} height="4" />
      </svg>
    </span>
  );
}
