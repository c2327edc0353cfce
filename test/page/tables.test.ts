import t from 'tap';
import { madeUpEndpoint, madeUpRow } from '../../e2e/browser/made-up.ts';
import { curve } from '../../src/page/curve.ts';
import { sortedNames } from '../../src/page/order.ts';
import { settingsOf } from '../../src/page/settings.ts';
import { endpointStanding, failedOf, failing, fullness, standingOf } from '../../src/page/standing.ts';
import { historyOfAll, totalsOf } from '../../src/page/totals.ts';
import { visibleRows } from '../../src/page/visible-rows.ts';
import type { DestinationRow, Finding } from '../../src/status/types.ts';

const SIZE = { destinations: 3, endpoints: 2, connections: 2 };
const row = (name: string, changes: Partial<DestinationRow> = {}): DestinationRow => ({
  ...madeUpRow(0, 0, SIZE),
  name,
  label: name,
  ...changes,
});
const rowsOf = (...rows: DestinationRow[]) => new Map(rows.map((each) => [each.name, each]));
const finding = (destination: string | null, severity: Finding['severity']): Finding => ({
  code: 'made_up',
  severity,
  destination,
  title: '',
  detail: '',
  remedies: [],
  lines: [],
});

t.test('the most urgent stand first, and equal ones by name', async (t) => {
  const rows = rowsOf(row('d'), row('a'), row('c', { paused: true }), row('b', { breaker: 'open' }), row('e'));
  const names = (findings: readonly Finding[]) => sortedNames(rows, findings, { key: 'state', descending: true }, '');
  t.same(names([]), ['b', 'c', 'a', 'd', 'e']);
  t.same(names([finding('e', 'error'), finding(null, 'error')]), ['b', 'e', 'c', 'a', 'd']);
});

t.test('a table is sorted by any column, and filtered by name or label', async (t) => {
  const rows = rowsOf(
    row('b.shop', { p99Ms: null, reuseShare: 0.5 }),
    row('a.shop', { p99Ms: 3, reuseShare: null }),
    row('c.mail', { p99Ms: 9, label: 'Post' }),
  );
  t.same(sortedNames(rows, [], { key: 'p99', descending: true }, ''), ['c.mail', 'a.shop', 'b.shop']);
  t.same(sortedNames(rows, [], { key: 'reuse', descending: false }, ''), ['a.shop', 'b.shop', 'c.mail']);
  t.same(sortedNames(rows, [], { key: 'name', descending: true }, ' SHOP '), ['b.shop', 'a.shop']);
  t.same(sortedNames(rows, [], { key: 'name', descending: false }, 'post'), ['c.mail']);
});

t.test('a destination stands as its worst trouble, or its worst finding', async (t) => {
  const stands = (changes: Partial<DestinationRow>, findings: readonly Finding[] = []) =>
    standingOf(row('a', changes), findings);
  t.same(stands({}), { level: 'good', words: 'well' });
  t.same(stands({ paused: true, breaker: 'open' }), { level: 'error', words: 'breaker open' });
  t.same(stands({ endpointsReady: 0 }), { level: 'error', words: 'no endpoint ready' });
  t.same(stands({ endpointsReady: 0, endpointsTotal: 0 }), { level: 'good', words: 'well' });
  t.same(stands({ signals: ['utilization'] }), { level: 'warning', words: 'pool full' });
  t.same(stands({ endpointsUnfit: 2 }), { level: 'warning', words: '2 unfit' });
  t.same(stands({ paused: true }, [finding('a', 'error')]), { level: 'error', words: 'paused' });
  t.same(stands({}, [finding('a', 'warning'), finding('b', 'error')]), { level: 'warning', words: 'needs a look' });
});

t.test('a pool is busy from 70 % on and nearly full above 85 %', async (t) => {
  t.equal(fullness(0.69).level, 'good');
  t.equal(fullness(0.7).level, 'warning');
  t.equal(fullness(0.85).level, 'warning');
  t.equal(fullness(0.86).level, 'error');
});

