const NARROW = '\u202f';
const whole = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 0 });

/** `1,234`, `12`, `3.4`, `0.25`: as many digits as help. */
export function number(value: number): string {
  if (value === 0 || value >= 10) return whole.format(value);
  if (value >= 1) return trim(value.toFixed(1));
  return value < 0.01 ? '<0.01' : trim(value.toFixed(2));
}

/** `0 %`, `0.4 %`, `12 %`; a dash where there is no share. */
export function percent(share: number | null): string {
  if (share === null) return '–';
  const value = share * 100;
  if (value === 0) return `0${NARROW}%`;
  if (value < 0.1) return `<0.1${NARROW}%`;
  // What is not all of it never reads as all of it.
  if (value > 99 && value < 100) return `${Math.floor(value * 10) / 10}${NARROW}%`;
  return `${value < 10 ? trim(value.toFixed(1)) : value.toFixed(0)}${NARROW}%`;
}

/** A latency: `0.4 ms`, `12 ms`, `1.2 s`, and from two minutes on as {@link age} says it. */
export function latency(ms: number | null): string {
  if (ms === null) return '–';
  if (ms < 1) return `${ms === 0 ? '0' : number(ms)}${NARROW}ms`;
  if (ms < 10) return `${trim(ms.toFixed(1))}${NARROW}ms`;
  if (ms < 1000) return `${ms.toFixed(0)}${NARROW}ms`;
  if (ms < 120_000) return `${trim((ms / 1000).toFixed(ms < 10_000 ? 1 : 0))}${NARROW}s`;
  return age(ms);
}

/** An age in its two largest units: `12 s`, `3 min 4 s`, `2 h 5 min`, `3 d 4 h`. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  if (days > 0) return pair(days, 'd', hours % 24, 'h');
  if (hours > 0) return pair(hours, 'h', minutes % 60, 'min');
  if (minutes > 0) return pair(minutes, 'min', seconds % 60, 's');
  return `${seconds}${NARROW}s`;
}

/** `512 B`, `12 KiB`, `84 MiB`, `1.2 GiB`. */
export function bytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  let rest = value;
  let unit = 0;
  while (rest >= 1024 && unit < units.length - 1) {
    rest /= 1024;
    unit++;
  }
  return `${unit > 0 && rest < 10 ? trim(rest.toFixed(1)) : rest.toFixed(0)}${NARROW}${units[unit]}`;
}

/** Time of day, as the reader's clock says it. */
export function timeOfDay(time: number): string {
  const date = new Date(time);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, '0')).join(':');
}

/** `1 endpoint`, `3 endpoints`. */
export function count(value: number, one: string, many = `${one}s`): string {
  return `${number(value)} ${value === 1 ? one : many}`;
}

function pair(first: number, unit: string, second: number, smaller: string): string {
  const rest = second === 0 ? '' : ` ${second}${NARROW}${smaller}`;
  return `${first}${NARROW}${unit}${rest}`;
}

function trim(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}
