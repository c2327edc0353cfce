import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Filling, filledIn } from '../../dashboards/filled-in.ts';
import { DASHBOARDS } from '../../dashboards/generate.ts';
import { listAt, textAt } from '../cluster/json.ts';

const ROOT = join(import.meta.dirname, '..', '..');

/** A dashboard as it is in the chart. */
export const dashboardFile = (name: string): unknown =>
  JSON.parse(readFileSync(join(ROOT, `charts/carpool/files/dashboards/${name}.json`), 'utf8'));

/** The panels of a dashboard, those inside of folded rows too. */
export function panelsOf(name: string): readonly unknown[] {
  return listAt(dashboardFile(name), 'panels').flatMap((panel) =>
    textAt(panel, 'type') === 'row' ? listAt(panel, 'panels') : [panel],
  );
}

/** A query of a dashboard, and where it stands. */
export type Shown = { readonly dashboard: string; readonly panel: string; readonly expr: string };

/** Of all panels. */
export const PANEL_QUERIES: readonly Shown[] = Object.keys(DASHBOARDS).flatMap((dashboard) =>
  panelsOf(dashboard).flatMap((panel) =>
    listAt(panel, 'targets').map((target) => ({
      dashboard,
      panel: textAt(panel, 'title'),
      expr: textAt(target, 'expr'),
    })),
  ),
);

/** Of what is marked in all panels. */
export const ANNOTATION_QUERIES: readonly Shown[] = Object.keys(DASHBOARDS).flatMap((dashboard) =>
  listAt(dashboardFile(dashboard), 'annotations', 'list').map((annotation) => ({
    dashboard,
    panel: `annotation ${textAt(annotation, 'name')}`,
    expr: textAt(annotation, 'expr'),
  })),
);

/** As Grafana sends it. @param chosen values by variable; all of one that is absent */
export function asSent({ dashboard, expr }: Pick<Shown, 'dashboard' | 'expr'>, chosen: Filling['chosen'] = {}): string {
  const filling = { rateInterval: '20s', range: '1m', chosen };
  return filledIn(expr, DASHBOARDS[dashboard]?.variables ?? [], filling);
}
