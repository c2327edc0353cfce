import type { Head } from '../protocol/head.ts';

/** No Retry-After that can be read. */
export const NOT_TOLD = -1;

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const TIME = '(\\d\\d):(\\d\\d):(\\d\\d)';
/** The preferred form, and the two that recipients must read still (RFC 9110 section 5.6.7). */
const IMF_FIXDATE = new RegExp(`^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\\d\\d) ([A-Z][a-z]{2}) (\\d{4}) ${TIME} GMT$`);
const RFC_850 = new RegExp(
  `^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (\\d\\d)-([A-Z][a-z]{2})-(\\d\\d) ${TIME} GMT$`,
);
const ASCTIME = new RegExp(`^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ([A-Z][a-z]{2}) ([ \\d]\\d) ${TIME} (\\d{4})$`);

/**
 * How long a Retry-After value asks to wait (RFC 9110 section 10.2.3): seconds, or an HTTP-date.
 * @param wall milliseconds since the epoch, for dates
 * @returns ms, 0 for a date that has passed, Infinity for more than can be counted; NOT_TOLD where it cannot be read
 */
export function retryAfterMs(value: string, wall: number): number {
  if (/^\d+$/.test(value)) return value.length > 12 ? Number.POSITIVE_INFINITY : Number(value) * 1000;
  const date = httpDate(value, wall);
  return date === null ? NOT_TOLD : Math.max(0, date - wall);
}

/** Milliseconds since the epoch, or null where `text` is no date. */
function httpDate(text: string, wall: number): number | null {
  const fixed = IMF_FIXDATE.exec(text);
  if (fixed !== null) return dateOf(Number(fixed[3]), fixed[2], fixed[1], fixed[4], fixed[5], fixed[6]);
  const old = RFC_850.exec(text);
  if (old !== null) {
    // Two digits that seem to be over 50 years ahead are of the century before (RFC 9110 section 5.6.7).
    const thisYear = new Date(wall).getUTCFullYear();
    const year = thisYear - (thisYear % 100) + Number(old[3]);
    return dateOf(year > thisYear + 50 ? year - 100 : year, old[2], old[1], old[4], old[5], old[6]);
  }
  const asc = ASCTIME.exec(text);
  return asc === null ? null : dateOf(Number(asc[6]), asc[1], asc[2], asc[3], asc[4], asc[5]);
}

/** @returns null for a day or a time that does not exist */
function dateOf(
  year: number,
  monthName = '',
  dayText = '',
  hourText = '',
  minuteText = '',
  secondText = '',
): number | null {
  const month = MONTHS.indexOf(monthName);
  const [day, hour, minute] = [Number(dayText), Number(hourText), Number(minuteText)];
  // A leap second counts as the one before it.
  const second = Math.min(59, Number(secondText));
  if (month < 0 || Number(secondText) > 60) return null;
  const date = new Date(Date.UTC(year, month, day, hour, minute, second));
  const same = date.getUTCDate() === day && date.getUTCHours() === hour && date.getUTCMinutes() === minute;
  return same ? date.getTime() : null;
}

/** What an answer's Retry-After asks for; of several, the longest. NOT_TOLD where there is none that can be read. */
export function retryAfterOf(head: Head, wall: number): number {
  let longest = NOT_TOLD;
  for (let index = 0; index < head.fieldCount; index++)
    if (head.nameText(index).toLowerCase() === 'retry-after')
      longest = Math.max(longest, retryAfterMs(head.valueText(index), wall));
  return longest;
}
