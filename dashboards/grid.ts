import type { Panel } from './panel.ts';

/** Grafana's grid. */
export const COLUMNS = 24;
export const HEIGHT = { stat: 4, lines: 8, stacked: 8, table: 9 } as const;

type Place = { readonly x: number; readonly y: number };

/** Where the panels of a row stand: beside each other while there is room, then below. @param top where the first stands */
export function placed(
  panels: readonly Panel[],
  top: number,
): { readonly places: readonly Place[]; readonly bottom: number } {
  let [x, y, bottom] = [0, top, top];
  const places = panels.map(({ kind, width }) => {
    if (x + width > COLUMNS) [x, y] = [0, bottom];
    const place = { x, y };
    x += width;
    bottom = Math.max(bottom, y + HEIGHT[kind]);
    return place;
  });
  return { places, bottom };
}
