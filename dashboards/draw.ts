import {
  BigValueColorMode,
  BigValueGraphMode,
  BigValueTextMode,
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
  AnnotationQueryBuilder,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  TextBoxVariableBuilder,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TableBuilder } from '@grafana/grafana-foundation-sdk/table';
import { PanelBuilder as TimeseriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';
import { COLUMNS, HEIGHT, placed } from './grid.ts';
import {
  linksOfColumn,
  linksOfSeries,
  STATUS_PAGE,
  STATUS_PAGE_DEFAULT,
  STATUS_PAGE_HOW,
  statusPageLink,
} from './links.ts';
import type { Annotation, Dashboard, Panel, Query, Step, Variable } from './panel.ts';

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
  // A dot for a request whose trace is known, where traces are on: a histogram's buckets carry exemplars.
  if (!at && /_bucket\b/.test(expr)) query.exemplar(true);
  return at ? query.instant().format(PromQueryFormat.Table) : query.range();
}

type AnyBuilder = StatBuilder | TableBuilder | TimeseriesBuilder;

/** What all kinds of panel have. */
function dress(builder: AnyBuilder, panel: Panel, of: Dashboard): void {
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
  const links = panel.kind === 'table' ? [] : linksOfSeries(panel, of);
  if (links.length > 0) builder.overrideByFieldType('number', [{ id: 'links', value: links }]);
}

function stat(panel: Panel, of: Dashboard): StatBuilder {
  const builder = new StatBuilder()
    .graphMode(BigValueGraphMode.Area)
    .colorMode(panel.steps === undefined ? BigValueColorMode.None : BigValueColorMode.Value)
    .noValue('–')
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']));
  if (panel.text === 'name') builder.textMode(BigValueTextMode.Name).graphMode(BigValueGraphMode.None);
  dress(builder, panel, of);
  return builder;
}

function lines(panel: Panel, of: Dashboard): TimeseriesBuilder {
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
  dress(builder, { min: 0, ...panel }, of);
  return builder;
}

/** The queries' values side by side, one row for each set of labels. */
function table(panel: Panel, of: Dashboard): TableBuilder {
  const builder = new TableBuilder().filterable(true);
  dress(builder, panel, of);
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
  for (const label of ['destination', 'pod'] as const) {
    const value = linksOfColumn(label, panel, of);
    if (value.length > 0) builder.overrideByName(label, [{ id: 'links', value }]);
  }
  return builder;
}

const DRAW = { stat, lines, stacked: lines, table } as const;

/** The panels of a row in their places. */
function layOut(
  panels: readonly Panel[],
  top: number,
  of: Dashboard,
): { readonly built: AnyBuilder[]; readonly bottom: number } {
  const { places, bottom } = placed(panels, top);
  const built = panels.map((panel, index) => {
    const { x, y } = places[index] ?? { x: 0, y: top };
    return DRAW[panel.kind](panel, of).gridPos({ x, y, w: panel.width, h: HEIGHT[panel.kind] });
  });
  return { built, bottom };
}

function choice({ name, label, query, single = false }: Variable): QueryVariableBuilder {
  const builder = new QueryVariableBuilder(name)
    .label(label)
    .datasource(DATA_SOURCE)
    .query(query)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
    .multi(!single)
    .includeAll(!single);
  // Of all: also what has no such label.
  return single ? builder : builder.allValue('.*').current({ selected: true, text: 'All', value: '$__all' });
}

const mark = ({ name, expr, title, text, colour }: Annotation): AnnotationQueryBuilder =>
  new AnnotationQueryBuilder()
    .name(name)
    .datasource(DATA_SOURCE)
    .enable(true)
    .hide(false)
    .iconColor(colour)
    .expr(expr)
    .titleFormat(title)
    .textFormat(text);

type AnyPanel = NonNullable<ReturnType<DashboardBuilder['build']>['panels']>[number];

/** Each panel and row with a number of its own: links to a single panel hold it. */
function numbered(panels: readonly AnyPanel[]): unknown[] {
  let id = 0;
  return panels.map((panel) => {
    const own = { ...panel, id: ++id };
    if (panel.type !== 'row' || !('panels' in panel)) return own;
    return { ...own, panels: panel.panels.map((inner) => ({ ...inner, id: ++id })) };
  });
}

/** The SDK puts links and annotations into a menu: beside the variables they are seen. */
const inSight = (key: string, value: unknown): unknown =>
  key === 'placement' && value === 'inControlsMenu' ? undefined : value;

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
    .link(statusPageLink(dashboard))
    .withVariable(new DatasourceVariableBuilder('datasource').label('Data source').type('prometheus'));
  for (const variable of dashboard.variables) builder.withVariable(choice(variable));
  builder.withVariable(
    new TextBoxVariableBuilder(STATUS_PAGE)
      .label('Status page')
      .description(STATUS_PAGE_HOW)
      .defaultValue(STATUS_PAGE_DEFAULT)
      .current({ selected: true, text: STATUS_PAGE_DEFAULT, value: STATUS_PAGE_DEFAULT }),
  );
  for (const annotation of dashboard.annotations) builder.annotation(mark(annotation));
  let y = 0;
  for (const { title, collapsed = false, panels } of dashboard.rows) {
    const row = new RowBuilder(title).collapsed(collapsed).gridPos({ x: 0, y, w: COLUMNS, h: 1 });
    const { built, bottom } = layOut(panels, y + 1, dashboard);
    if (collapsed) for (const panel of built) row.withPanel(panel);
    builder.withRow(row);
    if (!collapsed) for (const panel of built) builder.withPanel(panel);
    y = collapsed ? y + 1 : bottom;
  }
  const made = builder.build();
  return `${JSON.stringify({ ...made, panels: numbered(made.panels ?? []) }, inSight, 2)}\n`;
}
