import { textWidth } from '../cli/text-width.ts';

/** `text` in lines of at most `columns`, broken between words; a word that is longer than a line is broken anywhere. */
export function wrap(text: string, columns: number): string[] {
  const width = Math.max(1, columns);
  const lines: string[] = [];
  let line = '';
  for (let word of text.split(/\s+/)) {
    const joined = line === '' ? word : `${line} ${word}`;
    if (textWidth(joined) <= width) {
      line = joined;
      continue;
    }
    if (line !== '') lines.push(line);
    while (textWidth(word) > width) {
      const head = headOf(word, width);
      lines.push(head);
      word = word.slice(head.length);
    }
    line = word;
  }
  if (line !== '' || lines.length === 0) lines.push(line);
  return lines;
}

/** As many characters as fit, without a mark of what is missing. */
export function cutAt(text: string, columns: number): string {
  if (textWidth(text) <= columns) return text;
  let head = '';
  let left = columns;
  for (const character of text) {
    left -= textWidth(character);
    if (left < 0) break;
    head += character;
  }
  return head;
}

/** As `cutAt`, but one character at least: no loop waits for one that never fits. */
function headOf(text: string, columns: number): string {
  const [first = ''] = text;
  return cutAt(text, columns) || first;
}
