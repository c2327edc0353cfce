import { ProcessTerminal } from '../../src/console/process-terminal.ts';
import { Screen } from '../../src/console/screen.ts';

// A program that has the screen for itself, and then a fault that nobody catches.
const screen = new Screen();
const terminal = new ProcessTerminal(process.stdin, process.stdout);
terminal.open(
  () => screen.enter() + screen.frame(['all is well: press a key'], 80, 24),
  () => screen.leave(),
  {
    key: () => {
      throw new Error('a fault on purpose');
    },
    redraw: () => {},
    end: () => {},
  },
);
