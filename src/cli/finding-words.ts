/** How a finding is written wherever a terminal shows it: under a table, and on the screen of `carpool watch`. */

/** Before a remedy. */
export const REMEDY_MARK = '→ ';

/** Its title; among findings of several destinations it has to be said which one is meant, unless the title does. */
export function findingTitle(destination: string | null, title: string): string {
  return destination === null || destination === '' || title.includes(destination) ? title : `${destination}: ${title}`;
}

/** What is to be set or typed, a line each, as it is: it is copied. */
export function linesToCopy(lines: readonly string[]): string[] {
  return lines.flatMap((line) => line.split('\n'));
}

/** A text that goes over several lines, the first of them behind a mark. */
export function behindMark(mark: string, lines: readonly string[]): string[] {
  const indent = ' '.repeat(mark.length);
  return lines.map((line, i) => `${i === 0 ? mark : indent}${line}`);
}
