import { Argument, type Command } from 'commander';
import { type CliDeps, CliError } from './deps.ts';
import { call } from './http-call.ts';
import { type JsonObject, listAt, parseObject, textAt } from './json-reader.ts';
import { readTarget } from './targets.ts';

/** A person waits for the key: a sidecar that does not answer at once is none. Milliseconds. */
const TIMEOUT_MS = 1000;
/** What a shell may be given: a name with anything else in it would have to be quoted for each. */
const PLAIN = /^[\w.:*@%+[\]-]+$/;

/** `carpool completion SHELL`, and the hidden `carpool complete` that the scripts call. */
export function addCompletionCommands(program: Command, deps: CliDeps): void {
  program
    .command('completion')
    .description('print what makes a shell complete commands, options and destinations')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .action(async (shell: string) => {
      const { completionScript, SHELLS } = await import('./completion-scripts.ts');
      const known = SHELLS.find((each) => each === shell);
      if (known !== undefined) deps.out(completionScript(known));
    });
  program
    .command('complete', { hidden: true })
    .helpOption(false)
    .argument('[words...]')
    .action(async (words: string[]) => {
      const { completionLines } = await import('./completion.ts');
      const seen = (list: string, key: string) => async (before: readonly string[]) =>
        [...new Set(listAt(await statusFor(before, deps), list).map((row) => textAt(row, key)))].filter((name) =>
          PLAIN.test(name),
        );
      const running = { destinations: seen('destinations', 'name'), eventTypes: seen('events', 'type') };
      deps.out((await completionLines(program, words, running)).map((line) => `${line}\n`).join(''));
    });
}

/** `/status` of the sidecar that the words on the line name, or nothing. Never a word of what is wrong: it would stand in the line. */
async function statusFor(before: readonly string[], deps: CliDeps): Promise<JsonObject> {
  try {
    const url = lastValue('--url', before);
    const socket = lastValue('--socket', before);
    const target = readTarget(
      { ...(url === undefined ? {} : { url }), ...(socket === undefined ? {} : { socket }) },
      deps.env,
    );
    const path = '/status?history=none';
    const { status, body } = await call(target, { method: 'GET', path, timeoutMs: TIMEOUT_MS }, deps.clock);
    return status === 200 ? parseObject(body, '') : new Map();
  } catch (error) {
    if (error instanceof CliError) return new Map();
    throw error;
  }
}

/** The last value that an option has among the words: `--url X` or `--url=X`. */
function lastValue(option: string, words: readonly string[]): string | undefined {
  let value: string | undefined;
  for (const [i, word] of words.entries()) {
    if (word === option) value = words[i + 1];
    else if (word.startsWith(`${option}=`)) value = word.slice(option.length + 1);
  }
  return value;
}
