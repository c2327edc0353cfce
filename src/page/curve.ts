/** So many points reach from edge to edge, a unit apart. */
const POINTS = 60;
export const CURVE_WIDTH = POINTS - 1;
export const CURVE_HEIGHT = 20;

/**
 * The outline of a history as an SVG path: its newest value at the right edge, however few there are.
 * @param top the value that reaches the upper edge; above 0
 * @param closed down to the ground line, to be filled
 */
export function curve(values: readonly number[], top: number, closed: boolean): string {
  if (values.length === 0) return '';
  const start = POINTS - values.length;
  const steps = values.map(
    (value, index) => `${start + index} ${round(CURVE_HEIGHT * (1 - Math.min(value / top, 1)))}`,
  );
  const line = `M${steps.join('L')}`;
  if (!closed) return line;
  return `${line}L${CURVE_WIDTH} ${CURVE_HEIGHT}L${start} ${CURVE_HEIGHT}Z`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
