import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { Origin } from '../browser/origin.ts';
import { RealSidecar } from '../browser/real-sidecar.ts';
import { until } from '../until.ts';
import { Tmux, type TmuxOptions, withoutTmux } from './tmux.ts';

const skip = withoutTmux();
const UNHURT = { alternate: false, cursor: true, wrap: true };

/** Destinations at an origin that takes its time. */
function yaml(origin: Origin, pool = '{}'): string {
  const entry = (match: string) => `  - { match: "${match}", endpoints: ["${origin.address}"], pool: ${pool} }\n`;
  return `discovery: { kubernetes: { enabled: false } }\ndestinations:\n${entry('orders.shop:80')}${entry('catalog.shop:80')}`;
}

/** Users who ask one call after the other, so that connections live, until the test or the sidecar ends. */
function keepAsking(t: Test, sidecar: RealSidecar, hosts: readonly string[]): void {
  let over = false;
  const users = hosts.map(async (host) => {
    while (!over) await sidecar.get(host).catch(() => (over = true));
  });
  t.teardown(async () => {
    over = true;
    await Promise.all(users);
  });
}

/** A sidecar with two destinations in use, and a shell. */
async function setup(t: Test, options: TmuxOptions = {}) {
  const origin = await Origin.start(t, 50);
  const sidecar = await RealSidecar.start(t, { yaml: yaml(origin) });
  keepAsking(t, sidecar, ['orders.shop', 'catalog.shop']);
  const tmux = await Tmux.start(t, options);
  const watch = `carpool watch --url ${sidecar.url}`;
  return { origin, sidecar, tmux, watch };
}

t.test('the screen is taken, and given back as it was', { skip }, async (t) => {
  const { tmux, watch } = await setup(t);
  await tmux.type('echo what was there before');
  await tmux.type(watch);
  const screen = await tmux.shows(/orders\.shop:80 +1\/\d+/);
  t.match(screen, /^carpool \d+\.\d+\.\d+ {2}ready .* live$/m);
  t.match(screen, /catalog\.shop:80 +1\/\d+/);
  t.notMatch(screen, /before/);
  t.same(await tmux.modes(), { alternate: true, cursor: false, wrap: false });
  await tmux.keys('q');
  t.match(await tmux.shows(/\(exit 0\)\$ *\n*$/), /what was there before\n(.*\n)*\(exit 0\)\$/);
  t.same(await tmux.modes(), UNHURT);
});

