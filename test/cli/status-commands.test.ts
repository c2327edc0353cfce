import t from 'tap';
import type { EndpointRow, ErrorRow, Finding } from '../../src/status/types.ts';
import { runCli } from './run-cli.ts';
import { NOW, scriptedSidecar } from './scripted-sidecar.ts';

const FINDING: Finding = {
  code: 'pool_exhausted',
  severity: 'error',
  destination: 'orders.shop:80',
  title: 'All 2 connections are in use, and 6 requests wait',
  detail: 'They wait for 120 ms.',
  remedies: ['Raise pool.maxConnections to 8.', 'Or find out why it takes so long.'],
  lines: ['destinations:', '  - match: "orders.shop:80"', '    pool: { maxConnections: 8 }'],
};
const OTHER: Finding = { ...FINDING, code: 'x', destination: 'b:80', title: 'Another one', severity: 'warning' };
const WHOLE: Finding = { ...FINDING, code: 'y', destination: null, title: 'Nobody calls', severity: 'info', lines: [] };
const ROWS = [
  { name: 'orders.shop:80', label: 'orders' },
  { name: 'b:80', label: 'b:80' },
];

const ENDPOINT: EndpointRow = {
  id: '10.0.0.5:80',
  state: 'ready',
  inRotation: true,
  outstanding: 3,
  active: 2,
  idle: 1,
  draining: 0,
  connecting: 1,
  latencyMs: 12.4,
  connectMs: 1,
  consecutiveFailures: 0,
  ejectedForMs: 0,
  check: null,
  idleTimeMs: 50_000,
  idleTimeSource: 'default',
  changes: 0,
};

const ERROR: ErrorRow = {
  code: 'ACQUIRE_TIMEOUT',
  destination: 'orders',
  count: 12,
  status: 503,
  lastTime: NOW - 90_000,
  lastMessage: 'no connection became free within 300 ms',
  hint: 'Raise pool.maxConnections.',
};

t.test('an endpoint is a row with its state, its load and how often it changed', async (t) => {
  const sidecar = await scriptedSidecar(t, { findings: [] });
  sidecar.answers.set('/status/endpoints', {
    endpoints: [
      { destination: 'orders.shop:80', ...ENDPOINT },
      {
        destination: 'orders.shop:80',
        ...ENDPOINT,
        id: '10.0.0.6:80',
        state: 'ejected',
        inRotation: false,
        consecutiveFailures: 5,
        ejectedForMs: 4200,
        check: 'failing',
        latencyMs: 2.44,
        changes: 8,
      },
    ],
  });
  const cli = (...argv: string[]) => runCli(['endpoints', '--url', sidecar.url, ...argv]);
  const { code, out } = await cli();
  t.equal(code, 0);
  t.same(
    out
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/)),
    [
      'DESTINATION ENDPOINT STATE ROTATION RUNNING CONNECTIONS LATENCY FAILURES CHANGES/10M NOTES'.split(' '),
      ['orders.shop:80', '10.0.0.5:80', 'ready', 'in', '3', '4', '12ms', '0', '0', '1 connecting'],
      [
        'orders.shop:80',
        '10.0.0.6:80',
        'ejected',
        'out',
        '3',
        '4',
        '2.4ms',
        '5',
        '8',
        'back in 4s; check failing; 1 connecting',
      ],
    ],
  );
  t.match(JSON.parse((await cli('-o', 'json')).out), [
    { destination: 'orders.shop:80', id: '10.0.0.5:80', changes: 0 },
    { state: 'ejected' },
  ]);
  sidecar.asked.length = 0;
  await cli('orders.shop:80');
  t.equal(sidecar.asked[0], '/status/endpoints?destination=orders.shop%3A80');
});

t.test('off a terminal an error is one line, its hint included', async (t) => {
  const sidecar = await scriptedSidecar(t, { errors: [ERROR, { ...ERROR, status: 0, destination: '-', hint: '' }] });
  const { out } = await runCli(['errors', '--url', sidecar.url]);
  t.same(
    out
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((line) => line.split(/ {2,}/)),
    [
      ['ACQUIRE_TIMEOUT', 'orders', '503', '12', '2026-01-31T09:28:30Z', ERROR.lastMessage, ERROR.hint],
      ['ACQUIRE_TIMEOUT', '-', '-', '12', '2026-01-31T09:28:30Z', ERROR.lastMessage, '-'],
    ],
  );
});

t.test('on a terminal the message and the hint stand under it, and fit', async (t) => {
  const hint = 'Raise pool.maxConnections of this destination, or find out why its requests take so long.';
  const sidecar = await scriptedSidecar(t, { errors: [{ ...ERROR, hint }] });
  const { out } = await runCli(['errors', '--url', sidecar.url], { columns: 60, rows: 24, env: { NO_COLOR: '1' } });
  t.equal(
    out,
    `CODE             DESTINATION  STATUS  COUNT       LAST
ACQUIRE_TIMEOUT  orders          503     12  1m30s ago
  no connection became free within 300 ms
  → Raise pool.maxConnections of this destination, or find
    out why its requests take so long.
`,
  );
});

