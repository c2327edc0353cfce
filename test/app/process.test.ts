import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { call } from '../admin/call.ts';
import { portOf } from '../admin/port-of.ts';
import { rawClient, rawOrigin } from '../raw-origin.ts';
import { carpool, childConfig, freePort, untilReady, writeConfig } from './child.ts';

t.jobs = 4;

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const request = (port: number, path = '/') =>
  `GET http://127.0.0.1:${port}${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`;

async function takenPort(t: Test): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return portOf(server);
}

t.test('SIGTERM: the request that runs is answered, SIGTERM again is harmless, and the exit code is 0', async (t) => {
  const origin = await rawOrigin(t);
  const { file } = childConfig(t);
  const child = carpool(t, ['run', '--config', file]);
  const { port } = await untilReady(child);
  const client = await rawClient(t, port);
  client.write(request(origin.port));
  const upstream = await origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  child.signal('SIGTERM');
  await child.out.with('"msg":"stopping');
  child.signal('SIGTERM');
  child.signal('SIGTERM');
  const late = await rawClient(t, port);
  late.write(request(origin.port, '/late'));
  const second = await origin.connection(1);
  await second.untilReceived('/late');
  second.write(OK);
  await late.until(({ ended }) => ended);
  t.match(late.received, /200 OK.*connection: close.*ok$/is, 'a request that came after SIGTERM is served');
  late.socket.end();
  upstream.write(OK);
  await client.until(({ ended }) => ended);
  t.match(client.received, /200 OK.*connection: close.*ok$/is);
  client.socket.end();
  t.strictSame(await child.ended, { code: 0, signal: null });
  t.match(child.out.all.at(-1), '"msg":"stopped"');
  t.equal(child.err.text, '');
});

t.test('SIGINT stops gently too, and a second one ends the process at once', async (t) => {
  const origin = await rawOrigin(t);
  const { file } = childConfig(t);
  const child = carpool(t, ['run', '--config', file]);
  const { port } = await untilReady(child);
  const client = await rawClient(t, port);
  client.write(request(origin.port));
  await (await origin.connection(0)).untilReceived('\r\n\r\n');
  child.signal('SIGINT');
  await child.out.with('"msg":"stopping');
  t.notOk(client.ended, 'the first one cuts nothing');
  child.signal('SIGINT');
  t.strictSame(await child.ended, { code: 0, signal: null });
  await client.until(({ ended }) => ended);
  t.match(child.out.text, '"cut":1');
});

t.test('shutdown.grace ends a process whose upstream never answers', async (t) => {
  const origin = await rawOrigin(t);
  const { file } = childConfig(t, { shutdown: { grace: '1s' } });
  const child = carpool(t, ['run', '--config', file]);
  const { port } = await untilReady(child);
  const client = await rawClient(t, port);
  client.write(request(origin.port));
  await (await origin.connection(0)).untilReceived('\r\n\r\n');
  child.signal('SIGTERM');
  t.strictSame(await child.ended, { code: 0, signal: null });
});

t.test('the ready line tells version, Node, every port and how long the start took', async (t) => {
  const { file } = childConfig(t, {
    destinations: [{ match: 'legacy:9000', endpoints: ['127.0.0.1:9'], localPort: await freePort() }],
  });
  const child = carpool(t, ['run', '--config', file]);
  await untilReady(child);
  const ready: unknown = JSON.parse(await child.out.with('"msg":"ready"'));
  t.match(ready, {
    level: 'info',
    version: /^\d+\.\d+\.\d+/,
    node: process.version,
    listener: { host: '127.0.0.1', port: Number },
    operator: { host: '127.0.0.1', port: Number },
    localPorts: [{ destination: 'legacy:9000', port: Number }],
    readyMs: Number,
  });
  child.signal('SIGKILL');
});

