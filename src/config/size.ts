/** Sizes as people write them (`64KiB`, or `64Ki` as Kubernetes does) and as the code counts them (bytes). */

/** For JSON Schema and the reference page; everything it accepts is read by `parseSize`. */
export const SIZE_PATTERN = '^[0-9]{1,12}(\\.[0-9]{1,3})?(KiB|MiB|GiB|Ki|Mi|Gi)$';

const SIZE = /^([0-9]{1,12}(?:\.[0-9]{1,3})?)(Ki|Mi|Gi)B?$/;
const UNITS: Readonly<Record<string, number>> = { Ki: 1024, Mi: 1024 ** 2, Gi: 1024 ** 3 };

/** Bytes of `64KiB`, `1.5MiB`, `1Gi`, or null when the text is no size with a unit. */
export function parseSize(text: string): number | null {
  const match = SIZE.exec(text);
  if (!match) return null;
  const [, amount = '0', unit = ''] = match;
  return Math.round(Number(amount) * (UNITS[unit] ?? Number.NaN));
}

/** `65536` → `64KiB`; what is no round number of a unit is shown in bytes. */
export function showSize(bytes: number): string {
  for (const unit of ['Gi', 'Mi', 'Ki']) {
    const factor = UNITS[unit] ?? 1;
    if (bytes >= factor && bytes % factor === 0) return `${bytes / factor}${unit}B`;
  }
  return `${bytes} bytes`;
}
