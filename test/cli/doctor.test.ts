import { readFileSync, writeFileSync } from 'node:fs';
import { type Test, test } from 'tap';
import { CliError } from '../../src/cli/deps.ts';
import { runChecks } from '../../src/cli/doctor-finding.ts';
import { DnsServer, NODATA } from '../discovery/dns-server.ts';
import { startSidecar } from '../sidecar.ts';
import { answerOf } from '../status/findings-fixture.ts';
import { TestClock } from '../test-clock.ts';
import { temporaryFile } from './doctor-fixture.ts';
import { runCli } from './run-cli.ts';

/** A sidecar, a nameserver and the arguments that lead the command to them. */
async function setup(t: Test) {
  const sidecar = await startSidecar(t);
  const dns = await DnsServer.start(() => NODATA);
  t.teardown(() => dns.close());
  const proxy = `http://127.0.0.1:${sidecar.port}`;
  const noProxy =
    'localhost,127.0.0.1,::1,169.254.169.254,169.254.170.2,169.254.170.23,metadata.google.internal,kubernetes.default.svc';
  const environ = temporaryFile(
    t,
    'environ',
    [
      `HTTP_PROXY=${proxy}`,
      `http_proxy=${proxy}`,
      `NO_PROXY=${noProxy}`,
      `no_proxy=${noProxy}`,
      'NODE_USE_ENV_PROXY=1',
    ].join('\0'),
  );
  const set = {
    'operator.port': sidecar.operatorPort,
    'operator.host': '127.0.0.1',
    'discovery.kubernetes.enabled': false,
    'discovery.dns.resolvConf': temporaryFile(t, 'resolv.conf', `nameserver ${dns.address}\n`),
    // What fits under any limit of open files that the machine may have.
    'listener.maxConnections': 1,
    'limits.maxConnections': 1,
    'defaults.pool.maxConnections': 1,
  };
  const flags = Object.entries(set).flatMap(([path, value]) => ['--set', `${path}=${value}`]);
  return { sidecar, proxy, environ, argv: ['doctor', '--port', String(sidecar.port), ...flags] };
}

test('doctor has a line for each finding, and ends with 0 where all is well', async (t) => {
  const { argv, environ, proxy, sidecar } = await setup(t);
  const { code, out, err } = await runCli([...argv, '--environ', environ]);
  t.equal(code, 0);
  t.equal(err, '');
  const lines = out.trimEnd().split('\n');
  t.match(lines, [
    /^ok {4}configuration {4}no file, 8 settings made, the rest by default$/,
    `ok    listener         carpool listens on 127.0.0.1:${sidecar.port}`,
    /^ok {4}operator port {4}http:\/\/127\.0\.0\.1:\d+\/readyz says ready$/,
    'ok    running          the running sidecar has nothing to complain of',
    `ok    proxy variables  HTTP_PROXY and http_proxy lead to carpool (${proxy})`,
    /^ok {4}proxy variables {2}NO_PROXY/,
    /^ok {4}file limit {7}\d+ open files are enough/,
    /^ok {4}DNS {14}.*resolv\.conf/,
    /^ok {4}DNS {14}nameserver/,
    /^ok {4}Kubernetes {7}discovery\.kubernetes\.enabled is off/,
  ]);
  t.equal(lines.length, 10);
  t.notMatch(out, /\u001b/, 'no colours');
});

test('a warning alone is no failure, and its remedy stands in the line below', async (t) => {
  const { argv } = await setup(t);
  const { code, out } = await runCli(argv);
  t.equal(code, 0);
  t.match(out, /^warn {2}proxy variables {2}not looked at: .*\n {6}→ Give the app’s variables with --environ/m);
});

test('what the running sidecar finds stands there with the lines to type', async (t) => {
  const { argv, environ, proxy, sidecar } = await setup(t);
  await answerOf(t, sidecar.port, Buffer.from([0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0]));
  const env = { CARPOOL_OPERATOR_URL: `http://127.0.0.1:${sidecar.operatorPort}` };
  const { code, out } = await runCli([...argv, '--environ', environ], { env });
  t.equal(code, 1);
  t.match(out, /^fail {2}running {10}The app speaks TLS to the proxy: 1 connection.*\n {6}→ Set HTTPS_PROXY to/m);
  t.ok(out.includes(`\n          HTTP_PROXY=${proxy}\n          HTTPS_PROXY=${proxy}\n`));
  t.notMatch(out, 'CARPOOL_OPERATOR_URL', 'a variable of the commands is no mistake');
});

test('a failure makes it 1, and the other checks go on', async (t) => {
  const { argv, environ, sidecar } = await setup(t);
  await sidecar.app.close();
  const { code, out } = await runCli([...argv, '--environ', environ, 'a:b', '127.0.0.1:9']);
  t.equal(code, 1);
  t.match(out, /^fail {2}listener {9}nothing listens on .*\n {6}→ Start it/m);
  t.match(out, /^fail {2}operator port/m);
  t.match(out, /^ok {4}Kubernetes/m);
  t.match(out, /^fail {2}a:b {14}is no destination$/m);
  t.match(out, /^fail {2}127\.0\.0\.1:9 {6}an address: .*loopback/m);
});

test('json is the list of findings', async (t) => {
  const { argv, environ } = await setup(t);
  const { code, out } = await runCli([...argv, '--environ', environ, '-o', 'json', 'a:b']);
  t.equal(code, 1);
  const findings: unknown = JSON.parse(out);
  t.ok(Array.isArray(findings));
  t.match(findings, [
    { check: 'configuration', status: 'ok', message: /no file/, remedy: null },
    { check: 'listener', status: 'ok', remedy: null },
  ]);
  t.same(Array.isArray(findings) && findings.at(-1), {
    check: 'a:b',
    status: 'fail',
    message: 'is no destination',
    remedy: 'Write it as the app calls it: orders.shop:8080, 10.0.0.5:80, [fd00::5]:80.',
  });
});

