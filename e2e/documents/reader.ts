import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Test } from 'tap';
import type { Step } from './page.ts';
import { Terminal } from './terminal.ts';

/** What stands in the page, and what it is here. In commands, files and expected outputs alike. */
export type Substitution = readonly [from: string | RegExp, to: string];

export type ReaderOptions = {
  /** The variables of its shells. */
  readonly env: NodeJS.ProcessEnv;
  readonly substitutions: readonly Substitution[];
  /** How long a block may take. */
  readonly blockMs: number;
};

/** Between two tries of a block whose effect comes by and by. */
const PAUSE_MS = 200;

/** Somebody who follows a page to the letter, in a folder of his own. */
export class Reader {
  /** Where he is; it goes with the test. */
  readonly folder = mkdtempSync(join(tmpdir(), 'carpool-page-'));
  readonly #home = mkdtempSync(join(tmpdir(), 'carpool-home-'));
  readonly #options: ReaderOptions;
  readonly #others: Terminal[] = [];
  #terminal: Terminal | null = null;

  constructor(test: Test, options: ReaderOptions) {
    const env = { ...options.env, HOME: this.#home, CARPOOL_CONTROL_SOCKET: join(this.#home, 'control.sock') };
    this.#options = { ...options, env };
    // Off a terminal curl tells its progress.
    writeFileSync(join(this.#home, '.curlrc'), 'silent\nshow-error\n');
    test.teardown(async () => {
      for (const terminal of [...this.#others, this.#terminal]) await terminal?.close();
      for (const folder of [this.folder, this.#home]) rmSync(folder, { recursive: true, force: true });
    });
  }

  /**
   * Does what a step says.
   * @returns in what it is not as the page says, and then what was printed; nothing where all is
   * @throws where a block does not end, or what should stay does not
   */
  async follow(step: Step): Promise<readonly string[]> {
    if (step.kind === 'run') return this.#run(step);
    if (step.kind === 'file') {
      const file = join(this.folder, step.path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, this.#here(step.text));
    } else if (step.kind === 'interrupt') await this.#others.pop()?.interrupt(this.#options.blockMs);
    else {
      const other = this.#newTerminal();
      this.#others.push(other);
      const wanted = step.shows.map((each) => this.#hereToo(each));
      await other.start(this.#here(step.script), wanted, this.#options.blockMs);
    }
    return [];
  }

  async #run(step: Extract<Step, { kind: 'run' | 'stays' }>): Promise<readonly string[]> {
    this.#terminal ??= this.#newTerminal();
    const terminal = this.#terminal;
    const script = this.#here(step.script);
    const shows = step.shows.map((each) => this.#hereToo(each));
    const once = async (): Promise<readonly string[]> => {
      const { code, output } = await terminal.run(script, this.#options.blockMs);
      const wrong = shows.filter((each) => !each.test(output)).map((each) => `it does not show ${each}`);
      if (code !== step.exits) wrong.push(`it ends with ${code} in place of ${step.exits}`);
      return wrong.length === 0 ? [] : [...wrong, output];
    };
    const deadline = performance.now() + (step.withinMs ?? 0);
    let wrong = await once();
    while (wrong.length > 0 && performance.now() < deadline) {
      await wait(PAUSE_MS);
      wrong = await once();
    }
    return wrong;
  }

  #newTerminal(): Terminal {
    return new Terminal(this.folder, this.#home, this.#options.env);
  }

  #here(text: string): string {
    return this.#options.substitutions.reduce((before, [from, to]) => before.replaceAll(from, to), text);
  }

  #hereToo(wanted: RegExp): RegExp {
    return new RegExp(this.#here(wanted.source), wanted.flags);
  }
}
