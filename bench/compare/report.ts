import { median, medianInterval, minimum, pairedRatios } from '../rig/statistics.ts';
import { figure, formatTable } from '../rig/table.ts';
import type { IdleRow, LoadRow, Row, StalledRow, StartRow } from './rows.ts';
import { isOpenLoop, type Scenario } from './scenarios.ts';

/** Above this much CPU of other programs (cores), a figure is marked: it may be theirs. */
const NOISY = 0.15;

/** Below this part of its core, a proxy under a closed loop was not what held the load up. */
const SATURATED = 0.9;

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

const STALLED: Figures<StalledRow> = [
  { title: 'fresh RSS', of: (row) => row.freshRssMiB, decimals: 1 },
  { title: 'stalled answers RSS', of: (row) => row.answersRssMiB, decimals: 1 },
  { title: 'stalled bodies RSS', of: (row) => row.bodiesRssMiB, decimals: 1 },
  { title: 'streams', of: (row) => row.streams, decimals: 0 },
  { title: 'heads passed', of: (row) => row.answersBegun, decimals: 0 },
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
function summary<R extends Row>(rows: readonly R[], figures: Figures<R>, saturating: boolean): string {
  const loads = rows.some((row) => row.kind === 'load');
  const titles = figures.map(({ title }) => title);
  const header = ['peer', ...titles, ...(loads ? ['cores', 'errors', 'foreign'] : []), 'rounds', ''];
  const lines = [...groups(rows)].map(([peer, its]) => [
    peer,
    ...figures.map(({ of, decimals }) => {
      const sample = values(its, of);
      const middle = figure(median(sample), decimals);
      return sample.length > 1 ? `${middle} (${figure(minimum(sample), decimals)})` : middle;
    }),
    ...(loads ? noise(its, saturating) : []),
    String(its.length),
    failures(its),
  ]);
  return formatTable(header, lines);
}

/** How far a row can be trusted; a closed loop that did not saturate the proxy is marked. */
function noise(rows: readonly Row[], saturating: boolean): string[] {
  const loads = rows.filter((row) => row.kind === 'load');
  const cores = median(values(loads, (row) => row.proxyCores));
  const errors = loads.reduce((sum, row) => sum + row.errors, 0);
  const foreign = loads.reduce((most, row) => Math.max(most, row.foreign ?? 0), 0);
  const unsaturated = saturating && cores !== null && cores < SATURATED;
  return [
    `${figure(cores, 2)}${unsaturated ? '!' : ''}`,
    String(errors),
    `${foreign.toFixed(2)}${foreign > NOISY ? '*' : ''}`,
  ];
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

function section<R extends Row>(rows: readonly R[], figures: Figures<R>, subject: string, saturating = false): string {
  return [summary(rows, figures, saturating), ratios(rows, figures, subject)]
    .filter((part) => part !== '')
    .join('\n\n');
}

/** A peer that a scenario leaves out, and why. */
export type Absent = { readonly peer: string; readonly why: string };

/** The tables of one scenario, ready to print. */
export function report(
  scenario: Scenario,
  rows: readonly Row[],
  subject: string,
  absent: readonly Absent[] = [],
): string {
  const its = rows.filter((row) => row.scenario === scenario.name);
  const load = its.filter((row) => row.kind === 'load');
  const idle = its.filter((row) => row.kind === 'idle');
  const start = its.filter((row) => row.kind === 'start');
  const stalled = its.filter((row) => row.kind === 'stalled');
  const openLoop = isOpenLoop(scenario);
  const body = [
    load.length > 0 ? section(load, openLoop ? LATENCY : LOAD, subject, !openLoop) : '',
    idle.length > 0 ? section(idle, IDLE, subject) : '',
    start.length > 0 ? section(start, START, subject) : '',
    stalled.length > 0 ? section(stalled, STALLED, subject) : '',
    absent.map(({ peer, why }) => `${peer} is left out: ${why}`).join('\n'),
  ].filter((part) => part !== '');
  return `\n## ${scenario.name}: ${scenario.words}\n\n${body.join('\n\n')}`;
}
