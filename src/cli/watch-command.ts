import { type Command, Option } from 'commander';
import type { WatchOptions } from '../console/watch.ts';
import type { CliDeps } from './deps.ts';
import { positive } from './option-values.ts';
import { COLOR_CHOICES } from './paper.ts';
import { readable } from './show-commands.ts';
import { readTarget, type TargetOptions } from './targets.ts';

/** An hour between two looks is no watching any more. */
const LONGEST_INTERVAL_S = 3600;

/** `carpool watch`: the screen, and all that it needs, is loaded with its first use. */
export function addWatchCommand(program: Command, deps: CliDeps, done: (exitCode: number) => void): void {
  readable(program.command('watch').description('the running sidecar, live on the whole screen'))
    .argument('[destination]', 'host:port to open at once')
    .option('--interval <seconds>', 'between two looks', positive('seconds', LONGEST_INTERVAL_S), 1)
    .addOption(new Option('--color <when>', 'colours').choices(COLOR_CHOICES).default('auto'))
    .action(async (destination: string | undefined, options: TargetOptions & WatchOptions) => {
      const { watchHere } = await import('../console/watch.ts');
      done(await watchHere(readTarget(options, deps.env), destination ?? null, options, deps));
    });
}