t.test('one goes through the lists, opens a destination and comes back', { skip }, async (t) => {
  const { tmux, watch } = await setup(t);
  await tmux.type(watch);
  await tmux.shows(/> .*shop:80/);
  await tmux.keys('/');
  await tmux.keys('-l', 'cata');
  await tmux.keys('Enter');
  const filtered = await tmux.shows(/\/cata .*1 of 1/);
  t.notMatch(filtered, /orders\.shop:80/);
  await tmux.keys('Enter');
  await tmux.shows(/\[1:summary\](.|\n)*balancer(.|\n)*Endpoints 1\n.*\n +127\.0\.0\.1:\d+ +ready/);
  await tmux.keys('2');
  await tmux.shows(/\[2:connections\](.|\n)*> +\d+ +127\.0\.0\.1:\d+ +(idle|active) +http1/);
  await tmux.keys('Tab');
  await tmux.shows(/\[3:endpoints\](.|\n)*> 127\.0\.0\.1:\d+ +ready +yes/);
  await tmux.keys('4');
  await tmux.shows(/\[4:events\]/);
  await tmux.keys('Escape');
  await tmux.shows(/\[1:destinations\]/);
  await tmux.keys('Escape');
  await tmux.shows(/orders\.shop:80 +1\//);
  await tmux.keys('?');
  await tmux.shows(/Ctrl-Z +suspend/);
  await tmux.keys('q', 'q');
  await tmux.shows(/\(exit 0\)\$ *\n*$/);
});

t.test('an exhausted pool stands at the top, with its remedy and the lines to set', { skip }, async (t) => {
  const origin = await Origin.start(t, 300);
  const sidecar = await RealSidecar.start(t, { yaml: yaml(origin, '{ maxConnections: 2, acquireTimeout: 1s }') });
  keepAsking(t, sidecar, new Array<string>(20).fill('orders.shop'));
  const tmux = await Tmux.start(t, { columns: 100, rows: 30 });
  await tmux.type(`carpool watch --url ${sidecar.url}`);
  const screen = await tmux.shows(/! error: orders\.shop:80: The pool is exhausted(.|\n)*→ (.|\n)*maxConnections: \d+/);
  t.match(screen, /! orders\.shop:80 +\d\/2 +█+ +100%/);
  await tmux.keys('6');
  await tmux.shows(/pool_exhausted, orders\.shop:80(.|\n)*What to do(.|\n)*→ (.|\n)*maxConnections: \d+/);
});

t.test('a sidecar that is killed and started again', { skip }, async (t) => {
  const { tmux, watch, sidecar, origin } = await setup(t);
  await tmux.type(watch);
  await tmux.shows(/orders\.shop:80 +1\//);
  await sidecar.kill();
  const lost = await tmux.shows(/stale for \d+s, trying again/);
  t.match(lost, /nothing listens on/);
  t.match(lost, /orders\.shop:80 +1\//, 'what was last known stays');
  const again = await RealSidecar.start(t, { yaml: yaml(origin), operatorPort: sidecar.operatorPort });
  keepAsking(t, again, ['catalog.shop']);
  const back = await tmux.shows(/restarted \d+m?s ago(.|\n)*catalog\.shop:80 +1\//);
  t.notMatch(back, /nothing listens|orders\.shop:80 +1\//);
});

t.test('the screen follows the size of the terminal, and says when it is too small', { skip }, async (t) => {
  const { tmux, watch } = await setup(t);
  await tmux.type(watch);
  await tmux.shows(/orders\.shop:80 +1\//);
  await tmux.resize(30, 6);
  await tmux.shows(/^30×6 is too small/);
  await tmux.resize(160, 40);
  const wide = await tmux.shows(/P50 +P99 +REUSE%/);
  t.match(wide, /orders\.shop:80 +1\//);
  t.notMatch(wide, /too small/);
  await tmux.keys('q');
  const after = await tmux.shows(/\(exit 0\)\$ *\n*$/);
  t.notMatch(after, /REUSE|orders\.shop:80 +1\//, 'nothing of it stays behind');
});

t.test('Ctrl-C and signals give the screen back and end it with 0', { skip }, async (t) => {
  const { tmux, watch } = await setup(t);
  await tmux.type(watch);
  await tmux.shows(/ live$/m);
  await tmux.keys('C-c');
  await tmux.shows(/\(exit 0\)\$ *\n*$/);
  t.same(await tmux.modes(), UNHURT);
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT'] as const) {
    await tmux.type('clear');
    const pid = await tmux.typeAsProcess(watch);
    await tmux.shows(/ live$/m);
    process.kill(pid, signal);
    const after = await tmux.shows(/exec carpool(.|\n)*\(exit 0\)\$ *\n*$/);
    t.notMatch(after, /req\/s/, signal);
    t.same(await tmux.modes(), UNHURT, signal);
  }
});

t.test('Ctrl-Z gives the screen back until fg, also where a signal has done it', { skip }, async (t) => {
  const { tmux, watch } = await setup(t);
  const pid = await tmux.typeAsProcess(watch);
  for (const suspend of [() => tmux.keys('C-z'), async () => process.kill(pid, 'SIGTSTP')]) {
    await tmux.shows(/ live$/m);
    await suspend();
    await tmux.shows(/Stopped .*carpool/);
    t.same(await tmux.modes(), UNHURT);
    await tmux.type('echo the shell has the line back');
    await tmux.shows(/^the shell has the line back$/m);
    await tmux.type('fg');
    await tmux.shows(/orders\.shop:80 +1\//);
    t.same(await tmux.modes(), { alternate: true, cursor: false, wrap: false });
  }
  await tmux.keys('4');
  await tmux.shows(/\[4:events\]/);
  await tmux.keys('C-c');
  await tmux.shows(/\(exit 0\)\$ *\n*$/);
});

t.test('a window that is closed leaves no process behind', { skip }, async (t) => {
  const { tmux, watch } = await setup(t);
  const pid = await tmux.typeAsProcess(watch);
  await tmux.shows(/ live$/m);
  await tmux.close();
  await until('its end', () => !existsSync(`/proc/${pid}`));
  t.pass('it has ended');
});

t.test('a crash gives the screen back first, and its words stay in sight', { skip }, async (t) => {
  const tmux = await Tmux.start(t);
  const crash = fileURLToPath(new URL('crash.ts', import.meta.url));
  await tmux.type(`${process.execPath} --no-warnings ${crash}`);
  await tmux.shows(/all is well/);
  await tmux.keys('x');
  await tmux.shows(/Error: a fault on purpose(.|\n)*\(exit [1-9]\d*\)\$ *\n*$/);
  t.same(await tmux.modes(), UNHURT);
  await tmux.type('echo typed');
  await tmux.shows(/^typed$/m);
});

t.test('a terminal without UTF-8 gets ASCII, and NO_COLOR no colours', { skip }, async (t) => {
  const plain = await setup(t, { env: { LANG: 'C', NO_COLOR: '1' } });
  await plain.tmux.type(plain.watch);
  const screen = await plain.tmux.shows(/orders\.shop:80 +1\/\d+ +[#.]{8} +\d+%/);
  t.match(screen, /^[\n -~]*$/);
  t.notMatch(await plain.tmux.colours(), /\u001b\[(\d+;)*3[0-7]m/);
  const coloured = await setup(t);
  await coloured.tmux.type(coloured.watch);
  await coloured.tmux.shows(/orders\.shop:80 +1\/\d+ +[█░]{8} +\d+%/);
  t.match(await coloured.tmux.colours(), /\u001b\[(\d+;)*32m/, 'live is green');
});

t.test('without a terminal it says what to use instead', { skip }, async (t) => {
  const { tmux, watch } = await setup(t, { columns: 200 });
  await tmux.type(`${watch} | cat; (exit $PIPESTATUS)`);
  await tmux.shows(/needs a terminal.*carpool pools --watch\n\(exit 64\)/);
});
