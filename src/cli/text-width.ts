/** How many columns of a terminal a text takes, and texts made to fit. */

const ASCII = /^[\u0020-\u007e]*$/;
/** Marks that stand on the letter before them, and what is never seen. */
const NO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}]+$/u;
/** Scripts that are written in squares, their punctuation, full-width forms and pictures. */
const WIDE =
  /^(?:[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6]|[\u{1b000}-\u{1b2ff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}|\p{Extended_Pictographic}\ufe0f)/u;

let segmenter: Intl.Segmenter | null = null;

function* letters(text: string): Generator<string> {
  segmenter ??= new Intl.Segmenter('en', { granularity: 'grapheme' });
  for (const { segment } of segmenter.segment(text)) yield segment;
}

function letterWidth(letter: string): number {
  if (NO_WIDTH.test(letter)) return 0;
  return WIDE.test(letter) ? 2 : 1;
}

/** Columns that a line without control characters takes. */
export function textWidth(text: string): number {
  if (ASCII.test(text)) return text.length;
  let width = 0;
  for (const letter of letters(text)) width += letterWidth(letter);
  return width;
}

/** The text, or as much of it as fits with an ellipsis after it; no letter is cut in two. */
export function fitText(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  return width < 1 ? '' : `${cutText(text, width - 1)}…`;
}

/** As many letters as fit, without a mark of what is missing. */
export function cutText(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  let kept = '';
  let left = width;
  for (const letter of letters(text)) {
    left -= letterWidth(letter);
    if (left < 0) break;
    kept += letter;
  }
  return kept;
}

/** Lines of at most `width` columns, broken at spaces; what has none goes over the edge, so that it can be copied whole. */
export function wrapText(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (line !== '' && textWidth(longer) > width) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  lines.push(line);
  return lines;
}
