import { cutText, textWidth } from '../cli/text-width.ts';

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

/** As `cutText`, but one character at least: no loop waits for one that never fits. */
function headOf(text: string, columns: number): string {
  const [first = ''] = text;
  return cutText(text, columns) || first;
}
