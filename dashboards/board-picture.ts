import { HEIGHT, placed } from './grid.ts';
import type { Dashboard, Panel } from './panel.ts';
import type { Mark, PanelData, View } from './panel-data.ts';
import { panelPicture } from './panel-picture.ts';
import { COLOURS, svgPicture, svgRect, svgText } from './svg-text.ts';

/** What has been asked for a dashboard. */
export type BoardData = {
  readonly view: View;
  readonly data: ReadonlyMap<Panel, PanelData>;
  readonly marks: readonly Mark[];
};

const COLUMN = 50;
const ROW = 38;
const GAP = 8;
const HEAD = 64;
const ROW_TITLE = 32;

const at = (x: number, y: number, content: string): string => `<g transform="translate(${x} ${y})">${content}</g>`;

/** Its name, what is chosen, and what its marks mean. */
function head({ title, variables, annotations }: Dashboard, { filling }: View): string {
  const parts = [svgText(title, 16, 24, { size: 15 })];
  let x = 16;
  for (const { name, label } of variables) {
    const text = `${label}  ${filling.chosen[name]?.join(' + ') ?? 'All'}`;
    const width = Math.round(text.length * 6.4 + 16);
    parts.push(svgRect(x, 36, width, 20, COLOURS.panel, ` rx="2" stroke="${COLOURS.border}"`));
    parts.push(svgText(text, x + 8, 50, { size: 11 }));
    x += width + 8;
  }
  x = 24 * COLUMN - 10;
  for (const { name, colour } of annotations) {
    x -= name.length * 6 + 24;
    parts.push(`<path d="M${x} 46h12" stroke="${COLOURS[colour]}" stroke-width="2" stroke-dasharray="2 2"/>`);
    parts.push(svgText(name, x + 16, 50, { size: 10, colour: COLOURS.faint }));
  }
  return parts.join('');
}

/** The whole dashboard; a folded row is its title. */
export function boardPicture(dashboard: Dashboard, { view, data, marks }: BoardData): string {
  const parts = [head(dashboard, view)];
  let top = HEAD;
  for (const { title, collapsed = false, panels } of dashboard.rows) {
    parts.push(svgText(`${collapsed ? '›' : '⌄'}  ${title}`, 16, top + 21, { size: 13 }));
    top += ROW_TITLE;
    if (collapsed) continue;
    const { places, bottom } = placed(panels, 0);
    for (const [index, panel] of panels.entries()) {
      const { x, y } = places[index] ?? { x: 0, y: 0 };
      const size = { width: panel.width * COLUMN - GAP, height: HEIGHT[panel.kind] * ROW - GAP };
      const picture = panelPicture(panel, data.get(panel) ?? [], marks, view, size);
      parts.push(at(x * COLUMN + GAP / 2, top + y * ROW, picture));
    }
    top += bottom * ROW;
  }
  return svgPicture(24 * COLUMN, top + GAP, `The dashboard ${dashboard.title}`, parts.join(''));
}

/** One of its panels. */
export function singlePicture(dashboard: Dashboard, panel: Panel, { view, data, marks }: BoardData): string {
  const size = panel.kind === 'table' ? { width: 1100, height: 200 } : { width: 640, height: 300 };
  const picture = panelPicture(panel, data.get(panel) ?? [], marks, view, size);
  return svgPicture(size.width, size.height, `The panel ${panel.title} of ${dashboard.title}`, picture);
}
