import { ENTRY_NAME, ENTRY_START, ENTRY_VALUE, ENTRY_WORDS, setEntry } from './table-entry.ts';
import { copyWords, viewOf, WORD_SLACK } from './words.ts';

/** What an entry counts beyond its bytes (RFC 7541 section 4.1). */
const ENTRY_OVERHEAD = 32;
/** SETTINGS_HEADER_TABLE_SIZE as we leave it: its default (RFC 9113 section 6.5.2). */
export const TABLE_BYTES = 4096;
const FIRST_SLOTS = 16;
const FIRST_BYTES = 1024;
/** Each entry takes at most twice its size, so half of this is always enough. */
const MOST_BYTES = 16_384;

/**
 * The dynamic table of a decoder (RFC 7541 sections 2.3.2 and 4): a ring of entries, whose bytes stand one behind the other. It takes
 * memory as it fills.
 */
export class DynamicTable {
  /** The bytes of all entries. */
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES + WORD_SLACK);
  view: DataView = viewOf(this.#bytes);
  /** The entries (table-entry.ts). */
  entries: Uint16Array<ArrayBuffer> = new Uint16Array(FIRST_SLOTS * ENTRY_WORDS);
  /** Changes with each change of the table. */
  generation = 0;
  #mask = FIRST_SLOTS - 1;
  /** The slot of the newest entry is the one before `#next`. */
  #next = 0;
  #count = 0;
  #size = 0;
  #maxSize = TABLE_BYTES;
  /** Where the bytes of the next entry go. */
  #end = 0;

  get count(): number {
    return this.#count;
  }

  /** The slot of the entry that was put in `age` entries ago; -1 where there is none. */
  slot(age: number): number {
    return age < this.#count ? (this.#next - 1 - age) & this.#mask : -1;
  }

  /** A size update of the peer's encoder (section 6.3); false where it is over what we allow. */
  resize(size: number): boolean {
    if (size > TABLE_BYTES) return false;
    this.#maxSize = size;
    this.generation = (this.generation + 1) | 0;
    this.#evict(size);
    return true;
  }

  #evict(room: number): void {
    const { entries } = this;
    while (this.#size > room) {
      const oldest = ((this.#next - this.#count) & this.#mask) * ENTRY_WORDS;
      this.#size -= (entries[oldest + ENTRY_NAME] ?? 0) + (entries[oldest + ENTRY_VALUE] ?? 0) + ENTRY_OVERHEAD;
      this.#count--;
    }
    if (this.#count === 0) this.#end = 0;
  }

  /** An entry that no table holds: it empties this one (section 4.4). */
  insertTooLarge(): void {
    this.generation = (this.generation + 1) | 0;
    this.#evict(0);
  }

  /** Puts in a field whose line is at `text[line..)` and whose coded form is `coded[codedStart..codedEnd)`. */
  insert(
    text: DataView,
    line: number,
    nameLength: number,
    valueLength: number,
    coded: DataView,
    codedStart: number,
    codedName: number,
    codedEnd: number,
    field: number,
    flaw: number,
  ): void {
    const size = nameLength + valueLength + ENTRY_OVERHEAD;
    if (size > this.#maxSize) {
      this.insertTooLarge();
      return;
    }
    this.generation = (this.generation + 1) | 0;
    this.#evict(this.#maxSize - size);
    const lineLength = nameLength + valueLength + 4;
    const codedLength = codedEnd - codedStart;
    this.#reserve(lineLength + codedLength);
    const start = this.#end;
    copyWords(text, line, line + lineLength, this.view, start);
    copyWords(coded, codedStart, codedEnd, this.view, start + lineLength);
    setEntry(this.entries, this.#next, start, nameLength, valueLength, codedName, codedLength, field, flaw);
    this.#end = start + lineLength + codedLength;
    this.#next = (this.#next + 1) & this.#mask;
    this.#count++;
    this.#size += size;
  }

  /** Makes room for one entry more, with `bytes` bytes. */
  #reserve(bytes: number): void {
    if (this.#count > this.#mask) this.#moreSlots();
    if (this.#end + bytes <= this.#bytes.length - WORD_SLACK) return;
    const oldest = (this.#next - this.#count) & this.#mask;
    const from = this.#count === 0 ? this.#end : (this.entries[oldest * ENTRY_WORDS + ENTRY_START] ?? 0);
    const live = this.#end - from;
    let to = this.#bytes;
    let capacity = to.length - WORD_SLACK;
    // Moving pays only where it frees a good part.
    while (capacity < MOST_BYTES && (live + bytes) * 2 > capacity) capacity *= 2;
    if (capacity > to.length) to = Buffer.allocUnsafeSlow(capacity + WORD_SLACK);
    this.#bytes.copy(to, 0, from, this.#end);
    if (to !== this.#bytes) {
      this.#bytes = to;
      this.view = viewOf(to);
    }
    this.#end = live;
    for (let age = 0; age < this.#count; age++) {
      const at = ((this.#next - 1 - age) & this.#mask) * ENTRY_WORDS + ENTRY_START;
      this.entries[at] = (this.entries[at] ?? 0) - from;
    }
  }

  #moreSlots(): void {
    const slots = (this.#mask + 1) * 2;
    const entries = new Uint16Array(slots * ENTRY_WORDS);
    const oldest = this.#next - this.#count;
    for (let index = 0; index < this.#count; index++) {
      const at = ((oldest + index) & this.#mask) * ENTRY_WORDS;
      entries.set(this.entries.subarray(at, at + ENTRY_WORDS), index * ENTRY_WORDS);
    }
    this.entries = entries;
    this.#mask = slots - 1;
    this.#next = this.#count;
  }
}