t.test('a port that is taken is named with its setting, and the exit code is 1', async (t) => {
  const taken = await takenPort(t);
  const cases: [string, Record<string, unknown>, RegExp][] = [
    [
      'the listener',
      { listener: { port: taken } },
      new RegExp(`127\\.0\\.0\\.1:${taken} \\(listener\\.port\\) is in use`),
    ],
    [
      'the operator port',
      { operator: { port: taken } },
      new RegExp(`operator port ${taken} is taken .*operator\\.port`),
    ],
    [
      'a local port',
      { destinations: [{ match: 'legacy:9000', endpoints: ['127.0.0.1:9'], localPort: taken }] },
      new RegExp(`127\\.0\\.0\\.1:${taken} \\(.*localPort.*legacy.*\\) is in use`),
    ],
  ];
  for (const [what, settings, words] of cases) {
    const { file } = childConfig(t, settings);
    const child = carpool(t, ['run', '--config', file]);
    t.strictSame(await child.ended, { code: 1, signal: null }, what);
    t.equal(child.err.text.trim().split('\n').length, 1, `${what}: one line`);
    t.match(child.err.text, words, what);
    t.notMatch(child.out.text, '"ready"');
  }
});

t.test('the control socket of a living process is not taken from it', async (t) => {
  const config = childConfig(t);
  const first = carpool(t, ['run', '--config', config.file]);
  await untilReady(first);
  const second = carpool(t, ['run', '--config', config.file]);
  t.strictSame(await second.ended, { code: 1, signal: null });
  t.match(second.err.text, `control.socket ${config.socket} belongs to a running process`);
  t.match(await call({ socketPath: config.socket }, '/stats'), { status: 200 }, 'the first one still has it');
  first.signal('SIGKILL');
  await first.ended;
  const third = carpool(t, ['run', '--config', config.file]);
  await untilReady(third);
  t.match(await call({ socketPath: config.socket }, '/stats'), { status: 200 }, 'that of a killed one is taken over');
});

t.test('a configuration with five mistakes is five lines on standard error, and exit code 78', async (t) => {
  const config = childConfig(t);
  writeFileSync(
    config.file,
    [
      'listener: { port: 99999 }',
      'operatr: { port: 1 }',
      'defaults:',
      '  pool: { maxAge: 30, maxConections: 5 }',
      'telemetry: { logLevel: loud }',
    ].join('\n'),
  );
  const child = carpool(t, ['run', '--config', config.file]);
  t.strictSame(await child.ended, { code: 78, signal: null });
  const lines = child.err.text.trim().split('\n');
  t.equal(lines.length, 5, child.err.text);
  for (const [line, words] of [
    [1, 'listener.port'],
    [2, 'operatr'],
    [4, 'defaults.pool.maxAge'],
    [4, 'did you mean maxConnections?'],
    [5, 'telemetry.logLevel'],
  ] as const)
    t.ok(
      lines.some((each) => each.startsWith(`${config.file}:${line}:`) && each.includes(words)),
      `line ${line}: ${words}`,
    );
  t.equal(child.out.text, '');
});

t.test('a file that is not there is said so, and exit code 78', async (t) => {
  const child = carpool(t, ['run', '--config', '/nowhere/carpool.yaml']);
  t.strictSame(await child.ended, { code: 78, signal: null });
  t.equal(child.err.text, '/nowhere/carpool.yaml: there is no such file\n');
});

t.test('an unknown flag is a mistake of usage: exit code 64', async (t) => {
  const child = carpool(t, ['run', '--confg', 'x']);
  t.strictSame(await child.ended, { code: 64, signal: null });
  t.match(child.err.text, 'unknown option');
});

t.test('a fault that nobody caught is logged as fatal and ends the process with 1', async (t) => {
  const preload = (code: string) =>
    `data:text/javascript,${encodeURIComponent(`process.on('SIGUSR2', () => { ${code} });`)}`;
  for (const [code, words] of [
    ['throw new Error("kaboom")', 'a fault that nobody caught'],
    ['Promise.reject(new Error("kaboom"))', 'a rejection that nobody handled'],
  ] as const) {
    const { file } = childConfig(t);
    const child = carpool(t, ['run', '--config', file], {}, ['--import', preload(code)]);
    await untilReady(child);
    child.signal('SIGUSR2');
    t.strictSame(await child.ended, { code: 1, signal: null });
    const fatal: unknown = JSON.parse(await child.out.with('"level":"fatal"'));
    t.match(fatal, { msg: words, err: { message: 'kaboom', stack: /kaboom/ } });
  }
});

