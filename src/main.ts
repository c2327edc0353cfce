import { readFileSync } from 'node:fs';
import { main } from './cli/cli.ts';
import { EXIT } from './cli/deps.ts';
import { systemClock } from './clock.ts';
import { type FlagOptions, flagsFrom } from './config/flags.ts';
import { runSidecar } from './run.ts';

/** The version of package.json; esbuild writes it into the bundle. */
declare const CARPOOL_VERSION: string | undefined;

function version(): string {
  if (typeof CARPOOL_VERSION === 'string') return CARPOOL_VERSION;
  const parsed: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return typeof parsed === 'object' && parsed !== null && 'version' in parsed ? String(parsed.version) : 'unknown';
}

const run = (options: FlagOptions): Promise<number> => {
  const { file, flags } = flagsFrom(options, process.env);
  return runSidecar({ file, flags, version: version() });
};

main(process.argv.slice(2), {
  version: version(),
  clock: systemClock,
  env: process.env,
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  columns: process.stdout.isTTY ? process.stdout.columns : null,
  run,
  demo: async (args) => {
    const { runDemo } = await import('./cli/demo.ts');
    return runDemo(args, version());
  },
}).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`carpool: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exitCode = EXIT.failure;
  },
);