test('problems of the file are each a finding, and the rest goes by the defaults and the flags', async (t) => {
  const { argv, sidecar } = await setup(t);
  const file = temporaryFile(t, 'carpool.yaml', 'listener: { idleTimeout: x }\nnonsense: 1\n');
  const { code, out } = await runCli([...argv, '--config', file, '-o', 'json']);
  t.equal(code, 1);
  const findings: unknown = JSON.parse(out);
  t.match(findings, [
    { check: 'configuration', status: 'fail', message: /carpool\.yaml:1:\d+: listener\.idleTimeout/ },
    { check: 'configuration', status: 'fail', message: /nonsense is no setting/ },
    { check: 'configuration', status: 'warn', message: /goes by the default configuration, with what/ },
    { check: 'listener', status: 'ok', message: `carpool listens on 127.0.0.1:${sidecar.port}` },
  ]);
});

test('warnings of the configuration are findings, and a file is named', async (t) => {
  const { argv, environ } = await setup(t);
  const file = temporaryFile(t, 'carpool.yaml', 'telemetry: { logLevel: info }\n');
  const env = { CARPOOL_CONFIG: file, CARPOOL_NONSENSE: '1' };
  const { code, out } = await runCli([...argv, '--environ', environ], { env });
  t.equal(code, 0);
  t.match(out, `ok    configuration    ${file}, 9 settings made`);
  t.match(out, /^warn {2}configuration {4}CARPOOL_NONSENSE: no setting has this variable\n {6}→ /m);
});

test('an environ file that cannot be read is a failure', async (t) => {
  const { argv, environ } = await setup(t);
  const { code, out } = await runCli([...argv, '--environ', `${environ}.none`]);
  t.equal(code, 1);
  t.match(out, /^fail {2}proxy variables {2}.*cannot be read \(ENOENT\)\n {6}→ Run this as the user/m);
});

test('control characters of what was named do not reach the terminal', async (t) => {
  const { argv, environ } = await setup(t);
  t.match((await runCli([...argv, '--environ', environ, '\u001b[31m'])).out, /^fail {2}\?\[31m/m);
});

test('a check that hangs is ended after fifteen seconds, one that throws is a finding, and the others are heard', async (t) => {
  const clock = new TestClock();
  let late = () => {};
  let stopped: AbortSignal | null = null;
  const running = runChecks(
    [
      {
        name: 'slow',
        run: (findings, signal) => {
          findings.ok('half of it');
          late = () => findings.ok('too late');
          stopped = signal;
          return new Promise(() => {});
        },
      },
      {
        name: 'broken',
        run: () => {
          throw new Error('oh');
        },
      },
      { name: 'good', run: (findings) => findings.ok('well') },
    ],
    clock,
  );
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(clock.waiting, 1, 'the others are done');
  clock.advance(15_000);
  late();
  const findings = await running;
  t.match(findings, [
    { check: 'slow', status: 'ok' },
    { check: 'slow', status: 'fail', message: 'not done after 15 s' },
    { check: 'broken', status: 'fail', message: 'the check itself failed: oh' },
    { check: 'good', status: 'ok', message: 'well', remedy: null },
  ]);
  t.equal(findings.length, 4);
  t.match(stopped, { aborted: true });
});

test('a file that may be missing and is counts as none, and is not said to be read', async (t) => {
  const { argv, environ } = await setup(t);
  const file = `${temporaryFile(t, 'here', '')}-not`;
  const { out } = await runCli([...argv, '--environ', environ], { env: { CARPOOL_CONFIG_IF_PRESENT: file } });
  t.match(out, `no file at ${file}, 8 settings made, the rest by default`);
  writeFileSync(file, 'telemetry: { accessLog: all }\n');
  const there = await runCli([...argv, '--environ', environ], { env: { CARPOOL_CONFIG_IF_PRESENT: file } });
  t.match(there.out, `configuration    ${file}, 9 settings made, the rest by default`);
});

test('the app’s variables come from standard input, too', async (t) => {
  const { argv, environ } = await setup(t);
  const input = readFileSync(environ, 'utf8').replaceAll('\0', '\n');
  const { code, out } = await runCli([...argv, '--environ', '-'], { input: async () => input });
  t.equal(code, 0);
  t.match(out, /ok {4}proxy variables {2}HTTP_PROXY and http_proxy lead to carpool/);
  const empty = await runCli([...argv, '--environ', '-'], { input: async () => '' });
  t.match(empty, { code: 1, out: /fail {2}proxy variables {2}neither HTTP_PROXY nor http_proxy is set/ });
  const broken = await runCli([...argv, '--environ', '-'], {
    input: async () => {
      throw new CliError('standard input is too large');
    },
  });
  t.match(broken, { code: 1, out: /fail {2}proxy variables {2}standard input is too large/ });
});

test('in a pod the hint says how to give the app’s variables', async (t) => {
  const { argv } = await setup(t);
  const { out } = await runCli(argv, {
    env: { KUBERNETES_SERVICE_HOST: '10.96.0.1', POD_NAME: 'orders-1', POD_NAMESPACE: 'shop' },
  });
  t.match(
    out,
    ': kubectl exec -n shop orders-1 -c APP -- env | kubectl exec -i -n shop orders-1 -c carpool -- carpool doctor --environ -\n',
  );
});
