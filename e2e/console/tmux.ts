import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BUNDLE } from '../browser/bundle.ts';
import { run } from '../processes.ts';
import type { Teardown } from '../teardown.ts';
import { until } from '../until.ts';

/** Why these tests cannot run here, or false. */
export function withoutTmux(): string | false {
  try {
    execFileSync('tmux', ['-V'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'there is no tmux';
  }
}

export type TmuxOptions = {
  readonly columns?: number;
  readonly rows?: number;
  /** Further variables of the shell; LANG is C.UTF-8 unless said. */
  readonly env?: Readonly<Record<string, string>>;
};

/** A shell at a terminal of its own: what a person types and sees. It ends with the test. */
export class Tmux {
  readonly #tmux: readonly string[];
  readonly #folder: string;

  private constructor(tmux: readonly string[], folder: string) {
    this.#tmux = tmux;
    this.#folder = folder;
  }

  /** The shell has a command `carpool`: the program under test. */
  static async start(t: Teardown, { columns = 80, rows = 24, env = {} }: TmuxOptions = {}): Promise<Tmux> {
    const folder = mkdtempSync(join(tmpdir(), 'carpool-tmux-'));
    writeFileSync(join(folder, 'carpool'), `#!/bin/sh\nexec ${process.execPath} ${BUNDLE} "$@"\n`, { mode: 0o755 });
    // The prompt tells how the last command has ended, in a way that no screen of ours has.
    writeFileSync(join(folder, 'bashrc'), `PS1='(exit $?)$ '\nunset HISTFILE\n`);
    const variables = {
      PATH: `${folder}:${process.env.PATH}`,
      HOME: folder,
      LANG: 'C.UTF-8',
      TMUX_TMPDIR: folder,
      ...env,
    };
    const clean = ['env', '-i', ...Object.entries(variables).map(([name, value]) => `${name}=${value}`)];
    const tmux = new Tmux([...clean, 'tmux', '-u', '-L', 'test', '-f', '/dev/null'], folder);
    t.teardown(async () => {
      await tmux.#ask('kill-server').catch(() => {}); // Its last shell has ended, and it with that.
      // The shell and the server may be about to leave.
      rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
    });
    const shell = `bash --noprofile --rcfile ${join(folder, 'bashrc')}`;
    await tmux.#ask('new-session', '-d', '-x', String(columns), '-y', String(rows), shell);
    await tmux.shows(/\(exit 0\)\$/);
    return tmux;
  }

  /** Types a line at the shell. */
  async type(line: string): Promise<void> {
    await this.#ask('send-keys', '-l', line);
    await this.keys('Enter');
  }

  /** Presses keys by tmux's names for them, one after the other. */
  async keys(...keys: readonly string[]): Promise<void> {
    await this.#ask('send-keys', ...keys);
  }

  /** What stands on the screen. */
  screen(): Promise<string> {
    return this.#ask('capture-pane', '-p');
  }

  /** The same with its colours, as control sequences. */
  colours(): Promise<string> {
    return this.#ask('capture-pane', '-p', '-e');
  }

  /** Waits until the screen shows something. @returns all of it */
  async shows(expected: RegExp): Promise<string> {
    let last = '';
    const look = async (): Promise<string | null> => {
      last = await this.screen();
      return expected.test(last) ? last : null;
    };
    return await until(`the screen to show ${expected}`, look).catch((error: unknown) => {
      throw new Error(`${String(error)}; it shows:\n${last}`);
    });
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.#ask('resize-window', '-x', String(columns), '-y', String(rows));
  }

  /** Whether a program has the screen for itself, and whether the cursor is to be seen. */
  async modes(): Promise<{ readonly alternate: boolean; readonly cursor: boolean; readonly wrap: boolean }> {
    const flags = await this.#ask('display-message', '-p', '#{alternate_on}#{cursor_flag}#{wrap_flag}');
    return { alternate: flags[0] === '1', cursor: flags[1] === '1', wrap: flags[2] === '1' };
  }

  /** Types a command that takes the place of a shell of its own. @returns the process that it is */
  async typeAsProcess(command: string): Promise<number> {
    const file = join(this.#folder, 'pid');
    rmSync(file, { force: true });
    await this.type(`sh -c 'echo $$ >${file}; exec ${command}'`);
    // A file that is there and still empty is no pid: a signal to 0 would go to all of this test's own process group.
    return await until('the command to start', () => existsSync(file) && (Number(readFileSync(file, 'utf8')) || null));
  }

  /** Closes the window, as one closes that of a terminal. */
  async close(): Promise<void> {
    await this.#ask('kill-session');
  }

  #ask(...command: readonly string[]): Promise<string> {
    return run([...this.#tmux, ...command]);
  }
}
