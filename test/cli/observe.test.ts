import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { CliDeps } from '../../src/cli/deps.ts';
import { table } from '../../src/cli/table.ts';
import { makeOperator } from '../admin/operator-fixture.ts';
import { portOf } from '../admin/port-of.ts';
import { shortDirectory } from '../admin/short-directory.ts';
import { connection, destination, endpoint, processStats } from '../telemetry/fake-inspector.ts';
import { TestClock } from '../test-clock.ts';
import { runCli } from './run-cli.ts';

/** A real operator port, and a way to run commands against it. */
async function setup(t: Test) {
  const { operator, inspector } = makeOperator(t);
  const { port } = await operator.start();
  const url = `http://127.0.0.1:${port}`;
  const cli = (argv: readonly string[], changes: Partial<CliDeps> = {}) =>
    runCli(argv, { env: { CARPOOL_OPERATOR_URL: url }, ...changes });
  inspector.stats = [
    destination('orders.shop.svc.cluster.local:8080', {
      pending: 2,
      endpoints: [
        endpoint({
          connections: [
            connection('active', { id: 71, ageMs: 61_400 }),
            connection('idle', { id: 72, protocol: 'http2', idleMs: 250 }),
          ],
        }),
        endpoint({ address: '10.0.0.6', state: 'ejected' }),
      ],
    }),
    destination('b:80'),
  ];
  return { inspector, operator, url, port, cli };
}

function lines(text: string): string[][] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => line.trim().split(/ {2,}/));
}

t.test('pools are a row each', async (t) => {
  const { cli } = await setup(t);
  const { code, out } = await cli(['pools']);
  t.equal(code, 0);
  t.same(lines(out), [
    ['DESTINATION', 'ACTIVE', 'IDLE', 'CONNECTING', 'DRAINING', 'PENDING', 'MAX', 'ENDPOINTS', 'DISCOVERY'],
    ['orders.shop.svc.cluster.local:8080', '1', '1', '0', '0', '2', '10', '1/2', 'dns ready'],
    ['b:80', '0', '0', '0', '0', '0', '10', '1/1', 'dns ready'],
  ]);
  t.same(lines((await cli(['pools', 'b:80'])).out).length, 2);
});

t.test('what is out of the ordinary about a pool stands in a column of its own', async (t) => {
  const { cli, inspector } = await setup(t);
  const limit = { configured: 10, scaled: null, share: null, budget: null };
  inspector.stats = [
    destination('plain:80', { breaker: { state: 'closed', failures: 1, triedAgainInMs: 0 } }),
    destination('held:80', { paused: true, signals: ['pending', 'errors'] }),
    destination('open:80', { breaker: { state: 'open', failures: 5, triedAgainInMs: 4200 } }),
    destination('trial:80', { breaker: { state: 'half_open', failures: 5, triedAgainInMs: 0 } }),
    destination('shared:80', { maxConnections: 3, limit: { ...limit, share: 3, budget: 12 } }),
    destination('tunnels:80', { maxConnections: 1, limit: { ...limit, share: 3, budget: 12 } }),
    destination('ample:80', { limit: { ...limit, share: 30, budget: 90 } }),
    destination('scaled:80', { maxConnections: 15, limit: { ...limit, scaled: 15 } }),
    destination('canary:80', {
      discovery: { source: 'dns', state: 'ready', error: 'no-such-canary:80: no such name', ageMs: 5 },
    }),
    destination('sick:80', {
      endpoints: [endpoint({ state: 'failing' }), endpoint({ state: 'failing' }), endpoint({ state: 'ejected' })],
    }),
    destination('gone:80', { endpoints: [endpoint({ state: 'ejected', inRotation: false })] }),
    destination('half:80', { endpoints: [endpoint({ state: 'failing', inRotation: false }), endpoint()] }),
  ];
  const [titles, ...rows] = lines((await cli(['pools'])).out);
  t.equal(titles?.at(-1), 'NOTES');
  t.same(
    rows.map((cells) => [cells[0], cells[9] ?? '']),
    [
      ['plain:80', ''],
      ['held:80', 'paused; strained: pending, errors'],
      ['open:80', 'breaker open, tries again in 4s'],
      ['trial:80', 'breaker half open'],
      ['shared:80', 'fleet share 3 of 12'],
      ['tunnels:80', 'fleet share 3 of 12'],
      ['ample:80', ''],
      ['scaled:80', 'limit 15, scaled from 10'],
      ['canary:80', 'discovery: no-such-canary:80: no such name'],
      ['sick:80', 'no fit endpoint (2 by health checks, 1 ejected): they serve on'],
      ['gone:80', 'no fit endpoint (1 ejected)'],
      ['half:80', ''],
    ],
  );
});

