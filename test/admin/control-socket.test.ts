import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ControlSocket, type ControlSocketOptions } from '../../src/admin/control-socket.ts';
import { CarpoolError } from '../../src/errors.ts';
import { destination, FakeInspector } from '../telemetry/fake-inspector.ts';
import { fakeStatus } from '../telemetry/fake-status.ts';
import { TestClock } from '../test-clock.ts';
import { call } from './call.ts';
import { FakeController } from './fake-controller.ts';
import { portOf } from './port-of.ts';
import { shortDirectory } from './short-directory.ts';

function makeControl(t: Test, changes: Partial<ControlSocketOptions> = {}) {
  const clock = new TestClock();
  const controller = new FakeController();
  const inspector = new FakeInspector();
  const faults: unknown[] = [];
  const socket = join(shortDirectory(t), 'run', 'control.sock');
  const control = new ControlSocket({
    controller,
    inspector,
    status: fakeStatus(clock, inspector).model,
    clock,
    socket,
    port: null,
    tokenFile: null,
    onFault: (error) => faults.push(error),
    ...changes,
  });
  t.teardown(() => control.stop());
  const post = (path: string, body?: unknown) =>
    call({ socketPath: socket }, path, {
      method: 'POST',
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  return { clock, controller, inspector, control, socket, faults, post };
}

const reasonOf = (promise: Promise<unknown>) =>
  promise.then(
    () => t.fail('it should have been refused'),
    (error: unknown) => error,
  );

t.test('the socket and its directory are for this user only, whatever the umask', async (t) => {
  const { control, socket } = makeControl(t);
  const umask = process.umask(0);
  t.teardown(() => process.umask(umask));
  t.same(await control.start(), { socket, port: null, warnings: [] });
  t.equal(statSync(socket).mode & 0o777, 0o600);
  t.equal(statSync(join(socket, '..')).mode & 0o777, 0o700);
  t.equal(process.umask(), 0, 'the umask is as it was');
  await control.stop();
  t.notOk(existsSync(socket), 'and it is removed at the end');
});

t.test('reload answers with the lines that explain it, and 422 where the configuration is refused', async (t) => {
  const { control, controller, post } = makeControl(t);
  await control.start();
  const good = await post('/reload');
  t.equal(good.status, 200);
  t.same(JSON.parse(good.body), { applied: true, lines: ['pool.maxIdle: 1 → 2'] });
  controller.reloadResult = { applied: false, lines: ['pool.maxIdle: must be a number'] };
  const bad = await post('/reload', {});
  t.equal(bad.status, 422);
  t.match(JSON.parse(bad.body), { applied: false, lines: [/must be/] });
  t.same(controller.calls, ['reload', 'reload']);
});

t.test('the log level is set to one that there is', async (t) => {
  const { control, controller, post } = makeControl(t);
  await control.start();
  t.equal((await post('/log-level', { level: 'debug' })).status, 200);
  for (const body of [{ level: 'loud' }, { level: 3 }, {}, undefined]) {
    const reply = await post('/log-level', body);
    t.equal(reply.status, 400);
    t.match(JSON.parse(reply.body).message, /trace, debug, info/);
  }
  t.same(controller.calls, [
    ['level', 'debug'],
    ['level', 'loud'],
  ]);
});

t.test('evict takes a destination and idle, and a field it does not know evicts nothing', async (t) => {
  const { control, controller, post } = makeControl(t);
  await control.start();
  t.same(JSON.parse((await post('/evict')).body), { evicted: 3 });
  t.same(JSON.parse((await post('/evict', { destination: 'a:80', idle: true })).body), { evicted: 3 });
  t.same(controller.calls, [
    { destination: null, idleOnly: false },
    { destination: 'a:80', idleOnly: true },
  ]);
  const unknown = await post('/evict', { destination: 'unknown:80' });
  t.equal(unknown.status, 404);
  t.match(JSON.parse(unknown.body), { message: /unknown:80/, hint: /host:port/ });
  for (const body of [{ destnation: 'a:80' }, { destination: 3 }, { idle: 'yes' }, [], 'nonsense{'])
    t.equal((await post('/evict', body)).status, 400, JSON.stringify(body));
  t.equal(controller.calls.length, 3);
});

t.test('pause, resume and reconnect take one destination, which has to be named', async (t) => {
  const { control, controller, post } = makeControl(t);
  await control.start();
  const said = async (path: string, destination: string) => JSON.parse((await post(path, { destination })).body);
  t.same(await said('/pause', 'a:80'), { destination: 'a:80', changed: true, pauseTimeoutMs: 30_000 });
  t.same(await said('/pause', 'paused:80'), { destination: 'paused:80', changed: false, pauseTimeoutMs: 30_000 });
  t.same(await said('/resume', 'paused:80'), { destination: 'paused:80', changed: true });
  t.same(await said('/reconnect', 'a:80'), { destination: 'a:80', connections: 2 });
  controller.calls.length = 0;
  for (const path of ['/pause', '/resume', '/reconnect']) {
    for (const body of [
      undefined,
      {},
      { destination: '' },
      { destination: ' ' },
      { destination: 3 },
      { destination: null },
    ])
      t.match(await post(path, body), { status: 400, body: /destination must be a string/ }, path);
    t.match(await post(path, { destination: 'a:80', idle: true }), { status: 400, body: /there is no field/ }, path);
    t.same(controller.calls, [], 'nothing was done');
    t.match(await post(path, { destination: 'unknown:80' }), { status: 404, body: /NO_SUCH_DESTINATION/ }, path);
    controller.calls.length = 0;
  }
});

t.test('stats are the same as on the operator port', async (t) => {
  const { control, inspector, socket } = makeControl(t);
  await control.start();
  inspector.stats = [destination('a:80'), destination('b:80')];
  const reply = await call({ socketPath: socket }, '/stats?destination=b:80');
  t.equal(reply.status, 200);
  t.match(JSON.parse(reply.body), { process: { state: 'ready' }, destinations: [{ name: 'b:80' }] });
});

t.test('what is no command says which there are, and a wrong method which is right', async (t) => {
  const { control, socket, post } = makeControl(t);
  await control.start();
  const missing = await post('/destroy');
  t.equal(missing.status, 404);
  t.ok(JSON.parse(missing.body).commands.includes('POST /reload'));
  const wrong = await call({ socketPath: socket }, '/reload');
  t.equal(wrong.status, 405);
  t.equal(wrong.headers.allow, 'POST');
});

t.test('a body over 64 KiB is refused, one of exactly 64 KiB is read', async (t) => {
  const { control, post } = makeControl(t);
  await control.start();
  const padded = (length: number) => `{"idle":true${' '.repeat(length - 13)}}`;
  t.equal((await post('/evict', padded(65_536))).status, 200);
  t.equal((await post('/evict', padded(65_537))).status, 413);
});

t.test('a fault inside a command is a 500 and reported', async (t) => {
  const { control, controller, post, faults } = makeControl(t);
  await control.start();
  controller.reload = () => Promise.reject(new Error('internal detail'));
  const reply = await post('/reload');
  t.equal(reply.status, 500);
  t.notMatch(reply.body, /internal detail/);
  t.match(faults, [{ message: 'internal detail' }]);
});

t.test('the socket that a crashed process left is replaced', async (t) => {
  const { control, socket, post } = makeControl(t);
  mkdirSync(join(socket, '..'));
  const program = `require('net').createServer().listen(${JSON.stringify(socket)}, () => console.log('up'))`;
  const crashed = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(crashed.stdout, 'data');
  crashed.kill('SIGKILL');
  await once(crashed, 'exit');
  t.ok(existsSync(socket), 'the file is still there');
  t.same((await control.start()).warnings, []);
  t.equal((await post('/reload')).status, 200);
});

t.test('the socket of a living process is not stolen', async (t) => {
  const { control, socket, post } = makeControl(t);
  await control.start();
  const clock = new TestClock();
  const inspector = new FakeInspector();
  const second = new ControlSocket({
    controller: new FakeController(),
    inspector,
    status: fakeStatus(clock, inspector).model,
    clock,
    socket,
    port: null,
    tokenFile: null,
    onFault: () => {},
  });
  const error = await reasonOf(second.start());
  t.ok(error instanceof CarpoolError);
  t.match(error, { code: 'CONFIG_INVALID', message: /control\.socket .* running process/ });
  await second.stop();
  t.equal((await post('/reload')).status, 200, 'the first one still answers');
});

t.test('a process that accepts nothing for a while is a living one', async (t) => {
  const { control, socket, clock } = makeControl(t);
  mkdirSync(join(socket, '..'));
  // A stopped process: the kernel completes connections until its queue is full, and then they wait.
  const program = `require('net').createServer().listen({ path: ${JSON.stringify(socket)}, backlog: 0 }, () => console.log('up'))`;
  const stopped = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => stopped.kill('SIGKILL'));
  await once(stopped.stdout, 'data');
  stopped.kill('SIGSTOP');
  t.match(await reasonOf(control.start()), { code: 'CONFIG_INVALID' });
  t.equal(clock.waiting, 0);
});

t.test('a file that is no socket is not removed', async (t) => {
  const { control, socket } = makeControl(t);
  mkdirSync(join(socket, '..'));
  writeFileSync(socket, 'precious');
  t.match(await reasonOf(control.start()), { message: /no socket/ });
  t.ok(existsSync(socket));
});

t.test('without a place for the socket the sidecar goes on, with a warning that says what to do', async (t) => {
  const file = join(shortDirectory(t), 'file');
  writeFileSync(file, '');
  const { control } = makeControl(t, { socket: join(file, 'control.sock') });
  const { socket, warnings } = await control.start();
  t.equal(socket, null);
  t.match(warnings, [/directory .* cannot be made .*emptyDir/]);
  const long = makeControl(t, { socket: join(shortDirectory(t), 'x'.repeat(100)) });
  t.match((await long.control.start()).warnings, [/longer than 107 bytes/]);
});

t.test('a place where directories cannot be is told at once, not tried for ever', async (t) => {
  const { control } = makeControl(t, { socket: '/proc/nowhere/control.sock' });
  const { socket, warnings } = await control.start();
  t.equal(socket, null);
  t.match(warnings, [/directory .* cannot be made .*ENOENT/]);
});

t.test('the loopback port wants the token, as it stands in the file at that moment', async (t) => {
  const tokenFile = join(t.testdir({ token: 'first-token-0123456789\n' }), 'token');
  const { control, controller } = makeControl(t, { socket: null, port: 0, tokenFile });
  const { port } = await control.start();
  if (port === null) throw new Error('no port');
  const reload = async (authorization?: string) =>
    (await call({ port }, '/reload', { method: 'POST', headers: authorization === undefined ? {} : { authorization } }))
      .status;
  t.equal(await reload(), 401);
  t.equal(await reload('Bearer wrong'), 401);
  t.equal(await reload('Bearer '), 401);
  t.equal(await reload('Basic first-token-0123456789'), 401);
  t.equal(await reload('Bearer first-token-0123456789x'), 401);
  t.equal(controller.calls.length, 0);
  t.equal(await reload('Bearer first-token-0123456789'), 200);
  writeFileSync(tokenFile, 'second-token-0123456789');
  t.equal(await reload('Bearer first-token-0123456789'), 401);
  t.equal(await reload('Bearer second-token-0123456789'), 200);
  writeFileSync(tokenFile, '');
  t.equal(await reload('Bearer '), 401, 'an emptied file lets nobody in');
});

t.test('without a good token there is no port', async (t) => {
  const directory = t.testdir({ short: 'abc', secret: '0123456789abcdef' });
  chmodSync(join(directory, 'secret'), 0o600);
  for (const [tokenFile, words] of [
    [null, /not set/],
    [join(directory, 'missing'), /cannot be read/],
    [join(directory, 'short'), /fewer than 16/],
  ] as const) {
    const { control } = makeControl(t, { socket: null, port: 0, tokenFile });
    const { port, warnings } = await control.start();
    t.equal(port, null);
    t.match(warnings, [words]);
  }
});

t.test('a taken control port is an error that names it, and leaves no socket behind', async (t) => {
  const blocker = createServer().listen(0, '127.0.0.1');
  await once(blocker, 'listening');
  t.teardown(() => blocker.close());
  const port = portOf(blocker);
  const tokenFile = join(t.testdir({ token: '0123456789abcdef' }), 'token');
  const socket = join(shortDirectory(t), 'control.sock');
  const { control } = makeControl(t, { port, tokenFile, socket });
  t.match(await reasonOf(control.start()), { message: new RegExp(`control\\.port ${port} is taken`) });
  t.notOk(existsSync(socket));
});