t.test('it starts without any file: destinations are found by DNS, and an error says what is wrong', async (t) => {
  const resolvConf = join(childConfig(t).directory, 'resolv.conf');
  writeFileSync(resolvConf, 'nameserver 127.0.0.1:1\noptions timeout:1 attempts:1\n');
  const child = carpool(t, ['run'], {
    CARPOOL_LISTENER_PORT: '0',
    CARPOOL_OPERATOR_PORT: '0',
    CARPOOL_OPERATOR_HOST: '127.0.0.1',
    CARPOOL_CONTROL_SOCKET: 'none',
    CARPOOL_DISCOVERY_DNS_RESOLV_CONF: resolvConf,
    CARPOOL_TIMEOUTS_CONNECT: '500ms',
  });
  const { port, operatorPort } = await untilReady(child);
  t.match(await call({ port: operatorPort }, '/readyz'), { status: 200 });
  const answer = await call({ port }, 'http://nowhere.invalid/');
  t.ok([502, 504].includes(answer.status), `${answer.status} ${answer.body}`);
  t.match(answer.body, /"code":"(NO_ROUTE|DNS_TIMEOUT)"/);
  t.match(
    await call({ port }, 'http://localhost:1/'),
    { status: 403, body: /DESTINATION_DENIED/ },
    '/etc/hosts is read',
  );
  child.signal('SIGKILL');
});

t.test('SIGHUP reads the configuration again; a bad file changes nothing', async (t) => {
  const config = childConfig(t);
  const child = carpool(t, ['run', '--config', config.file]);
  const { operatorPort } = await untilReady(child);
  writeConfig(config, { defaults: { pool: { maxConnections: 7 } } });
  child.signal('SIGHUP');
  await child.out.with('applies at once: defaults.pool.maxConnections: 1024 → 7');
  t.match((await call({ port: operatorPort }, '/debug/config')).body, '"maxConnections": 7');
  writeFileSync(config.file, 'nonsense: [');
  await child.out.with('the configuration was refused');
  // The watch of the file tells of the same content once only; the signal has it read again.
  const from = child.out.all.length;
  child.signal('SIGHUP');
  await child.out.with('the configuration was refused', from);
  t.match((await call({ port: operatorPort }, '/debug/config')).body, '"maxConnections": 7');
  child.signal('SIGKILL');
});

t.test('the relay goes on when the reader of its output is gone', async (t) => {
  const origin = await rawOrigin(t, (connection) => connection.socket.on('data', () => connection.write(OK)));
  const { file } = childConfig(t, { telemetry: { accessLog: 'all' } });
  const child = carpool(t, ['run', '--config', file]);
  const { port } = await untilReady(child);
  child.process.stdout?.destroy();
  child.process.stderr?.destroy();
  const client = await rawClient(t, port);
  for (let count = 1; count <= 20; count++) {
    client.write(request(origin.port));
    await client.until(({ received }) => received.split('\r\n\r\nok').length === count + 1);
  }
  t.equal(client.received.split('200 OK').length - 1, 20);
  client.socket.end();
  child.signal('SIGTERM');
  t.strictSame(await child.ended, { code: 0, signal: null }, 'and it still stops as it should');
});

t.test(
  'the relay goes on when the reader of its output stands still, and counts the lines it had to drop',
  async (t) => {
    const origin = await rawOrigin(t, (connection) => connection.socket.on('data', () => connection.write(OK)));
    const { file } = childConfig(t, { telemetry: { accessLog: 'all', accessLogPath: true } });
    const child = carpool(t, ['run', '--config', file]);
    const { port, operatorPort } = await untilReady(child);
    child.process.stdout?.pause();
    const client = await rawClient(t, port);
    const path = `/${'x'.repeat(15_000)}`;
    const dropped = async () =>
      Number(/carpool_log_dropped_lines_total (\d+)/.exec((await call({ port: operatorPort }, '/metrics')).body)?.[1]);
    let count = 0;
    while ((await dropped()) === 0) {
      client.write(request(origin.port, path));
      count++;
      await client.until(({ received }) => received.split('200 OK').length === count + 1);
    }
    t.ok(count < 200, `${count} lines fitted`);
    child.process.stdout?.resume();
    await child.out.with('log lines dropped');
    child.signal('SIGKILL');
  },
);

t.test('the bundle answers --version with the version of package.json', async (t) => {
  const child = carpool(t, ['--version']);
  t.strictSame(await child.ended, { code: 0, signal: null });
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  t.equal(child.out.text, `${version}\n`);
});
