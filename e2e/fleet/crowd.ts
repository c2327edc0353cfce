import { type ChildProcess, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { stringify } from 'yaml';
import { at, listAt, textAt } from '../cluster/json.ts';
import { start, stop } from '../processes.ts';
import { whenReady } from '../sidecar/when-ready.ts';

const bundle = process.env.CARPOOL_E2E_BUNDLE ?? fileURLToPath(new URL('../../dist/carpool.js', import.meta.url));

/** A sidecar in a process of its own, and the app before it, which keeps so many requests going as it is told. */
export class Car {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #proxy: number;
  readonly #operator: number;
  readonly #log: string;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #target: string;
  /** Answers that were not 200, and errors. */
  readonly failures: string[] = [];
  answers = 0;
  #wanted = 0;
  #running = 0;

  private constructor(
    name: string,
    child: ChildProcess,
    ports: { proxy: number; operator: number },
    log: string,
    target: string,
  ) {
    this.name = name;
    this.#child = child;
    this.#proxy = ports.proxy;
    this.#operator = ports.operator;
    this.#log = log;
    this.#target = target;
  }

  static async start(name: string, directory: string, target: string, settings: Record<string, unknown>): Promise<Car> {
    const file = join(directory, name);
    const whole = {
      listener: { port: 0 },
      operator: { host: '127.0.0.1', port: 0 },
      control: { socket: `${file}.sock` },
      security: { allowAddresses: ['127.0.0.0/8'] },
      discovery: { kubernetes: { enabled: false } },
      ...settings,
    };
    writeFileSync(`${file}.yaml`, stringify(whole));
    const child = start([process.execPath, bundle, 'run', '--config', `${file}.yaml`], {
      log: `${file}.stderr`,
      env: { NODE_ENV: 'production' },
    });
    // How long a sidecar with CPU takes, not how many busy neighbours two cores have.
    if (child.pid !== undefined && process.getuid?.() === 0) setPriority(child.pid, -10);
    return new Car(name, child, await whenReady(child, `${file}.log`), `${file}.log`, target);
  }

  /** So many requests at a time from now on. */
  drive(requests: number): void {
    this.#wanted = requests;
    while (this.#running < this.#wanted) {
      this.#running++;
      this.#next();
    }
  }

  #next(): void {
    if (this.#running > this.#wanted) {
      this.#running--;
      return;
    }
    const call = request({
      host: '127.0.0.1',
      port: this.#proxy,
      path: `http://${this.#target}/`,
      headers: { host: this.#target, 'x-sidecar': this.name },
      agent: this.#agent,
    });
    call.once('error', (error) => this.#ended(error.message));
    call.once('response', (response) => {
      response.resume();
      response.once('error', (error) => this.#ended(error.message));
      response.once('end', () => this.#ended(response.statusCode === 200 ? null : String(response.statusCode)));
    });
    call.end();
  }

  #ended(failure: string | null): void {
    if (failure === null) this.answers++;
    else this.failures.push(failure);
    // One that fails at once is not to fill the machine.
    if (failure === null) this.#next();
    else setTimeout(() => this.#next(), 100);
  }

  /** Its share by /stats; null: there is none. */
  async share(): Promise<number | null> {
    const stats: unknown = JSON.parse(await this.#read('/stats'));
    const found = listAt(stats, 'destinations').find((each) =>
      [textAt(each, 'destination'), textAt(each, 'name')].includes(this.#target),
    );
    const share = at(found, 'limit', 'share');
    return typeof share === 'number' ? share : null;
  }

  async #read(path: string): Promise<string> {
    const answer = await fetch(`http://127.0.0.1:${this.#operator}${path}`);
    return await answer.text();
  }

  /** Lines of its log with this text. */
  logged(text: string): readonly string[] {
    return readFileSync(this.#log, 'utf8')
      .split('\n')
      .filter((line) => line.includes(text));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Resident memory in MiB. */
  get residentMiB(): number {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1]) / 1024;
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.drive(0);
    await stop(this.#child, signal);
    this.#agent.destroy();
  }
}

/** Sidecars with the same settings before one upstream. They end with the test. */
export async function startCars(
  t: Test,
  count: number,
  target: string,
  settings: Record<string, unknown>,
): Promise<Car[]> {
  const directory = mkdtempSync(join(tmpdir(), 'carpool-fleet-'));
  const cars: Car[] = [];
  t.teardown(async () => {
    await Promise.all(cars.map((car) => car.stop('SIGKILL')));
    rmSync(directory, { recursive: true, force: true });
  });
  for (let i = 0; i < count; i += 4) {
    const some = Array.from({ length: Math.min(4, count - i) }, (_, j) => `car-${i + j}`);
    cars.push(...(await Promise.all(some.map((name) => Car.start(name, directory, target, settings)))));
  }
  return cars;
}

/** What `redis-cli` prints. */
export function redisCli(port: number, ...args: string[]): string {
  return spawnSync('redis-cli', ['-p', String(port), ...args], { encoding: 'utf8' }).stdout.trim();
}
