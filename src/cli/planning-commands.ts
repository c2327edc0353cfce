import { type Command, Option } from 'commander';
import type { AdviseOptions } from './advise.ts';
import type { CliDeps } from './deps.ts';
import { durationOrZero, positive, whole } from './option-values.ts';
import type { SizeOptions, TimeoutsOptions } from './sizing.ts';
import { readTarget, type TargetOptions } from './targets.ts';

/** The commands that say what to set: from numbers that one knows (`size`, `timeouts`), or from a sidecar that runs. */
export function addPlanningCommands(program: Command, deps: CliDeps, done: (exitCode: number) => void): void {
  const output = () => new Option('-o, --output <format>', 'how to print').choices(['table', 'json']).default('table');

  program
    .command('size')
    .description('how many connections a load needs, and what to set')
    .requiredOption('--rps <number>', 'requests a second, of all pods together', positive('requests a second', 1e7))
    .requiredOption('--latency-ms <number>', 'how long one takes, in ms', positive('milliseconds', 3_600_000))
    .option('--pods <number>', 'pods that share the load', whole('pods', 100_000), 1)
    .addOption(output())
    .action(async (options: SizeOptions) => done((await import('./sizing.ts')).showSize(options, deps)));

  program
    .command('timeouts')
    .description('time-outs for an upstream, and what to set')
    .requiredOption('--network-ms <number>', 'a round trip to it, in ms', positive('milliseconds', 3_600_000))
    .requiredOption('--provider-s <number>', 'how long it may take to answer, in s', positive('seconds', 36_000))
    .addOption(output())
    .action(async (options: TimeoutsOptions) => done((await import('./sizing.ts')).showTimeouts(options, deps)));

  program
    .command('advise')
    .description('watch a destination of the running sidecar, and say what to set and why')
    .argument('<destination>', 'host:port, or its metric label')
    .option('--for <duration>', 'how long to watch; 0: go by what was counted since the start', durationOrZero, 30_000)
    .option('--url <url>', 'the operator port, as http://127.0.0.1:14191 (CARPOOL_OPERATOR_URL)')
    .addOption(output())
    .action(async (destination: string, options: TargetOptions & AdviseOptions) =>
      done(await (await import('./advise.ts')).advise(readTarget(options, deps.env), destination, options, deps)),
    );
}
