import { figure, formatTable } from '../rig/table.ts';
import type { BrokenRow } from './broken.ts';
import type { CostRow } from './cost.ts';
import type { FlakyRow, IdleResetRow } from './flaky.ts';
import type { GuideRow } from './guide.ts';
import type { OutageRow } from './outage.ts';

const share = (part: number, whole: number): string => (whole === 0 ? '–' : `${((part / whole) * 100).toFixed(3)} %`);

export function brokenTable(rows: readonly BrokenRow[]): string {
  return formatTable(
    ['one of three', 'first 2 s: failed', 'of', '', 'kinds', 'after: failed', 'of', 'it saw after', 'p99 µs after'],
    rows.map(({ what, first, after, seenAfter }) => [
      what,
      String(first.offered - first.answered),
      String(first.offered),
      share(first.offered - first.answered, first.offered),
      JSON.stringify(first.failures),
      String(after.offered - after.answered),
      String(after.offered),
      String(seenAfter),
      figure(after.p99Us),
    ]),
  );
}

export function flakyTable(row: FlakyRow): string {
  const good = `${((1 - row.failed / row.asked) * 100).toFixed(3)} %`;
  return formatTable(['', 'asked', 'failed', 'success'], [[row.what, String(row.asked), String(row.failed), good]]);
}

export function idleResetTable({ gets, posts, twice, connections }: IdleResetRow): string {
  return formatTable(
    ['GETs', 'failed', '', 'POSTs', 'failed', '', 'acted on twice', 'connections opened'],
    [
      [
        gets.sent,
        gets.failed,
        JSON.stringify(gets.kinds),
        posts.sent,
        posts.failed,
        JSON.stringify(posts.kinds),
        twice,
        connections,
      ].map(String),
    ],
  );
}

export function outageTable(rows: readonly OutageRow[]): string {
  return formatTable(
    ['', 'asked by the app', 'seen by the origins', 'amplification', 'answered well'],
    rows.map(({ what, asked, seen, answered }) => [
      what,
      String(asked),
      String(seen),
      `${(seen / asked).toFixed(3)} ×`,
      String(answered),
    ]),
  );
}

export function guideTable(rows: readonly GuideRow[]): string {
  return formatTable(
    ['faults', 'pool', 'p50 µs', 'p99 µs', 'req/s of 50 clients', 'success'],
    rows.map((row) => [
      row.faults,
      row.pool ? 'with' : 'without',
      figure(row.p50Us),
      figure(row.p99Us),
      figure(row.perSecond),
      `${(row.successShare * 100).toFixed(3)} %`,
    ]),
  );
}

export function costTable(row: CostRow): string {
  return formatTable(
    ['rounds', 'off µs', 'on µs', 'on ÷ off', '95 % of the median', 'rounds without a result'],
    [
      [
        String(row.rounds),
        figure(row.offUs, 2),
        figure(row.onUs, 2),
        figure(row.ratio, 3),
        row.low === null ? '–' : `${figure(row.low, 3)}–${figure(row.high, 3)}`,
        String(row.failed),
      ],
    ],
  );
}
