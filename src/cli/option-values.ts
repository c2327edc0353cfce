import { InvalidArgumentError } from 'commander';
import { parseDuration } from '../config/duration.ts';

/** A duration in milliseconds. */
export function durationArgument(text: string): number {
  const ms = parseDuration(text);
  if (ms === null) throw new InvalidArgumentError('A duration is a number with its unit: 500ms, 30s, 2m.');
  return ms;
}

/** As `durationArgument`, or 0. */
export function durationOrZero(text: string): number {
  return text === '0' ? 0 : durationArgument(text);
}

/**
 * Reads a number above 0 without a unit, up to `most`; commander prints what is wrong and ends with a usage error.
 * @param what it is, for the message: `milliseconds`
 */
export function positive(what: string, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
    if (value > 0 && value <= most) return value;
    throw new InvalidArgumentError(`It takes ${what}: a number above 0 and up to ${most}, without a unit.`);
  };
}

/** As `positive`, for what cannot be divided. */
export function whole(what: string, most: number): (text: string) => number {
  const read = positive(what, most);
  return (text) => {
    const value = read(text);
    if (Number.isInteger(value)) return value;
    throw new InvalidArgumentError(`It takes ${what}: a whole number.`);
  };
}
