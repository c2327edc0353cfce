import { median, medianInterval, minimum, pairedRatios } from '../rig/statistics.ts';
import { figure, formatTable } from '../rig/table.ts';
import type { IdleRow, LoadRow, Row, StartRow } from './rows.ts';
import type { Scenario } from './scenarios.ts';

/** Above this much CPU of other programs (cores), a figure is marked: it may be theirs. */
const NOISY = 0.15;

type Figures<R> = readonly {
  readonly title: string;
  readonly of: (row: R) => number | null;
  readonly decimals: number;
}[];

const LOAD: Figures<LoadRow> = [
  { title: 'CPU µs/req', of: (row) => row.cpuUs, decimals: 1 },
  { title: 'req/s', of: (row) => row.rps, decimals: 0 },
  { title: 'p50 µs', of: (row) => row.p50Us, decimals: 0 },
  { title: 'p99 µs', of: (row) => row.p99Us, decimals: 0 },
  { title: 'RSS MiB', of: (row) => row.rssMiB, decimals: 1 },
  { title: 'PSS MiB', of: (row) => row.pssMiB, decimals: 1 },
];
const LATENCY: Figures<LoadRow> = [
  ...LOAD,
  { title: 'generator late p99', of: (row) => row.generatorLateUs, decimals: 0 },
];
const IDLE: Figures<IdleRow> = [
  { title: 'fresh RSS', of: (row) => row.freshRssMiB, decimals: 1 },
  { title: 'fresh PSS', of: (row) => row.freshPssMiB, decimals: 1 },
  { title: 'idle-conns RSS', of: (row) => row.idleRssMiB, decimals: 1 },
  { title: 'idle-conns PSS', of: (row) => row.idlePssMiB, decimals: 1 },
  { title: 'after-load RSS', of: (row) => row.loadedRssMiB, decimals: 1 },
  { title: 'after-load PSS', of: (row) => row.loadedPssMiB, decimals: 1 },
  { title: 'downstream', of: (row) => row.downstream, decimals: 0 },
  { title: 'upstream', of: (row) => row.upstream, decimals: 0 },
];
const START: Figures<StartRow> = [
  { title: 'accepting ms', of: (row) => row.acceptingMs, decimals: 0 },
  { title: 'first answer ms', of: (row) => row.firstAnswerMs, decimals: 0 },
];

/** The values of the rounds that have a result. */
function values<R extends Row>(rows: readonly R[], of: (row: R) => number | null): number[] {
  return rows.flatMap((row) => {
    const value = row.failed === null ? of(row) : null;
    return value === null ? [] : [value];
  });
}

function byRound<R extends Row>(rows: readonly R[], of: (row: R) => number | null): Map<number, number> {
  const found = new Map<number, number>();
  for (const row of rows) {
    const value = row.failed === null ? of(row) : null;
    if (value !== null) found.set(row.round, value);
  }
  return found;
}

function groups<R extends Row>(rows: readonly R[]): Map<string, readonly R[]> {
  return Map.groupBy(rows, (row) => row.peer);
}

function failures(rows: readonly Row[]): string {
  const failed = rows.filter((row) => row.failed !== null);
  if (failed.length === 0) return '';
  const first = failed[0]?.failed ?? '';
  const verdict = failed.length === rows.length ? 'NO RESULT' : `no result in ${failed.length} of ${rows.length}`;
  return `${verdict}: ${first.slice(0, 90)}`;
}

/** One line for each peer, median (minimum) of each figure over the rounds, then what went wrong. */
function summary<R extends Row>(rows: readonly R[], figures: Figures<R>): string {
  const loads = rows.some((row) => row.kind === 'load');
  const header = ['peer', ...figures.map(({ title }) => title), ...(loads ? ['errors', 'foreign'] : []), 'rounds', ''];
  const lines = [...groups(rows)].map(([peer, its]) => [
    peer,
    ...figures.map(({ of, decimals }) => {
      const sample = values(its, of);
      const middle = figure(median(sample), decimals);
      return sample.length > 1 ? `${middle} (${figure(minimum(sample), decimals)})` : middle;
    }),
    ...(loads ? noise(its) : []),
    String(its.length),
    failures(its),
  ]);
  return formatTable(header, lines);
}

function noise(rows: readonly Row[]): string[] {
  let errors = 0;
  let foreign = 0;
  for (const row of rows) {
    if (row.kind !== 'load') continue;
    errors += row.errors;
    foreign = Math.max(foreign, row.foreign ?? 0);
  }
  return [String(errors), `${foreign.toFixed(2)}${foreign > NOISY ? '*' : ''}`];
}

/** subject ÷ each peer, pairwise in each round: the median and its 95 % interval. */
function ratios<R extends Row>(rows: readonly R[], figures: Figures<R>, subject: string): string {
  const all = groups(rows);
  const mine = all.get(subject);
  if (mine === undefined || all.size < 2) return '';
  const lines = [...all]
    .filter(([peer]) => peer !== subject)
    .map(([peer, theirs]) => [
      `${subject} ÷ ${peer}`,
      ...figures.map(({ of }) => {
        const sample = pairedRatios(byRound(mine, of), byRound(theirs, of));
        const interval = medianInterval(sample);
        const range = interval === null ? '' : ` [${interval.low.toFixed(2)}–${interval.high.toFixed(2)}]`;
        return `${figure(median(sample), 2)}${range}`;
      }),
    ]);
  return formatTable(['ratio, per round', ...figures.map(({ title }) => title)], lines);
}

function section<R extends Row>(rows: readonly R[], figures: Figures<R>, subject: string): string {
  return [summary(rows, figures), ratios(rows, figures, subject)].filter((part) => part !== '').join('\n\n');
}

/** The tables of one scenario, ready to print. */
export function report(scenario: Scenario, rows: readonly Row[], subject: string): string {
  const its = rows.filter((row) => row.scenario === scenario.name);
  const load = its.filter((row) => row.kind === 'load');
  const idle = its.filter((row) => row.kind === 'idle');
  const start = its.filter((row) => row.kind === 'start');
  const body = [
    load.length > 0 ? section(load, scenario.kind === 'latency' ? LATENCY : LOAD, subject) : '',
    idle.length > 0 ? section(idle, IDLE, subject) : '',
    start.length > 0 ? section(start, START, subject) : '',
  ].filter((part) => part !== '');
  return `\n## ${scenario.name}: ${scenario.words}\n\n${body.join('\n\n')}`;
}
