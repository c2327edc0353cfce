import t from 'tap';
import { textWidth } from '../../src/cli/text-width.ts';
import { SMALLEST } from '../../src/console/draw.ts';
import { after, drawn, modelOf, STANDARD } from './drawn.ts';
import { connection, destination, detail, error, event, finding, sidecar, snapshot } from './status-fixture.ts';

t.test('the overview says which sidecar it is and how it does', async (t) => {
  const { text } = drawn();
  t.match(text[0], /^carpool 1\.2\.3 {2}ready {2}up 1h02m {2}shop-7d9f {2,}live$/);
  t.equal(text[0]?.length, 80);
  t.match(text[1], /^53 req\/s {2}0% failed {2}22\/512 conns, 4 of the app {2}14 wait {2}cpu 3\.1% {2}61 MiB/);
  t.match(text[2], /^\[1:destinations\] 2:connections .* 6:findings/);
});

t.test('the share of failed requests is that of all requests, not of all destinations', async (t) => {
  const destinations = [
    destination('a:80', { requestsPerSecond: 90, failedShare: 0 }),
    destination('b:80', { requestsPerSecond: 10, failedShare: 0.5 }),
  ];
  t.match(drawn(undefined, modelOf(snapshot({ destinations }))).text[1], /^100 req\/s {2}5\.0% failed/);
});

t.test('an exhausted pool stands at the top with its remedy and what is to be set', async (t) => {
  const { text } = drawn();
  t.match(text[3], /^ {2}! error: orders\.shop:8080: The pool is exhausted: 10 of 10 connections/);
  t.match(text[4], /→ Raise pool\.maxConnections to 24\./);
  t.same([text[5], text[6]], ['      pool:', '        maxConnections: 24']);
});

t.test('where there is nothing to find, that is said', async (t) => {
  t.match(drawn(undefined, modelOf(snapshot({ findings: [] }))).text[3], /nothing found/);
});

t.test('many findings leave room for the destinations, and the worst keeps its remedy', async (t) => {
  const findings = Array.from({ length: 12 }, (_, i) => finding({ title: `finding number ${i}`, code: `code_${i}` }));
  const destinations = Array.from({ length: 30 }, (_, i) => destination(`d${i}:80`));
  const { all, text } = drawn(undefined, modelOf(snapshot({ findings, destinations })));
  t.match(all, /finding number 0/);
  t.match(all, /→ Raise/);
  t.match(all, /and (9|10|11) more: 6/);
  const head = text.findIndex((line) => line.includes('DESTINATION'));
  t.ok(head > 0 && head <= 10, `the table begins at ${head}`);
});

t.test('destinations stand with the fullest first, and the cursor on the first of them', async (t) => {
  const { all, selected } = drawn();
  t.match(selected, /^> ! orders\.shop:8080 {2}10\/10 {2}█{8} 100% {4}14 {5}40/);
  t.ok(all.indexOf('orders.shop:8080  10') < all.indexOf('catalog.shop:8080'));
  t.match(all, /▁▃▅█/, 'with its history');
  t.match(all, /catalog\.shop:8080 +2\/10 {2}██░░░░░░ {2}20%/);
});

t.test('the cursor follows its row when rows change their order', async (t) => {
  const first = after(['down']);
  t.match(first.selected, /catalog/);
  const destinations = snapshot().destinations.map((row) => ({
    ...row,
    utilization: row.name.startsWith('cat') ? 1 : 0,
  }));
  const next = drawn(first.state, modelOf(snapshot({ destinations })));
  t.match(next.selected, /catalog/);
  t.ok(next.all.indexOf('> catalog') < next.all.indexOf('orders.shop:8080  10/10'));
});

t.test('a row that goes away leaves the cursor where it was, on another', async (t) => {
  const first = after(['down']);
  const left = drawn(first.state, modelOf(snapshot({ destinations: [destination('x:80')] })));
  t.match(left.selected, /x:80/);
});

t.test('up from the first destination is the last finding, and Enter shows it in full', async (t) => {
  const up = after(['up']);
  t.match(up.selected, /^> ! error: orders/);
  const { all } = after(['up', 'enter']);
  t.match(all, /For 40 seconds all connections have been busy\./);
  t.match(all, /→ Raise pool\.maxConnections to 24\.\n→ Or let the origin answer faster\./);
  t.match(all, /maxConnections: 24/);
  t.match(after(['up', 'enter', 'escape']).selected, /^> ! error/);
});

t.test('an open finding that is over says so', async (t) => {
  const { state } = after(['up', 'enter']);
  t.match(drawn(state, modelOf(snapshot({ findings: [] }))).all, /It is over/);
});

t.test('a finding whose numbers change stays the open one', async (t) => {
  const { state } = after(['up', 'enter']);
  const findings = [finding({ title: 'now 15 requests wait' })];
  t.match(drawn(state, modelOf(snapshot({ findings }))).all, /now 15 requests wait/);
});

