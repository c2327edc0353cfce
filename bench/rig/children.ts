import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, rmSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { cpuSeconds } from './proc.ts';
import { workDir, workPath } from './work-dir.ts';

/** The core of the proxy under test, and that of everything else (load generator, origin, this process). */
export const PROXY_CORE = 0;
export const LOAD_CORE = 1;

export type Command = {
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
};

export type Running = { readonly pid: number; readonly name: string; exited: boolean };

// The limit is the same for all, and not the hard one, which may be a million: some programs size tables by it.
const RAISE_FILE_LIMIT =
  'h=$(ulimit -Hn); { [ "$h" = unlimited ] || [ "$h" -gt 20000 ]; } && h=20000; ulimit -n "$h"; exec "$@"';

/** The processes of a run, each the leader of a process group of its own and ended through that, by its id. */
export class Children {
  readonly #running = new Set<Running>();

  constructor() {
    // The logs are those of one run.
    rmSync(workDir('log'), { recursive: true });
    process.once('exit', () => this.killAll());
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
  }

  /** Starts a program on one core, its output appended to bench/.work/log/NAME.log. */
  start(name: string, core: number, command: Command): Running {
    const log = openSync(workPath('log', `${name}.log`), 'a');
    const child = spawn('/bin/sh', ['-c', RAISE_FILE_LIMIT, 'sh', ...pinned(core, command.argv)], {
      stdio: ['ignore', log, log],
      env: { ...process.env, ...command.env },
      detached: true,
    });
    closeSync(log);
    return this.adopt(name, child);
  }

  /** Takes over a child that was started elsewhere as the leader of its group. */
  adopt(name: string, child: ChildProcess): Running {
    const running: Running = { pid: child.pid ?? 0, name, exited: child.pid === undefined };
    child.once('error', () => this.#ended(running));
    child.once('exit', () => this.#ended(running));
    this.#running.add(running);
    return running;
  }

  #ended(running: Running): void {
    running.exited = true;
    this.#running.delete(running);
  }

  /** Ends a process and its group now, and waits until it has gone (at most 3 s). */
  async stop(running: Running): Promise<void> {
    killGroup(running);
    for (let i = 0; i < 300 && !running.exited; i++) await wait(10);
  }

  killAll(): void {
    for (const running of this.#running) killGroup(running);
  }

  /** CPU seconds of all that run, but for one. */
  cpuSeconds(except: Running | null): number {
    let sum = 0;
    for (const running of this.#running) if (running !== except) sum += cpuSeconds(running.pid);
    return sum;
  }
}

/** The command, run on one core; `taskset` is replaced by it, so that the process id stays the program's. */
function pinned(core: number, argv: readonly string[]): readonly string[] {
  return ['taskset', '-c', String(core), ...argv];
}

/** Moves this process, all its threads and what it starts later, to the load core. */
export function pinSelf(): void {
  spawnSync('taskset', ['-acp', String(LOAD_CORE), String(process.pid)], { stdio: 'ignore' });
}

function killGroup(running: Running): void {
  if (running.exited || running.pid === 0) return;
  try {
    process.kill(-running.pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

/** Whether a program is installed: its path, or null. Debian keeps servers in sbin, which is not on every PATH. */
export function findProgram(name: string): string | null {
  const found = spawnSync('/bin/sh', ['-c', `PATH="$PATH:/usr/sbin:/sbin"; command -v -- "$1"`, 'sh', name], {
    encoding: 'utf8',
  });
  return found.status === 0 ? found.stdout.trim() : null;
}

/** Runs a program on the load core until it ends. @throws when it fails, or takes longer than `deadlineMs`. */
export function runToEnd(command: Command, deadlineMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const [program = '', ...args] = pinned(LOAD_CORE, command.argv);
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...command.env },
      timeout: deadlineMs,
      killSignal: 'SIGKILL',
    });
    let output = '';
    let complaints = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaints += text;
    });
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${command.argv[0]} ended with ${code ?? 'a time-out'}: ${complaints.slice(0, 300)}`));
    });
  });
}
