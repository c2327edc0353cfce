import type { JSX } from 'preact';
import type { History } from '../status/types.ts';
import { CURVE_HEIGHT, CURVE_WIDTH, curve } from './curve.ts';
import { memo } from './memo.ts';
import { age, number, percent } from './words.ts';

const BOX = `0 0 ${CURVE_WIDTH} ${CURVE_HEIGHT}`;

type Props = { readonly history: History | undefined; readonly what: 'requests' | 'utilization' | 'pending' };

/** The last minutes as a small curve, and in words for who cannot see it. Failed requests are filled below the others. */
export const Spark = memo(({ history, what }: Props) => {
  const { top, values, failed, words } = readingOf(history, what);
  return (
    <svg class={`spark ${what}`} viewBox={BOX} preserveAspectRatio="none" role="img" aria-label={words}>
      <path class="area" d={curve(values, top, true)} />
      <path class="line" d={curve(values, top, false)} />
      {failed !== null && <path class="failed" d={curve(failed, top, true)} />}
    </svg>
  );
});

const TITLES = { requests: 'Requests', utilization: 'Connections of the limit', pending: 'Waiting requests' };

/** The same, large: with its scale, its span of time, and what the colours mean. */
export const Chart = memo(({ history, what }: Props) => {
  const { most, failed } = readingOf(history, what);
  const spanMs = CURVE_WIDTH * (history?.intervalMs ?? 0);
  return (
    <figure class="chart">
      <figcaption>
        <span class="name">{TITLES[what]}</span>
        <span class="most">{most}</span>
        {failed !== null && (
          <span class="key">
            <span class="swatch" aria-hidden="true" /> failed
          </span>
        )}
      </figcaption>
      <Spark history={history} what={what} />
      <div class="axis" aria-hidden="true">
        <span>{spanMs > 0 ? `${age(Math.round(spanMs / 60_000) * 60_000)} ago` : 'no history yet'}</span>
        <span>now</span>
      </div>
    </figure>
  );
});

type Reading = {
  readonly values: readonly number[];
  /** Where there is one that failed. */
  readonly failed: readonly number[] | null;
  readonly top: number;
  readonly most: string;
  readonly words: string;
};

function readingOf(history: History | undefined, what: Props['what']): Reading {
  const points = history?.points ?? [];
  const seconds = (history?.intervalMs ?? 1000) / 1000;
  if (what === 'utilization') {
    const values = points.map(({ utilization }) => utilization);
    const most = `at most ${percent(Math.max(0, ...values))}`;
    return {
      values,
      failed: null,
      top: 1,
      most,
      words: `Connections of the limit: ${most}, now ${percent(values.at(-1) ?? 0)}`,
    };
  }
  if (what === 'pending') {
    const values = points.map(({ pending }) => pending);
    const highest = Math.max(0, ...values);
    const most = `at most ${number(highest)}`;
    return {
      values,
      failed: null,
      top: Math.max(highest, 1),
      most,
      words: `Waiting requests: ${most}, now ${number(values.at(-1) ?? 0)}`,
    };
  }
  const values = points.map(({ requests }) => requests / seconds);
  const failed = points.map((point) => point.failed / seconds);
  const highest = Math.max(0, ...values);
  const most = `at most ${number(highest)}/s`;
  const worst = Math.max(0, ...failed);
  const failures = worst > 0 ? `, failed at most ${number(worst)}/s` : '';
  return {
    values,
    failed: worst > 0 ? failed : null,
    top: highest || 1,
    most,
    words: `Requests: ${most}, now ${number(values.at(-1) ?? 0)}/s${failures}`,
  };
}

/** A chart's worth of figures beside each other. */
export function Charts({ history }: { readonly history: History | undefined }): JSX.Element {
  return (
    <div class="charts">
      <Chart history={history} what="requests" />
      <Chart history={history} what="utilization" />
      <Chart history={history} what="pending" />
    </div>
  );
}