t.test('Enter opens a destination, with all that belongs to it and nothing of others', async (t) => {
  const model = modelOf(snapshot({ detail: detail('orders.shop:8080') }));
  const { all, state, text } = after(['enter'], model);
  t.equal(state.opened, 'orders.shop:8080');
  t.match(text[0], /orders\.shop:8080 +live/);
  t.match(text[2], /^\[1:summary\]/);
  for (const words of [
    /100% of 10: 10 active, 0 idle, 0 connecting, 0 draining; 14 wait/,
    /40\/s, 0% failed, p50 4\.2ms, p99 31ms, 98% reused/,
    /balancer p2c; limit 10/,
    /→ Raise pool/,
    /10\.0\.0\.6:8080 {2}ejected 12s/,
  ])
    t.match(all, words);
  const events = after(['enter', '4'], model).all;
  t.match(events, /event number 3/);
  t.notMatch(events, /event number 2/);
  t.notMatch(after(['enter', '5'], model).all, /CONNECT_FAILED/);
  t.match(after(['enter', '2'], model).all, /71 +10\.0\.0\.5:8080 +active/);
  t.match(after(['enter', '3'], model).all, /10\.0\.0\.6:8080 {2}ejected 12s/);
});

t.test('a long summary is moved through line by line and page by page', async (t) => {
  const connections = Array.from({ length: 8 }, (_, i) => connection(i));
  const model = modelOf(snapshot({ detail: detail('orders.shop:8080', { connections }) }));
  const top = after(['enter'], model);
  t.notMatch(top.all, /event number 1/);
  t.match(after(['enter', 'end'], model).all, /event number 1/);
  t.equal(after(['enter', 'pagedown', 'pagedown', 'pagedown', 'home'], model).all, top.all);
  t.equal(after(['enter', 'down'], model).text[3], top.text[4]);
});

t.test('what was the detail of another destination is not shown as that of this one', async (t) => {
  const model = modelOf(snapshot({ detail: detail('catalog.shop:8080') }));
  t.notMatch(after(['enter', '2'], model).all, /71/);
});

t.test('a destination that the sidecar does not know is said to be so', async (t) => {
  const { state } = after(['enter']);
  t.match(drawn(state, modelOf(snapshot({ destinations: [] }))).all, /knows no orders\.shop:8080/);
});

t.test('names and labels: errors are found by the label of the open destination', async (t) => {
  const destinations = [destination('orders.shop:8080', { label: 'orders' })];
  const errors = [error('POOL_TIMEOUT', { destination: 'orders' }), error('NO_ROUTE', { destination: '-' })];
  const { all } = after(['enter', '5'], modelOf(snapshot({ destinations, errors })));
  t.match(all, /POOL_TIMEOUT/);
  t.notMatch(all, /NO_ROUTE/);
});

t.test('the words of an error and of a finding stand below their list', async (t) => {
  t.match(after(['5']).all, /What to do\nRaise pool\.maxConnections, or let fewer requests in\./);
  t.match(after(['5', 'down']).all, /─\nCONNECT_FAILED {2}catalog\.shop:8080/);
  t.match(after(['6']).all, /→ Or let the origin answer faster\./);
});

t.test('the head of the events shows what comes; further down the cursor keeps its event', async (t) => {
  const newer = modelOf(snapshot({ events: [event(4), ...snapshot().events] }));
  t.match(drawn(after(['4', 'down', 'up']).state, newer).selected, /number 4/);
  t.match(drawn(after(['4', 'down']).state, newer).selected, /number 2/);
  t.match(after(['4', 'enter']).all, /connection_closed {2}info(.|\n)*reason +idle/);
});

t.test('a sidecar that is gone: what was known stays, and how old it is stands in sight', async (t) => {
  const last = { snapshot: snapshot(), at: 1000, restartedAt: null };
  const link = { state: 'lost', problem: 'nothing listens on http://127.0.0.1:1', since: 2000, last } as const;
  const { text, all } = drawn(undefined, { ...modelOf(), link, now: 13_000 });
  t.match(text[0], /stale for 12s, trying again$/);
  t.match(text[2], /nothing listens on/);
  t.match(all, /orders\.shop:8080 {2}10\/10/);
  const never = drawn(undefined, { ...modelOf(null), link: { ...link, last: null }, now: 5000 });
  t.match(never.text[0], /no answer for 3s, trying again$/);
});

t.test('an answer that is late, a pause and a restart are told', async (t) => {
  const model = modelOf();
  t.match(drawn(undefined, { ...model, now: 4500 }).text[0], /stale for 3s$/);
  t.match(drawn(undefined, { ...model, now: 3900 }).text[0], /live$/);
  t.match(drawn(undefined, { ...model, now: 9000, intervalMs: 5000 }).text[0], /live$/, 'late by its own interval');
  t.match(after(['p']).text[0], /paused 0ms: p goes on$/);
  const link = { state: 'live', snapshot: snapshot(), at: 1000, restartedAt: 500 } as const;
  t.match(drawn(undefined, { ...model, link }).text[0], /restarted 500ms ago$/);
});

