import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { call } from '../admin/call.ts';
import { startSidecar } from '../sidecar.ts';
import { type Child, type ChildConfig, carpool, childConfig, untilReady, writeConfig } from './child.ts';
import { type NamedOrigin, namedOrigin } from './traffic.ts';

t.jobs = 3;

type Rig = {
  readonly child: Child;
  readonly config: ChildConfig;
  readonly port: number;
  readonly operatorPort: number;
  readonly origin: NamedOrigin;
};

const SHOP = 'shop.demo:80';

/** A sidecar in a process of its own, with one destination. */
async function start(t: Test): Promise<Rig> {
  const origin = await namedOrigin(t, 'shop');
  const settings = { destinations: [{ match: SHOP, endpoints: [`127.0.0.1:${origin.port}`] }] };
  const config = childConfig(t, settings);
  const child = carpool(t, ['run', '--config', config.file]);
  return { child, config, origin, ...(await untilReady(child)) };
}

const ask = (rig: Rig, path: string, method = 'GET') =>
  call({ port: rig.port }, `http://shop.demo${path}`, { method, headers: { host: 'shop.demo' } });

/** The value of a sample whose name and labels match, or null where there is none. */
async function sample(rig: Rig, name: string, labels: Record<string, string> = {}): Promise<number | null> {
  const { body } = await call({ port: rig.operatorPort }, '/metrics');
  for (const line of body.split('\n')) {
    const match = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (match?.[1] !== name) continue;
    if (Object.entries(labels).every(([key, value]) => match[2]?.includes(`${key}="${value}"`)))
      return Number(match[3]);
  }
  return null;
}

async function json(rig: Rig, path: string): Promise<unknown> {
  const { status, body } = await call({ port: rig.operatorPort }, path);
  if (status !== 200) throw new Error(`${path}: ${status} ${body}`);
  return JSON.parse(body);
}

/** Runs one command of the bundle. */
async function cli(t: Test, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = carpool(t, args, env);
  const { code } = await child.ended;
  return { code, out: child.out.text, err: child.err.text };
}

t.test('every page answers, and shows the connections that there are', async (t) => {
  const rig = await start(t);
  for (let count = 0; count < 3; count++) await ask(rig, '/');
  const { body: index } = await call({ port: rig.operatorPort }, '/');
  const pages = [...index.matchAll(/href="([^"]+)"/g)].map(([, path]) => `/${path}`);
  t.ok(pages.length >= 10, 'the index lists them');
  for (const path of pages) t.match(await call({ port: rig.operatorPort }, path), { status: 200 }, path);
  t.match(await json(rig, '/stats'), {
    process: { state: 'ready', upstreamConnections: 1, exchanges: 0, tunnels: 0 },
    destinations: [
      {
        name: SHOP,
        configured: true,
        idle: 1,
        active: 0,
        pending: 0,
        endpoints: [{ state: 'ready', connections: [{ state: 'idle', requests: 3, protocol: 'http1' }] }],
      },
    ],
  });
  t.match(await json(rig, `/stats?destination=${SHOP}`), { destinations: [{ name: SHOP }] });
  t.match(await json(rig, '/health/connections'), {
    destinations: [{ destination: SHOP, idle: 1, endpoints: [{ connections: 1 }] }],
  });
  t.match(await json(rig, '/health/destinations'), { destinations: [{ destination: SHOP, status: 'ok' }] });
  t.match(await json(rig, '/health'), {
    status: /ok|warn/,
    checks: { pools: { status: 'ok' }, memory: { status: 'ok' } },
  });
  t.match(await json(rig, '/debug/config'), { destinations: [{ match: { host: 'shop.demo', port: 80 } }] });
});

t.test('the operator port changes nothing, and says what is wrong with a question', async (t) => {
  const rig = await start(t);
  const where = { port: rig.operatorPort };
  t.match(await call(where, '/evict', { method: 'POST' }), { status: 405, body: /only shows/ });
  t.match(await call(where, '/nothing'), { status: 404, body: /nothing is served at/ });
  t.match(await call(where, '/stats?destination=nobody:1'), { status: 404, body: /NO_SUCH_DESTINATION/ });
  t.match(await call(where, '/metrics', { method: 'HEAD' }), { status: 200, body: '' });
});

