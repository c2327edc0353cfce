/** Between these a terminal that knows them shows nothing half drawn; others overlook them. */
const BEGIN = '\u001b[?2026h';
const END = '\u001b[?2026l';

/** Another screen than the one that scrolls, no cursor, no wrapping at the right edge. */
const ENTER = '\u001b[?1049h\u001b[?25l\u001b[?7l\u001b[2J';
/**
 * All of that back. The screen is as it was before: it is emptied first, for tmux, after a change of size, takes some of
 * its lines for older ones of the other screen.
 */
const LEAVE = '\u001b[?2026l\u001b[0m\u001b[H\u001b[2J\u001b[?7h\u001b[?25h\u001b[?1049l';

/** What the terminal shows now, so that only lines that have changed are written. */
export class Screen {
  #shown: (string | null)[] = [];
  #rows = 0;
  #columns = 0;

  /** What opens the screen. */
  enter(): string {
    this.forget();
    return ENTER;
  }

  /** What gives the terminal back. */
  leave(): string {
    this.forget();
    return LEAVE;
  }

  /** Nothing is known of what stands there: the next frame is written whole. */
  forget(): void {
    this.#shown = [];
    this.#rows = 0;
  }

  /**
   * @param lines painted, none wider than `columns`; at most `rows` of them
   * @returns what to write, in one piece; empty where nothing has changed
   */
  frame(lines: readonly string[], columns: number, rows: number): string {
    let changes = '';
    if (rows !== this.#rows || columns !== this.#columns) {
      changes = '\u001b[0m\u001b[2J';
      this.#shown = new Array<string | null>(rows).fill('');
      this.#rows = rows;
      this.#columns = columns;
    }
    for (let row = 0; row < rows; row++) {
      const text = lines[row] ?? '';
      if (text === this.#shown[row]) continue;
      this.#shown[row] = text;
      changes += `\u001b[${row + 1};1H\u001b[2K${text}`;
    }
    return changes === '' ? '' : `${BEGIN}${changes}${END}`;
  }
}
