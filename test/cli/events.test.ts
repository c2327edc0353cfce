import t, { type Test } from 'tap';
import type { EventRow } from '../../src/status/types.ts';
import { runCli } from './run-cli.ts';
import { NOW, scriptedSidecar } from './scripted-sidecar.ts';
import { WatchedCli } from './watched-cli.ts';

function event(sequence: number, changes: Partial<EventRow> = {}): EventRow {
  return {
    sequence,
    time: NOW - 60_000 + sequence * 1000,
    type: 'endpoint_ejected',
    severity: 'warning',
    destination: 'orders.shop:80',
    endpoint: '10.0.0.5:80',
    reason: null,
    count: 1,
    text: `what happened, number ${sequence}.`,
    ...changes,
  };
}

/** A sidecar with these events, which are given the oldest first and served the newest first. */
async function setup(t: Test, ...events: EventRow[]) {
  const sidecar = await scriptedSidecar(t);
  const serve = (uptimeMs: number, ...list: EventRow[]) =>
    sidecar.answers.set('/status', {
      time: NOW,
      sidecar: { uptimeMs },
      destinations: [
        { name: 'orders.shop:80', label: 'orders' },
        { name: 'b:80', label: 'b:80' },
      ],
      events: list.toReversed(),
    });
  serve(60_000, ...events);
  const cli = (...argv: string[]) => runCli(['events', '--url', sidecar.url, ...argv]);
  const numbers = async (...argv: string[]) =>
    [...(await cli(...argv)).out.matchAll(/number (\d+)/g)].map(([, number]) => Number(number));
  return { sidecar, serve, cli, numbers };
}

t.test('events are a line each, the oldest first', async (t) => {
  const { cli } = await setup(
    t,
    event(1),
    event(2, { type: 'config_applied', severity: 'info', destination: null, endpoint: null, count: 3 }),
  );
  const { code, out, err } = await cli();
  t.equal(code, 0);
  t.equal(err, '');
  const [titles, first, second, rest] = out.split('\n').map((line) => line.split(/ {2,}/));
  t.same(titles, ['TIME', 'SEVERITY', 'TYPE', 'DESTINATION', 'ENDPOINT', 'WHAT']);
  t.same(first, [
    '2026-01-31T09:29:01Z',
    'warning',
    'endpoint_ejected',
    'orders.shop:80',
    '10.0.0.5:80',
    'what happened, number 1.',
  ]);
  t.same(second?.slice(1), ['info', 'config_applied', '-', '-', 'what happened, number 2. (3 times)']);
  t.same(rest, ['']);
});

t.test('on a terminal of 80 columns the seconds and all of the words are seen', async (t) => {
  const text = `Connection to 10.0.0.5:80 closed after 3 s and 2 requests: ${'its endpoint is gone '.repeat(6)}for good.`;
  const { sidecar } = await setup(t, event(1, { text }), event(2, { time: NOW - 3 * 86_400_000 }));
  const env = { NO_COLOR: '1' };
  const { out } = await runCli(['events', '--url', sidecar.url], { columns: 80, rows: 24, env });
  const lines = out.trimEnd().split('\n');
  for (const line of lines) t.ok(line.length <= 80, line);
  const [hours, minutes] = [new Date(NOW - 59_000).getHours(), new Date(NOW - 59_000).getMinutes()];
  const two = (part: number): string => String(part).padStart(2, '0');
  t.match(
    lines[1]?.split(/ +/).join(' '),
    `${two(hours)}:${two(minutes)}:01 warning endpoint_ejected orders.shop:80 10.0.0.5:80`,
  );
  const words = lines.slice(2, -2);
  t.equal(words.map((line) => line.trim()).join(' '), text);
  t.ok(words.length > 1 && words.every((line) => line.startsWith('  ')), 'below the line, and indented');
  t.match(lines.at(-2), /^2026-01-28T09:30:00Z /, 'another day is told');
});

t.test('they are filtered by destination, by type or its beginning, and by age', async (t) => {
  const { numbers } = await setup(
    t,
    event(1),
    event(2, { destination: 'b:80', type: 'connection_closed' }),
    event(3, { destination: 'orders', type: 'endpoint_restored' }),
    event(4, { destination: null, type: 'config_applied' }),
  );
  t.same(await numbers('b:80'), [2]);
  t.same(await numbers('orders.shop:80'), [1, 3], 'its label is its name too');
  t.same(await numbers('orders'), [1, 3]);
  t.same(await numbers('--type', 'endpoint'), [1, 3]);
  t.same(await numbers('--type', 'endpoint_restored,config_applied'), [3, 4]);
  t.same(await numbers('--type', 'endpoint_restored', '--type', 'connection'), [2, 3]);
  t.same(await numbers('--type', 'end'), [], 'a part of a word is no type');
  t.same(await numbers('--since', '57s'), [3, 4], 'by the clock of the sidecar');
  t.same(await numbers('--since', '58s', 'b:80'), [2]);
});

