/** Leaves out of a chart's SVG what a picture in a document does not need. */

/** A polyline without the points that lie on the way between their neighbours. */
function straightened(path: string): string {
  if (!/^M[-\d. L]+Z?$/.test(path)) return path;
  const points = path
    .replace(/^M|Z$/g, '')
    .split('L')
    .map((point) => point.split(' ').map((digits) => Math.round(Number(digits) * 2) / 2));
  const kept = points.filter(([, y], index) => {
    const [before, after] = [points[index - 1]?.[1], points[index + 1]?.[1]];
    return before !== y || after !== y;
  });
  return `M${kept.map((point) => point.join(' ')).join('L')}${path.endsWith('Z') ? 'Z' : ''}`;
}

export function slim(svg: string): string {
  return svg
    .replaceAll(
      / d="([^"]+)"/g,
      (_, path: string) =>
        ` d="${path
          .split(/(?=M)/)
          .map((part) => straightened(part))
          .join('')}"`,
    )
    .replaceAll(
      / (class|pointer-events|version|baseProfile|xmlns|xmlns:xlink|stroke-linecap|stroke-linejoin|xml:space|ecmeta_\w+)="[^"]*"/g,
      '',
    )
    .replaceAll(/ style="font(-size:|: normal normal )(\d+)px[^"]*"/g, ' font-size="$2"')
    .replaceAll(/ dominant-baseline="central"/g, ' dy=".35em"')
    .replaceAll(/\d+\.\d{2,}(?=[^<>]*\))/g, (digits) => String(Math.round(Number(digits))))
    .replaceAll(/<rect [^>]*fill="none"[^>]*><\/rect>/g, '')
    .replaceAll(/><\/(path|rect)>/g, '/>')
    .replaceAll(/<style\s*>[\s\S]*?<\/style>/g, '')
    .replaceAll('<defs >', '<defs>')
    .replaceAll('\n', '');
}
