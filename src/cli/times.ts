import { showDuration } from '../config/duration.ts';

/** A duration to a person's precision: whole seconds, below one second whole milliseconds. */
export function age(ms: number): string {
  return showDuration(ms >= 1000 ? Math.round(ms / 1000) * 1000 : Math.max(0, Math.round(ms)));
}

/** `2026-01-31T09:30:00Z`. */
export function isoTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** For eyes on a terminal: `09:30:00` by its own clock, and what is of another day than `now` in full. */
export function timeOfDay(ms: number, now: number): string {
  return new Date(ms).toDateString() === new Date(now).toDateString() ? clockTime(ms) : isoTime(ms);
}

/** The time of day, by the clock of this machine: `09:30:00`. */
export function clockTime(ms: number): string {
  const date = new Date(ms);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, '0')).join(':');
}
