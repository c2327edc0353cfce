import type { Argument, Command, Help, Option } from 'commander';
import { systemClock } from '../clock.ts';
import type { CliDeps } from './deps.ts';
import { buildProgram } from './program.ts';

/** Makes docs/cli.md: every command with its arguments, options and examples, as `--help` has them. */

const INTRODUCTION = `# Command line

Every command of \`carpool\`, made from the program itself (\`make docs\`); \`carpool COMMAND --help\` prints the same. In the image it is \`carpool\`, from the sources
\`node dist/carpool.js\`. [console.md](console.md) shows what the commands that look at a sidecar print, [operations.md](operations.md) tells of running and steering one.

Exit codes: 0 it did what it was asked; 1 it could not; 64 wrong usage; 78 the configuration is not valid.
`;

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

/** A table of terms and what they mean, or nothing where there are none. */
function table(head: string, rows: readonly (readonly [term: string, words: string])[]): string {
  if (rows.length === 0) return '';
  const lines = rows.map(([term, words]) => `| \`${cell(term)}\` | ${cell(words)} |`);
  return `| ${head} | |\n|---|---|\n${lines.join('\n')}\n\n`;
}

function section(command: Command, help: Help, examples: readonly string[]): string {
  const argumentsOf = help
    .visibleArguments(command)
    .map((each: Argument) => [help.argumentTerm(each), help.argumentDescription(each)] as const);
  // Each command has it.
  const options = help
    .visibleOptions(command)
    .filter((each: Option) => each.long !== '--help')
    .map((each: Option) => [help.optionTerm(each), help.optionDescription(each)] as const);
  const shown = examples.length === 0 ? '' : `Examples:\n\n\`\`\`text\n${examples.join('\n')}\n\`\`\`\n\n`;
  const description = help.commandDescription(command);
  return `## ${command.name()}\n\n${description.charAt(0).toUpperCase()}${description.slice(1)}.\n\n\`${help.commandUsage(command)}\`\n\n${table('argument', argumentsOf)}${table('option', options)}${shown}`;
}

/** The whole page. */
export function cliPage(): string {
  let printed = '';
  const nobody = (): Promise<never> => Promise.reject(new Error('no command is run here'));
  const deps: CliDeps = {
    ...{ version: '', clock: systemClock, env: {}, columns: null, rows: null },
    out: (text) => {
      printed += text;
    },
    err: () => {},
    input: nobody,
    interrupted: () => () => {},
    run: nobody,
    demo: nobody,
  };
  const program = buildProgram(deps, () => {});
  const help = program.createHelp();
  const commands = help.visibleCommands(program).filter((each) => each.name() !== 'help');
  const sections = commands.map((command) => {
    printed = '';
    command.outputHelp();
    const examples = printed.split('Examples:\n')[1]?.trimEnd().split('\n') ?? [];
    return section(
      command,
      help,
      examples.map((line) => line.trim()),
    );
  });
  return `${INTRODUCTION}\n${sections.join('').trimEnd()}\n`;
}
