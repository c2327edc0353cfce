import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { portOf } from '../admin/port-of.ts';
import { ScriptedSidecar, scriptedSidecar } from './scripted-sidecar.ts';
import { WatchedCli } from './watched-cli.ts';

const pool = (name: string, active: number) => ({ name, active, maxConnections: 10, endpoints: [], discovery: {} });

async function setup(t: Test) {
  const sidecar = await scriptedSidecar(t);
  const serve = (active: number) => sidecar.answers.set('/stats', { destinations: [pool('a:80', active)] });
  serve(1);
  return { sidecar, serve, argv: ['pools', '--watch', '2', '--url', sidecar.url] };
}

const looks = (sidecar: ScriptedSidecar) => sidecar.asked.filter((path) => path === '/stats').length;

t.test('to a pipe each look is a table of its own, with an empty line between two', async (t) => {
  const { sidecar, serve, argv } = await setup(t);
  const cli = new WatchedCli(argv, null);
  await cli.until(() => cli.writes.length === 1);
  serve(2);
  await cli.until(() => cli.writes.length === 2);
  t.equal(await cli.interrupt(), 0);
  const [first = '', second = ''] = cli.writes;
  t.match(first, /^DESTINATION.*\na:80 +1 /);
  t.match(second, /^\nDESTINATION.*\na:80 +2 /);
  t.equal(cli.err, '');
  t.equal(cli.clock.waiting, 0);
  t.notOk(cli.listens);
  t.ok(looks(sidecar) >= 2);
});

t.test('a look comes as often as was asked for', async (t) => {
  const { sidecar, argv } = await setup(t);
  const cli = new WatchedCli(argv, null);
  await cli.until(() => cli.writes.length === 1 && cli.clock.waiting > 0, 0);
  cli.clock.advance(1999);
  for (let i = 0; i < 200; i++) await new Promise((resolve) => setImmediate(resolve));
  t.equal(looks(sidecar), 1);
  cli.clock.advance(1);
  await cli.until(() => cli.writes.length === 2, 0);
  t.equal(looks(sidecar), 2);
  await cli.interrupt();
});

t.test('json is a document a line', async (t) => {
  const { serve, argv } = await setup(t);
  const cli = new WatchedCli([...argv, '-o', 'json'], { columns: 80, rows: 24 });
  await cli.until(() => cli.writes.length === 1);
  serve(5);
  await cli.until(() => cli.writes.length === 2);
  await cli.interrupt();
  t.match(
    cli.out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
    [[{ name: 'a:80', active: 1 }], [{ active: 5 }]],
  );
});

