import { clockTime } from '../cli/times.ts';
import type { DestinationRow, StatusSnapshot } from '../status/types.ts';
import { failedStyle, latency, percent, rate, shareStyle, sparkline, unlessNone } from './figures.ts';
import { findingBlock } from './finding-lines.ts';
import { gridLines } from './grid.ts';
import { EMPTY, type Line, line, span, styled } from './line.ts';
import { notes } from './list-destinations.ts';
import { severityStyle } from './list-reports.ts';
import { listOf } from './lists.ts';
import { FIRST_STATE, type Tab } from './watch-state.ts';

const LABEL_CELLS = 13;
/** Lines that findings may take. */
const FINDING_LINES = 8;
/** Rows of each list here; the tabs have all of them. */
const ROWS = 8;

/** All of a destination on one page: its figures, what is the matter with it, endpoints, connections and events. */
export function summary(name: string, snapshot: StatusSnapshot, columns: number): readonly Line[] {
  const row = snapshot.destinations.find((each) => each.name === name);
  if (row === undefined)
    return [
      line(`The sidecar knows no ${name} (any more). A destination appears with its first request. q goes back.`),
    ];
  const findings = snapshot.findings.filter(({ destination }) => destination === name);
  return [
    ...figures(row, snapshot),
    ...(findings.length > 0
      ? [EMPTY, ...findingBlock(findings, columns, FINDING_LINES, name).map((each) => each.line)]
      : []),
    ...excerpt('endpoints', 'Endpoints', name, snapshot, columns),
    ...excerpt('connections', 'Connections', name, snapshot, columns),
    EMPTY,
    styled('Events', 'bold'),
    ...events(name, snapshot),
  ];
}

function figures(row: DestinationRow, { history, detail }: StatusSnapshot): Line[] {
  const points = history[row.name]?.points ?? [];
  const label = (text: string) => span(text.padEnd(LABEL_CELLS), 'dim');
  const { discovery } = row;
  const remarks = notes(row);
  return [
    line(
      label('connections'),
      span(`${Math.round(row.utilization * 100)}% of ${row.maxConnections}`, shareStyle(row.utilization)),
      `: ${row.active} active, ${row.idle} idle, ${row.connecting} connecting, ${row.draining} draining; `,
      span(`${row.pending} wait`, unlessNone(row.pending)),
    ),
    line(
      label('requests'),
      `${rate(row.requestsPerSecond)}/s, `,
      span(`${percent(row.failedShare)}% failed`, failedStyle(row.failedShare)),
      `, p50 ${latency(row.p50Ms)}, p99 ${latency(row.p99Ms)}`,
      row.reuseShare === null ? '' : `, ${percent(row.reuseShare)}% reused`,
    ),
    line(label('history'), sparkline(points.map(({ requests }) => requests)), span(' requests', 'dim')),
    line(
      label('endpoints'),
      `${row.endpointsReady} ready of ${row.endpointsTotal}, by ${discovery.source} (${discovery.state})`,
      detail === null || detail.name !== row.name ? '' : `, balancer ${detail.balancer}; ${limitWords(detail.limit)}`,
    ),
    ...(remarks === '' ? [] : [line(label('notes'), span(remarks, 'warning'))]),
  ];
}

function limitWords({
  configured,
  scaled,
  share,
  budget,
}: {
  readonly configured: number;
  readonly scaled: number | null;
  readonly share: number | null;
  readonly budget: number | null;
}): string {
  const words = [`limit ${configured}`];
  if (scaled !== null) words.push(`scaled to ${scaled}`);
  if (share !== null) words.push(`share of the fleet ${share}${budget === null ? '' : ` of ${budget}`}`);
  return words.join(', ');
}

/** The first rows of a list. */
function excerpt(
  tab: Exclude<Tab, 'destinations'>,
  title: string,
  name: string,
  snapshot: StatusSnapshot,
  columns: number,
): Line[] {
  const list = listOf(tab, snapshot, { ...FIRST_STATE, opened: name });
  const { head, body } = gridLines(list.columns, list.rows(0, ROWS), columns, list.sorted, null);
  const all = tab === 'connections' ? Math.max(list.total, snapshot.detail?.connectionsTotal ?? 0) : list.total;
  const more = all > ROWS ? `, ${ROWS} of them here: ${tab === 'connections' ? 2 : 3}` : '';
  return [EMPTY, line(span(title, 'bold'), span(` ${all}${more}`, 'dim')), ...(all === 0 ? [] : [head, ...body])];
}

function events(name: string, snapshot: StatusSnapshot): Line[] {
  const rows = snapshot.events.filter(({ destination }) => destination === name).slice(0, ROWS);
  if (rows.length === 0) return [styled('  none', 'dim')];
  return rows.map(({ time, severity, text, count }) =>
    line(`  ${clockTime(time)}  `, span(count > 1 ? `${text} (${count} times)` : text, severityStyle(severity))),
  );
}
