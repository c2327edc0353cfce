import { LineChart } from 'echarts/charts';
import { GridComponent, MarkLineComponent } from 'echarts/components';
import { init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import type { Panel } from './panel.ts';
import type { Mark, Series, View } from './panel-data.ts';
import { shownValue } from './shown-value.ts';
import { slim } from './slim-svg.ts';
import { COLOURS, FONT, LINES } from './svg-text.ts';

use([LineChart, GridComponent, MarkLineComponent, SVGRenderer]);

/** Minutes and seconds. */
const clock = (seconds: number): string => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;

/** Values at every step, by seconds since the picture begins; null where there is none: a line ends there, and a stack has all its layers. */
function filled({ points }: Series, { from, to, step }: View): [number, number | null][] {
  const values = new Map(points.map(([time, value]) => [Math.round((time - from) / step), value]));
  const count = Math.floor((to - from) / step) + 1;
  return Array.from({ length: count }, (_, index) => [index * step, values.get(index) ?? null]);
}

/** The curves of a panel with its axes, its thresholds and what is marked, as SVG without a frame. */
export function curves(
  panel: Panel,
  series: readonly Series[],
  marks: readonly Mark[],
  view: View,
  size: { readonly width: number; readonly height: number },
): string {
  const stacked = panel.kind === 'stacked';
  const label = { color: COLOURS.faint, fontSize: 10, fontFamily: FONT };
  const highest = Math.max(0, ...series.flatMap(({ points }) => points.map(([, value]) => value)));
  // A threshold far above the curves would press them flat: Grafana shows it only where it is in sight, too.
  const steps = (panel.steps ?? []).filter(({ from }) => from !== null && from <= Math.max(highest * 1.3, 1e-9));
  // A share has an end, which is worth seeing where it is near.
  const top =
    panel.max ?? (panel.unit === 'percentunit' && (highest === 0 || highest > 0.8) ? Math.max(1, highest) : undefined);
  const chart = init(null, null, { renderer: 'svg', ssr: true, ...size });
  chart.setOption({
    animation: false,
    grid: { left: 52, right: 10, top: 8, bottom: 20 },
    xAxis: {
      type: 'value',
      min: 0,
      max: view.to - view.from,
      interval: 60,
      axisLine: { lineStyle: { color: COLOURS.grid } },
      axisTick: { show: false },
      axisLabel: { ...label, formatter: clock, showMaxLabel: false },
      splitLine: { show: false },
    },
    yAxis: {
      type: 'value',
      min: 0,
      ...(top === undefined ? {} : { max: top, ...(top === 1 ? { interval: 0.25 } : {}) }),
      splitNumber: 3,
      axisLine: { show: false },
      axisTick: { show: false },
      axisLabel: { ...label, formatter: (value: number) => shownValue(value, panel.unit) },
      splitLine: { lineStyle: { color: COLOURS.grid } },
    },
    series: [
      ...series.map((one, index) => ({
        type: 'line',
        silent: true,
        data: filled(one, view),
        showSymbol: false,
        connectNulls: false,
        lineStyle: { width: 1.2, color: LINES[index % LINES.length] },
        itemStyle: { color: LINES[index % LINES.length] },
        ...(stacked ? { stack: 'all', areaStyle: { opacity: 0.3 } } : {}),
      })),
      {
        type: 'line',
        silent: true,
        data: [],
        markLine: {
          silent: true,
          symbol: 'none',
          label: { show: false },
          data: [
            ...steps.map(({ from, colour }) => ({
              yAxis: from ?? 0,
              lineStyle: { color: COLOURS[colour], type: 'dashed', width: 1 },
            })),
            ...marks.map(({ time, colour }) => ({
              xAxis: time - view.from,
              lineStyle: { color: COLOURS[colour], type: [2, 3], width: 1 },
            })),
          ],
        },
      },
    ],
  });
  const text = chart.renderToSVGString();
  chart.dispose();
  return slim(text);
}
