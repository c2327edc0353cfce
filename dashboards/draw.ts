import {
  BigValueColorMode,
  BigValueGraphMode,
  GraphThresholdsStyleConfigBuilder,
  GraphThresholdsStyleMode,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TableBuilder } from '@grafana/grafana-foundation-sdk/table';
import { PanelBuilder as TimeseriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';
import type { Dashboard, Panel, Query, Step } from './panel.ts';

const COLUMNS = 24;
const HEIGHT = { stat: 4, lines: 8, stacked: 8, table: 9 } as const;
const DATA_SOURCE = { type: 'prometheus', uid: '$datasource' };
const TAG = 'carpool';

const thresholds = (steps: readonly Step[]) =>
  new ThresholdsConfigBuilder()
    .mode(ThresholdsMode.Absolute)
    .steps(steps.map(({ colour, from }) => ({ color: colour, value: from })));

const refId = (index: number) => String.fromCharCode(65 + index);

/** @param at of a moment instead of over the time that is shown */
function target({ expr, legend }: Query, index: number, at: boolean): DataqueryBuilder {
  const query = new DataqueryBuilder().refId(refId(index)).datasource(DATA_SOURCE).expr(expr);
  if (legend !== undefined) query.legendFormat(legend);
  return at ? query.instant().format(PromQueryFormat.Table) : query.range();
}

type AnyBuilder = StatBuilder | TableBuilder | TimeseriesBuilder;

/** What all kinds of panel have. */
function dress(builder: AnyBuilder, panel: Panel): void {
  builder
    .title(panel.title)
    .description(panel.description)
    .datasource(DATA_SOURCE)
    .height(HEIGHT[panel.kind])
    .span(panel.width);
  if (panel.kind !== 'table') builder.unit(panel.unit);
  if (panel.min !== undefined) builder.min(panel.min);
  if (panel.max !== undefined) builder.max(panel.max);
  if (panel.steps !== undefined) builder.thresholds(thresholds(panel.steps));
  for (const [index, query] of panel.queries.entries())
    builder.withTarget(target(query, index, panel.kind === 'table'));
}

function stat(panel: Panel): StatBuilder {
  const builder = new StatBuilder()
    .graphMode(BigValueGraphMode.Area)
    .colorMode(panel.steps === undefined ? BigValueColorMode.None : BigValueColorMode.Value)
    .noValue('–')
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']));
  dress(builder, panel);
  return builder;
}

function lines(panel: Panel): TimeseriesBuilder {
  const builder = new TimeseriesBuilder()
    .lineWidth(1)
    .showPoints(VisibilityMode.Never)
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .showLegend(true),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi));
  if (panel.kind === 'stacked')
    builder.fillOpacity(30).stacking(new StackingConfigBuilder().mode(StackingMode.Normal).group('A'));
  else builder.fillOpacity(5);
  if (panel.steps !== undefined)
    builder.thresholdsStyle(new GraphThresholdsStyleConfigBuilder().mode(GraphThresholdsStyleMode.Dashed));
  dress(builder, { min: 0, ...panel });
  return builder;
}

/** The queries' values side by side, one row for each set of labels. */
function table(panel: Panel): TableBuilder {
  const builder = new TableBuilder().filterable(true);
  dress(builder, panel);
  const columns = panel.columns ?? [];
  builder.withTransformation({ id: 'merge', options: {} });
  builder.withTransformation({
    id: 'organize',
    options: {
      excludeByName: { Time: true },
      renameByName: Object.fromEntries(columns.map(({ name }, index) => [`Value #${refId(index)}`, name])),
    },
  });
  for (const { name, unit, steps } of columns) {
    const properties: { id: string; value: unknown }[] = [{ id: 'unit', value: unit }];
    if (steps !== undefined)
      properties.push(
        { id: 'thresholds', value: thresholds(steps).build() },
        { id: 'custom.cellOptions', value: { type: 'color-text' } },
      );
    builder.overrideByName(name, properties);
  }
  return builder;
}

const DRAW = { stat, lines, stacked: lines, table } as const;

/** Beside each other while there is room, then below. */
function layOut(panels: readonly Panel[], top: number): { readonly built: AnyBuilder[]; readonly bottom: number } {
  let [x, y, below] = [0, top, top];
  const built = panels.map((panel) => {
    if (x + panel.width > COLUMNS) [x, y] = [0, below];
    const h = HEIGHT[panel.kind];
    const builder = DRAW[panel.kind](panel).gridPos({ x, y, w: panel.width, h });
    x += panel.width;
    below = Math.max(below, y + h);
    return builder;
  });
  return { built, bottom: below };
}

/** Grafana's JSON of a dashboard, as its provisioning and the sidecar of its chart take it. */
export function draw(dashboard: Dashboard): string {
  const builder = new DashboardBuilder(dashboard.title)
    .uid(dashboard.uid)
    .description(dashboard.description)
    .tags([TAG])
    .time({ from: 'now-1h', to: 'now' })
    .refresh('30s')
    .timezone('browser')
    .tooltip(DashboardCursorSync.Crosshair)
    .link(
      new DashboardLinkBuilder('carpool')
        .type(DashboardLinkType.Dashboards)
        .tags([TAG])
        .asDropdown(true)
        .includeVars(true)
        .keepTime(true),
    )
    .withVariable(new DatasourceVariableBuilder('datasource').label('Data source').type('prometheus'));
  for (const { name, label, query } of dashboard.variables)
    builder.withVariable(
      new QueryVariableBuilder(name)
        .label(label)
        .datasource(DATA_SOURCE)
        .query(query)
        .refresh(VariableRefresh.OnTimeRangeChanged)
        .sort(VariableSort.AlphabeticalAsc)
        .multi(true)
        .includeAll(true)
        // Also what has no such label.
        .allValue('.*')
        .current({ selected: true, text: 'All', value: '$__all' }),
    );
  let y = 0;
  for (const { title, collapsed = false, panels } of dashboard.rows) {
    const row = new RowBuilder(title).collapsed(collapsed).gridPos({ x: 0, y, w: COLUMNS, h: 1 });
    const { built, bottom } = layOut(panels, y + 1);
    if (collapsed) for (const panel of built) row.withPanel(panel);
    builder.withRow(row);
    if (!collapsed) for (const panel of built) builder.withPanel(panel);
    y = collapsed ? y + 1 : bottom;
  }
  return `${JSON.stringify(builder.build(), null, 2)}\n`;
}
