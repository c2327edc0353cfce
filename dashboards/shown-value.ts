import type { Unit } from './panel.ts';

const SCALES = {
  short: [
    [1e6, 1e6, ' Mil'],
    [1e3, 1e3, ' K'],
  ],
  bytes: [
    [2 ** 30, 2 ** 30, ' GiB'],
    [2 ** 20, 2 ** 20, ' MiB'],
    [2 ** 10, 2 ** 10, ' KiB'],
    [0, 1, ' B'],
  ],
  s: [
    [2 * 86_400, 86_400, ' d'],
    [7200, 3600, ' h'],
    [120, 60, ' min'],
    [1, 1, ' s'],
    [1e-3, 1e-3, ' ms'],
    [0, 1e-6, ' µs'],
  ],
} as const satisfies Readonly<Record<string, readonly (readonly [number, number, string])[]>>;

const SUFFIX = { reqps: ' req/s', cps: ' c/s', 'suffix: cores': ' cores' } as const;

/** Three digits at most that matter. */
const rounded = (value: number): string => String(Number(value.toPrecision(3)));

/** A value as Grafana writes it in a unit. */
export function shownValue(value: number, unit: Unit): string {
  if (unit === 'percentunit') return `${rounded(value * 100)}%`;
  if (value === 0) return unit === 's' ? '0 s' : `0${unit === 'bytes' ? ' B' : unit === 'short' ? '' : SUFFIX[unit]}`;
  if (unit === 'short' || unit === 'bytes' || unit === 's') {
    for (const [from, by, suffix] of SCALES[unit]) if (Math.abs(value) >= from) return rounded(value / by) + suffix;
    return rounded(value);
  }
  return rounded(value) + SUFFIX[unit];
}
