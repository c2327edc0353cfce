import { printable } from '../cli/table.ts';
import { cutText, textWidth } from '../cli/text-width.ts';
import type { Line, Style } from './line.ts';

/** What the terminal can show. */
export type Looks = { readonly colour: boolean; readonly unicode: boolean };

const RESET = '\u001b[0m';
/** Of the sixteen colours that every terminal has, and whose tones its owner has chosen. */
const COLOURS: Readonly<Record<Style, string>> = {
  plain: '',
  bold: '\u001b[1m',
  dim: '\u001b[2m',
  good: '\u001b[32m',
  warning: '\u001b[33m',
  bad: '\u001b[1;31m',
  accent: '\u001b[36m',
};
/** The same without colours: NO_COLOR asks for no colour, not for no emphasis. */
const SHADES: Readonly<Record<Style, string>> = {
  plain: '',
  bold: '\u001b[1m',
  dim: '\u001b[2m',
  good: '',
  warning: '',
  bad: '\u001b[1m',
  accent: '',
};
const SELECTED = '\u001b[7m';

/** What stands for the characters that the views use where there is no UTF-8: each as wide as what it replaces. */
const PLAIN: Readonly<Record<string, string>> = {
  '…': '~',
  '→': '>',
  '·': '-',
  '│': '|',
  '─': '-',
  '▼': 'v',
  '▲': '^',
  '█': '#',
  '░': '.',
  '▁': '_',
  '▂': '.',
  '▃': ':',
  '▄': '-',
  '▅': '=',
  '▆': '+',
  '▇': '*',
  '’': "'",
  '‘': "'",
  '“': '"',
  '”': '"',
  '–': '-',
  '×': 'x',
  '≥': '>',
  '≤': '<',
};

/**
 * A line as the bytes of a terminal: `columns` cells at most, a selected line all of them.
 * Names come from what the app asked for; nothing but its text reaches the terminal.
 */
export function paint({ spans, selected }: Line, columns: number, looks: Looks): string {
  const styles = looks.colour ? COLOURS : SHADES;
  let painted = selected ? SELECTED : '';
  let left = columns;
  for (const { text, style } of spans) {
    if (left <= 0) break;
    const shown = cutText(clean(text, looks.unicode), left);
    left -= textWidth(shown);
    // Colours on a reversed line are hard to read in many a palette.
    const look = selected ? '' : styles[style];
    painted += look === '' ? shown : `${look}${shown}${RESET}`;
  }
  return selected ? `${painted}${' '.repeat(Math.max(0, left))}${RESET}` : painted;
}

function clean(text: string, unicode: boolean): string {
  if (/^[\u0020-\u007e]*$/.test(text)) return text;
  const safe = printable(text);
  if (unicode) return safe;
  let plain = '';
  for (const character of safe)
    plain += character <= '~' ? character : (PLAIN[character] ?? '?'.repeat(textWidth(character)));
  return plain;
}
