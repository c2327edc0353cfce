import type { Size } from '../../src/console/draw.ts';
import type { KeyPress } from '../../src/console/keys.ts';
import type { Terminal, TerminalEvents } from '../../src/console/terminal.ts';

/** A terminal that knows as much of the control sequences as the screen uses. */
export class FakeTerminal implements Terminal {
  columns = 80;
  rows = 24;
  /** How often something was written. */
  writes = 0;
  state: 'new' | 'open' | 'suspended' | 'closed' = 'new';
  #lines: string[] = [];
  #row = 0;
  #events: TerminalEvents | null = null;
  #waiters: (() => void)[] = [];

  size(): Size {
    return { columns: this.columns, rows: this.rows };
  }

  write(text: string): void {
    this.writes++;
    for (const [, position, erase, letters] of text.matchAll(
      // biome-ignore format: one alternative a kind
      /\u001b\[(\d+);1H|\u001b\[(2[JK])|\u001b\[[?\d;]*[a-zA-Z]|([^\u001b]+)/g,
    )) {
      if (position !== undefined) this.#row = Number(position) - 1;
      else if (erase === '2J') this.#lines = [];
      else if (erase === '2K') this.#lines[this.#row] = '';
      else if (letters !== undefined) this.#lines[this.#row] = (this.#lines[this.#row] ?? '') + letters;
    }
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
  }

  open(enter: () => string, _restore: () => string, events: TerminalEvents): void {
    this.state = 'open';
    this.#events = events;
    this.write(enter());
  }

  suspend(): void {
    this.state = 'suspended';
  }

  close(): void {
    this.state = 'closed';
  }

  /** What stands on the screen. */
  get text(): string {
    return Array.from({ length: this.rows }, (_, row) => this.#lines[row] ?? '').join('\n');
  }

  press(...keys: readonly (string | KeyPress)[]): void {
    for (const key of keys) this.#events?.key(typeof key === 'string' ? { name: key, sequence: key } : key);
  }

  resize(columns: number, rows: number): void {
    this.columns = columns;
    this.rows = rows;
    this.#events?.redraw();
  }

  /** Nobody is there any more. */
  hangUp(): void {
    this.#events?.end();
  }

  /** Resolves when the screen shows what is expected; fails by the test's own time-out. */
  async shows(expected: RegExp): Promise<void> {
    while (!expected.test(this.text)) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }
}
