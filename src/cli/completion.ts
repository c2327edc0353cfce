import type { Argument, Command, Option } from 'commander';
import { LOG_LEVELS, PROFILES } from '../config/choices.ts';
import { SETTINGS } from '../config/schema.ts';

/** What may stand where the cursor is. */
export type Candidate = { readonly value: string; readonly description: string };

/** What is known of the running sidecar only; asked for when it is needed, and empty where there is none. */
export type Running = {
  readonly destinations: (before: readonly string[]) => Promise<readonly string[]>;
  readonly eventTypes: (before: readonly string[]) => Promise<readonly string[]>;
};

/** What a shell is told where a path is wanted. */
const FILES = ':files';

const plain = (values: readonly string[]): Candidate[] => values.map((value) => ({ value, description: '' }));

/** Values of options whose choices commander does not know. */
const OPTION_VALUES: Readonly<Record<string, () => Candidate[]>> = {
  '--profile': () => plain(PROFILES),
  '--log-level': () => plain(LOG_LEVELS),
  '--set': () =>
    SETTINGS.filter(({ path }) => path !== 'destinations').map(({ path, spec }) => ({
      value: `${path}=`,
      description: firstSentence(spec.doc),
    })),
};

/**
 * The lines that `carpool complete` prints.
 * @param words what follows `carpool` on the line; the last one is under the cursor, and may be empty
 */
export async function completionLines(program: Command, words: readonly string[], running: Running): Promise<string[]> {
  const before = words.slice(0, -1);
  const word = words.at(-1) ?? '';
  const found = await candidates(program, before, word, running);
  if (found === FILES) return [FILES];
  return found
    .filter(({ value }) => value.startsWith(word))
    .map(({ value, description }) => (description === '' ? value : `${value}\t${description}`));
}

async function candidates(
  program: Command,
  before: readonly string[],
  word: string,
  running: Running,
): Promise<readonly Candidate[] | typeof FILES> {
  const name = before.find((each) => !each.startsWith('-'));
  if (name === undefined) return word.startsWith('-') ? optionsOf(program) : commandsOf(program);
  if (name === 'help') return commandsOf(program);
  const command = program.commands.find((each) => each.name() === name);
  if (command === undefined) return [];
  const after = before.slice(before.indexOf(name) + 1);
  if (after.includes('--')) return [];

  const equals = word.startsWith('--') ? word.indexOf('=') : -1;
  const typed = equals > 0 ? word.slice(0, equals) : after.at(-1);
  const option = typed === undefined || typed.includes('=') ? undefined : optionNamed(command, typed);
  if (option !== undefined && (option.required || equals > 0)) {
    const values = await valuesOf(option, before, running);
    if (values === FILES || equals < 0) return values;
    return values.map((each) => ({ ...each, value: `${typed}=${each.value}` }));
  }
  if (word.startsWith('-')) return optionsOf(command);
  const argument = argumentAt(command, positionals(command, after));
  return argument === undefined ? [] : valuesOf(argument, before, running);
}

async function valuesOf(
  of: Option | Argument,
  before: readonly string[],
  running: Running,
): Promise<readonly Candidate[] | typeof FILES> {
  if (of.argChoices !== undefined) return plain(of.argChoices);
  const name = 'long' in of ? (of.long ?? '') : of.name();
  if ('long' in of) {
    if (name === '--type') return plain(await running.eventTypes(before));
    if (/<(file|path)>/.test(of.flags)) return FILES;
    return OPTION_VALUES[name]?.() ?? [];
  }
  if (name === 'destination') return plain(await running.destinations(before));
  if (name === 'file') return FILES;
  if (name === 'part') return SETTINGS.map(({ path, spec }) => ({ value: path, description: firstSentence(spec.doc) }));
  return [];
}

function commandsOf(program: Command): Candidate[] {
  return program
    .createHelp()
    .visibleCommands(program)
    .map((command) => ({ value: command.name(), description: command.description() }));
}

function optionsOf(command: Command): Candidate[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .flatMap(({ long, description }) => (long ? [{ value: long, description }] : []));
}

function optionNamed(command: Command, typed: string): Option | undefined {
  return command.options.find((option) => option.long === typed || option.short === typed);
}

/** How many arguments of the command stand before the cursor. */
function positionals(command: Command, after: readonly string[]): number {
  let count = 0;
  for (let i = 0; i < after.length; i++) {
    const word = after[i] ?? '';
    if (!word.startsWith('-')) count++;
    // The value of an option that needs one. One that may have none (--watch) has it only where it is a number.
    else if (!word.includes('=')) {
      const option = optionNamed(command, word);
      if (option?.required || (option?.optional && /^\d/.test(after[i + 1] ?? ''))) i++;
    }
  }
  return count;
}

function argumentAt(command: Command, index: number): Argument | undefined {
  const last = command.registeredArguments.at(-1);
  return command.registeredArguments[index] ?? (last?.variadic ? last : undefined);
}

/** Descriptions stand beside a candidate on one line. */
function firstSentence(text: string): string {
  const sentence = /^.*?[.:;](?= |$)/.exec(text)?.[0] ?? text;
  return sentence.replaceAll('`', '').replace(/[.:;]$/, '');
}