t.test('every frame is as large as the screen, at any size', async (t) => {
  const names = Array.from({ length: 60 }, (_, i) => destination(`service-${i}.a-rather-long-namespace.svc:8080`));
  const model = modelOf(snapshot({ destinations: names, sidecar: sidecar({ host: 'h'.repeat(200) }) }));
  for (const columns of [40, 57, 80, 200])
    for (const rows of [10, 24, 60])
      for (const keys of [[], ['enter'], ['2'], ['4'], ['6', 'enter'], ['?'], ['/', 'x']]) {
        const frame = after(keys, model, undefined, { columns, rows });
        t.equal(frame.lines.length, rows, `${columns}×${rows} ${keys.join(' ')}`);
        const table = frame.text.filter((text) => /^(> service|.*DESTINATION)/.test(text));
        for (const text of table) t.ok(textWidth(text) <= columns, text);
      }
});

t.test('the row under the cursor is always in sight', async (t) => {
  const destinations = Array.from({ length: 60 }, (_, i) => destination(`service-${i}:80`, { utilization: 0 }));
  const model = modelOf(snapshot({ destinations }));
  for (const keys of [['end'], ['pagedown', 'pagedown'], ['end', 'pageup'], ['end', 'home', 'down', 'down']]) {
    const { selected, state, shown } = after(keys, model);
    t.match(selected, /^> /, keys.join(' '));
    t.match(selected, shown.keys[state.cursors.destinations.index]?.replace(/^finding .*/, '! error') ?? 'none');
  }
  const narrow = drawn(after(['end'], model).state, model, { columns: 80, rows: 12 });
  t.match(narrow.selected, /^> /, 'also when the screen gets smaller');
});

t.test('a screen that is too small says so in words that fit', async (t) => {
  const size = { columns: SMALLEST.columns - 1, rows: 3 };
  const { text } = drawn(undefined, modelOf(), size);
  t.equal(text.length, 3);
  t.match(text.join(' '), /39×3 is too small.*40×10/);
});

t.test('narrow screens leave out what matters least, and cut names last', async (t) => {
  const { text } = drawn(undefined, modelOf(), { columns: 50, rows: STANDARD.rows });
  const head = text.find((line) => line.includes('DESTINATION')) ?? '';
  t.match(head, /DESTINATION +CONNS.* +WAIT/);
  t.notMatch(head, /P50|REUSE|NOTES/);
  const wide = drawn(undefined, modelOf(), { columns: 160, rows: STANDARD.rows });
  t.match(wide.all, /P50 +P99 +REUSE% +ENDPOINTS/);
});

t.test('what is out of the ordinary about a destination is in words', async (t) => {
  const destinations = [
    destination('a:80', { paused: true, signals: ['pending'], endpointsUnfit: 2 }),
    destination('b:80', { breaker: 'open', discovery: { source: 'dns', state: 'failed', error: 'no such name' } }),
  ];
  const { all } = drawn(undefined, modelOf(snapshot({ destinations })), { columns: 200, rows: 24 });
  t.match(all, /paused; 2 unfit; strained: pending/);
  t.match(all, /breaker open; discovery: no such name/);
});

t.test('what the destinations leave free on the screen the findings have', async (t) => {
  const more = Array.from({ length: 5 }, (_, i) => `    # line ${i}`);
  const yaml = ['destinations:', ...more, '    pool:', '      maxConnections: 9'].join('\n');
  const findings = ['first', 'second'].map((title) => finding({ title, code: title, lines: [yaml] }));
  const tall = drawn(undefined, modelOf(snapshot({ findings })), { columns: 120, rows: 40 }).all;
  t.equal(tall.match(/maxConnections: 9/g)?.length, 2);
  const small = drawn(undefined, modelOf(snapshot({ findings })), { columns: 120, rows: 24 }).text;
  for (const [row, text] of small.entries())
    if (text.trim() === 'destinations:') t.match(small[row + 7], /maxConnections: 9/, 'what is to be set is whole');
  const many = Array.from({ length: 60 }, (_, i) => destination(`d${i}:80`));
  const full = drawn(undefined, modelOf(snapshot({ findings, destinations: many })), { columns: 120, rows: 40 }).text;
  t.ok(full.filter((line) => /d\d+:80/.test(line)).length > 20, 'many destinations keep two thirds');
});

t.test('the footer says what q does', async (t) => {
  const last = (keys: readonly string[]) => after(keys).text.at(-1);
  t.match(last([]), / q quit /);
  for (const keys of [['enter'], ['4'], ['?'], ['up', 'enter']]) t.match(last(keys), / q back /, keys.join(' '));
});
