import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { stepsOf } from '../../e2e/documents/page.ts';
import { Reader } from '../../e2e/documents/reader.ts';
import { Terminal } from '../../e2e/documents/terminal.ts';
import { cleanEnvironment } from './child.ts';

/** A shell that ends with the test. */
function terminal(t: Test): Terminal {
  const shell = new Terminal(t.testdir(), t.testdirName, cleanEnvironment());
  t.teardown(() => shell.close());
  return shell;
}

t.test('folder, variables and functions stay from block to block', async (t) => {
  const shell = terminal(t);
  await shell.run('mkdir inside; cd inside\nword=kept\nsay() { echo "$word in $(basename "$PWD")"; }', 20_000);
  t.strictSame(await shell.run('say', 20_000), { code: 0, output: 'kept in inside\n' });
});

t.test('a command in the middle of a block that fails is not hidden by the last', async (t) => {
  const shell = terminal(t);
  t.match(await shell.run('ls /no/such/file\necho done', 20_000), { code: 2, output: /done/ });
  t.match(await shell.run('sh -c "exit 7" | cat', 20_000), { code: 7 });
  t.match(await shell.run('false || echo but all is well', 20_000), { code: 0 }, 'and the next block begins anew');
});

t.test('a block reads nothing of what is typed after it', async (t) => {
  const shell = terminal(t);
  t.match(await shell.run('cat', 20_000), { code: 0, output: '' });
});

t.test('a block that does not end is given up, with what it has printed', async (t) => {
  await t.rejects(terminal(t).run('echo begun\nsleep 600', 500), /still no end of: echo begun.*\nbegun/s);
});

t.test('what stays ends by Ctrl-C', async (t) => {
  const shell = terminal(t);
  await shell.start('echo up\nexec sleep 600', [/up/], 20_000);
  await shell.interrupt(20_000);
  await t.rejects(shell.run('true', 20_000), /its shell ended/);
});

t.test('what should stay and ends is told', async (t) => {
  await t.rejects(terminal(t).start('echo only this', [/up/], 20_000), /ended before it showed \/up\/: only this/);
});

t.test('a port of the page is another one here, in commands, files and what is expected', async (t) => {
  const page = [
    '<!-- runs: laptop -->\n<!-- file: a.txt -->\n```yaml\nport: 14140\n```\n',
    '```sh\ncat a.txt\necho 127.0.0.1:14140\n```\n<!-- shows: /port: 14140\\n127\\.0\\.0\\.1:14140/ -->\n',
  ].join('');
  const env = cleanEnvironment();
  const reader = new Reader(t, { env, substitutions: [['14140', '25000']], blockMs: 20_000 });
  for (const step of stepsOf('page.md', page)) t.strictSame(await reader.follow(step), []);
  t.ok(existsSync(join(reader.folder, 'a.txt')));
});

/** What is not as a page says that has this one block. */
async function wrongIn(t: Test, script: string, promises: string): Promise<readonly string[]> {
  const page = `<!-- runs: laptop -->\n\`\`\`sh\n${script}\n\`\`\`\n<!-- ${promises} -->\n`;
  const reader = new Reader(t, { env: cleanEnvironment(), substitutions: [], blockMs: 20_000 });
  const [step] = stepsOf('page.md', page);
  return step === undefined ? ['no step'] : reader.follow(step);
}

t.test('what a block does not show, and another exit code, is told with what it printed', async (t) => {
  t.strictSame(await wrongIn(t, 'echo this', 'shows: /that/'), ['it does not show /that/', 'this\n']);
  t.strictSame(await wrongIn(t, 'echo this; sh -c "exit 3"', 'shows: /this/'), [
    'it ends with 3 in place of 0',
    'this\n',
  ]);
  t.strictSame(await wrongIn(t, 'echo this', 'exits 3, shows: /this/'), ['it ends with 0 in place of 3', 'this\n']);
  t.strictSame(await wrongIn(t, 'echo this; sh -c "exit 3"', 'exits 3, shows: /this/'), []);
});

t.test('what comes by and by is tried again, and only then', async (t) => {
  const third = 'echo x >>tries; test $(wc -l <tries) -ge 3 && echo there || echo not yet';
  t.strictSame(await wrongIn(t, third, 'within 20 s, shows: /there/'), []);
  t.strictSame(await wrongIn(t, third, 'shows: /there/'), ['it does not show /there/', 'not yet\n']);
});
