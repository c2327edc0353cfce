import type { LoadWindow } from './load-window.ts';
import { figure } from './sizing.ts';

/** Something that is worth a change. */
export type Finding = {
  /** In a word or two. */
  readonly topic: string;
  /** What was seen, with its numbers. */
  readonly found: string;
  /** What to do about it. */
  readonly advice: string;
  /** Settings of the destination by path; none: what is to be done is elsewhere. */
  readonly settings: Settings;
};

export type Settings = Readonly<Record<string, string | number | boolean | readonly number[] | readonly string[]>>;

/** Looks for one thing. */
export type Rule = (window: LoadWindow) => Finding | null;

export function percent(share: number): string {
  return `${Math.round(share * 1000) / 10} %`;
}

/** Milliseconds to a person's precision. */
export function ms(value: number): string {
  if (value >= 10_000) return `${Math.round(value / 1000)} s`;
  return value >= 10 ? `${Math.round(value)} ms` : `${figure(value)} ms`;
}
