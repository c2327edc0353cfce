import { fitText, textWidth } from '../cli/text-width.ts';

/** What a piece of text means; `paint` knows how that looks. Never the only sign of it. */
export type Style = 'plain' | 'bold' | 'dim' | 'good' | 'warning' | 'bad' | 'accent';

export type Span = { readonly text: string; readonly style: Style };

/** A line of the screen; what is longer than the screen is wide is cut when it is painted. */
export type Line = { readonly spans: readonly Span[]; readonly selected: boolean };

export const span = (text: string, style: Style = 'plain'): Span => ({ text, style });

export const EMPTY: Line = { spans: [], selected: false };

/** A line of several pieces; plain text may stand for a plain piece. */
export function line(...parts: readonly (Span | string)[]): Line {
  return { spans: parts.map((part) => (typeof part === 'string' ? span(part) : part)), selected: false };
}

/** One piece of text in one style. */
export const styled = (text: string, style: Style): Line => ({ spans: [span(text, style)], selected: false });

/** Text on the left and text that ends at the right edge; the left one is cut where both do not fit. */
export function spread(left: readonly Span[], right: readonly Span[], columns: number): Line {
  const room = columns - widthOf(right);
  const kept: Span[] = [];
  let taken = 0;
  for (const part of left) {
    const text = fitText(part.text, room - 1 - taken);
    kept.push(span(text, part.style));
    taken += textWidth(text);
    if (text !== part.text) break;
  }
  return { spans: [...kept, span(' '.repeat(Math.max(0, room - taken))), ...right], selected: false };
}

export function widthOf(spans: readonly Span[]): number {
  return spans.reduce((cells, { text }) => cells + textWidth(text), 0);
}

/** The text of a line without its looks. */
export function textOf({ spans }: Line): string {
  return spans.map(({ text }) => text).join('');
}