t.test('connections are a row each', async (t) => {
  const { cli } = await setup(t);
  const { out } = await cli(['connections']);
  const name = 'orders.shop.svc.cluster.local:8080';
  t.same(lines(out), [
    ['ID', 'DESTINATION', 'ENDPOINT', 'PROTOCOL', 'STATE', 'AGE', 'IDLE', 'REQUESTS', 'STREAMS', 'REASON'],
    ['71', name, '10.0.0.5:8080', 'http1', 'active', '1m1s', '-', '7', '1', '-'],
    ['72', name, '10.0.0.5:8080', 'http2', 'idle', '2s', '250ms', '7', '0', '-'],
  ]);
  const none = await cli(['connections', 'b:80']);
  t.match(none, { code: 0, out: '', err: /no upstream connection/ });
});

t.test('stats sum up the sidecar', async (t) => {
  const { cli } = await setup(t);
  const { code, out } = await cli(['stats']);
  t.equal(code, 0);
  t.match(out, /^state +ready, up 5s$/m);
  t.match(out, /^upstream +4 of 10000 connections: 1 active, 1 idle, 0 connecting, 0 draining$/m);
  t.match(out, /^pending +2 requests$/m);
  t.match(out, /^reloads +2 applied, 1 refused$/m);
});

t.test('json is what the operator port says', async (t) => {
  const { cli, inspector } = await setup(t);
  const plain = JSON.parse(JSON.stringify(inspector.stats));
  t.same(JSON.parse((await cli(['stats', '-o', 'json'])).out).destinations, plain);
  t.same(JSON.parse((await cli(['pools', '-o', 'json'])).out), plain);
  const connections = JSON.parse((await cli(['connections', '-o', 'json'])).out);
  t.match(connections, [
    { destination: /orders/, endpoint: '10.0.0.5:8080', id: 71 },
    { id: 72, state: 'idle' },
  ]);
});

t.test('on a terminal every line fits, off a terminal nothing is cut', async (t) => {
  const { cli, url } = await setup(t);
  const env = { CARPOOL_OPERATOR_URL: url };
  for (const columns of [80, 100, 140]) {
    for (const line of (await cli(['pools'], { columns, env: { ...env, NO_COLOR: '1' } })).out.split('\n'))
      t.ok(line.length <= columns, `${columns}: ${line}`);
  }
  t.match((await cli(['pools'], { columns: 90 })).out, /orders\.sh.*… /);
  t.notMatch((await cli(['pools'])).out, /…|\u001b/);
});

t.test('control characters in a name do not reach the terminal', (t) => {
  const text = table([{ title: 'A', align: 'left' }], [['\u001b[31mred\u0007']], {
    width: null,
    rows: null,
    color: false,
  });
  t.equal(text, 'A\n?[31mred?\n');
  t.end();
});

t.test('a destination that there is not is a failure that says where to look', async (t) => {
  const { cli } = await setup(t);
  const { code, err } = await cli(['pools', 'c:80']);
  t.equal(code, 1);
  t.match(err, /no destination is called c:80\n.*\/stats lists them/);
});

t.test('where nobody listens the message names the address and the setting', async (t) => {
  const { operator, port, cli } = await setup(t);
  await operator.stop();
  const { code, err, clock } = await cli(['stats']);
  t.equal(code, 1);
  t.equal(clock.waiting, 0);
  t.match(err, new RegExp(`nothing listens on http://127\\.0\\.0\\.1:${port}: is the sidecar running`));
  const socket = await runCli(['stats', '--socket', join(shortDirectory(t), 'none.sock')]);
  t.equal(socket.code, 1);
  t.match(socket.err, /no control socket at .*none\.sock/);
});

