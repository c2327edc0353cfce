import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { stringify } from 'yaml';
import { shortDirectory } from '../admin/short-directory.ts';
import { rawClient } from '../raw-origin.ts';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** What is shipped; `make test` builds it first. */
export const BUNDLE = join(ROOT, 'dist/carpool.js');

/** The environment without what would reach into a sidecar under test: settings, proxies, options of Node. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(CARPOOL_|HTTP_|NODE_|TAP|no_proxy|(https?|all)_proxy)/i.test(name),
  );
  return Object.fromEntries(own);
}

/** The lines of one output stream, which can be waited for. */
class Lines {
  readonly all: string[] = [];
  #rest = '';
  #ended = false;
  #waiters: (() => void)[] = [];

  constructor(stream: NodeJS.ReadableStream | null) {
    stream?.setEncoding('utf8');
    stream?.on('data', (text: string) => {
      const lines = (this.#rest + text).split('\n');
      this.#rest = lines.pop() ?? '';
      this.all.push(...lines);
      this.#wake();
    });
    stream?.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
  }

  get text(): string {
    return [...this.all, this.#rest].join('\n');
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
  }

  /** The first line from number `from` on that holds `text`; rejects when the stream ends without one. */
  async with(text: string | RegExp, from = 0): Promise<string> {
    for (;;) {
      const found = this.all
        .slice(from)
        .find((line) => (typeof text === 'string' ? line.includes(text) : text.test(line)));
      if (found !== undefined) return found;
      if (this.#ended) throw new Error(`no line with ${text} came:\n${this.text}`);
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }
}

export type Ended = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

/** A child process whose output lines are what its test waits for. It is killed when the test ends. */
export class Child {
  readonly process: ChildProcess;
  readonly out: Lines;
  readonly err: Lines;
  /** Resolves when the process has ended and all its output has been read. */
  readonly ended: Promise<Ended>;

  constructor(t: Test, command: string, args: readonly string[], env: NodeJS.ProcessEnv) {
    this.process = spawn(command, args, { env, cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    this.out = new Lines(this.process.stdout);
    this.err = new Lines(this.process.stderr);
    this.ended = once(this.process, 'close').then(([code, signal]) => ({ code, signal }));
    t.teardown(async () => {
      if (this.process.exitCode === null && this.process.signalCode === null) this.process.kill('SIGKILL');
      await this.ended;
    });
  }

  signal(name: NodeJS.Signals): void {
    this.process.kill(name);
  }
}

/** Starts `node dist/carpool.js` with these arguments. */
export function carpool(
  t: Test,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  nodeArgs: readonly string[] = [],
): Child {
  return new Child(t, process.execPath, [...nodeArgs, BUNDLE, ...args], { ...cleanEnvironment(), ...env });
}

export type ChildConfig = { readonly file: string; readonly socket: string; readonly directory: string };

/** Writes a configuration for a child: free ports, loopback allowed, unless `settings` say otherwise. */
export function childConfig(t: Test, settings: Record<string, unknown> = {}): ChildConfig {
  const directory = shortDirectory(t);
  const file = join(directory, 'carpool.yaml');
  const socket = join(directory, 'control.sock');
  writeConfig({ file, socket }, settings);
  return { file, socket, directory };
}

export function writeConfig(
  { file, socket }: Pick<ChildConfig, 'file' | 'socket'>,
  settings: Record<string, unknown>,
): void {
  writeFileSync(file, configText(socket, settings));
}

export function configText(socket: string, settings: Record<string, unknown>): string {
  return stringify({
    ...settings,
    listener: { port: 0, ...group(settings.listener) },
    operator: { port: 0, host: '127.0.0.1', ...group(settings.operator) },
    control: { socket, ...group(settings.control) },
    security: { allowAddresses: ['127.0.0.0/8'], ...group(settings.security) },
  });
}

function group(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

/** A port that nothing listens on, below those that the kernel gives to connections. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!free) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

/**
 * Keeps one upstream connection of the demo busy, with a request whose body does not end: its origins close a connection
 * that was idle for four seconds, and there shall be one to look at.
 */
export async function holdConnection(t: Test, port: number): Promise<void> {
  const client = await rawClient(t, port);
  client.write('POST http://hello.demo/held HTTP/1.1\r\nHost: hello.demo\r\nContent-Length: 10\r\n\r\nabc');
}

/** The ports that the `ready` line of a child names. */
export async function untilReady(child: Child): Promise<{ port: number; operatorPort: number }> {
  const line: unknown = JSON.parse(await child.out.with('"msg":"ready"'));
  return { port: portIn(line, 'listener'), operatorPort: portIn(line, 'operator') };
}

function portIn(line: unknown, name: string): number {
  const bound: unknown = typeof line === 'object' && line !== null ? Reflect.get(line, name) : null;
  const port: unknown = typeof bound === 'object' && bound !== null ? Reflect.get(bound, 'port') : null;
  return typeof port === 'number' ? port : 0;
}