t.test('the metrics agree with what the client did', async (t) => {
  const rig = await start(t);
  for (let count = 0; count < 4; count++) await ask(rig, '/');
  await ask(rig, '/', 'POST');
  t.match(await call({ port: rig.port }, 'http://127.0.0.2:1/'), { status: 502 });
  t.match(await call({ port: rig.port }, '/origin-form'), { status: 400 });
  const shop = { destination: SHOP };
  t.equal(await sample(rig, 'carpool_requests_total', { ...shop, method_class: 'read', code_class: '2xx' }), 4);
  t.equal(await sample(rig, 'carpool_requests_total', { ...shop, method_class: 'write', code_class: '2xx' }), 1);
  t.equal(await sample(rig, 'carpool_pool_requests_total', { ...shop, reused: 'false' }), 1);
  t.equal(await sample(rig, 'carpool_pool_requests_total', { ...shop, reused: 'true' }), 4);
  t.equal(await sample(rig, 'carpool_pool_connections_created_total', shop), 1);
  t.equal(await sample(rig, 'carpool_pool_connections', { ...shop, state: 'idle' }), 1);
  t.equal(await sample(rig, 'carpool_request_duration_seconds_count', shop), 5);
  const nobody = { destination: '127.0.0.2:1' };
  t.equal(await sample(rig, 'carpool_errors_total', { ...nobody, code: 'CONNECT_FAILED' }), 1);
  t.ok(Number(await sample(rig, 'carpool_pool_connect_errors_total', { ...nobody, code: 'ECONNREFUSED' })) >= 1);
  t.equal(await sample(rig, 'carpool_requests_total', { ...nobody, code_class: '5xx' }), 1);
  t.equal(await sample(rig, 'carpool_errors_total', { code: 'BAD_REQUEST' }), 1);
  t.equal(await sample(rig, 'carpool_upstream_connections'), 1);
  t.equal(await sample(rig, 'carpool_exchanges'), 0);
  t.equal(rig.origin.answered, 5, 'and with what the origin saw');
});

t.test('evict by the command line closes connections, and the metrics say why', async (t) => {
  const rig = await start(t);
  await ask(rig, '/');
  const control = ['--socket', rig.config.socket];
  t.match(await cli(t, ['evict', SHOP, '--idle', ...control]), { code: 0, out: /^1 connection retired\n/ });
  t.match(await json(rig, '/health/connections'), { destinations: [{ idle: 0 }] });
  t.equal(await sample(rig, 'carpool_pool_connections_closed_total', { destination: SHOP, reason: 'admin' }), 1);
  await ask(rig, '/');
  t.match(await cli(t, ['evict', ...control]), { code: 0, out: /^1 connection retired; busy ones/ });
  t.equal(await sample(rig, 'carpool_pool_connections_created_total', { destination: SHOP }), 2);
  t.match(await cli(t, ['evict', 'nobody:1', ...control]), { code: 1, err: /no destination is called nobody:1/ });
  t.match(await cli(t, ['evict', '--everything', ...control]), { code: 64, err: /unknown option/ });
});

t.test('pools, connections and stats show a running sidecar, as tables and as JSON', async (t) => {
  const rig = await start(t);
  await ask(rig, '/');
  const env = { CARPOOL_OPERATOR_URL: `http://127.0.0.1:${rig.operatorPort}` };
  const [pools, connections, stats, all, one, nobody, json] = await Promise.all([
    cli(t, ['pools'], env),
    cli(t, ['connections', SHOP], env),
    cli(t, ['stats'], env),
    cli(t, ['pools', '--socket', rig.config.socket]),
    cli(t, ['connections', '-o', 'json'], env),
    cli(t, ['pools', 'nobody:1'], env),
    cli(t, ['stats', '-o', 'xml'], env),
  ]);
  t.match(pools, {
    code: 0,
    out: /^DESTINATION +ACTIVE .*\nshop\.demo:80 +0 +1 +0 +0 +0 +1024 +1\/1 +static ready\n$/,
  });
  t.match(
    connections.out,
    new RegExp(`^ *ID .*\n +\\d+ +shop\\.demo:80 +127\\.0\\.0\\.1:${rig.origin.port} +http1 +idle`),
  );
  t.match(stats, { code: 0, out: /\nupstream +1 of \d+ connections: 0 active, 1 idle/ });
  t.equal(all.out, pools.out, 'the control socket shows the same');
  t.match(JSON.parse(one.out), [{ destination: SHOP, state: 'idle', requests: 1 }]);
  t.match(nobody, { code: 1, err: /no destination is called nobody:1/ });
  t.match(json, { code: 64, err: /Allowed choices are table, json/ });
});

