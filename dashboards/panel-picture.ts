import { curves } from './curves.ts';
import type { Panel, Step, Unit } from './panel.ts';
import type { Mark, PanelData, Point, Series, View } from './panel-data.ts';
import { shownValue } from './shown-value.ts';
import { COLOURS, LINES, svgRect, svgText, textWidth } from './svg-text.ts';

export type Size = { readonly width: number; readonly height: number };

const TITLE = 26;
const LEGEND_LINE = 15;
const LEGEND_LINES = 2;

function colourAt(value: number, steps: readonly Step[] | undefined): string {
  const reached = (steps ?? []).filter(({ from }) => from === null || value >= from).at(-1);
  return reached === undefined ? COLOURS.text : COLOURS[reached.colour];
}

/** A small curve without axes. */
function sparkline(points: readonly Point[], { width, height }: Size, colour: string): string {
  if (points.length < 2) return '';
  const [first, last] = [points[0]?.[0] ?? 0, points.at(-1)?.[0] ?? 1];
  const highest = Math.max(...points.map(([, value]) => value), 1e-12);
  const [top, room] = [height * 0.62, height * 0.36];
  const at = ([time, value]: Point): string =>
    `${Math.round(((time - first) / (last - first)) * width)} ${Math.round(top + room * (1 - value / highest))}`;
  const line = points.map(at).join('L');
  return `<path d="M${line}" fill="none" stroke="${colour}"/><path d="M${line}L${width} ${height}L0 ${height}Z" fill="${colour}" opacity=".15"/>`;
}

function figure(panel: Panel, data: PanelData, size: Size): string {
  const [series] = data.flat();
  const last = series?.points.at(-1)?.[1];
  const isName = panel.text === 'name';
  const text = isName ? (series?.name ?? '–') : last === undefined ? '–' : shownValue(last, panel.unit);
  const colour = last === undefined || isName ? COLOURS.text : colourAt(last, panel.steps);
  const fontSize = Math.min(28, Math.floor((size.width - 20) / (text.length * 0.58)));
  const curve = isName ? '' : sparkline(series?.points ?? [], size, colour);
  const look = { size: fontSize, colour, anchor: 'middle' } as const;
  return curve + svgText(text, size.width / 2, size.height / 2 + 16, look);
}

/** Names of the series as far as there is room, and how many more there are. */
function legend(series: readonly Series[], { width, height }: Size): string {
  const parts: string[] = [];
  let [x, line] = [12, 0];
  for (const [index, { name }] of series.entries()) {
    const room = Math.min(textWidth(name, 10), width - 110);
    if (x + room + 30 > width - 60 && x > 12) [x, line] = [12, line + 1];
    const y = height - LEGEND_LINE * (LEGEND_LINES - line) + 10;
    if (line >= LEGEND_LINES) {
      const more = `+ ${series.length - index}`;
      parts.push(svgText(more, width - 10, height - 5, { size: 10, colour: COLOURS.faint, anchor: 'end' }));
      break;
    }
    parts.push(svgRect(x, y - 5, 10, 3, LINES[index % LINES.length] ?? COLOURS.text));
    parts.push(svgText(name, x + 14, y, { size: 10, colour: COLOURS.faint }, room + 6));
    x += room + 30;
  }
  return parts.join('');
}

const highestFirst = (a: Series, b: Series): number => peak(b) - peak(a);
const peak = ({ points }: Series): number => Math.max(0, ...points.map(([, value]) => value));

function chart(panel: Panel, data: PanelData, marks: readonly Mark[], view: View, size: Size): string {
  // As many as can be told apart.
  const series = data
    .flat()
    .filter(({ points }) => points.length > 0)
    .sort(highestFirst)
    .slice(0, 10);
  if (series.length === 0)
    return svgText('No data', size.width / 2, size.height / 2, { colour: COLOURS.faint, anchor: 'middle' });
  const plot = { width: size.width, height: size.height - TITLE - LEGEND_LINE * LEGEND_LINES - 6 };
  const drawn = curves(panel, series, marks, view, plot);
  return `<g transform="translate(0 ${TITLE})">${drawn}</g>${legend(series, size)}`;
}

type Cell = { readonly text: string; readonly colour: string };

function table(panel: Panel, data: PanelData, { width, height }: Size): string {
  const columns = panel.columns ?? [];
  const rows = new Map<
    string,
    { readonly labels: Readonly<Record<string, string>>; readonly cells: Map<number, Cell> }
  >();
  for (const [index, query] of data.entries())
    for (const { labels, points } of query) {
      const key = JSON.stringify(Object.entries(labels).sort());
      const row = rows.get(key) ?? { labels, cells: new Map<number, Cell>() };
      rows.set(key, row);
      const value = points.at(-1)?.[1];
      const { unit = 'short', steps }: { unit?: Unit; steps?: readonly Step[] } = columns[index] ?? {};
      if (value !== undefined) row.cells.set(index, { text: shownValue(value, unit), colour: colourAt(value, steps) });
    }
  const names = Object.keys([...rows.values()][0]?.labels ?? {}).sort();
  const wide = width / (names.length * 1.6 + columns.length);
  const x = (column: number): number =>
    Math.round(12 + (column < names.length ? column * wide * 1.6 : (names.length * 0.6 + column) * wide));
  const heads = [...names, ...columns.map(({ name }) => name)];
  const lines = heads.map((head, index) => svgText(head, x(index), TITLE + 18, { size: 11, colour: COLOURS.blue }));
  const sorted = [...rows.values()].sort((a, b) => JSON.stringify(a.labels).localeCompare(JSON.stringify(b.labels)));
  for (const [index, { labels, cells }] of sorted.entries()) {
    const y = TITLE + 40 + index * 22;
    if (y > height - 6) break;
    lines.push(svgRect(8, y - 15, width - 16, 1, COLOURS.border));
    for (const [column, name] of names.entries())
      lines.push(svgText(labels[name] ?? '', x(column), y, { size: 11 }, wide * 1.6 - 8));
    for (const [column, { text, colour }] of cells)
      lines.push(svgText(text, x(names.length + column), y, { size: 11, colour }));
  }
  return lines.join('');
}

/** A panel as Grafana shows it, at the origin. */
export function panelPicture(panel: Panel, data: PanelData, marks: readonly Mark[], view: View, size: Size): string {
  const frame = svgRect(0.5, 0.5, size.width - 1, size.height - 1, COLOURS.panel, ` rx="3" stroke="${COLOURS.border}"`);
  const title = svgText(panel.title, 10, 18, { size: 12 }, size.width - 16);
  const content =
    panel.kind === 'stat'
      ? figure(panel, data, size)
      : panel.kind === 'table'
        ? table(panel, data, size)
        : chart(panel, data, marks, view, size);
  return frame + content + title;
}
