import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { parse, stringify } from 'yaml';
import { App } from '../src/app.ts';
import { loadConfig } from '../src/config/load.ts';
import { TestClock } from './test-clock.ts';

export type Sidecar = {
  readonly app: App;
  /** The clock of the whole sidecar: time moves by `advance` alone. */
  readonly clock: TestClock;
  /** The main listener, on 127.0.0.1. */
  readonly port: number;
  readonly operatorPort: number;
  readonly localPorts: readonly { readonly destination: string; readonly port: number }[];
  /** The file that the sidecar watches. */
  readonly configFile: string;
  readonly logFile: string;
};

/**
 * A whole sidecar inside the test's process, on free ports, on a clock that the test moves. Loopback addresses may be
 * dialled unless the settings say otherwise. It is closed when the test ends.
 * @param settings as in the configuration file
 * @param env variables that say where the Kubernetes API server is
 */
export async function startSidecar(
  t: Test,
  settings: Record<string, unknown> = {},
  env: Readonly<Record<string, string>> = {},
): Promise<Sidecar> {
  const directory = mkdtempSync(join(tmpdir(), 'carpool-test-'));
  const configFile = join(directory, 'carpool.yaml');
  const logFile = join(directory, 'log');
  const whole = {
    listener: { port: 0, ...group(settings.listener) },
    operator: { port: 0, host: '127.0.0.1', ...group(settings.operator) },
    control: { socket: join(directory, 'control.sock'), ...group(settings.control) },
    security: { allowAddresses: ['127.0.0.0/8'], ...group(settings.security) },
  };
  writeFileSync(configFile, stringify({ ...settings, ...whole }));
  const clock = new TestClock();
  const load = () => loadConfig({ file: configFile, env: {}, flags: [] });
  const app = new App({
    version: 'test',
    clock,
    file: configFile,
    loaded: load(),
    load,
    env,
    logFd: openSync(logFile, 'a'),
  });
  const addresses = await app.start();
  t.teardown(async () => {
    await app.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return {
    app,
    clock,
    port: addresses.listener.port,
    operatorPort: addresses.operator?.port ?? 0,
    localPorts: addresses.localPorts,
    configFile,
    logFile,
  };
}

/** Writes other settings at the top of the sidecar's file and has it read again. @returns what it says of the change */
export async function reload(
  sidecar: Pick<Sidecar, 'app' | 'configFile'>,
  settings: Record<string, unknown>,
): Promise<readonly string[]> {
  const before: unknown = parse(readFileSync(sidecar.configFile, 'utf8'));
  writeFileSync(sidecar.configFile, stringify({ ...group(before), ...settings }));
  const { applied, lines } = await sidecar.app.steering.reload();
  if (!applied) throw new Error(lines.join('\n'));
  return lines;
}

function group(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
