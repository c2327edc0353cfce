import { createInterface, emitKeypressEvents, type Interface } from 'node:readline';
import { PassThrough } from 'node:stream';
import type { ReadStream, WriteStream } from 'node:tty';
import type { Terminal, TerminalEvents } from './terminal.ts';

/** How long the rest of a key that begins with Esc may take; after that it was Esc. Node's own half a second feels stuck. */
const ESCAPE_MS = 60;
const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

type State = 'closed' | 'open' | 'suspended';

/** The terminal that this process was started at. */
export class ProcessTerminal implements Terminal {
  readonly #input: ReadStream;
  readonly #output: WriteStream;
  readonly #keys: Interface;
  #state: State = 'closed';
  #enter: () => string = () => '';
  #restore: () => string = () => '';
  #events: TerminalEvents | null = null;

  constructor(input: ReadStream, output: WriteStream) {
    this.#input = input;
    this.#output = output;
    // Readline takes the time-out from an interface only; this one reads nothing.
    this.#keys = createInterface({ input: new PassThrough(), escapeCodeTimeout: ESCAPE_MS });
  }

  size(): { columns: number; rows: number } {
    return { columns: this.#output.columns || 80, rows: this.#output.rows || 24 };
  }

  write(text: string): void {
    if (this.#state === 'open') this.#output.write(text);
  }

  open(enter: () => string, restore: () => string, events: TerminalEvents): void {
    this.#enter = enter;
    this.#restore = restore;
    this.#events = events;
    emitKeypressEvents(this.#input, this.#keys);
    this.#input.on('keypress', this.#key);
    this.#input.on('end', this.#end);
    this.#input.on('error', this.#end);
    this.#output.on('error', this.#end);
    this.#output.on('resize', this.#redraw);
    for (const signal of ENDING) process.on(signal, this.#end);
    process.on('SIGCONT', this.#resumed);
    process.on('SIGTSTP', this.#stopSignal);
    // The words of a crash are to be read on the screen that stays.
    process.on('uncaughtExceptionMonitor', this.#giveBack);
    process.on('exit', this.#giveBack);
    this.#take();
  }

  suspend(): void {
    if (this.#state !== 'open') return;
    this.#giveBack();
    this.#state = 'suspended';
    process.off('SIGTSTP', this.#stopSignal);
    // Here the process stands still until it is continued; or goes on at once where no shell could continue it.
    process.kill(process.pid, 'SIGTSTP');
    setImmediate(this.#resumed);
  }

  close(): void {
    this.#giveBack();
    this.#events = null;
    this.#keys.close();
    this.#input.off('keypress', this.#key);
    this.#input.off('end', this.#end);
    this.#output.off('resize', this.#redraw);
    for (const signal of ENDING) process.off(signal, this.#end);
    process.off('SIGCONT', this.#resumed);
    process.off('SIGTSTP', this.#stopSignal);
    process.off('uncaughtExceptionMonitor', this.#giveBack);
    process.off('exit', this.#giveBack);
    this.#input.pause();
    this.#input.unref();
  }

  #take(): void {
    this.#state = 'open';
    this.#input.setRawMode(true);
    this.#input.resume();
    this.write(this.#enter());
  }

  readonly #giveBack = (): void => {
    if (this.#state !== 'open') return;
    this.write(this.#restore());
    this.#state = 'closed';
    try {
      this.#input.setRawMode(false);
    } catch {
      // It is gone, and its modes with it.
    }
  };

  /** After `fg`: the shell has used the terminal in its own way meanwhile, also where the stop was not ours. */
  readonly #resumed = (): void => {
    if (this.#events === null) return;
    process.off('SIGTSTP', this.#stopSignal);
    process.on('SIGTSTP', this.#stopSignal);
    if (this.#state === 'open') this.#input.setRawMode(false);
    this.#take();
    this.#events.redraw();
  };

  readonly #stopSignal = (): void => this.suspend();
  readonly #key = (_: string | undefined, key: { name?: string | undefined }): void => this.#events?.key(key);
  readonly #redraw = (): void => this.#events?.redraw();
  readonly #end = (): void => this.#events?.end();
}
