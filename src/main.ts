import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { main } from './cli/cli.ts';
import { EXIT } from './cli/deps.ts';
import { onInterrupt, terminalColumns, terminalRows, writeOut } from './cli/terminal.ts';
import { systemClock } from './clock.ts';
import { type FlagOptions, flagsFrom } from './config/flags.ts';
import { runSidecar } from './run.ts';

// A sidecar's memory is paid for in every pod: V8 keeps its heap small rather than fast to grow. No cost was seen in CPU.
setFlagsFromString('--optimize-for-size');
setFlagsFromString('--max-semi-space-size=1');

/** The version of package.json; esbuild writes it into the bundle. */
declare const CARPOOL_VERSION: string | undefined;

function version(): string {
  if (typeof CARPOOL_VERSION === 'string') return CARPOOL_VERSION;
  const parsed: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return typeof parsed === 'object' && parsed !== null && 'version' in parsed ? String(parsed.version) : 'unknown';
}

const run = (options: FlagOptions): Promise<number> => {
  return runSidecar({ ...flagsFrom(options, process.env), version: version() });
};

// Timers of the clock keep no process alive: a command that only waits would end before it is done, with code 0.
const awake = setInterval(() => {}, 2 ** 30);

main(process.argv.slice(2), {
  version: version(),
  clock: systemClock,
  env: process.env,
  out: writeOut,
  err: (text) => process.stderr.write(text),
  input: async (stopped) => (await import('./cli/standard-input.ts')).readStandardInput(stopped),
  get columns() {
    return terminalColumns();
  },
  get rows() {
    return terminalRows();
  },
  interrupted: onInterrupt,
  run,
  demo: async (args) => {
    const { runDemo } = await import('./cli/demo.ts');
    return runDemo(args, version());
  },
}).then(
  (code) => {
    clearInterval(awake);
    process.exitCode = code;
  },
  (error: unknown) => {
    clearInterval(awake);
    process.stderr.write(`carpool: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exitCode = EXIT.failure;
  },
);
