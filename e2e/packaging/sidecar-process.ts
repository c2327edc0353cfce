import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { type ProgramResult, runToEnd } from '../interop/run-to-end.ts';
import { start, stop } from '../processes.ts';
import { whenReady } from '../sidecar/when-ready.ts';
import type { Teardown } from '../teardown.ts';

const program = process.env.CARPOOL_E2E_BUNDLE ?? fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const NODE = [process.execPath, '--no-warnings', program];

type Settings = Readonly<Record<string, unknown>>;

/** A sidecar in a process of its own, on this machine. */
export class SidecarProcess {
  port = 0;
  operatorPort = 0;
  readonly #folder: string;
  readonly #env: Readonly<Record<string, string>>;
  #settings: Settings;
  #child: ChildProcess | null = null;
  #ready = false;

  private constructor(folder: string, settings: Settings, env: Readonly<Record<string, string>>) {
    this.#folder = folder;
    this.#settings = settings;
    this.#env = env;
  }

  static async start(
    t: Teardown,
    settings: Settings,
    env: Readonly<Record<string, string>> = {},
  ): Promise<SidecarProcess> {
    const sidecar = new SidecarProcess(mkdtempSync(join(tmpdir(), 'carpool-monitoring-')), settings, env);
    t.teardown(async () => {
      await sidecar.#end('SIGTERM');
      rmSync(sidecar.#folder, { recursive: true, force: true });
    });
    await sidecar.#run();
    return sidecar;
  }

  /** It is killed, and starts again at the same ports. */
  async restart(): Promise<void> {
    await this.#end('SIGKILL');
    await this.#run();
  }

  /** As Kubernetes does it. Resolves when the process has ended. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  /** Has it read other settings in place of those that it has of these names. */
  reload(changes: Settings): void {
    this.#settings = { ...this.#settings, ...changes };
    this.#write();
    // One that starts has not got to minding the signal yet, and reads the file anyway.
    if (this.#ready) this.#child?.kill('SIGHUP');
  }

  /** A command of `carpool`, as in the container: variables say which configuration and which control socket. */
  command(...args: readonly string[]): Promise<ProgramResult> {
    return runToEnd([...NODE, ...args], {
      ...this.#env,
      CARPOOL_CONFIG: this.#file('carpool.yaml'),
      CARPOOL_CONTROL_SOCKET: this.#file('control.sock'),
      CARPOOL_OPERATOR_URL: `http://127.0.0.1:${this.operatorPort}`,
    });
  }

  async #run(): Promise<void> {
    this.#write();
    const [log, words] = [this.#file('log'), this.#file('stderr')];
    const child = start([...NODE, 'run', '--config', this.#file('carpool.yaml')], { log: words, env: this.#env });
    this.#child = child;
    const { proxy, operator } = await whenReady(child, log).catch((error: unknown) => {
      throw new Error(`${String(error)}: ${readFileSync(log, 'utf8')}${readFileSync(words, 'utf8')}`);
    });
    this.port = proxy;
    this.operatorPort = operator;
    this.#ready = true;
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    this.#ready = false;
    if (this.#child !== null) await stop(this.#child, signal);
    this.#child = null;
  }

  #write(): void {
    const settings = {
      listener: { port: this.port },
      operator: { host: '127.0.0.1', port: this.operatorPort },
      control: { socket: this.#file('control.sock') },
      security: { allowAddresses: ['127.0.0.0/8'] },
      shutdown: { grace: 0 },
      ...this.#settings,
    };
    writeFileSync(this.#file('carpool.yaml'), stringify(settings));
  }

  #file(name: string): string {
    return join(this.#folder, name);
  }
}