t.test('a terminal is drawn over in one write, and gets its cursor back', async (t) => {
  const { serve, argv } = await setup(t);
  const cli = new WatchedCli(argv, { columns: 80, rows: 10 });
  await cli.until(() => cli.writes.length === 1);
  serve(2);
  await cli.until(() => cli.writes.length === 2);
  const code = await cli.interrupt();
  const [first = '', second = '', last = ''] = cli.writes;
  t.equal(code, 0);
  t.ok(first.startsWith(`\u001b[?2026h\u001b[?25l${'\n'.repeat(9)}\u001b[H`), 'what was on the screen is pushed up');
  t.ok(second.startsWith('\u001b[?2026h\u001b[H'), 'the next begins at the top and clears nothing first');
  t.match(second, /carpool pools {2}every 2s, 2026-01-01T00:00:\d\dZ, Ctrl-C ends/);
  t.match(second, /a:80 .*2.*\u001b\[K\n/);
  t.ok(second.endsWith('\u001b[J\u001b[?2026l'), 'what is left of a longer one goes');
  t.equal(last, '\u001b[?25h');
  t.equal(cli.err, '');
});

t.test('a dumb terminal gets one table after the other', async (t) => {
  const { argv } = await setup(t);
  const cli = new WatchedCli(argv, { columns: 80, rows: 10 }, { TERM: 'dumb' });
  await cli.until(() => cli.writes.length === 2);
  await cli.interrupt();
  t.notMatch(cli.out, /\u001b/);
  t.match(cli.writes[1], /^\nDESTINATION/);
});

t.test('a terminal that is too low says what it leaves out', async (t) => {
  const { sidecar, argv } = await setup(t);
  const destinations = Array.from({ length: 30 }, (_, i) => pool(`d${i}:80`, 0));
  sidecar.answers.set('/stats', { destinations });
  const cli = new WatchedCli(argv, { columns: 80, rows: 10 });
  await cli.until(() => cli.writes.length === 1);
  const [text = ''] = cli.writes;
  t.equal(text.split('\u001b[H')[1]?.match(/\n/g)?.length, 9);
  t.match(text, /… 26 more lines: name a DESTINATION/);
  cli.rows = 50;
  await cli.until(() => cli.writes.length === 2);
  t.match(cli.writes[1], /d29:80/, 'a terminal that has grown is used');
  t.notMatch(cli.writes[1], /more lines/);
  await cli.interrupt();
});

t.test('a sidecar that goes away is waited for, and the old table stays with a word about it', async (t) => {
  const { sidecar, argv } = await setup(t);
  const cli = new WatchedCli(argv, { columns: 80, rows: 20 });
  await cli.until(() => cli.writes.length === 1);
  await sidecar.stop();
  await cli.until(() => /away for [1-9]/.test(cli.writes.at(-1) ?? ''));
  const away = cli.writes.at(-1) ?? '';
  t.match(away, /! away for \ds, what stands below is old: nothing listens on/);
  t.match(away, /a:80/);
  await sidecar.start();
  await cli.until(() => /is back/.test(cli.writes.at(-1) ?? ''));
  t.match(cli.writes.at(-1), /the sidecar is back after \d+s/);
  await cli.until(() => !/is back/.test(cli.writes.at(-1) ?? ''));
  t.equal(await cli.interrupt(), 0);
});

t.test('off a terminal it is said once that the sidecar is away, and once that it is back', async (t) => {
  const { sidecar, argv } = await setup(t);
  const cli = new WatchedCli(argv, null);
  await cli.until(() => cli.writes.length === 1);
  await sidecar.stop();
  await cli.until(() => cli.err !== '');
  const from = cli.clock.now();
  await cli.until(() => cli.clock.now() - from > 10_000);
  await sidecar.start();
  await cli.until(() => cli.writes.length === 2);
  await cli.interrupt();
  t.match(cli.err, /^carpool: nothing listens on .*; it is tried again\nthe sidecar is back after \d+s\n$/);
});

t.test('what fails at the first look is an error, and a wrong number of seconds says what comes first', async (t) => {
  const sidecar = new ScriptedSidecar();
  await sidecar.start();
  await sidecar.stop();
  const cli = new WatchedCli(['pools', '--watch', '--url', sidecar.url], null);
  t.equal(await cli.ended, 1);
  t.match(cli.err, /nothing listens on/);
  for (const given of ['orders:80', '0', '0.1', '4000']) {
    const wrong = new WatchedCli(['pools', '--watch', given], null);
    t.equal(await wrong.ended, 64, given);
    t.match(wrong.err, /seconds, from 0\.2 to 3600\. What is to be shown comes before it/);
  }
});

t.test('Ctrl-C ends a look that is under way', async (t) => {
  const stuck = createServer().listen(0, '127.0.0.1');
  await once(stuck, 'listening');
  t.teardown(() => stuck.close());
  const cli = new WatchedCli(['pools', '--watch', '--url', `http://127.0.0.1:${portOf(stuck)}`], null);
  const [socket]: Socket[] = await once(stuck, 'connection');
  const gone = socket && once(socket.resume(), 'close');
  t.equal(await cli.interrupt(), 0);
  await gone;
  t.equal(cli.clock.waiting, 0, 'no deadline is left');
  t.equal(cli.err, '');
});

t.test('findings are told again only where they have changed', async (t) => {
  const { sidecar, argv } = await setup(t);
  const finding = { code: 'x', severity: 'error', destination: null, title: 'It is full', detail: '', remedies: [] };
  const status = { time: 0, findings: [{ ...finding, lines: [] }] };
  sidecar.answers.set('/status', status);
  const cli = new WatchedCli(argv, null);
  await cli.until(() => cli.writes.length === 3);
  t.equal(cli.err.match(/It is full/g)?.length, 1);
  sidecar.answers.set('/status', { ...status, findings: [{ ...finding, title: 'It is fuller', lines: [] }] });
  await cli.until(() => /fuller/.test(cli.err));
  await cli.interrupt();
});
