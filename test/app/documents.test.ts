import { spawnSync } from 'node:child_process';
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { ERRORS } from '../../src/errors.ts';
import { BUNDLE, Child, carpool, childConfig, cleanEnvironment, freePort, holdConnection, ROOT } from './child.ts';
import { namedOrigin } from './traffic.ts';

const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');

/** The fenced blocks of a document that are in `language`. */
function blocks(text: string, language: string): string[] {
  return [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].flatMap(([, kind, body]) =>
    kind === language ? [body ?? ''] : [],
  );
}

/** Runs shell lines with the Node of this test. */
async function shell(t: Test, script: string, env: NodeJS.ProcessEnv = {}) {
  const clean = cleanEnvironment();
  const PATH = `${dirname(process.execPath)}${delimiter}${clean.PATH}`;
  const child = new Child(t, 'sh', ['-ec', script], { ...clean, PATH, ...env });
  const { code } = await child.ended;
  return { code, out: child.out.text, err: child.err.text };
}

const noCurl = spawnSync('curl', ['--version']).status === 0 ? false : 'no curl here';
const noMake = spawnSync('sh', ['-c', 'command -v make']).status === 0 ? false : 'no make here';

t.test('docs/errors.md has each code once, with the status, type and retry rule of the table', (t) => {
  const rows = [...read('docs/errors.md').matchAll(/^\| ([A-Z_]+) \| (\S+) \| (\S+) \| (\S+) \|/gm)];
  t.strictSame(rows.map(([, code]) => code).sort(), Object.keys(ERRORS).sort());
  for (const [, code = '', status, type, retry] of rows) {
    const row = Object.entries(ERRORS).find(([name]) => name === code)?.[1];
    t.equal(status, row?.status === 0 ? '–' : String(row?.status), `${code}: status`);
    t.equal(type, row?.proxyError, `${code}: Proxy-Status`);
    t.equal(retry, row?.retry, `${code}: sent again`);
  }
  t.end();
});

t.test('each file that a document links to is there', (t) => {
  const documents = globSync('docs/**/*.md', { cwd: ROOT });
  for (const document of ['README.md', 'e2e/README.md', 'charts/carpool/README.md', ...documents])
    for (const [, target = ''] of read(document).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g))
      t.ok(existsSync(join(ROOT, dirname(document), target)), `${document} → ${target}`);
  t.end();
});

/** The heading as a link names it. */
function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(/\s/g, '-');
}

t.test('each section that a document links to is there', (t) => {
  for (const document of ['README.md', ...globSync('docs/**/*.md', { cwd: ROOT })])
    for (const [, target = '', section = ''] of read(document).matchAll(/\]\(([^)#:]*\.md)?#([^)]+)\)/g)) {
      const file = target === '' ? document : join(dirname(document), target);
      const headings = [...read(file).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchor(heading));
      t.ok(headings.includes(section), `${document} → ${file}#${section}`);
    }
  t.end();
});

t.test('each command that a document names is there', async (t) => {
  const help = carpool(t, ['--help']);
  await help.ended;
  const commands = new Set([...help.out.text.matchAll(/^ {2}([a-z-]+)/gm)].map(([, name]) => name));
  t.ok(commands.size > 10);
  for (const document of [
    'README.md',
    'docs/operations.md',
    'docs/metrics.md',
    'docs/errors.md',
    'docs/coming-from-a-pool-guide.md',
  ])
    for (const [, name] of read(document).matchAll(/(?:`|\$ |^node dist\/)carpool(?:\.js)? ([a-z][a-z-]+)/gm))
      t.ok(commands.has(name ?? ''), `${document}: carpool ${name}`);
});

t.test('each make target that the README names is there', { skip: noMake }, async (t) => {
  const named = new Set(
    [...read('README.md').matchAll(/^make ([\w-]+)$|`make ([\w-]+)`/gm)].map(([, a, b]) => a ?? b ?? ''),
  );
  t.ok(named.size >= 5);
  for (const target of named) t.match(await shell(t, `make -n ${target} </dev/null`), { code: 0 }, target);
});

t.test('the lines of the README to try with the demo work', { skip: noCurl }, async (t) => {
  const demo = carpool(t, ['demo', '--port', '0', '--set', 'operator.port=0']);
  await demo.out.with('Ctrl-C stops it');
  const text = demo.out.text;
  const listener = /-x http:\/\/127\.0\.0\.1:(\d+)/.exec(text)?.[1] ?? '';
  const operator = /curl http:\/\/127\.0\.0\.1:(\d+)\/stats/.exec(text)?.[1] ?? '';
  await holdConnection(t, Number(listener));
  const [, calls = '', looks = ''] = blocks(read('README.md'), 'sh');
  const lines = `${calls}${looks}`.trim().split('\n');
  t.equal(lines.length, 8);
  for (const line of lines) {
    const here = line.replaceAll(':14140', `:${listener}`).replaceAll(':14191', `:${operator}`);
    t.not(here, line.startsWith('node') ? '' : line, 'it names a port');
    const { code, out, err } = await shell(t, here, { CARPOOL_OPERATOR_PORT: operator });
    t.equal(code, 0, `${line}\n${err}`);
    t.match(out, /hello|NO_ROUTE|DNS_TIMEOUT|DESTINATION|carpool_/, line);
  }
  const advice = blocks(read('README.md'), 'sh').find((block) => block.includes(' advise ')) ?? '';
  for (const line of advice.trim().split('\n')) {
    const { code, out, err } = await shell(t, line.replace('--for 10s', '--for 0'), {
      CARPOOL_OPERATOR_PORT: operator,
    });
    t.equal(code, 0, `${line}\n${err}`);
    t.match(out, /hello\.demo:80, since the start|^defaults:$/m, line);
  }
  for (const line of (blocks(read('docs/operations.md'), 'sh')[0] ?? '').trim().split('\n'))
    t.match(await shell(t, line, { CARPOOL_OPERATOR_PORT: operator }), { code: 0, out: /hello|upstream/ }, line);
});

t.test(
  'the lines of the README for an app work with the configuration that stands above them',
  { skip: noCurl },
  async (t) => {
    const readme = read('README.md');
    const origin = await namedOrigin(t, 'orders');
    const { directory, socket } = childConfig(t);
    const [yaml = ''] = blocks(readme, 'yaml');
    t.ok(yaml.includes('127.0.0.1:9000'));
    writeFileSync(join(directory, 'carpool.yaml'), yaml.replace('127.0.0.1:9000', `127.0.0.1:${origin.port}`));
    const script = blocks(readme, 'sh').find((block) => block.includes('run --config')) ?? '';
    const port = await freePort();
    const here = script.replaceAll('dist/carpool.js', BUNDLE).replaceAll(':14140', `:${port}`);
    const { code, out, err } = await shell(t, `cd ${directory}\ntrap 'kill -9 $!' EXIT\n${here}`, {
      CARPOOL_LISTENER_PORT: String(port),
      CARPOOL_OPERATOR_PORT: String(await freePort()),
      CARPOOL_CONTROL_SOCKET: socket,
    });
    t.equal(code, 0, err);
    t.match(out, 'carpool.yaml: ok');
    t.ok(out.endsWith('orders'), out);
    t.equal(origin.answered, 1);
  },
);
