import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { portOf } from '../admin/port-of.ts';
import { TestClock } from '../test-clock.ts';
import { runCli } from './run-cli.ts';
import { scriptedSidecar } from './scripted-sidecar.ts';

const complete = async (url: string, ...words: string[]) => {
  const { code, out, err } = await runCli(['complete', '--', ...words], { env: { CARPOOL_OPERATOR_URL: url } });
  if (code !== 0 || err !== '') throw new Error(`${code} ${err}`);
  return out
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split('\t')[0]);
};

async function sidecarWithNames(t: Test) {
  const sidecar = await scriptedSidecar(t);
  sidecar.answers.set('/status', {
    destinations: [{ name: 'orders.shop:8080' }, { name: 'orders.shop:9090' }, { name: 'b:80' }, { name: '$(reboot)' }],
    events: [{ type: 'endpoint_ejected' }, { type: 'endpoint_ejected' }, { type: 'config_applied' }],
  });
  return sidecar;
}

t.test('commands, options, their values and arguments are completed', async (t) => {
  const { url } = await sidecarWithNames(t);
  for (const [words, expected] of [
    [['po'], ['pools']],
    [['re'], ['resume', 'reconnect', 'reload']],
    [['nonsense', ''], []],
    [['complet'], ['completion']],
    [['pools', '--w'], ['--watch']],
    [
      ['pools', '-o', ''],
      ['table', 'json'],
    ],
    [['pools', '--output', 'j'], ['json']],
    [['pools', '--output=j'], ['--output=json']],
    [
      ['events', '--color', 'a'],
      ['auto', 'always'],
    ],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    [['log-level', 'w'], ['warn']],
    [['run', '--profile', 'd'], ['development']],
    [['run', '--set', 'shutdown.g'], ['shutdown.grace=']],
    [
      ['config', 'shutdown.'],
      ['shutdown.grace', 'shutdown.quiet'],
    ],
    [['check', ''], [':files']],
    [['run', '--config=/etc'], [':files']],
    [['evict', '--socket', ''], [':files']],
    [['help', 'po'], ['pools']],
    [['pools', '--', ''], []],
  ] as const)
    t.same(await complete(url, ...words), expected, words.join(' '));
  t.ok((await complete(url, '')).length > 15);
  t.notOk((await complete(url, '')).includes('complete'), 'what the scripts call is nothing for a person');
});

t.test('destinations and types of events are those of the running sidecar', async (t) => {
  const { url } = await sidecarWithNames(t);
  t.same(
    await complete(url, 'pools', ''),
    ['orders.shop:8080', 'orders.shop:9090', 'b:80'],
    'no name that a shell would run',
  );
  t.same(await complete(url, 'evict', '--idle', 'orders.shop:8'), ['orders.shop:8080']);
  t.same(await complete(url, 'pools', '-o', 'json', 'b'), ['b:80'], 'the value of an option is no argument');
  t.same(await complete(url, 'pools', '--watch', 'b'), ['b:80'], 'what --watch may do without is none');
  t.same(await complete(url, 'pools', '--watch', '2', 'b'), ['b:80']);
  t.same(await complete(url, 'pools', 'b:80', ''), [], 'one is enough');
  t.same(await complete(url, 'doctor', 'b:80', 'o'), ['orders.shop:8080', 'orders.shop:9090'], 'or any number');
  t.same(await complete(url, 'events', '--type', ''), ['endpoint_ejected', 'config_applied']);
  t.same(await complete('http://127.0.0.1:1', 'pools', '--url', url, 'b'), ['b:80'], 'the one that the line names');
  t.same(await complete('http://127.0.0.1:1', 'pools', `--url=${url}`, 'b'), ['b:80']);
});

t.test('where no sidecar answers within a second there are no destinations, and no word about it', async (t) => {
  t.same(await complete('http://127.0.0.1:1', 'pools', ''), []);
  const stuck = createServer().listen(0, '127.0.0.1');
  await once(stuck, 'listening');
  t.teardown(() => stuck.close());
  const clock = new TestClock();
  const accepted = once(stuck, 'connection');
  const env = { CARPOOL_OPERATOR_URL: `http://127.0.0.1:${portOf(stuck)}` };
  const running = runCli(['complete', '--', 'pools', ''], { clock, env });
  await accepted;
  clock.advance(1000);
  t.match(await running, { code: 0, out: '', err: '' });
});

const main = new URL('../../src/main.ts', import.meta.url).pathname;

/** A directory with a `carpool` that runs the sources. */
function programDirectory(t: Test): string {
  const directory = t.testdir({ 'a-file.yaml': '' });
  const program = join(directory, 'carpool');
  writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' --no-warnings '${main}' "$@"\n`);
  chmodSync(program, 0o755);
  return directory;
}

/** Runs a script in a shell, beside a sidecar of this process: so not synchronously. */
async function inShell(t: Test, shell: string, script: string, url: string): Promise<string> {
  const directory = programDirectory(t);
  const env = { ...process.env, PATH: `${directory}:${process.env.PATH}`, CARPOOL_OPERATOR_URL: url };
  const options = { cwd: directory, env, encoding: 'utf8' } as const;
  const { stdout, stderr } = await promisify(execFile)(shell, ['-c', script], options);
  if (stderr !== '') throw new Error(stderr);
  return stdout;
}

const has = (shell: string): boolean => spawnSync(shell, ['-c', 'exit 0']).status === 0;

t.test(
  'bash completes with the script, which may be read twice',
  { skip: has('bash') ? false : 'no bash' },
  async (t) => {
    const { url } = await sidecarWithNames(t);
    const out = await inShell(
      t,
      'bash',
      `
    script=$(carpool completion bash)
    eval "$script"; eval "$script"
    complete -p carpool
    try() {
      COMP_LINE=$1 COMP_POINT=\${#1} COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:'
      _carpool
      echo "$1 => \${COMPREPLY[*]}"
    }
    try "carpool poo"; try "carpool pools orders.shop:"; try "carpool pools --output=js"; try "carpool check a-"
    COMP_WORDBREAKS=
    try "carpool pools orders.shop:8"`,
      url,
    );
    t.equal(
      out,
      `complete -F _carpool carpool
carpool poo => pools
carpool pools orders.shop: => 8080 9090
carpool pools --output=js => json
carpool check a- => a-file.yaml
carpool pools orders.shop:8 => 8080
`,
      'of a word that bash has broken at a colon or = only the rest is given',
    );
  },
);

t.test('zsh takes the script', { skip: has('zsh') ? false : 'no zsh' }, async (t) => {
  const { url } = await sidecarWithNames(t);
  const script = `autoload -Uz compinit && compinit -u -D; eval "$(carpool completion zsh)"; echo $_comps[carpool]`;
  t.equal(await inShell(t, 'zsh', script, url), '_carpool\n');
});

t.test('fish completes with the script', { skip: has('fish') ? false : 'no fish' }, async (t) => {
  const { url } = await sidecarWithNames(t);
  const out = await inShell(
    t,
    'fish',
    `carpool completion fish | source
    for line in 'carpool pools orders.shop:8' 'carpool pools --output=js' 'carpool run --config=a-'
      complete -C $line
    end`,
    url,
  );
  t.equal(out, 'orders.shop:8080\n--output=json\n--config=a-file.yaml\n');
});
