/** Numbers, and words around them, as a person reads them. */

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

/** With its full stop, once. */
export function sentence(words: string): string {
  return /[.!?]$/.test(words) ? words : `${words}.`;
}

/** When something was, to a minute: words that stay the same from second to second. */
export function lately(agoMs: number): string {
  if (agoMs < 60_000) return 'in the last minute';
  const minutes = Math.floor(agoMs / 60_000);
  return minutes < 120 ? `${counted(minutes, 'minute')} ago` : `${Math.floor(minutes / 60)} hours ago`;
}
