import { textWidth } from '../cli/text-width.ts';
import type { StatusSnapshot } from '../status/types.ts';
import { age, failedStyle, mebibytes, percent, rate, shareStyle } from './figures.ts';
import { type Line, line, type Span, span, spread, styled } from './line.ts';
import { type Link, lastAnswer } from './link.ts';
import { TABS, type Tab, type WatchState } from './watch-state.ts';
import { wrap } from './wrap.ts';

/** So long a restart is worth a word. */
const RESTART_IS_NEWS_MS = 60_000;
/** An answer is late when it is this many intervals old, and as many seconds. */
const LATE_INTERVALS = 3;
const LATE_MS = 3000;
/** Of the words why there is no answer. */
const PROBLEM_LINES = 3;

/** What all views have above them: which sidecar, how it is, whether the figures are fresh, and the tabs. */
export function header(
  shown: StatusSnapshot | null,
  link: Link,
  state: WatchState,
  { now, columns, intervalMs }: { readonly now: number; readonly columns: number; readonly intervalMs: number },
): readonly Line[] {
  const lines = [title(shown, state.opened, freshness(shown, link, state, now, intervalMs), columns)];
  if (shown !== null) lines.push(numbers(shown));
  if (link.state === 'lost')
    lines.push(
      ...wrap(link.problem, columns)
        .slice(0, PROBLEM_LINES)
        .map((text) => styled(text, 'bad')),
    );
  lines.push(tabs(state, shown, columns));
  return lines;
}

function title(shown: StatusSnapshot | null, opened: string | null, fresh: Span, columns: number): Line {
  if (shown === null) return spread([span('carpool', 'bold')], [fresh], columns);
  const { version, state, host, uptimeMs } = shown.sidecar;
  return spread(
    [
      span(`carpool ${version}`, 'bold'),
      span('  '),
      span(state, state === 'ready' ? 'good' : 'warning'),
      span(`  up ${age(uptimeMs)}`),
      opened === null ? span(`  ${host}`, 'dim') : span(`  ${opened}`, 'accent'),
    ],
    [fresh],
    columns,
  );
}

/** Whether what is on the screen is what is. */
function freshness(
  shown: StatusSnapshot | null,
  link: Link,
  { paused }: WatchState,
  now: number,
  intervalMs: number,
): Span {
  if (link.state === 'asking') return span('asking …', 'dim');
  const last = lastAnswer(link);
  if (link.state === 'lost') {
    const since = last === null ? now - link.since : now - last.at;
    return span(`${last === null ? 'no answer' : 'stale'} for ${age(since)}, trying again`, 'bad');
  }
  if (paused) return span(`paused ${shown === null ? '' : age(link.snapshot.time - shown.time)}: p goes on`, 'warning');
  const late = now - link.at;
  if (late > Math.max(LATE_MS, LATE_INTERVALS * intervalMs)) return span(`stale for ${age(late)}`, 'warning');
  if (link.restartedAt !== null && now - link.restartedAt < RESTART_IS_NEWS_MS)
    return span(`restarted ${age(now - link.restartedAt)} ago`, 'warning');
  return span('live', 'good');
}

/** The sidecar's totals. */
function numbers({ sidecar, destinations }: StatusSnapshot): Line {
  const requests = destinations.reduce((sum, row) => sum + row.requestsPerSecond, 0);
  const failed = destinations.reduce((sum, row) => sum + row.requestsPerSecond * row.failedShare, 0);
  const share = requests === 0 ? 0 : failed / requests;
  const connections = sidecar.maxConnections === 0 ? 0 : sidecar.upstreamConnections / sidecar.maxConnections;
  const waiting = destinations.reduce((sum, { pending }) => sum + pending, 0);
  return line(
    span(rate(requests), 'bold'),
    ' req/s  ',
    span(`${percent(share)}%`, failedStyle(share)),
    ' failed  ',
    span(`${sidecar.upstreamConnections}/${sidecar.maxConnections}`, shareStyle(connections)),
    ` conns, ${sidecar.downstreamConnections} of the app  `,
    span(String(waiting), waiting > 0 ? 'warning' : 'plain'),
    ` wait  cpu ${percent(sidecar.cpuShare)}%  ${mebibytes(sidecar.memoryBytes)} MiB`,
    sidecar.tunnels === 0 ? '' : `  ${sidecar.tunnels} tunnels`,
    sidecar.fleet === null ? '' : `  fleet ${sidecar.fleet.state}, ${sidecar.fleet.peers} peers`,
  );
}

/** The lists by their keys, `2:connections`: a number alone would read as a count. The one that is shown stands in brackets. */
function tabs({ tab, opened }: WatchState, shown: StatusSnapshot | null, columns: number): Line {
  const titles = (width: number): Span[] =>
    TABS.map((each, i) => {
      const words = `${i + 1}:${titleOf(each, opened)}`.slice(0, width);
      return each === tab ? span(`[${words}]`, 'bold') : span(` ${words} `, tabStyle(each, shown));
    });
  for (const width of [100, 6, 1]) {
    const spans = titles(width);
    const cells = spans.reduce((sum, { text }) => sum + textWidth(text), 0);
    if (cells <= columns || width === 1) return { spans: spans, selected: false };
  }
  return line();
}

function titleOf(tab: Tab, opened: string | null): string {
  return tab === 'destinations' && opened !== null ? 'summary' : tab;
}

function tabStyle(tab: Tab, shown: StatusSnapshot | null): Span['style'] {
  if (tab === 'findings' && shown?.findings.some(({ severity }) => severity !== 'info')) return 'warning';
  return 'plain';
}
