import { showDuration } from '../config/duration.ts';

/** A duration to a person's precision: whole seconds, below one second whole milliseconds. */
export function age(ms: number): string {
  return showDuration(ms >= 1000 ? Math.round(ms / 1000) * 1000 : Math.max(0, Math.round(ms)));
}

/** `2026-01-31T09:30:00Z`. */
export function isoTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
