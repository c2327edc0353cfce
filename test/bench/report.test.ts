import t from 'tap';
import { parseOptions } from '../../bench/compare/options.ts';
import { report } from '../../bench/compare/report.ts';
import type { LoadRow } from '../../bench/compare/rows.ts';
import { isOpenLoop, scenarios } from '../../bench/compare/scenarios.ts';
import { parseResult } from '../../bench/load/generators.ts';

const [get1k] = scenarios;
if (get1k === undefined) throw new Error('there are no scenarios');

function row(peer: string, round: number, cpuUs: number, more: Partial<LoadRow> = {}): LoadRow {
  return {
    kind: 'load',
    scenario: 'get1k',
    peer,
    round,
    failed: null,
    cpuUs,
    rps: 1000,
    p50Us: 1,
    p99Us: 2,
    rssMiB: 3,
    pssMiB: 4,
    requests: 5,
    errors: 0,
    foreign: 0,
    proxyCores: 1,
    generatorLateUs: null,
    ...more,
  };
}

function lineOf(text: string, start: string): string {
  return text.split('\n').find((line) => line.startsWith(start)) ?? '';
}

t.test('a report shows median and minimum of each peer, and ratios paired by round', async (t) => {
  const rows = [row('carpool', 0, 10), row('nginx', 0, 20), row('carpool', 1, 40), row('nginx', 1, 10)];
  const text = report(get1k, rows, 'carpool');
  t.match(lineOf(text, 'carpool '), /25\.0 \(10\.0\)/);
  t.match(lineOf(text, 'nginx'), /15\.0 \(10\.0\)/);
  // 10 ÷ 20 and 40 ÷ 10: their median, not the ratio of the medians.
  t.match(lineOf(text, 'carpool ÷ nginx'), /^carpool ÷ nginx +2\.25/);
});

t.test(
  'a run with errors is no result: its figures are in no median and no ratio, and the table says so',
  async (t) => {
    const bad = row('carpool', 1, 1, { failed: '7 errors', errors: 7 });
    const text = report(get1k, [row('carpool', 0, 10), row('nginx', 0, 20), bad, row('nginx', 1, 20)], 'carpool');
    t.match(lineOf(text, 'carpool '), / 10\.0 /);
    t.match(lineOf(text, 'carpool '), /no result in 1 of 2: 7 errors/);
    t.match(lineOf(text, 'carpool ÷'), / 0\.50/);
    t.match(lineOf(report(get1k, [bad], 'carpool'), 'carpool '), /NO RESULT: 7 errors/);
  },
);

t.test('a row in whose time other programs were busy is marked', async (t) => {
  const text = report(get1k, [row('carpool', 0, 10, { foreign: 0.16 }), row('nginx', 0, 20, { foreign: 0.14 })], 'x');
  t.match(lineOf(text, 'carpool'), /0\.16\*/);
  t.match(lineOf(text, 'nginx'), /0\.14 /);
  t.notMatch(text, /÷/, 'no ratios without the subject');
});

t.test('a closed loop that left the proxy idle is marked, an open loop is not', async (t) => {
  const open = scenarios.find(isOpenLoop);
  if (open === undefined) throw new Error('there is no open loop');
  const rows = [row('carpool', 0, 10, { proxyCores: 0.89 }), row('nginx', 0, 20, { proxyCores: 0.9 })];
  const closed = report(get1k, rows, 'x');
  t.match(lineOf(closed, 'carpool'), / 0\.89! /);
  t.match(lineOf(closed, 'nginx'), / 0\.90 /);
  const opened = report(
    open,
    rows.map((one) => ({ ...one, scenario: open.name })),
    'x',
  );
  t.match(lineOf(opened, 'carpool'), / 0\.89 /);
});

t.test('a report says who is left out and why', async (t) => {
  const text = report(get1k, [row('carpool', 0, 10)], 'carpool', [{ peer: 'haproxy', why: 'no CONNECT' }]);
  t.match(lineOf(text, 'haproxy'), /^haproxy is left out: no CONNECT$/);
});

t.test('the table of stalled streams shows memory each way, and how many answers got through', async (t) => {
  const stalled = scenarios.find(({ kind }) => kind === 'stalled');
  if (stalled === undefined) throw new Error('there is no such scenario');
  const common = { kind: 'stalled', scenario: stalled.name, round: 0, failed: null, freshRssMiB: 60 } as const;
  const figures = { answersRssMiB: 120, bodiesRssMiB: 150, streams: 10_000, answersBegun: 100 };
  const text = report(stalled, [{ ...common, ...figures, peer: 'haproxy' }], 'x');
  t.match(lineOf(text, 'haproxy'), /^haproxy +60\.0 +120\.0 +150\.0 +10000 +100 +1/);
});

t.test('a quick run leaves no scenario out', async (t) => {
  const options = parseOptions(['--quick']);
  t.match(options, { scenarios: null, rounds: 1, seconds: 1 });
});

t.test('options that are not understood are refused by name', async (t) => {
  t.throws(() => parseOptions(['--scenarios', 'get1k,nope']), /no scenario nope/);
  t.throws(() => parseOptions(['--rounds', '0']), /--rounds/);
  t.throws(() => parseOptions(['--entry', 'before']), /NAME=FILE/);
  t.throws(() => parseOptions(['--unknown']));
  t.equal(parseOptions(['--help']), 'help');
  const options = parseOptions(['--peers', 'nginx,haproxy', '--entry', 'before=/a.js', '--rounds', '20']);
  t.match(options, { rounds: 20, peers: ['nginx', 'haproxy'], entries: [{ name: 'before', entry: '/a.js' }] });
});

t.test('the line that wrk.lua prints is read, and its absence is an error', async (t) => {
  const result = { requests: 10, seconds: 1.5, p50Us: 3, p99Us: 4, errors: 0 };
  t.strictSame(parseResult(`Running 1s test\n\n${JSON.stringify(result)}\n`), result);
  t.throws(() => parseResult('unable to connect'));
});
