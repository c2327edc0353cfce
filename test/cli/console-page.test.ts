import { readFileSync } from 'node:fs';
import t from 'tap';
import { buildProgram } from '../../src/cli/program.ts';

const page = readFileSync(new URL('../../docs/console.md', import.meta.url), 'utf8');
const nothing = () => {};

const program = buildProgram(
  {
    version: '',
    clock: { now: () => 0, wall: () => 0, setTimer: () => ({ cancel: nothing }) },
    env: {},
    out: nothing,
    err: nothing,
    input: () => Promise.resolve(''),
    columns: null,
    rows: null,
    interrupted: () => nothing,
    run: () => Promise.resolve(0),
    demo: () => Promise.resolve(0),
  },
  nothing,
);
const command = (name: string) => program.commands.find((each) => each.name() === name);

t.test('docs/console.md names only commands and options that there are', (t) => {
  const lines = [...page.matchAll(/(?:^\$ |^|`|-- |<\()carpool ([a-z-]+)([^`\n|>)]*)/gm)];
  t.ok(lines.length > 25);
  for (const [line, name = '', rest = ''] of lines) {
    const known = command(name);
    t.ok(known, line);
    for (const [option] of rest.matchAll(/--?[a-z][a-z-]*/g))
      t.ok(
        known?.options.some((each) => each.long === option || each.short === option) || option === '--help',
        `${line}: ${option}`,
      );
  }
  t.end();
});

t.test('every command has an example in its help, which names itself', async (t) => {
  for (const each of program.commands) {
    if (each.name() === 'complete') continue;
    let help = '';
    each.configureOutput({
      writeOut: (text) => {
        help += text;
      },
    });
    each.outputHelp();
    t.match(help, new RegExp(`\nExamples:\n {2}.*carpool ${each.name()}\\b`), each.name());
  }
});
