import type { LoadWindow } from './load-window.ts';

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
