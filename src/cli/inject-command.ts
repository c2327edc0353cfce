import { type Command, Option } from 'commander';
import type { CliDeps } from './deps.ts';
import type { InjectOptions } from './inject.ts';

const several = (value: string, earlier: readonly string[] | undefined): readonly string[] => [
  ...(earlier ?? []),
  value,
];

/** `carpool inject`: manifests with the sidecar, without a webhook. */
export function addInjectCommand(program: Command, deps: CliDeps, done: (exitCode: number) => void): void {
  program
    .command('inject')
    .description('put the sidecar in the pod templates of manifests, or take it out')
    .addOption(
      new Option('-f, --filename <file>', 'manifests (YAML or JSON), repeatable; - or none: standard input').argParser(
        several,
      ),
    )
    .option('--settings <file>', 'the settings of injection: the `inject` part of the chart’s values')
    .option('--image <reference>', 'image of the sidecar, with its tag or digest')
    .addOption(new Option('--mode <mode>', 'how the sidecar stands in the pod').choices(['native', 'legacy']))
    .addOption(
      new Option(
        '--set-inject <path=value>',
        'sets any setting of injection, e.g. --set-inject httpsProxy=true',
      ).argParser(several),
    )
    .option('--strict', 'fail, and write nothing, where a workload is skipped that has not opted out', false)
    .option('--remove', 'take out what was injected', false)
    .action(async (options: InjectOptions) => done(await (await import('./inject.ts')).inject(options, deps)));
}
