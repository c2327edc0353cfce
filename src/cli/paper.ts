import { styleText } from 'node:util';
import type { CliDeps } from './deps.ts';

/** `--color`: on a terminal that shows colours, always, or never. */
export const COLOR_CHOICES = ['auto', 'always', 'never'] as const;
export type ColorChoice = (typeof COLOR_CHOICES)[number];

/** The few styles there are. None says anything by itself: the words beside it do. */
export type Style = 'bold' | 'dim' | 'red' | 'yellow' | 'green';

/** What is written on. */
export type Paper = {
  /** Columns of the terminal, or null: a file or a pipe, whose lines are as long as they need to be. */
  readonly width: number | null;
  /** Lines of the terminal, or null. */
  readonly rows: number | null;
  readonly color: boolean;
};

type Around = Pick<CliDeps, 'columns' | 'rows' | 'env'>;

/** A terminal that does not say how large it is. */
const USUAL_COLUMNS = 80;
const USUAL_ROWS = 24;

/** What `deps.out` is, now: a terminal may be resized between two tables. COLUMNS wins over the terminal's own word. */
export function paperOf({ columns, rows, env }: Around, choice: ColorChoice): Paper {
  const terminal = columns !== null;
  const color = showsColor(choice, env, terminal);
  if (!terminal) return { width: null, rows: null, color };
  const named = /^[1-9]\d{0,3}$/.test(env.COLUMNS ?? '') ? Number(env.COLUMNS) : 0;
  return { width: named || columns || USUAL_COLUMNS, rows: rows || USUAL_ROWS, color };
}

/** As Node decides for its own terminal: FORCE_COLOR before NO_COLOR before TERM. */
function showsColor(choice: ColorChoice, env: Around['env'], terminal: boolean): boolean {
  if (choice !== 'auto') return choice === 'always';
  if (env.FORCE_COLOR !== undefined) return env.FORCE_COLOR !== '0' && env.FORCE_COLOR !== 'false';
  if ((env.NO_COLOR ?? '') !== '' || env.TERM === 'dumb') return false;
  return terminal;
}

/** `text` in a style, or as it is where there are no colours. Measure and cut before: the codes have a length. */
export function paint(text: string, style: Style | null, { color }: Pick<Paper, 'color'>): string {
  return color && style !== null && text !== '' ? styleText(style, text, { validateStream: false }) : text;
}
