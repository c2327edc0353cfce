import type { Style } from './line.ts';

const SPARKS = '▁▂▃▄▅▆▇█';
/** From here on a share of a limit is worth a look, and from there on it is urgent: the thresholds of the dashboards. */
const BUSY = 0.7;
const FULL = 0.85;
/** Failed requests, as a share. */
const SOME_FAIL = 0.01;
const MANY_FAIL = 0.05;

/** A duration in two units: `250ms`, `45s`, `3m12s`, `2h05m`, `3d4h`. */
export function age(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))}ms`;
  const seconds = Math.floor(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (seconds < 60) return `${seconds}s`;
  if (minutes < 60) return `${minutes}m${two(seconds % 60)}s`;
  if (hours < 24) return `${hours}h${two(minutes % 60)}m`;
  return `${Math.floor(hours / 24)}d${hours % 24}h`;
}

/** A share as a percentage: `0`, `0.4`, `12`. Below ten with a digit more, and never 0 where there was something. */
export function percent(share: number): string {
  const value = share * 100;
  if (value === 0) return '0';
  if (value < 0.1) return '<0.1';
  return value < 9.95 ? value.toFixed(1) : value.toFixed(0);
}

/** A number a second. */
export function rate(perSecond: number): string {
  return perSecond === 0 ? '0' : perSecond < 9.95 ? perSecond.toFixed(1) : perSecond.toFixed(0);
}

/** Milliseconds of latency, or `-`. */
export function latency(ms: number | null): string {
  if (ms === null) return '-';
  if (ms >= 9950) return `${(ms / 1000).toFixed(0)}s`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)}s`;
  return ms < 9.95 ? `${ms.toFixed(1)}ms` : `${ms.toFixed(0)}ms`;
}

export function mebibytes(bytes: number): string {
  return (bytes / 1_048_576).toFixed(0);
}

/** A bar of `cells` cells, and its share in words. */
export function bar(share: number, cells: number): string {
  const full = Math.min(cells, Math.max(0, Math.round(share * cells)));
  return `${'█'.repeat(full)}${'░'.repeat(cells - full)}${`${Math.round(share * 100)}%`.padStart(5)}`;
}

/** One character for each value, the last one on the right; the tallest is the greatest of them. */
export function sparkline(values: readonly number[]): string {
  const most = Math.max(0, ...values);
  return values
    .map((value) => SPARKS[value <= 0 || most === 0 ? 0 : Math.min(7, Math.ceil((value / most) * 7))] ?? '')
    .join('');
}

export function shareStyle(share: number): Style {
  return share >= FULL ? 'bad' : share >= BUSY ? 'warning' : 'plain';
}

export function failedStyle(share: number): Style {
  return share >= MANY_FAIL ? 'bad' : share >= SOME_FAIL ? 'warning' : 'plain';
}

/** Something that should not be there: requests that wait, errors. */
export function unlessNone(count: number): Style {
  return count > 0 ? 'warning' : 'plain';
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
