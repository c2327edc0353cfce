/** Numbers as a person reads them. */

/** A number to a person's precision. */
export function figure(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** A share of 0 to 1. */
export function percent(share: number): string {
  return `${Math.round(share * 1000) / 10} %`;
}

/** Milliseconds. */
export function ms(value: number): string {
  if (value >= 10_000) return `${Math.round(value / 1000)} s`;
  return value >= 10 ? `${Math.round(value)} ms` : `${figure(value)} ms`;
}

/** `1 request`, `2 requests`. */
export function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}
