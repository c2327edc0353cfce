import { FIELD_VALUE } from '../bytes.ts';

/**
 * The Huffman code of HPACK (RFC 7541 section 5.2 and appendix B). It is canonical: the lengths of its codes say them all.
 */

/** Length of the code of each byte, and of EOS behind them, as digits of base 36. */
const LENGTHS =
  'dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6ca' +
  'd67777777777777777777777878djde6f56565666577666567655677777fbeds' +
  'kmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn' +
  'qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrq' +
  'u';
const EOS = 256;
const LONGEST = 30;

/** Bits that one look-up takes: two symbols of most text. */
const WIDTH = 12;
const MASK = (1 << WIDTH) - 1;

/** The symbols by length of code, then value: the order in which a canonical code counts. */
const SYMBOLS = new Uint16Array(257);
/** By length: the first code, how many there are, and where their symbols begin in SYMBOLS. */
const FIRST_CODE = new Int32Array(LONGEST + 1);
const CODES = new Int32Array(LONGEST + 1);
const FIRST_SYMBOL = new Int32Array(LONGEST + 1);

/**
 * By the next WIDTH bits: first symbol, second symbol (from bit 8), bits of both (from bit 16), bits of the first (from bit 20), how
 * many there are (from bit 24); 0 where the first code is longer. All symbols in here may stand in a field value: the codes of
 * control bytes are longer.
 */
const PAIRS = new Int32Array(1 << WIDTH);

let filled = false;

/**
 * Fills the tables, at the first string that comes: a sidecar that speaks no HTTP/2 does without. Ranges are filled at once and not
 * entry by entry, for loops that run often enough to be compiled with optimisation cost an idle process 6 MiB for the compiler's code.
 */
function fillTables(): void {
  filled = true;
  let code = 0;
  let at = 0;
  /** Symbols with codes of at most WIDTH bits: symbol, length, code. */
  const short: (readonly [symbol: number, length: number, code: number])[] = [];
  for (let length = 1; length <= LONGEST; length++) {
    code *= 2;
    FIRST_CODE[length] = code;
    FIRST_SYMBOL[length] = at;
    for (
      let symbol = LENGTHS.indexOf(length.toString(36));
      symbol >= 0;
      symbol = LENGTHS.indexOf(length.toString(36), symbol + 1)
    ) {
      if (length <= WIDTH) short.push([symbol, length, code]);
      SYMBOLS[at++] = symbol;
      code++;
    }
    CODES[length] = at - (FIRST_SYMBOL[length] ?? 0);
  }
  for (const [symbol, length, bits] of short) {
    const first = bits << (WIDTH - length);
    PAIRS.fill(symbol | (length << 16) | (length << 20) | (1 << 24), first, first + (1 << (WIDTH - length)));
    for (const [second, more, rest] of short) {
      const room = WIDTH - length - more;
      if (room < 0) break;
      const both = first | (rest << room);
      PAIRS.fill(
        symbol | (second << 8) | ((length + more) << 16) | (length << 20) | (2 << 24),
        both,
        both + (1 << room),
      );
    }
  }
}

/** Whether the string that was decoded last holds a byte that may not stand in a field value. */
export let huffmanBad = false;

/** The most bytes that `length` coded bytes can decode to: the shortest code has 5 bits. */
export const huffmanBound = (length: number): number => ((length * 8) / 5) | 0;

/**
 * Decodes `buffer[start..end)` into `out` from `at`, where there must be room for `huffmanBound` and one byte more.
 *
 * @returns the offset behind the last byte, -1 for a code that is not whole, EOS, or wrong padding
 */
export function decodeHuffman(buffer: Buffer, start: number, end: number, out: DataView, at: number): number {
  let from = start;
  let to = at;
  let held = 0;
  let bits = 0;
  huffmanBad = false;
  if (!filled) fillTables();
  for (;;) {
    if (bits < WIDTH) {
      if (from + 1 < end) {
        held = (held << 16) | ((buffer[from] ?? 0) << 8) | (buffer[from + 1] ?? 0);
        from += 2;
        bits += 16;
      } else {
        if (from < end) {
          held = (held << 8) | (buffer[from++] ?? 0);
          bits += 8;
        }
        if (bits < WIDTH) break;
      }
    }
    const pair = PAIRS[(held >>> (bits - WIDTH)) & MASK] ?? 0;
    if (pair !== 0) {
      out.setInt16(to, pair, true);
      to += pair >>> 24;
      bits -= (pair >>> 16) & 15;
      continue;
    }
    // A code of 13 bits or more, or EOS, or padding before the end.
    let code = (held >>> (bits - WIDTH)) & MASK;
    let left = bits - WIDTH;
    let symbol = -1;
    for (let length = WIDTH + 1; length <= LONGEST; length++) {
      if (left === 0) {
        if (from >= end) return -1;
        held = buffer[from++] ?? 0;
        left = 8;
      }
      left--;
      code = code * 2 + ((held >>> left) & 1);
      const rank = code - (FIRST_CODE[length] ?? 0);
      if (rank >= 0 && rank < (CODES[length] ?? 0)) {
        symbol = SYMBOLS[(FIRST_SYMBOL[length] ?? 0) + rank] ?? EOS;
        break;
      }
    }
    if (symbol < 0 || symbol === EOS) return -1;
    if (FIELD_VALUE[symbol] !== 1) huffmanBad = true;
    out.setUint8(to++, symbol);
    bits = left;
  }
  // Fewer bits than a look-up takes: ones are put behind them, as padding is.
  while (bits > 0) {
    const index = ((held << (WIDTH - bits)) | ((1 << (WIDTH - bits)) - 1)) & MASK;
    const pair = PAIRS[index] ?? 0;
    const length = (pair >>> 20) & 15;
    if (pair === 0 || length > bits) break;
    out.setUint8(to++, pair);
    bits -= length;
  }
  // What is left must be less than a byte of ones (section 5.2).
  const ones = (1 << bits) - 1;
  return bits < 8 && (held & ones) === ones ? to : -1;
}
