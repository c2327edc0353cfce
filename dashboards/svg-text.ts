/** The dark colours of Grafana, as far as the pictures need them. */
export const COLOURS = {
  page: '#111217',
  panel: '#181b1f',
  border: '#2c3235',
  text: '#ccccdc',
  faint: '#8e8ea0',
  grid: '#26292f',
  green: '#73bf69',
  yellow: '#f2cc0c',
  red: '#f2495c',
  blue: '#5794f2',
  orange: '#ff9830',
  purple: '#b877d9',
} as const;

/** The colours of lines, in the order of the series. */
export const LINES = [
  '#73bf69',
  '#f2cc0c',
  '#8ab8ff',
  '#ff780a',
  '#f2495c',
  '#5794f2',
  '#b877d9',
  '#37872d',
  '#fade2a',
  '#c4162a',
] as const;

export const FONT = 'Inter, Helvetica, Arial, sans-serif';

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

type TextLook = { readonly size?: number; readonly colour?: string; readonly anchor?: 'start' | 'middle' | 'end' };

/** About as wide as a text is drawn: no browser is asked. */
export const textWidth = (text: string, size: number): number => text.length * size * 0.56;

/** A text whose base line begins there; cut where it would be wider than `width`. */
export function svgText(
  text: string,
  x: number,
  y: number,
  look: TextLook = {},
  width = Number.POSITIVE_INFINITY,
): string {
  const { size = 12, colour = COLOURS.text, anchor = 'start' } = look;
  const room = Math.floor(width / (size * 0.56));
  const shown = text.length > room ? `${text.slice(0, Math.max(1, room - 1))}…` : text;
  const where = anchor === 'start' ? '' : ` text-anchor="${anchor}"`;
  return `<text x="${x}" y="${y}" font-size="${size}" fill="${colour}"${where}>${escaped(shown)}</text>`;
}

export const svgRect = (x: number, y: number, width: number, height: number, fill: string, more = ''): string =>
  `<rect x="${x}" y="${y}" width="${width}" height="${height}" fill="${fill}"${more}/>`;

/** A whole picture. @param label for those who do not see it */
export function svgPicture(width: number, height: number, label: string, content: string): string {
  const title = `<title>${escaped(label)}</title>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" role="img" font-family="${FONT}">${title}${svgRect(0, 0, width, height, COLOURS.page)}${content}</svg>\n`;
}