t.test('reload by the command line prints what changed, or why it is refused', async (t) => {
  // In this process, on a clock that stands: the watch of the file does not come first.
  const { configFile } = await startSidecar(t);
  const socket = join(dirname(configFile), 'control.sock');
  const change = (settings: Record<string, unknown>) => writeConfig({ file: configFile, socket }, settings);
  const control = ['--socket', socket];
  t.match(await cli(t, ['reload', ...control]), { code: 0, out: 'no setting changed\n' });
  change({ defaults: { pool: { maxConnections: 5 } } });
  const { code, out } = await cli(t, ['reload', ...control]);
  t.match({ code, out }, { code: 0, out: 'applies at once: defaults.pool.maxConnections: 1024 → 5\n' });
  writeFileSync(configFile, 'listener: { prot: 1 }');
  const refused = await cli(t, ['reload', ...control]);
  t.match(refused, {
    code: 78,
    out: '',
    err: /^the configuration was refused, the last good one stays\n.*did you mean port\?\n$/,
  });
});

t.test('log-level by the command line counts until the next restart', async (t) => {
  const rig = await start(t);
  const control = ['--socket', rig.config.socket];
  t.match(await cli(t, ['log-level', 'debug', ...control]), { code: 0, out: /log level is debug/ });
  await ask(rig, '/');
  await cli(t, ['evict', ...control]);
  t.match(await rig.child.out.with('upstream connection closed'), '"reason":"admin"');
  t.match(await cli(t, ['log-level', 'loud', ...control]), { code: 64, err: /Allowed choices/ });
});

t.test('wait ends with 0 as soon as the sidecar is ready, and with 1 in words where none comes', async (t) => {
  const rig = await start(t);
  const url = `http://127.0.0.1:${rig.operatorPort}`;
  const [ready, socket, nobody, noUrl] = await Promise.all([
    cli(t, ['wait', '--url', url]),
    cli(t, ['wait', '--socket', rig.config.socket]),
    cli(t, ['wait', '--url', 'http://127.0.0.1:1', '--timeout', '300ms']),
    cli(t, ['wait', '--url', 'nonsense']),
  ]);
  t.match(ready, { code: 0, out: '', err: '' });
  t.match(socket, { code: 0 });
  t.match(nobody, { code: 1, err: /^not ready after 0\.3 s: nothing listens on http:\/\/127\.0\.0\.1:1/ });
  t.match(noUrl, { code: 64, err: /is no http:\/\/ address/ });
});

t.test('check, version and help need no sidecar; a wrong command is told', async (t) => {
  const config = childConfig(t);
  const [good, missing, version, help, unknown, none, noSocket] = await Promise.all([
    cli(t, ['check', config.file]),
    cli(t, ['check', '/nowhere.yaml']),
    cli(t, ['version']),
    cli(t, ['--help']),
    cli(t, ['evic']),
    cli(t, []),
    cli(t, ['reload', '--socket', '/nowhere/control.sock']),
  ]);
  t.match(good, { code: 0, out: /carpool\.yaml: ok\n/ });
  t.match(missing, { code: 78, err: /there is no such file/ });
  t.match(version, { code: 0, out: /^\d+\.\d+\.\d+\n$/ });
  t.match(help, { code: 0, out: /Usage: carpool/ });
  t.match(unknown, { code: 64, err: /unknown command/ });
  t.match(none, { code: 64 });
  t.match(noSocket, { code: 1, err: /there is no control socket at \/nowhere\/control\.sock/ });
});