t.test('the port comes from the configuration when no URL is given', async (t) => {
  const { port, url } = await setup(t);
  t.equal((await runCli(['stats'], { env: { CARPOOL_OPERATOR_PORT: String(port) } })).code, 0);
  t.equal(
    (await runCli(['stats', '--url', `${url}/`], { env: { CARPOOL_OPERATOR_URL: 'http://127.0.0.1:1' } })).code,
    0,
  );
});

t.test('an answer from something else is recognised as such', async (t) => {
  const other = createServer((_, response) => response.end('<html>')).listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.teardown(() => other.close());
  const port = portOf(other);
  const { code, err } = await runCli(['pools', '--url', `http://127.0.0.1:${port}`]);
  t.equal(code, 1);
  t.match(err, /is this the operator port/);
});

t.test('a sidecar that does not answer is given up after ten seconds of the clock', async (t) => {
  const stuck = createTcpServer().listen(0, '127.0.0.1');
  await once(stuck, 'listening');
  t.teardown(() => stuck.close());
  const port = portOf(stuck);
  const clock = new TestClock();
  const accepted = once(stuck, 'connection');
  const running = runCli(['stats', '--url', `http://127.0.0.1:${port}`], { clock });
  await accepted;
  clock.advance(10_000);
  const { code, err } = await running;
  t.equal(code, 1);
  t.match(err, /did not answer within 10 s/);
  t.equal(clock.waiting, 0);
});

t.test('wait ends with 0 as soon as the sidecar is ready', async (t) => {
  const { inspector, url } = await setup(t);
  const clock = new TestClock();
  let asked = 0;
  inspector.processStats = processStats({ state: 'starting' });
  const original = inspector.process.bind(inspector);
  inspector.process = () => {
    asked++;
    if (asked === 3) inspector.processStats = processStats();
    return original();
  };
  const running = runCli(['wait', '--url', url], { clock });
  let ended = false;
  running.then(() => {
    ended = true;
  }, t.fail);
  while (!ended) {
    if (asked < 3 && clock.waiting > 0) clock.advance(200);
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.equal((await running).code, 0);
  t.equal(asked, 3);
  t.equal(clock.waiting, 0);
});

t.test('wait ends with 1 and the reason when the time is over', async (t) => {
  const clock = new TestClock();
  let ended = false;
  const running = runCli(['wait', '--timeout', '1s', '--url', 'http://127.0.0.1:1'], { clock });
  running.then(() => {
    ended = true;
  }, t.fail);
  const start = clock.now();
  while (!ended) {
    if (clock.waiting > 0 && clock.now() - start < 5000) clock.advance(10);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { code, err } = await running;
  t.equal(code, 1);
  t.match(err, /not ready after 1 s: /);
  t.ok(clock.now() - start <= 1010, 'and not later');
});

t.test(
  'what keeps Kubernetes from being asked stands in stats, and beside the destination that goes by DNS',
  async (t) => {
    const { inspector, cli } = await setup(t);
    const problem = {
      message: 'the API server forbids the get of services in namespace shop (403)',
      hint: 'Allow it.',
    };
    inspector.processStats = processStats({ kubernetes: { connected: null, watches: 0, problems: [problem] } });
    const discovery = { source: 'dns', state: 'ready', error: problem.message, ageMs: 0 } as const;
    inspector.stats = [destination('orders:80', { discovery }), destination('b:80')];
    t.match((await cli(['stats'])).out, `\nkubernetes    ${problem.message}. ${problem.hint}\n`);
    const { out } = await cli(['pools']);
    t.match(
      out,
      /NOTES\norders:80 .* dns ready +discovery: the API server forbids the get of services in namespace shop \(403\)\n/,
    );
    inspector.processStats = processStats({ kubernetes: { connected: true, watches: 2, problems: [] } });
    t.match((await cli(['stats'])).out, /^kubernetes {4}connected, 2 namespaces watched$/m);
  },
);