t.test('where there is none the filters are told, and what there is instead', async (t) => {
  const { cli } = await setup(t, event(1), event(2, { type: 'connection_closed' }));
  const none = await cli('b:80', '--type', 'nonsense', '--since', '5m');
  t.match(none, { code: 0, out: '' });
  t.equal(
    none.err,
    'no event of type nonsense of b:80 in the last 5m is kept; there are: connection_closed, endpoint_ejected\n',
  );
  const unknown = await cli('order.shop:80');
  t.equal(unknown.code, 1);
  t.match(unknown.err, /no destination is called order\.shop:80\nDid you mean orders\.shop:80\?/);
});

t.test('json is an array of events, with --watch an event a line', async (t) => {
  const { cli, sidecar, serve } = await setup(t, event(1), event(2));
  t.match(JSON.parse((await cli('-o', 'json')).out), [{ sequence: 1, reason: null }, { sequence: 2 }]);
  const watched = new WatchedCli(['events', '--watch', '-o', 'json', '--url', sidecar.url], null);
  await watched.until(() => watched.writes.length === 2);
  serve(61_000, event(1), event(2), event(3));
  await watched.until(() => watched.writes.length === 3);
  t.equal(await watched.interrupt(), 0);
  t.same(
    watched.out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).sequence),
    [1, 2, 3],
  );
});

t.test('--watch adds what is new, once, under the columns of before', async (t) => {
  const { sidecar, serve } = await setup(t, event(1));
  const cli = new WatchedCli(
    ['events', '--watch', '--url', sidecar.url],
    { columns: 160, rows: 24 },
    { NO_COLOR: '1' },
  );
  await cli.until(() => cli.writes.length === 1);
  serve(61_000, event(1), event(2, { destination: 'b:80' }));
  await cli.until(() => cli.writes.length === 2);
  await cli.interrupt();
  const [titles = '', first = '', firstText = '', second = '', secondText = '', ...rest] = cli.out.split('\n');
  t.match(titles, /^TIME/);
  t.match(firstText, /^ {2}what happened, number 1\.$/);
  t.equal(second.indexOf('10.0.0.5'), first.indexOf('10.0.0.5'), 'a shorter name moves nothing');
  t.match(second, / b:80 /);
  t.match(secondText, /number 2/);
  t.same(rest, ['']);
});

t.test('a restarted sidecar counts from 1 again: it is told, and its events are new', async (t) => {
  const { sidecar, serve } = await setup(t, event(7), event(8));
  const cli = new WatchedCli(['events', '--watch', '--url', sidecar.url], null);
  await cli.until(() => cli.writes.length === 1);
  serve(500, event(1));
  await cli.until(() => cli.writes.length === 2);
  t.match(cli.err, /^the sidecar was restarted: its events begin anew\n$/);
  t.match(cli.writes[1], /number 1/);
  serve(200, event(1), event(2), event(3));
  await cli.until(() => cli.writes.length === 3);
  t.match(cli.writes[2], /number 1[\s\S]*number 3/, 'also where it has counted past the last one already');
  await cli.interrupt();
});

t.test('events that came and went between two looks are told of', async (t) => {
  const { sidecar, serve } = await setup(t, event(1));
  const cli = new WatchedCli(['events', '--watch', '--url', sidecar.url], null);
  await cli.until(() => cli.writes.length === 1);
  serve(61_000, event(12), event(13));
  await cli.until(() => cli.writes.length === 2);
  await cli.interrupt();
  t.match(cli.err, /^10 events or more came and went between two looks/);
});

t.test('while the sidecar is away nothing is lost', async (t) => {
  const { sidecar, serve } = await setup(t);
  const cli = new WatchedCli(['events', '--watch', '--url', sidecar.url], null);
  await cli.until(() => cli.err !== '');
  t.equal(cli.err, 'no event is kept; waiting for the next\n');
  await sidecar.stop();
  await cli.until(() => /tried again/.test(cli.err));
  serve(65_000, event(1));
  await sidecar.start();
  await cli.until(() => cli.writes.length === 1);
  await cli.interrupt();
  t.match(cli.err, /is back after/);
  t.match(cli.out, /number 1/);
});
