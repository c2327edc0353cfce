import { App, type AppAddresses } from './app.ts';
import { EXIT } from './cli/deps.ts';
import { systemClock } from './clock.ts';
import type { Flag } from './config/flags.ts';
import { configLoader, type LoadedConfig } from './config/load.ts';
import { ConfigProblems } from './config/problems.ts';
import { CarpoolError } from './errors.ts';
import { ListenError } from './listener/listener.ts';

/** The version that the bundle is made for; others lack what node-handle.ts uses, and get the slower way. */
const NODE_MAJOR = 26;

export type RunOptions = {
  readonly file: string | null;
  /** A missing file counts as an empty one. */
  readonly fileMayBeMissing: boolean;
  readonly flags: readonly Flag[];
  readonly version: string;
  /** Called when the sidecar listens; the demo prints what to try. */
  readonly onReady?: (app: App, addresses: AppAddresses) => void;
};

/**
 * Runs the sidecar until a signal ends it.
 * @returns the exit code: 0 after a stop, 1 where a port is not to be had or a fault ended it, 78 for a bad configuration
 */
export async function runSidecar(options: RunOptions): Promise<number> {
  const { file, fileMayBeMissing, flags } = options;
  const load = configLoader({ file, fileMayBeMissing, env: process.env, flags });
  let loaded: LoadedConfig;
  try {
    loaded = load();
  } catch (error) {
    if (!(error instanceof ConfigProblems)) throw error;
    for (const line of error.lines) process.stderr.write(`${line}\n`);
    return EXIT.config;
  }
  const app = new App({
    version: options.version,
    clock: systemClock,
    file,
    loaded,
    load,
    env: process.env,
  });
  const { logger } = app.log;
  for (const warning of loaded.warnings) logger.warn(warning);
  if (!process.versions.node.startsWith(`${NODE_MAJOR}.`)) {
    logger.warn(
      { node: process.version },
      `carpool is built and measured for Node ${NODE_MAJOR}; on another it works, but costs more`,
    );
  }
  endOnFaults(app);
  try {
    const addresses = await app.start();
    const readyMs = Math.round(performance.now());
    logger.info({ version: options.version, node: process.version, ...addresses, readyMs }, 'ready');
    options.onReady?.(app, addresses);
  } catch (error) {
    if (!(error instanceof ListenError) && !(error instanceof CarpoolError)) throw error;
    process.stderr.write(`carpool: ${error.message}\n`);
    await app.close();
    return EXIT.failure;
  }
  await signalled(app);
  return EXIT.ok;
}

/** Resolves when the sidecar has stopped. SIGTERM again is harmless; a second SIGINT ends it at once. */
function signalled(app: App): Promise<void> {
  return new Promise((resolve) => {
    let interrupts = 0;
    const stop = (): void => {
      void app.stop().then(resolve);
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', () => {
      if (++interrupts === 1) stop();
      else void app.close().then(resolve);
    });
    process.on('SIGHUP', () => {
      void app.steering.reload();
    });
  });
}

/** A fault that nobody caught leaves the state of the process in doubt: it is logged, and the process ends. */
function endOnFaults(app: App): void {
  const end = (error: unknown, what: string): void => {
    app.log.fatal(error, what);
    process.exit(EXIT.failure);
  };
  process.on('uncaughtException', (error) => end(error, 'a fault that nobody caught; the process ends'));
  process.on('unhandledRejection', (error) => end(error, 'a rejection that nobody handled; the process ends'));
}