t.test('errors are those of one destination by its name or its label', async (t) => {
  const sidecar = await scriptedSidecar(t, {
    errors: [
      ERROR,
      { ...ERROR, code: 'NO_ROUTE', destination: '-' },
      { ...ERROR, code: 'LOOP', destination: 'gone:80' },
    ],
  });
  const status = sidecar.answers.get('/status');
  sidecar.answers.set('/status', { ...(typeof status === 'object' ? status : {}), destinations: ROWS });
  const codes = async (name: string) =>
    JSON.parse((await runCli(['errors', name, '-o', 'json', '--url', sidecar.url])).out).map(
      (row: ErrorRow) => row.code,
    );
  t.same(await codes('orders.shop:80'), ['ACQUIRE_TIMEOUT']);
  t.same(await codes('orders'), ['ACQUIRE_TIMEOUT']);
  t.same(await codes('-'), ['NO_ROUTE'], 'what could not be read');
  t.same(await codes('gone:80'), ['LOOP'], 'a destination that is gone has errors still');
  t.match(await runCli(['errors', 'b:80', '--url', sidecar.url]), { code: 0, out: '', err: /no error yet.* for b:80/ });
  const unknown = await runCli(['errors', 'orders.shop', '--url', sidecar.url]);
  t.equal(unknown.code, 1);
  t.match(unknown.err, /no destination is called orders\.shop\nDid you mean orders\.shop:80\?/);
});

t.test('findings stand under the table on a terminal, the lines to set as they are', async (t) => {
  const sidecar = await scriptedSidecar(t, { findings: [FINDING], errors: [ERROR] });
  sidecar.answers.set('/stats', { process: {}, destinations: [{ name: 'orders.shop:80' }] });
  sidecar.answers.set('/status/endpoints', { endpoints: [{ destination: 'orders.shop:80', ...ENDPOINT }] });
  for (const command of ['stats', 'pools', 'endpoints', 'errors']) {
    const argv = [command, '--url', sidecar.url];
    const terminal = await runCli(argv, { columns: 100, rows: 40, env: { NO_COLOR: '1' } });
    t.ok(
      terminal.out.endsWith(`
! orders.shop:80: All 2 connections are in use, and 6 requests wait
  They wait for 120 ms.
  → Raise pool.maxConnections to 8.
  → Or find out why it takes so long.
      destinations:
        - match: "orders.shop:80"
          pool: { maxConnections: 8 }
`),
      command,
    );
    t.equal(terminal.err, '');
    const pipe = await runCli(argv);
    t.notMatch(pipe.out, /All 2 connections/, 'rows are for programs');
    t.match(pipe.err, /^\n! orders.shop:80: All 2 connections are in use/, 'and findings for people');
    const colored = await runCli(argv, { columns: 100, rows: 40 });
    t.match(colored.out, '\u001b[31m! orders.shop:80: All 2 connections');
  }
});

t.test('of one destination its own findings are shown, and those of the sidecar as a whole', async (t) => {
  const sidecar = await scriptedSidecar(t, { findings: [FINDING, OTHER, WHOLE] });
  const status = sidecar.answers.get('/status');
  sidecar.answers.set('/status', { ...(typeof status === 'object' ? status : {}), destinations: ROWS });
  sidecar.answers.set('/stats', { destinations: [{ name: 'orders.shop:80' }] });
  const { err } = await runCli(['pools', 'orders', '--url', sidecar.url]);
  t.match(err, /! orders.shop:80: All 2/);
  t.match(err, /\ni Nobody calls/, 'what is only to be known has another mark');
  t.notMatch(err, /Another one/);
  const whole = { ...WHOLE, severity: 'error' };
  sidecar.answers.set('/status', { destinations: ROWS, findings: [whole, FINDING] });
  const { err: urgent } = await runCli(['pools', 'orders', '--url', sidecar.url]);
  t.match(urgent, /! orders.shop:80: All 2[\s\S]*! Nobody calls/, 'what was asked for comes first');
  sidecar.answers.set('/status', { ...(typeof status === 'object' ? status : {}), destinations: ROWS });
  const all = await runCli(['pools', '--url', sidecar.url]);
  t.match(all.err, /Another one/);
});

t.test('many findings do not bury the table', async (t) => {
  const findings = Array.from({ length: 13 }, (_, i) => ({ ...FINDING, title: `Number ${i}` }));
  const sidecar = await scriptedSidecar(t, { findings });
  sidecar.answers.set('/stats', { destinations: [{ name: 'a:80' }] });
  const { err } = await runCli(['pools', '--url', sidecar.url]);
  t.equal(err.match(/! orders.shop:80: Number/g)?.length, 10);
  t.match(err, /… and 3 more: carpool doctor has them all/);
});

t.test('a hostile text of a finding reaches the terminal without its control characters', async (t) => {
  const lines = ['\u001b]0;title\u0007', 'a\u202eb'];
  const sidecar = await scriptedSidecar(t, { findings: [{ ...FINDING, title: '\u001b[2Jgone', lines }] });
  sidecar.answers.set('/stats', { destinations: [{ name: 'a:80' }] });
  const { err } = await runCli(['pools', '--url', sidecar.url]);
  t.match(err, /! orders\.shop:80: \?\[2Jgone/);
  t.notMatch(err, /[\u001b\u0007\u202e]/);
});

t.test('a sidecar without /status still shows its pools; what needs it says what to do', async (t) => {
  const sidecar = await scriptedSidecar(t);
  sidecar.answers.delete('/status');
  sidecar.answers.set('/stats', { destinations: [{ name: 'a:80' }] });
  t.match(await runCli(['pools', '--url', sidecar.url]), { code: 0, out: /a:80/, err: '' });
  for (const command of ['events', 'errors', 'endpoints']) {
    const { code, err } = await runCli([command, '--url', sidecar.url]);
    t.equal(code, 1);
    t.match(err, /is older than this program: it has no \/status[^?]*\n.*kubectl exec POD -c carpool -- carpool/);
  }
  sidecar.answers.set('/debug/config', { profile: 'production' });
  const config = await runCli(['config', '--url', sidecar.url]);
  t.equal(config.code, 1);
  t.match(config.err, /does not say where its values come from\n.*\/debug\/config/);
});
