import { behindMark, findingTitle, linesToCopy, REMEDY_MARK } from './finding-words.ts';
import { type JsonObject, textAt, textsAt } from './json-reader.ts';
import { type Paper, paint, type Style } from './paper.ts';
import { printable } from './table.ts';
import { wrapText } from './text-width.ts';

/** More would bury the table that they stand under. */
const MOST = 10;

const STYLES: Readonly<Record<string, Style>> = { error: 'red', warning: 'yellow' };

/** The words of findings, with an empty line before each; `carpool doctor` has those that are left out. */
export function findingsText(findings: readonly JsonObject[], paper: Paper): string {
  const lines = findings.slice(0, MOST).flatMap((finding) => ['', ...findingLines(finding, paper)]);
  const more = findings.length - MOST;
  if (more > 0) lines.push('', `… and ${more} more: carpool doctor has them all`);
  return lines.map((line) => `${line}\n`).join('');
}

/** One finding: what is the matter, what was seen, what to do about it, and the lines to type or to set. */
export function findingLines(finding: JsonObject, paper: Paper): string[] {
  const severity = textAt(finding, 'severity');
  const mark = severity === 'info' ? 'i' : '!';
  const whole = findingTitle(textAt(finding, 'destination'), textAt(finding, 'title'));
  const [title = '', ...rest] = wrapped(whole, paper, 2);
  const style = STYLES[severity] ?? null;
  const lines = [paint(`${mark} ${title}`, style, paper), ...rest.map((line) => paint(`  ${line}`, style, paper))];
  const detail = textAt(finding, 'detail');
  if (detail !== '') lines.push(...wrapped(detail, paper, 2).map((line) => `  ${line}`));
  for (const remedy of textsAt(finding, 'remedies')) {
    lines.push(...behindMark(`  ${REMEDY_MARK}`, wrapped(remedy, paper, 4)));
  }
  for (const each of linesToCopy(textsAt(finding, 'lines')))
    lines.push(paint(`      ${printable(each)}`, 'bold', paper));
  return lines;
}

/** Lines of a text that fit beside an indent; on no terminal, one. */
export function wrapped(text: string, { width }: Paper, indent: number): string[] {
  const clean = printable(text.replaceAll('\n', ' '));
  return width === null ? [clean] : wrapText(clean, Math.max(20, width - indent));
}
