import { median, pairedRatios } from '../rig/statistics.ts';
import { figure, formatTable } from '../rig/table.ts';
import type { PoolingRow } from './measure-pooling.ts';

type Figure = {
  readonly title: string;
  readonly of: (row: PoolingRow) => number | null;
  readonly decimals: number;
};

const FIGURES: readonly Figure[] = [
  { title: 'p50 µs', of: (row) => row.p50Us, decimals: 0 },
  { title: 'p99 µs', of: (row) => row.p99Us, decimals: 0 },
  { title: 'req/s', of: (row) => row.rps, decimals: 0 },
  { title: 'CPU µs/req', of: (row) => row.cpuUs, decimals: 1 },
  { title: 'RSS MiB', of: (row) => row.rssMiB, decimals: 1 },
  { title: 'opened/1,000 req', of: (row) => row.openedPerThousand, decimals: 1 },
  { title: 'generator late p99 µs', of: (row) => row.generatorLateUs, decimals: 0 },
];

function medianOf(rows: readonly PoolingRow[], of: Figure['of']): number | null {
  return median(rows.map(of).filter((value) => value !== null));
}

/** with ÷ without, the median over rounds. */
function ratio(pooled: readonly PoolingRow[], unpooled: readonly PoolingRow[], of: Figure['of']): number | null {
  const byRound = (rows: readonly PoolingRow[]): Map<number, number> =>
    new Map(rows.flatMap((row) => pairOf(row.round, of(row))));
  return median(pairedRatios(byRound(pooled), byRound(unpooled)));
}

function pairOf(round: number, value: number | null): [number, number][] {
  return value === null ? [] : [[round, value]];
}

function less(share: number | null): string {
  return share === null ? '–' : `${((1 - share) * 100).toFixed(0)} % less`;
}

/** Both variants' figures, and beside the claims that guides to connection pooling make what was measured here. */
export function claimsReport(
  pooled: readonly PoolingRow[],
  unpooled: readonly PoolingRow[],
  connectUs: number | null,
): string {
  const line = (name: string, rows: readonly PoolingRow[]): string[] => [
    name,
    ...FIGURES.map(({ of, decimals }) => figure(medianOf(rows, of), decimals)),
  ];
  const figures = formatTable(
    ['', ...FIGURES.map(({ title }) => title)],
    [line('with pool', pooled), line('without', unpooled)],
  );
  const throughput = ratio(pooled, unpooled, (row) => row.rps);
  const opened = ratio(pooled, unpooled, (row) => row.openedPerThousand);
  const timeOf = (rows: readonly PoolingRow[]): string => {
    const count = medianOf(rows, (row) => row.openedPerThousand);
    return count === null || connectUs === null ? '–' : `${((count * connectUs) / 1000).toFixed(1)} ms`;
  };
  const claims = formatTable(
    ['claim of the guides', 'claimed', 'measured here'],
    [
      ['latency, p50', '40–60 % less', less(ratio(pooled, unpooled, (row) => row.p50Us))],
      ['latency, p99', '40–60 % less', less(ratio(pooled, unpooled, (row) => row.p99Us))],
      ['throughput', '3–5 ×', `${figure(throughput, 2)} ×`],
      ['memory', '50–70 % less', less(ratio(pooled, unpooled, (row) => row.rssMiB))],
      [
        'connection time per 1,000 requests',
        '90 % less',
        `${less(opened)} (${timeOf(pooled)} for ${timeOf(unpooled)})`,
      ],
    ],
  );
  return `${figures}\n\none new connection to the origin: ${figure(connectUs)} µs\n\n${claims}`;
}
