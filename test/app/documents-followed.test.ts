import { existsSync, globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import t from 'tap';
import { hasCommands, type Step, stepsOf } from '../../e2e/documents/page.ts';
import { pagesOf } from '../../e2e/documents/pages.ts';
import { ROOT } from './child.ts';

const runs = '<!-- runs: laptop -->\n';
const sh = (script: string): string => `\`\`\`sh\n${script}\n\`\`\`\n`;

function kinds(steps: readonly Step[]): readonly string[] {
  return steps.map(({ kind }) => kind);
}

t.test('each page with commands is followed by a test', (t) => {
  const followed = [...pagesOf('laptop'), ...pagesOf('cluster')].map(({ name }) => name);
  for (const name of globSync('docs/{getting-started,tasks/*,concepts/*}.md', { cwd: ROOT }))
    if (hasCommands(readFileSync(join(ROOT, name), 'utf8'))) t.ok(followed.includes(name), name);
  for (const { name } of pagesOf('laptop')) {
    const test = join(ROOT, `test/app/documents-${basename(name, '.md')}.test.ts`);
    t.ok(existsSync(test) && readFileSync(test, 'utf8').includes(`followPage('${name}')`), `${name} has its test`);
  }
  t.end();
});

t.test('a page is files, commands, and Ctrl-C, in their order', (t) => {
  const text = `${runs}<!-- file: a.yaml -->\n\`\`\`yaml\na: 1\n\`\`\`\n${sh('run')}<!-- stays, shows: /up/ -->\n${sh('look')}<!-- shows: /all/ -->\n<!-- Ctrl-C -->\n`;
  const steps = stepsOf('page.md', text);
  t.strictSame(kinds(steps), ['file', 'stays', 'run', 'interrupt']);
  t.match(steps[0], { path: 'a.yaml', text: 'a: 1\n', place: 'laptop' });
  t.match(steps[1], { script: 'run\n', shows: [/up/] });
  t.end();
});

t.test('what a block shows, how it ends and how long it may take stands behind it', (t) => {
  const [failing, slow] = stepsOf(
    'page.md',
    `${runs}${sh('a')}<!-- exits 78, shows: /one/ -->\n<!-- shows: /two/m -->\n<!-- runs: cluster -->\n${sh('b')}<!-- within 90 s, shows: /b/ -->\n`,
  );
  t.match(failing, { exits: 78, shows: [/one/, /two/m], withinMs: null, place: 'laptop' });
  t.match(slow, { exits: 0, withinMs: 90_000, place: 'cluster' });
  t.end();
});

t.test('a page that leaves something out is refused with its line', (t) => {
  const refused = (text: string): (() => unknown) => {
    return () => stepsOf('page.md', text);
  };
  t.throws(refused(sh('ls')), /page\.md:1: a command, and no `runs:` above it/);
  t.throws(refused(`${runs}${sh('ls')}`), /page\.md:2: nothing says what this block shows/);
  t.throws(refused(`${runs}${sh('ls')}${sh('ls')}<!-- shows: /a/ -->\n`), /page\.md:2: nothing says/);
  t.throws(refused(`${runs}<!-- show: /a/ -->\n`), /page\.md:2: no comment of ours: show/);
  t.throws(refused(`${runs}<!-- shows: /a/ -->\n`), /page\.md:2: no block of sh comes before it/);
  const sample = `${runs}${sh('ls')}<!-- shows: /all of it/ -->\n\`\`\`text\nhalf\n\`\`\`\n`;
  t.throws(refused(sample), /page\.md:2: its sample does not match/);
  t.doesNotThrow(refused(sample.replace('half', 'all of it')));
  t.end();
});
