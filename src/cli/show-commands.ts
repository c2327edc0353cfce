import { type Command, InvalidArgumentError, Option } from 'commander';
import type { CliDeps } from './deps.ts';
import { durationArgument } from './option-values.ts';
import { COLOR_CHOICES, type ColorChoice } from './paper.ts';
import { type Format, type Showing, type Shown, show } from './show.ts';
import type { Asking } from './status-reading.ts';
import { readTarget, type TargetOptions } from './targets.ts';

type ShowOptions = TargetOptions & {
  readonly output: Format;
  readonly color: ColorChoice;
  /** Milliseconds; true: no number was given. */
  readonly watch?: number | true;
};

const USUAL_MS = 1000;

/** The commands that show a running sidecar: what each looks at is loaded when it is asked for. */
export function addShowCommands(program: Command, deps: CliDeps): void {
  const asking = (options: ShowOptions): Omit<Asking, 'stopped'> => ({ target: readTarget(options, deps.env), deps });
  const command = (name: string, description: string) =>
    showing(readable(program.command(name).description(description)));
  const withDestination = (name: string, description: string, argument = 'host:port, as the app calls it') =>
    command(name, description).argument('[destination]', argument);
  /** One that looks at one destination, or at all. */
  const table = (
    name: string,
    description: string,
    load: () => Promise<(asking: Asking, destination: string | null) => Promise<Shown>>,
  ) =>
    withDestination(name, description).action(async (destination: string | undefined, options: ShowOptions) => {
      const at = asking(options);
      const look = await load();
      const title = ['carpool', name, ...(destination === undefined ? [] : [destination])].join(' ');
      await show((stopped) => look({ ...at, stopped }, destination ?? null), showingOf(options, title), deps);
    });

  command('stats', 'the sidecar and its totals').action(async (options: ShowOptions) => {
    const at = asking(options);
    const { lookAtStats } = await import('./show-stats.ts');
    await show((stopped) => lookAtStats({ ...at, stopped }), showingOf(options, 'carpool stats'), deps);
  });
  table(
    'pools',
    'connections, waiting requests and endpoints of each destination',
    async () => (await import('./show-pools.ts')).lookAtPools,
  );
  table(
    'connections',
    'every upstream connection',
    async () => (await import('./show-connections.ts')).lookAtConnections,
  );
  table(
    'endpoints',
    'every endpoint: its state, and how often that has changed',
    async () => (await import('./show-endpoints.ts')).lookAtEndpoints,
  );
  withDestination('events', 'what happened, and why: connections closed, endpoints, reloads')
    .option('--type <type>', 'only this type, or all that begin with it (endpoint); repeatable', several, [])
    .option('--since <duration>', 'only what is not older than this, such as 5m', durationArgument)
    .action(async (destination: string | undefined, options: ShowOptions & { type: string[]; since?: number }) => {
      const at = asking(options);
      const { showEvents } = await import('./show-events.ts');
      const filter = { destination: destination ?? null, types: options.type, sinceMs: options.since ?? null };
      await showEvents(at, filter, showingOf(options, 'carpool events'), deps);
    });
  table(
    'errors',
    'what carpool answered itself, by code, and what to do about it',
    async () => (await import('./show-errors.ts')).lookAtErrors,
  );
  command('config', 'the settings of the running sidecar, and where each value comes from')
    .argument('[part]', 'only settings with this in their path')
    .option('--changed', 'only what is not the default', false)
    .action(async (part: string | undefined, options: ShowOptions & { changed: boolean }) => {
      const at = asking(options);
      const { lookAtConfig } = await import('./show-config.ts');
      const filter = { part: part ?? null, changed: options.changed };
      await show((stopped) => lookAtConfig({ ...at, stopped }, filter), showingOf(options, 'carpool config'), deps);
    });
}

/** Says where the sidecar is that is read. */
export function readable(command: Command): Command {
  return command
    .option('--url <url>', 'the operator port, as http://127.0.0.1:14191 (CARPOOL_OPERATOR_URL)')
    .option('--socket <path>', 'ask the control socket instead');
}

function showing(command: Command): Command {
  return command
    .addOption(new Option('-o, --output <format>', 'how to print').choices(['table', 'json']).default('table'))
    .option('-w, --watch [seconds]', 'again and again, every second or so many; Ctrl-C ends', secondsArgument)
    .addOption(
      new Option('--color <when>', 'colours: on a terminal, always, never (NO_COLOR and FORCE_COLOR too)')
        .choices(COLOR_CHOICES)
        .default('auto'),
    );
}

function showingOf({ output, color, watch }: ShowOptions, title: string): Showing {
  return { output, color, watchMs: watch === undefined ? null : watch === true ? USUAL_MS : watch, title };
}

/** Milliseconds. A destination that is written after --watch is taken for its number: the message says so. */
function secondsArgument(text: string): number {
  const seconds = /^\d+(\.\d+)?s?$/.test(text) ? Number.parseFloat(text) : Number.NaN;
  if (seconds >= 0.2 && seconds <= 3600) return Math.round(seconds * 1000);
  throw new InvalidArgumentError('It takes seconds, from 0.2 to 3600. What is to be shown comes before it.');
}

function several(value: string, earlier: readonly string[]): string[] {
  return [...earlier, ...value.split(',').filter((each) => each !== '')];
}
