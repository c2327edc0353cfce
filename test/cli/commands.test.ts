import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseRunArguments } from '../../src/cli/run-arguments.ts';
import { CONFIG_FLAGS, type FlagOptions } from '../../src/config/flags.ts';
import { runCli } from './run-cli.ts';

t.test('run hands the flags over, whether read quickly or by commander', async (t) => {
  const argv = ['--config', 'a.yaml', '--set', 'a=1', '--set=b=2', '--port', '99', '--log-level', 'debug'];
  const seen: FlagOptions[] = [];
  const run = (options: FlagOptions) => {
    seen.push(options);
    return Promise.resolve(7);
  };
  t.equal((await runCli(['run', ...argv], { run })).code, 7);
  const { runProgram } = await import('../../src/cli/program.ts');
  await runCli(['version']);
  const quiet = { out: () => {}, err: () => {}, env: {}, columns: null, rows: null, input: () => Promise.resolve('') };
  const deps = { ...quiet, interrupted: () => () => {}, version: '', demo: () => Promise.resolve(0) };
  const clock = { now: () => 0, wall: () => 0, setTimer: () => ({ cancel: () => {} }) };
  t.equal(await runProgram(['run', ...argv], { ...deps, clock, run }), 7);
  const expected = { config: 'a.yaml', set: ['a=1', 'b=2'], profile: undefined, port: '99', logLevel: 'debug' };
  t.strictSame(seen[0], expected);
  t.match(seen[1], { config: 'a.yaml', set: ['a=1', 'b=2'], port: '99', logLevel: 'debug' });
});

t.test('the quick way knows every flag of the configuration, and leaves mistakes to commander', async (t) => {
  for (const { flags } of CONFIG_FLAGS) {
    const [flag = ''] = flags.split(' ');
    t.not(parseRunArguments([flag, 'x']), null, flag);
  }
  for (const argv of [['--help'], ['--nonsense'], ['stray'], ['--port']]) t.equal(parseRunArguments(argv), null);
  const help = await runCli(['run', '--help']);
  t.equal(help.code, 0);
  for (const { flags } of CONFIG_FLAGS) t.ok(help.out.includes(flags), flags);
});

t.test('run loads neither commander nor the other commands', (t) => {
  const cli = new URL('../../src/cli/cli.ts', import.meta.url).href;
  const program = `
    import { registerHooks } from 'node:module';
    const loaded = [];
    registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context); } });
    const { main } = await import(${JSON.stringify(cli)});
    await main(['run', '--port', '1'], { run: async () => 0 });
    console.log(JSON.stringify(loaded));
  `;
  const child = spawnSync(process.execPath, ['--no-warnings', '--input-type=module', '-e', program], {
    encoding: 'utf8',
  });
  const loaded: string[] = JSON.parse(child.stdout);
  t.same(
    loaded.filter((url) => /commander|yaml|node:http|program\.ts/.test(url)),
    [],
  );
  t.ok(loaded.some((url) => url.endsWith('run-arguments.ts')));
  t.end();
});

t.test('usage errors are 64 and say what is wrong', async (t) => {
  for (const [argv, words] of [
    [['nonsense'], /unknown command 'nonsense'/],
    [['run', '--nonsense'], /unknown option '--nonsense'/],
    [['log-level', 'loud'], /Allowed choices are trace, debug/],
    [['pools', '-o', 'xml'], /Allowed choices are table, json/],
    [['wait', '--timeout', '30'], /30s, 2m/],
    [['stats', '--url', 'ftp://x'], /no http:\/\/ address/],
    [['check'], /missing required argument 'file'/],
  ] as const) {
    const { code, err } = await runCli(argv);
    t.equal(code, 64, argv.join(' '));
    t.match(err, words);
  }
});

t.test('help and version are no errors', async (t) => {
  t.match(await runCli(['version']), { code: 0, out: '1.2.3\n' });
  t.match(await runCli(['--version']), { code: 0, out: '1.2.3\n' });
  const help = await runCli(['--help']);
  t.equal(help.code, 0);
  for (const name of [
    'run',
    'check',
    'stats',
    'pools',
    'connections',
    'evict',
    'pause',
    'resume',
    'reconnect',
    'advise',
    'size',
    'timeouts',
    'reload',
    'log-level',
    'wait',
    'doctor',
    'demo',
  ])
    t.match(help.out, new RegExp(`^  ${name}\\b`, 'm'));
});

t.test('check says ok, or every problem with 78', async (t) => {
  const file = join(t.testdir(), 'config.yaml');
  writeFileSync(file, 'profile: production\n');
  t.match(await runCli(['check', file]), { code: 0, out: /ok/ });
  t.equal((await runCli(['check', file, '--set', 'listener.port=99999'])).code, 78, 'flags count too');
  writeFileSync(file, 'listener: { port: x }\nnonsense: 1\n');
  const bad = await runCli(['check', file]);
  t.equal(bad.code, 78);
  t.match(bad.err, /listener\.port/);
  t.match(bad.err, /nonsense/);
});

t.test('check names what a destination has beyond the defaults', async (t) => {
  const file = join(t.testdir(), 'config.yaml');
  writeFileSync(
    file,
    `fleet: { coordinator: kubernetes, service: app }
destinations:
  - match: "plain:80"
  - match: "api.example.com:443"
    protocol: http2
    tls: { originate: true }
    retry: { attempts: 3 }
    breaker: { destinationFailures: 20 }
    healthCheck: { enabled: true, kind: grpc, interval: 5s }
    rateLimit: { requestsPerMinute: 60 }
    balancer: sticky
    sticky: { by: header, name: x-user }
    fleet: { maxConnections: 100 }
  - match: "old:80"
    mode: observe
    to: [{ host: "a:80", weight: 9 }, { host: "b:81", weight: 1 }]
`,
  );
  const { code, out } = await runCli(['check', file]);
  t.equal(code, 0);
  t.match(out, /destination plain:80: 1024 connections\n/);
  t.match(
    out,
    'destination api.example.com:443: 1024 connections, HTTP/2, TLS, 3 tries, breaker after 20 failures, grpc checks every 5s, 60 requests a minute, sticky by x-user, 100 connections for the fleet\n',
  );
  t.match(out, 'destination old:80: 1024 connections, to a:80 × 9 and b:81 × 1, observed only\n');
});

t.test('demo gets what follows it, and its exit code counts', async (t) => {
  let seen: readonly string[] = [];
  const demo = (args: readonly string[]) => {
    seen = args;
    return Promise.resolve(3);
  };
  t.equal((await runCli(['demo', '--rps', '5', 'x'], { demo })).code, 3);
  t.same(seen, ['--rps', '5', 'x']);
});

t.test('the sources of the command line do not write to the terminal themselves', (t) => {
  for (const name of ['cli', 'program', 'show', 'wait', 'control-commands', 'doctor'])
    t.notMatch(readFileSync(new URL(`../../src/cli/${name}.ts`, import.meta.url), 'utf8'), /console\.|process\.std/);
  t.end();
});
