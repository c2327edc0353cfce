import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Prometheus } from '../e2e/packaging/prometheus.ts';
import { type BoardData, boardPicture, singlePicture } from './board-picture.ts';
import { DASHBOARDS } from './generate.ts';
import type { Dashboard, Panel } from './panel.ts';
import { marksOf, type PanelData, panelData, type View } from './panel-data.ts';
import { BEGIN, END, play } from './story.ts';

/**
 * Draws the pictures of docs/dashboards.md: the dashboards' own queries, asked of a real Prometheus that has watched real sidecars
 * for some minutes (story.ts). `node dashboards/pictures.ts` takes four minutes.
 */

const FOLDER = join(import.meta.dirname, '..', 'docs/pictures');

/** What is chosen in each dashboard, and the panels that have a picture of their own. */
const PICTURES: Readonly<
  Record<string, { readonly chosen: View['filling']['chosen']; readonly panels: Readonly<Record<string, string>> }>
> = {
  fleet: { chosen: {}, panels: { Destinations: 'destinations', 'Longest queues': 'queues' } },
  destination: {
    chosen: { workload: ['web'], destination: ['payments.shop:8080'] },
    panels: { Utilisation: 'utilisation', 'Connections and their limit': 'limit' },
  },
  pod: {
    chosen: { namespace: ['shop'], pod: ['web-7d9c-x2k8f'] },
    panels: { 'Connections closed by reason': 'closed', 'Endpoints by state': 'endpoints' },
  },
};

async function ask(dashboard: Dashboard, view: View, prometheus: Prometheus): Promise<BoardData> {
  const data = new Map<Panel, PanelData>();
  for (const { panels } of dashboard.rows)
    for (const panel of panels) data.set(panel, await panelData(panel, dashboard, view, prometheus));
  return { view, data, marks: await marksOf(dashboard, view, prometheus) };
}

const ends: (() => void | Promise<void>)[] = [];
try {
  const { prometheus, begun } = await play({ teardown: (end) => ends.push(end) });
  mkdirSync(FOLDER, { recursive: true });
  for (const [name, dashboard] of Object.entries(DASHBOARDS)) {
    const { chosen = {}, panels = {} } = PICTURES[name] ?? {};
    const filling = { rateInterval: '10s', range: `${END - BEGIN}s`, chosen };
    const view = { from: Math.round(begun) + BEGIN, to: Math.round(begun) + END, filling };
    const save = (file: string, text: string) => writeFileSync(join(FOLDER, `${file}.svg`), text);
    // Fewer points in a picture of many panels: nobody could see them.
    save(`dashboard-${name}`, boardPicture(dashboard, await ask(dashboard, { ...view, step: 6 }, prometheus)));
    const near = await ask(dashboard, { ...view, step: 2 }, prometheus);
    for (const { panels: all } of dashboard.rows)
      for (const panel of all)
        if (panels[panel.title] !== undefined)
          save(`dashboard-${name}-${panels[panel.title]}`, singlePicture(dashboard, panel, near));
  }
} finally {
  for (const end of ends.reverse()) await end();
}
process.exit();
