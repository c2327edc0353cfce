import type { CliDeps } from './deps.ts';
import { type Paper, paint } from './paper.ts';
import { fitText } from './text-width.ts';

/** Control sequences of terminals (ECMA-48, and private modes that those who do not know them pass over). */
const CSI = '\u001b[';
const HIDE_CURSOR = `${CSI}?25l`;
const SHOW_CURSOR = `${CSI}?25h`;
const TOP_LEFT = `${CSI}H`;
const REST_OF_LINE = `${CSI}K`;
const REST_OF_SCREEN = `${CSI}J`;
/** Between these two a terminal shows nothing half done. */
const BEGIN = `${CSI}?2026h`;
const END = `${CSI}?2026l`;

/**
 * Draws texts over each other from the top of the terminal. Each is one write, and every line is written over the one
 * before it, so that nothing flickers. What was on the screen before is pushed up, not lost.
 */
export class Redraw {
  readonly #deps: Pick<CliDeps, 'out'>;
  #begun = false;

  constructor(deps: Pick<CliDeps, 'out'>) {
    this.#deps = deps;
  }

  /** @param text lines that fit the paper's width; those below its end are left out, and counted */
  draw(text: string, paper: Paper): void {
    const rows = paper.rows ?? 0;
    const lines = text.trimEnd().split('\n');
    // The last line of the terminal stays empty, for the cursor.
    const room = Math.max(rows - 1, 2);
    if (lines.length > room) {
      const more = lines.length - room + 1;
      const words = fitText(`… ${more} more lines: name a DESTINATION, or make the terminal higher`, paper.width ?? 80);
      lines.splice(room - 1, lines.length, paint(words, 'dim', paper));
    }
    const before = this.#begun ? '' : HIDE_CURSOR + '\n'.repeat(Math.max(rows - 1, 0));
    this.#begun = true;
    const body = lines.map((line) => `${line}${REST_OF_LINE}\n`).join('');
    this.#deps.out(`${BEGIN}${before}${TOP_LEFT}${body}${REST_OF_SCREEN}${END}`);
  }

  /** Gives the cursor back, below what was drawn. */
  end(): void {
    if (this.#begun) this.#deps.out(SHOW_CURSOR);
    this.#begun = false;
  }
}
