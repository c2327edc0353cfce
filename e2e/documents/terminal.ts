import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';

export type Outcome = { readonly code: number; readonly output: string };

/** From here on the first command of a block that fails is kept in `failed`, and what a pipeline says is its first failure. */
const BEGIN = `exec 2>&1
set -E -o pipefail
shopt -s expand_aliases
trap 'failed=\${failed:-$?}' ERR
`;

/**
 * A shell that keeps its folder, variables and functions from one block of commands to the next, as the reader's does. What
 * is printed on either output is one text, as on a screen.
 */
export class Terminal {
  readonly #shell: ChildProcessByStdio<Writable, Readable, null>;
  readonly #scripts: string;
  readonly #ended: Promise<unknown>;
  #output = '';
  #blocks = 0;
  #wake: () => void = () => {};

  /** @param scripts a folder for what is typed */
  constructor(folder: string, scripts: string, env: NodeJS.ProcessEnv) {
    this.#scripts = scripts;
    // A process group of its own: what it started ends with it.
    this.#shell = spawn('bash', ['--norc', '--noprofile'], {
      cwd: folder,
      env,
      detached: true,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#ended = once(this.#shell, 'exit');
    this.#shell.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text;
      this.#wake();
    });
    this.#shell.stdin.on('error', () => {}); // It has ended.
    this.#shell.stdin.write(BEGIN);
  }

  /**
   * Runs a block, and waits for its end.
   * @throws when it takes longer than that, with what it has printed
   */
  async run(script: string, withinMs: number): Promise<Outcome> {
    const mark = `=== end of block ${++this.#blocks} ===`;
    const begin = this.#output.length;
    this.#type(script, `; echo "${mark} \${failed:-0} $?"`);
    const found = await this.#until(() => this.#output.indexOf(mark, begin) >= 0, withinMs, script);
    if (!found) throw new Error(`its shell ended: ${this.#output.slice(begin)}`);
    const end = this.#output.indexOf(mark, begin);
    const [failed = '0'] = this.#output
      .slice(end + mark.length)
      .trim()
      .split(' ');
    return { code: Number(failed), output: this.#output.slice(begin, end) };
  }

  /**
   * Starts a block that goes on, and waits until it has printed that.
   * @throws when it ends before, or takes longer
   */
  async start(script: string, wanted: readonly RegExp[], withinMs: number): Promise<string> {
    this.#type(`trap - ERR\n${script}`, '; exit');
    const found = await this.#until(() => wanted.every((each) => each.test(this.#output)), withinMs, script);
    if (!found) throw new Error(`it ended before it showed ${wanted.join(' ')}: ${this.#output}`);
    return this.#output;
  }

  /**
   * Ctrl-C, and the wait for what it ends.
   * @throws when it does not end by it
   */
  async interrupt(withinMs: number): Promise<void> {
    this.#signal('SIGINT');
    let killed = false;
    const impatient = setTimeout(() => {
      killed = true;
      this.#signal('SIGKILL');
    }, withinMs);
    await this.#ended;
    clearTimeout(impatient);
    if (killed) throw new Error(`it has not ended ${withinMs} ms after Ctrl-C: ${this.#output}`);
  }

  /** Ends it with all that it has started. */
  async close(): Promise<void> {
    this.#signal('SIGKILL');
    await this.#ended;
  }

  /** What is typed reads nothing from this shell's input. */
  #type(script: string, after: string): void {
    const file = join(this.#scripts, `${this.#shell.pid}-${this.#blocks}.sh`);
    writeFileSync(file, script);
    this.#shell.stdin.write(`failed=; . ${file} </dev/null${after}\n`);
  }

  #signal(name: NodeJS.Signals): void {
    try {
      process.kill(-(this.#shell.pid ?? 0), name);
    } catch {
      // Nobody is left in it.
    }
  }

  /** @returns false where the shell ended before */
  async #until(ready: () => boolean, withinMs: number, what: string): Promise<boolean> {
    let late = false;
    let ended = false;
    const timer = setTimeout(() => {
      late = true;
      this.#wake();
    }, withinMs);
    void this.#ended.then(() => {
      ended = true;
      this.#wake();
    });
    try {
      while (!ready()) {
        if (late) throw new Error(`after ${withinMs} ms still no end of: ${what}\n${this.#output}`);
        if (ended) return false;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      return true;
    } finally {
      clearTimeout(timer);
    }
  }
}
