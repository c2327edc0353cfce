import type { DestinationRow, Severity, StatusSnapshot } from '../status/types.ts';
import { bar, failedStyle, latency, percent, rate, shareStyle, sparkline, unlessNone } from './figures.ts';
import type { ListColumn } from './grid.ts';
import { type Style, span } from './line.ts';

const BAR_CELLS = 8;
/** Points of a destination's history that are drawn at most: three minutes. */
const POINTS = 36;
const STRAINED: Readonly<Record<Severity, Style>> = { error: 'bad', warning: 'warning', info: 'plain' };

/** Columns of the destinations; the first has a mark where there is a finding. */
export function destinationColumns({ findings, history }: StatusSnapshot): readonly ListColumn<DestinationRow>[] {
  const worst = new Map<string, Severity>();
  // The worst come first.
  for (const { destination, severity } of findings)
    if (destination !== null && severity !== 'info' && !worst.has(destination)) worst.set(destination, severity);
  return [
    {
      title: 'DESTINATION',
      align: 'left',
      rank: 0,
      least: 20,
      cell: ({ name }) => {
        const severity = worst.get(name);
        return severity === undefined ? span(name) : span(`! ${name}`, STRAINED[severity]);
      },
      order: ({ name }) => name,
    },
    {
      title: 'CONNS',
      align: 'right',
      rank: 0,
      cell: (row) => span(`${used(row)}/${row.maxConnections}`, shareStyle(row.utilization)),
      order: used,
    },
    {
      title: 'USE',
      align: 'left',
      rank: 3,
      cell: ({ utilization }) => span(bar(utilization, BAR_CELLS), shareStyle(utilization)),
      order: ({ utilization }) => utilization,
    },
    {
      title: 'WAIT',
      align: 'right',
      rank: 1,
      cell: ({ pending }) => span(String(pending), unlessNone(pending)),
      order: ({ pending }) => pending,
    },
    {
      title: 'REQ/S',
      align: 'right',
      rank: 2,
      cell: ({ requestsPerSecond }) => span(rate(requestsPerSecond)),
      order: ({ requestsPerSecond }) => requestsPerSecond,
    },
    {
      title: 'FAIL%',
      align: 'right',
      rank: 4,
      cell: ({ failedShare }) => span(percent(failedShare), failedStyle(failedShare)),
      order: ({ failedShare }) => failedShare,
    },
    {
      title: 'P50',
      align: 'right',
      rank: 8,
      cell: ({ p50Ms }) => span(latency(p50Ms)),
      order: ({ p50Ms }) => p50Ms ?? -1,
    },
    {
      title: 'P99',
      align: 'right',
      rank: 6,
      cell: ({ p99Ms }) => span(latency(p99Ms)),
      order: ({ p99Ms }) => p99Ms ?? -1,
    },
    {
      title: 'REUSE%',
      align: 'right',
      rank: 10,
      cell: ({ reuseShare }) => span(reuseShare === null ? '-' : percent(reuseShare)),
      order: ({ reuseShare }) => reuseShare ?? -1,
    },
    {
      title: 'ENDPOINTS',
      align: 'right',
      rank: 7,
      cell: ({ endpointsReady, endpointsTotal, endpointsUnfit }) =>
        span(
          `${endpointsReady}/${endpointsTotal}`,
          endpointsReady === 0 ? 'bad' : endpointsUnfit > 0 ? 'warning' : 'plain',
        ),
      order: ({ endpointsTotal }) => endpointsTotal,
    },
    {
      title: 'REQUESTS',
      align: 'right',
      rank: 5,
      least: 8,
      newestLast: true,
      cell: ({ name }) => span(sparkline((history[name]?.points ?? []).slice(-POINTS).map((point) => point.requests))),
      order: ({ requestsPerSecond }) => requestsPerSecond,
    },
    {
      title: 'NOTES',
      align: 'left',
      rank: 9,
      least: 12,
      cell: (row) => span(notes(row), 'warning'),
      order: notes,
    },
  ];
}

function used({ active, idle, connecting, draining }: DestinationRow): number {
  return active + idle + connecting + draining;
}

/** What is out of the ordinary. */
export function notes({ paused, breaker, discovery, signals, endpointsUnfit }: DestinationRow): string {
  return [
    ...(paused ? ['paused'] : []),
    ...(breaker === 'open' ? ['breaker open'] : breaker === 'half_open' ? ['breaker half open'] : []),
    ...(endpointsUnfit > 0 ? [`${endpointsUnfit} unfit`] : []),
    ...(discovery.error === null ? [] : [`discovery: ${discovery.error}`]),
    ...(signals.length > 0 ? [`strained: ${signals.join(', ')}`] : []),
  ].join('; ');
}
