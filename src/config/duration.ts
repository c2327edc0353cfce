/** Durations as people write them (`1m30s`) and as the code counts them (milliseconds). */

/** For JSON Schema and the reference page; everything it accepts is read by `parseDuration`. */
export const DURATION_PATTERN =
  '^(?=[0-9])([0-9]{1,9}(\\.[0-9]{1,3})?h)?([0-9]{1,9}(\\.[0-9]{1,3})?m)?([0-9]{1,9}(\\.[0-9]{1,3})?s)?([0-9]{1,9}ms)?$';

const DURATION =
  /^(?=[0-9])(?:([0-9]{1,9}(?:\.[0-9]{1,3})?)h)?(?:([0-9]{1,9}(?:\.[0-9]{1,3})?)m)?(?:([0-9]{1,9}(?:\.[0-9]{1,3})?)s)?(?:([0-9]{1,9})ms)?$/;

/** Milliseconds of `30s`, `250ms`, `1m30s`, `1.5h` …, or null when the text is no duration (a number without a unit is none). */
export function parseDuration(text: string): number | null {
  const match = DURATION.exec(text);
  if (!match) return null;
  const [, hours = '0', minutes = '0', seconds = '0', millis = '0'] = match;
  return Math.round(Number(hours) * 3_600_000 + Number(minutes) * 60_000 + Number(seconds) * 1000 + Number(millis));
}

/** The shortest way to write `ms` that `parseDuration` reads back: 90000 → `1m30s`, 0 → `0`. */
export function showDuration(ms: number): string {
  if (ms === 0) return '0';
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor((ms % 3_600_000) / 60_000);
  const seconds = Math.floor((ms % 60_000) / 1000);
  const millis = Math.round(ms % 1000);
  return (
    (hours ? `${hours}h` : '') +
    (minutes ? `${minutes}m` : '') +
    (seconds ? `${seconds}s` : '') +
    (millis ? `${millis}ms` : '')
  );
}