t.test('failed requests are worth a look from 1 % on and urgent from 5 % on; none of none is no share', async (t) => {
  t.same([null, 0, 0.009, 0.01, 0.049, 0.05, 0.49].map(failing), [
    'good',
    'good',
    'good',
    'warning',
    'warning',
    'error',
    'error',
  ]);
  t.equal(failedOf(row('a', { requestsPerSecond: 0, failedShare: 0 })), null);
  t.equal(failedOf(row('a', { requestsPerSecond: 0, failedShare: 0.5 })), 0.5, 'they were begun before');
  t.equal(failedOf(row('a', { requestsPerSecond: 4, failedShare: 0 })), 0);
});

t.test('an endpoint that is ready, but was not a moment ago, is marked', async (t) => {
  const endpoint = madeUpEndpoint(0, 0);
  t.equal(endpointStanding({ ...endpoint, changes: 2 }).level, 'good');
  t.equal(endpointStanding({ ...endpoint, changes: 3 }).level, 'warning');
  t.equal(endpointStanding({ ...endpoint, changes: 3, state: 'ejected' }).level, 'error');
});

t.test('totals weigh shares by requests, and leave out what sent none', async (t) => {
  const totals = totalsOf([
    row('a', {
      requestsPerSecond: 90,
      failedShare: 0,
      reuseShare: 1,
      p99Ms: 10,
      utilization: 0.2,
      active: 3,
      pending: 1,
    }),
    row('b', {
      requestsPerSecond: 10,
      failedShare: 0.5,
      reuseShare: 0.5,
      p99Ms: 80,
      utilization: 0.9,
      active: 2,
      pending: 0,
    }),
    row('c', {
      requestsPerSecond: 0,
      failedShare: 0,
      reuseShare: null,
      p99Ms: null,
      utilization: 0,
      active: 0,
      pending: 0,
    }),
  ]);
  t.equal(totals.failedShare, 0.05);
  t.equal(totals.reuseShare, 0.95);
  t.equal(totals.slowest?.name, 'b');
  t.equal(totals.fullest?.name, 'b');
  t.equal(totals.active, 5);
  t.equal(totals.pending, 1);
  t.match(totalsOf([]), { failedShare: null, reuseShare: null, fullest: null });
});

t.test('histories add up from their newest ends', async (t) => {
  const point = (requests: number, utilization: number) => ({ requests, failed: 1, utilization, pending: 1 });
  const all = historyOfAll([
    { intervalMs: 5000, points: [point(1, 0.1), point(2, 0.2)] },
    { intervalMs: 5000, points: [point(10, 0.5)] },
  ]);
  t.same(all.points, [
    { requests: 1, failed: 1, utilization: 0.1, pending: 1 },
    { requests: 12, failed: 2, utilization: 0.5, pending: 2 },
  ]);
});

t.test('of a long table the rows on the screen are drawn, and some beyond', async (t) => {
  t.same(visibleRows(1000, 40, 200, 800), { first: 0, end: 24 });
  const { first, end } = visibleRows(1000, 40, -4000, 800);
  t.ok(first <= 100 - 8 && first > 100 - 24, `${first}`);
  t.ok(end >= 120 + 8 && end < 120 + 24, `${end}`);
  t.same(visibleRows(10, 40, 200, 800), { first: 0, end: 10 });
  t.match(visibleRows(1000, 40, 5000, 800), { first: 0 });
  const beyond = visibleRows(30, 40, -90_000, 800);
  t.ok(beyond.first < 30 && beyond.end === 30);
  t.same(visibleRows(1000, 0, 0, 800), { first: 0, end: 40 });
});

t.test('a curve ends at the right edge, however short, and stays inside', async (t) => {
  t.equal(curve([], 1, true), '');
  t.equal(curve([0, 5, 10], 10, false), 'M57 20L58 10L59 0');
  t.equal(curve([20], 10, true), 'M59 0L59 20L59 20Z');
});

t.test('settings are read with their sources, and from a sidecar that names none', async (t) => {
  t.same(settingsOf({ settings: [{ path: 'a.b', value: [1], origin: 'file', where: 'x.yaml' }, 7] }), [
    { path: 'a.b', text: '[1]', origin: 'file', where: 'x.yaml' },
  ]);
  t.same(
    settingsOf({ b: { c: 'text' }, a: [{ d: null }], e: [] }).map(({ path, text }) => `${path}=${text}`),
    ['a[0].d=null', 'b.c=text', 'e=[]'],
  );
});
