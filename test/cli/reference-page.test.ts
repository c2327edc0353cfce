import t from 'tap';
import { cliPage } from '../../src/cli/reference-page.ts';
import { runCli } from './run-cli.ts';

const page = cliPage();

t.test('docs/cli.md has each command once, with each of its options', async (t) => {
  const { out } = await runCli(['--help']);
  const names = [...out.matchAll(/^ {2}([a-z][a-z-]*)/gm)]
    .map(([, name = '']) => name)
    .filter((name) => name !== 'help');
  const sections = [...page.matchAll(/^## (.+)$/gm)].map(([, name = '']) => name);
  t.strictSame(sections.toSorted(), [...new Set(names)].toSorted());
  for (const name of sections) {
    const help = await runCli([name, '--help']);
    const [, rest = ''] = page.split(`\n## ${name}\n`);
    const rows = (rest.split('\n## ')[0] ?? '').split('\n').filter((line) => line.startsWith('| `'));
    for (const [, option = ''] of help.out.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm))
      if (option !== '--help')
        t.ok(
          rows.some((row) => row.includes(`${option} `) || row.includes(`${option}\``)),
          `${name} ${option}`,
        );
  }
});

t.test('a command has its examples, and no table that is empty', (t) => {
  t.match(page, /## size\n[^#]*Examples:\n\n```text\ncarpool size --rps/);
  t.notMatch(page, /\| (argument|option) \| \|\n\|---\|---\|\n\n/);
  t.end();
});
