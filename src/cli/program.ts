import { Argument, Command, CommanderError, Option } from 'commander';
import { LOG_LEVELS } from '../config/choices.ts';
import { CONFIG_FLAGS, type FlagOptions, flagsFrom } from '../config/flags.ts';
import { runCheck } from './check.ts';
import { addCompletionCommands } from './completion-command.ts';
import { evict, pause, reconnect, reload, resume, setLogLevel } from './control-commands.ts';
import { type CliDeps, CliError, EXIT } from './deps.ts';
import type { DoctorOptions } from './doctor.ts';
import { addExamples } from './examples.ts';
import { addInjectCommand } from './inject-command.ts';
import { durationArgument } from './option-values.ts';
import { addPlanningCommands } from './planning-commands.ts';
import { addShowCommands, readable } from './show-commands.ts';
import { controlTarget, readTarget, type TargetOptions } from './targets.ts';
import { waitUntilReady } from './wait.ts';
import { addWatchCommand } from './watch-command.ts';

/** Runs any command and turns what it throws into words and an exit code. */
export async function runProgram(argv: readonly string[], deps: CliDeps): Promise<number> {
  let code: number = EXIT.ok;
  const program = buildProgram(deps, (exitCode) => {
    code = exitCode;
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    if (!(error instanceof CliError)) throw error;
    deps.err(`carpool: ${error.message}\n`);
    return error.exitCode;
  }
}

/** The commands. `done` takes the exit code of the one that ran. */
export function buildProgram(deps: CliDeps, done: (exitCode: number) => void): Command {
  const program = new Command('carpool')
    .description('A sidecar proxy: outbound HTTP calls over pooled connections that never go stale')
    .version(deps.version, '-v, --version')
    .exitOverride()
    .configureOutput({ writeOut: deps.out, writeErr: deps.err, getOutHelpWidth: () => deps.columns ?? 100 })
    .showHelpAfterError('(carpool --help lists the commands)');

  withConfigFlags(program.command('run').description('run the sidecar'), true).action(async (options: FlagOptions) =>
    done(await deps.run(options)),
  );
  withConfigFlags(
    program
      .command('check')
      .description('say whether the sidecar would run with a configuration file')
      .argument('<file>'),
    false,
  ).action((file: string, options: FlagOptions) => {
    const { flags } = flagsFrom(options, deps.env);
    const line = (write: (text: string) => void) => (text: string) => write(`${text}\n`);
    done(runCheck(file, { out: line(deps.out), err: line(deps.err), env: deps.env, flags }));
  });

  addShowCommands(program, deps);
  addWatchCommand(program, deps, done);
  readable(program.command('wait').description('wait until the sidecar takes requests; for start-up probes'))
    .option('--timeout <duration>', 'how long', durationArgument, 30_000)
    .action(async (options: TargetOptions & { timeout: number }) =>
      done(await waitUntilReady(readTarget(options, deps.env), options.timeout, deps)),
    );

  controllable(program.command('evict').description('retire connections: none is cut, busy ones finish first'))
    .argument('[destination]', 'host:port; all destinations where it is left out')
    .option('--idle', 'only idle connections', false)
    .action(async (destination: string | undefined, options: TargetOptions & { idle: boolean }) =>
      done(await evict(controlTarget(options, deps.env), destination ?? null, options.idle, deps)),
    );
  for (const [name, description, run] of [
    ['pause', 'hold a destination: running requests finish, new ones wait until it is resumed', pause],
    ['resume', 'let the requests of a paused destination through again', resume],
    ['reconnect', 'replace all connections of a destination: none is cut, busy ones finish first', reconnect],
  ] as const)
    controllable(program.command(name).description(description))
      .argument('<destination>', 'host:port')
      .action(async (destination: string, options: TargetOptions) =>
        done(await run(controlTarget(options, deps.env), destination, deps)),
      );
  controllable(program.command('reload').description('read the configuration again')).action(
    async (options: TargetOptions) => done(await reload(controlTarget(options, deps.env), deps)),
  );
  controllable(program.command('log-level').description('change the log level of the running sidecar'))
    .addArgument(new Argument('<level>').choices([...LOG_LEVELS]))
    .action(async (level: string, options: TargetOptions) =>
      done(await setLogLevel(controlTarget(options, deps.env), level, deps)),
    );

  withConfigFlags(
    program
      .command('doctor')
      .description('look for what keeps carpool from working, and say what to do about it')
      .argument('[destination...]', 'host:port: how it is found, and whether its endpoints take connections'),
    true,
  )
    .option('--environ <file>', 'the variables of the app’s process, such as /proc/PID/environ; - is standard input')
    .option('--url <url>', 'the operator port of the running sidecar, where it is not that of the configuration')
    .option('--socket <path>', 'its control socket')
    .addOption(new Option('-o, --output <format>', 'how to print').choices(['table', 'json']).default('table'))
    .action(async (destinations: string[], options: DoctorOptions) => {
      const { doctor } = await import('./doctor.ts');
      done(await doctor(destinations, options, deps));
    });

  addInjectCommand(program, deps, done);
  addPlanningCommands(program, deps, done);

  program
    .command('version')
    .description('print the version')
    .action(() => deps.out(`${deps.version}\n`));
  program
    .command('demo')
    .description('a sidecar with three small origins of its own, to look at')
    .allowUnknownOption()
    .helpOption(false)
    .argument('[args...]')
    .action(async (args: string[]) => done(await deps.demo(args)));
  addCompletionCommands(program, deps);
  addExamples(program);
  return program;
}

function withConfigFlags(command: Command, withFile: boolean): Command {
  for (const { flags, description, repeatable } of CONFIG_FLAGS) {
    if (!withFile && flags.startsWith('--config ')) continue;
    const option = new Option(flags, description);
    if (repeatable)
      option.argParser((value: string, earlier: readonly string[] | undefined) => [...(earlier ?? []), value]);
    command.addOption(option);
  }
  return command;
}

function controllable(command: Command): Command {
  return command
    .option('--socket <path>', 'the control socket (control.socket of the configuration)')
    .option('--url <url>', 'the control port instead, as http://127.0.0.1:14192')
    .option('--token-file <path>', 'its token (control.tokenFile)');
}
