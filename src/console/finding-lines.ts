import { behindMark, findingTitle, linesToCopy, REMEDY_MARK } from '../cli/finding-words.ts';
import type { Finding } from '../status/types.ts';
import { EMPTY, type Line, line, span, styled } from './line.ts';
import { severityStyle } from './list-reports.ts';
import { wrap } from './wrap.ts';

/** A finding with all that it says. */
export function wholeFinding(
  { code, severity, destination, title, detail, remedies, lines }: Finding,
  columns: number,
): Line[] {
  return [
    ...wrap(title, columns).map((text) => styled(text, severityStyle(severity))),
    line(span(`${severity}, ${code}${destination === null ? '' : `, ${destination}`}`, 'dim')),
    EMPTY,
    ...wrap(detail, columns).map((text) => line(text)),
    ...(remedies.length > 0 ? [EMPTY, styled('What to do, the likeliest first', 'bold')] : []),
    ...remedies.flatMap((text) => remedy('', text, columns)),
    ...(lines.length > 0 ? [EMPTY, styled('To type or to set', 'bold')] : []),
    ...literal(lines),
  ];
}

/**
 * The worst findings in few lines: all titles that there is room for, and the first remedy of the worst with what is to be set;
 * of the next ones, too, where all of it has room. Half of what is to be set would help nobody.
 * @param most lines in all
 * @param opened the destination that need not be named: all of the screen is about it
 * @returns lines, of which those that are a finding's title carry its place in `findings`
 */
export function findingBlock(
  findings: readonly Finding[],
  columns: number,
  most: number,
  opened: string | null,
): readonly { readonly line: Line; readonly finding: number | null }[] {
  const blocks = findings.map((finding) => remedyLines(finding, columns));
  // One remedy in sight is worth more than a third title.
  const titles = Math.min(findings.length, Math.max(1, most - Math.min(blocks[0]?.length ?? 0, most - 1)));
  let room = most - titles - (titles < findings.length ? 1 : 0);
  const block: { line: Line; finding: number | null }[] = [];
  for (const [i, { severity, destination, title }] of findings.slice(0, titles).entries()) {
    const words = findingTitle(destination === opened ? null : destination, title);
    block.push({ line: line('  ', span(`! ${severity}: ${words}`, severityStyle(severity))), finding: i });
    const all = blocks[i] ?? [];
    const lines = i === 0 || all.length <= room ? all.slice(0, Math.max(0, room)) : [];
    room -= lines.length;
    block.push(...lines.map((each) => ({ line: each, finding: null })));
  }
  const more = findings.length - titles;
  if (more > 0) block.push({ line: styled(`    and ${more} more: 6`, 'dim'), finding: null });
  return block;
}

function remedyLines({ remedies, lines }: Finding, columns: number): Line[] {
  const [first] = remedies;
  return [...(first === undefined ? [] : remedy('    ', first, columns)), ...literal(lines)];
}

/** What is to be typed is not broken up. */
function literal(lines: readonly string[]): Line[] {
  return linesToCopy(lines).map((text) => line('      ', span(text, 'accent')));
}

function remedy(indent: string, text: string, columns: number): Line[] {
  const mark = indent + REMEDY_MARK;
  return behindMark(mark, wrap(text, columns - mark.length)).map((part) => line(part));
}
