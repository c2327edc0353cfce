import type { Size } from './draw.ts';
import type { KeyPress } from './keys.ts';

/** What happens at a terminal. */
export type TerminalEvents = {
  readonly key: (key: KeyPress) => void;
  /** It has another size now, or something else has been drawing on it. */
  readonly redraw: () => void;
  /** Nobody is there any more, or the program is told to end. */
  readonly end: () => void;
};

/** A terminal that a program has for itself. Tests have one of their own. */
export type Terminal = {
  readonly size: () => Size;
  readonly write: (text: string) => void;
  /**
   * Takes keys one by one from now on.
   * @param restore what gives the screen back: it is written by `close`, before the program is suspended, and where it fails
   */
  readonly open: (enter: () => string, restore: () => string, events: TerminalEvents) => void;
  /** Gives the terminal back until `fg`. */
  readonly suspend: () => void;
  readonly close: () => void;
};
