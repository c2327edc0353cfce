import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ControlSocket } from '../../src/admin/control-socket.ts';
import { controlTarget, readTarget } from '../../src/cli/targets.ts';
import { FakeController } from '../admin/fake-controller.ts';
import { shortDirectory } from '../admin/short-directory.ts';
import { destination, FakeInspector, processStats } from '../telemetry/fake-inspector.ts';
import { fakeStatus } from '../telemetry/fake-status.ts';
import { TestClock } from '../test-clock.ts';
import { runCli } from './run-cli.ts';

/** A real control socket, and a way to run commands against it. */
async function setup(t: Test) {
  const controller = new FakeController();
  const clock = new TestClock();
  const inspector = new FakeInspector();
  const directory = shortDirectory(t);
  const socket = join(directory, 'control.sock');
  const control = new ControlSocket({
    controller,
    inspector,
    status: fakeStatus(clock, inspector).model,
    clock,
    socket,
    port: null,
    tokenFile: null,
    onFault: (error) => t.fail(String(error)),
  });
  await control.start();
  t.teardown(() => control.stop());
  const cli = (...argv: string[]) => runCli([...argv, '--socket', socket]);
  return { controller, inspector, socket, cli };
}

t.test('evict retires connections of one destination or of all, idle ones or all', async (t) => {
  const { cli, controller } = await setup(t);
  t.match(await cli('evict'), { code: 0, out: '3 connections retired; busy ones finish what they carry\n' });
  t.match(await cli('evict', 'a:80', '--idle'), { code: 0, out: '3 connections retired\n' });
  t.same(controller.calls, [
    { destination: null, idleOnly: false },
    { destination: 'a:80', idleOnly: true },
  ]);
  t.match(await cli('evict', 'unknown:80'), { code: 1, err: /no destination is called unknown:80\n.*host:port/ });
});

t.test('pause and resume say what has changed, and that it was so already', async (t) => {
  const { cli, controller } = await setup(t);
  t.match(await cli('pause', 'a:80'), {
    code: 0,
    out: /^a:80 is paused: .* wait up to pool\.pauseTimeout \(30s\)\.\n.*resume a:80\n$/,
  });
  t.match(await cli('pause', 'impatient:80'), {
    out: /^impatient:80 is paused: .* new ones are answered 503 PAUSED at once/,
  });
  t.match(await cli('pause', 'paused:80'), { code: 0, out: 'paused:80 was paused already\n' });
  t.match(await cli('resume', 'paused:80'), { code: 0, out: /^paused:80 is resumed/ });
  t.match(await cli('resume', 'a:80'), { code: 0, out: 'a:80 was not paused\n' });
  t.same(controller.calls, [
    ['pause', 'a:80'],
    ['pause', 'impatient:80'],
    ['pause', 'paused:80'],
    ['resume', 'paused:80'],
    ['resume', 'a:80'],
  ]);
});

t.test('reconnect says how many connections are replaced', async (t) => {
  const { cli, controller } = await setup(t);
  t.match(await cli('reconnect', 'a:80'), {
    code: 0,
    out: '2 connections of a:80 replaced; busy ones finish what they carry first\n',
  });
  controller.reconnect = () => 1;
  t.match(await cli('reconnect', 'a:80'), { out: /^1 connection of a:80/ });
  controller.reconnect = () => 0;
  t.match(await cli('reconnect', 'a:80'), { code: 0, out: /no connection open/ });
});

t.test('what holds or moves one destination wants it named, and one that there is', async (t) => {
  const { cli, controller } = await setup(t);
  for (const command of ['pause', 'resume', 'reconnect']) {
    t.match(await cli(command), { code: 64, err: /missing required argument 'destination'/ }, command);
    t.match(await cli(command, ''), { code: 1, err: /destination must be a string: host:port/ }, command);
    t.equal(controller.calls.length, 0);
    t.match(
      await cli(command, 'unknown:80'),
      { code: 1, err: /no destination is called unknown:80\n.*host:port/ },
      command,
    );
    t.equal(controller.calls.splice(0).length, 1);
  }
});

t.test('reload prints what changed, and 78 with the problems where it is refused', async (t) => {
  const { cli, controller } = await setup(t);
  t.match(await cli('reload'), { code: 0, out: 'pool.maxIdle: 1 → 2\n' });
  controller.reloadResult = { applied: true, lines: [] };
  t.match(await cli('reload'), { code: 0, out: 'nothing changed\n' });
  controller.reloadResult = {
    applied: false,
    lines: ['refused, the last good one stays', 'pool.maxIdle: must be a number'],
  };
  t.match(await cli('reload'), { code: 78, out: '', err: /good one stays\npool\.maxIdle: must be/ });
});

t.test('the log level is changed', async (t) => {
  const { cli, controller } = await setup(t);
  t.match(await cli('log-level', 'debug'), { code: 0, out: /log level is debug/ });
  t.same(controller.calls, [['level', 'debug']]);
});

t.test('stats and wait work over the socket too', async (t) => {
  const { cli, inspector } = await setup(t);
  inspector.stats = [destination('a:80')];
  t.match(await cli('pools'), { code: 0, out: /^a:80/m });
  t.equal((await cli('wait')).code, 0);
  inspector.processStats = processStats({ state: 'draining' });
  t.match(await cli('wait', '--timeout', '0s'), { code: 1, err: /it is draining/ });
});

t.test('the socket comes from the configuration, and its absence is explained', async (t) => {
  const { socket, controller } = await setup(t);
  t.equal((await runCli(['reload'], { env: { CARPOOL_CONTROL_SOCKET: socket } })).code, 0);
  t.same(controller.calls, ['reload']);
  const missing = await runCli(['reload'], { env: { CARPOOL_CONTROL_SOCKET: `${socket}.none` } });
  t.match(missing, { code: 1, err: /no control socket at .*--socket/ });
});

t.test('with a file that cannot be read commands go where variables and defaults say', async (t) => {
  const { socket, controller } = await setup(t);
  const file = join(shortDirectory(t), 'carpool.yaml');
  writeFileSync(file, 'defaults: { pool: { maxConections: 5 } }\n');
  const env = { CARPOOL_CONFIG_IF_PRESENT: file };
  t.match(await runCli(['reload'], { env: { ...env, CARPOOL_CONTROL_SOCKET: socket } }), { code: 0 });
  t.equal(controller.calls.length, 1);
  const wrongToo = { ...env, CARPOOL_CONTROL_SOCKET: socket, CARPOOL_POOL_MAX_CONNECTIONS: 'many' };
  t.match(await runCli(['reload'], { env: wrongToo }), { code: 0 }, 'nor does another wrong variable matter');
  t.same(controlTarget({}, env), { kind: 'socket', path: '/run/carpool/control.sock' });
  t.match(readTarget({}, { ...env, CARPOOL_OPERATOR_PORT: '15191' }), { url: 'http://127.0.0.1:15191' });
  t.match(readTarget({}, env), { url: 'http://127.0.0.1:14191' });
  t.throws(() => controlTarget({}, { ...env, CARPOOL_CONTROL_SOCKET: 'none' }), /no control socket/);
  t.same(controlTarget({}, { ...env, CARPOOL_CONTROL_SOCKET: 'relative' }), {
    kind: 'socket',
    path: '/run/carpool/control.sock',
  });
});
