import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** Programs that this process has started and that still run. */
const running = new Set<ChildProcess>();

// A test that throws, or is interrupted, leaves nothing running.
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130));

export type StartOptions = {
  /** A file that output is appended to. */
  readonly log: string;
  /** Instead of this process' variables, of which PATH and HOME stay. */
  readonly env?: Readonly<Record<string, string>>;
  /** A network namespace to run in; absent: this process' own. */
  readonly netns?: string;
};

/** Starts a program that runs until it is ended, at the latest with this process. */
export function start(argv: readonly string[], options: StartOptions): ChildProcess {
  // tap hooks into each Node that its tests start, with a variable that it adds to whatever is given: 30 MB and 100 ms.
  const clean = ['env', '-u', 'NODE_OPTIONS', ...argv];
  const [program = '', ...args] = options.netns === undefined ? clean : [...inside(options.netns), ...clean];
  const log = openSync(options.log, 'a');
  // env and nsenter are replaced by the program, so the process id is the program's.
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', log], env: environment(options.env) });
  closeSync(log);
  child.stdin?.on('error', () => {}); // It has ended.
  running.add(child);
  child.once('exit', () => running.delete(child));
  child.once('error', () => running.delete(child));
  return child;
}

/** Ends a program and waits until it has gone, killing it after `graceMs`; harmless when it has gone already. */
export async function stop(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM', graceMs = 10_000): Promise<void> {
  if (hasEnded(child)) return;
  const gone = once(child, 'exit');
  child.kill(signal);
  const impatient = setTimeout(() => child.kill('SIGKILL'), graceMs);
  await gone;
  clearTimeout(impatient);
}

export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** Resolves with the first line that a program prints. @throws when it ends before */
export async function firstLine(child: ChildProcess): Promise<string> {
  let text = '';
  const stdout = child.stdout;
  if (stdout === null) throw new Error('its output is not read');
  return await new Promise((resolve, reject) => {
    const read = (bytes: Buffer): void => {
      text += bytes.toString();
      const end = text.indexOf('\n');
      if (end < 0) return;
      stdout.off('data', read);
      stdout.resume();
      resolve(text.slice(0, end));
    };
    stdout.on('data', read);
    child.once('exit', (code) => reject(new Error(`${child.spawnargs.join(' ')} ended with ${code}: ${text}`)));
    child.once('error', reject);
  });
}

/** Runs a program to its end. @throws when it fails, with what it said */
export async function run(argv: readonly string[], netns?: string): Promise<string> {
  const [program = '', ...args] = netns === undefined ? argv : [...inside(netns), ...argv];
  return (await execute(program, args, { maxBuffer: 16 << 20 })).stdout;
}

/** Nothing that the test runner or the machine has set for its own purposes. */
function environment(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const { PATH, HOME } = process.env;
  return { PATH, HOME, ...more };
}

function inside(netns: string): readonly string[] {
  return ['nsenter', `--net=/run/netns/${netns}`, '--'];
}
