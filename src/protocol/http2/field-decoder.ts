import { copyBytes, FIELD_VALUE, HTAB, SP } from '../bytes.ts';
import { DynamicTable, TABLE_BYTES } from './dynamic-table.ts';
import type { HeadBuilder } from './head-builder.ts';
import { decodeHuffman, huffmanBad, huffmanBound } from './huffman.ts';
import { readInteger, writeInteger } from './prefix-integer.ts';
import { STATIC_ENTRIES, staticEntries, staticView } from './static-table.ts';
import {
  BAD_NAME,
  BAD_VALUE,
  ENTRY_CODED,
  ENTRY_CODED_NAME,
  ENTRY_FIELD,
  ENTRY_FLAW,
  ENTRY_NAME,
  ENTRY_START,
  ENTRY_VALUE,
  ENTRY_WORDS,
  FIELD_GOOD,
  fieldOf,
  nameIsGood,
  PSEUDO,
} from './table-entry.ts';
import { copyText, copyWords, sourceView, WORD_SLACK } from './words.ts';

/** Bits of the first byte (RFC 7541 section 6). */
const INDEXED = 0x80;
const INCREMENTAL = 0x40;
const SIZE_UPDATE = 0x20;
const NEVER_INDEXED = 0x10;
const HUFFMAN = 0x80;

/** Reading failed: the block breaks RFC 7541. */
const BROKEN = -1;
/** What is read has no room in the builder. */
const NO_ROOM = -2;

/**
 * Decodes the fields of field blocks of one direction of a connection (RFC 7541), and hands each to a `HeadBuilder`: as a text line,
 * and in a coded form that needs no dynamic table.
 */
export class FieldDecoder {
  /** Made with its first entry. */
  #table: DynamicTable | null = null;
  /** Of the string that was read last: the ends of its text and of its coded form, and whether it has bytes that no value has. */
  #textEnd = 0;
  #codedEnd = 0;
  #bad = false;
  /** The last block referred to the dynamic table, so that its meaning is bound to the table's generation. */
  usedTable = false;

  /** Changes with each change of the table. */
  get generation(): number {
    return this.#table === null ? 0 : this.#table.generation;
  }

  /** Decodes `buffer[start..end)`; false where it breaks RFC 7541, after which this decoder is of no use. */
  decode(buffer: Buffer, start: number, end: number, into: HeadBuilder): boolean {
    let at = start;
    this.usedTable = false;
    // Size updates stand at the beginning alone (section 4.2).
    while (at < end && ((buffer[at] ?? 0) & 0xe0) === SIZE_UPDATE) {
      at = this.#resize(buffer, at, end);
      if (at < 0) return false;
    }
    while (at < end) {
      const first = buffer[at] ?? 0;
      if (first >= INDEXED) {
        let index = first & 127;
        if (index < 127) at++;
        else {
          const read = readInteger(buffer, at, end, 127);
          if (read < 0) return false;
          index = read >>> 3;
          at += read & 7;
        }
        if (index === 0) return false;
        if (index <= STATIC_ENTRIES) this.#entry(into, staticView, staticEntries, index - 1);
        else {
          const table = this.#table;
          const slot = table === null ? -1 : table.slot(index - STATIC_ENTRIES - 1);
          if (table === null || slot < 0) return false;
          this.usedTable = true;
          this.#entry(into, table.view, table.entries, slot);
        }
      } else {
        if ((first & 0xe0) === SIZE_UPDATE) return false;
        const literal = at;
        at = this.#literal(buffer, literal, end, into);
        if (at === NO_ROOM) {
          // The list is too large already. What the table may hold has room where this one's fields began.
          into.overflow();
          at = this.#literal(buffer, literal, end, into);
          if (at === NO_ROOM) at = this.#pass(buffer, literal, end);
        }
        if (at < 0) return false;
      }
    }
    return true;
  }

  #resize(buffer: Buffer, at: number, end: number): number {
    const read = readInteger(buffer, at, end, 31);
    if (read < 0 || read >>> 3 > TABLE_BYTES) return BROKEN;
    this.#table ??= new DynamicTable();
    this.#table.resize(read >>> 3);
    return at + (read & 7);
  }

  /** A field that a table holds whole. */
  #entry(into: HeadBuilder, bytes: DataView, entries: Uint16Array, slot: number): void {
    // A byte may stand for 4 KiB: what is over the limit already must not cost that (HPACK bombs).
    if (into.discards) return;
    const entry = slot * ENTRY_WORDS;
    const nameLength = entries[entry + ENTRY_NAME] ?? 0;
    const valueLength = entries[entry + ENTRY_VALUE] ?? 0;
    const field = entries[entry + ENTRY_FIELD] ?? 0;
    const from = entries[entry + ENTRY_START] ?? 0;
    const coded = from + nameLength + valueLength + 4;
    if (field < PSEUDO) into.toFields();
    if (into.at + coded - from > into.limit) into.overflow();
    const line = into.at;
    copyWords(bytes, from, coded, into.textView, line);
    const codedStart = into.codedAt;
    into.codedAt = copyWords(bytes, coded, coded + (entries[entry + ENTRY_CODED] ?? 0), into.codedView, codedStart);
    into.field(field, entries[entry + ENTRY_FLAW] ?? 0, line, nameLength, valueLength, codedStart);
  }

  /** A literal (section 6.2). @returns the offset behind it, BROKEN, or NO_ROOM */
  #literal(buffer: Buffer, start: number, end: number, into: HeadBuilder): number {
    const first = buffer[start] ?? 0;
    const incremental = first >= INCREMENTAL;
    const mask = incremental ? 63 : 15;
    let index = first & mask;
    let at = start + 1;
    if (index === mask) {
      const read = readInteger(buffer, start, end, mask);
      if (read < 0) return BROKEN;
      index = read >>> 3;
      at = start + (read & 7);
    }
    const flags = incremental ? 0 : first & NEVER_INDEXED;
    const { text, coded } = into;
    const codedStart = into.codedAt;
    let codedAt = codedStart;
    let line = into.at;
    let nameLength = 0;
    let field = 0;
    let flaw = FIELD_GOOD;
    if (index === 0) {
      coded[codedAt++] = flags;
      at = this.#string(buffer, at, end, into, line, codedAt);
      if (at < 0) return at;
      codedAt = this.#codedEnd;
      nameLength = this.#textEnd - line;
      field = fieldOf(text, line, this.#textEnd);
      if (field < PSEUDO) {
        if (!nameIsGood(text, line, this.#textEnd)) flaw = BAD_NAME;
        if (into.toFields()) {
          copyBytes(text, line, line + nameLength, text, into.at);
          line = into.at;
        }
      }
    } else {
      let bytes = staticView;
      let entries = staticEntries;
      let slot = index - 1;
      if (index > STATIC_ENTRIES) {
        const table = this.#table;
        slot = table === null ? -1 : table.slot(index - STATIC_ENTRIES - 1);
        if (table === null || slot < 0) return BROKEN;
        this.usedTable = true;
        bytes = table.view;
        entries = table.entries;
      }
      const entry = slot * ENTRY_WORDS;
      const from = entries[entry + ENTRY_START] ?? 0;
      nameLength = entries[entry + ENTRY_NAME] ?? 0;
      field = entries[entry + ENTRY_FIELD] ?? 0;
      if (entries[entry + ENTRY_FLAW] === BAD_NAME) flaw = BAD_NAME;
      if (field < PSEUDO) into.toFields();
      line = into.at;
      if (line + nameLength > into.limit) return NO_ROOM;
      copyWords(bytes, from, from + nameLength, into.textView, line);
      if (index <= STATIC_ENTRIES) codedAt = writeInteger(coded, codedAt, flags, 15, index);
      else {
        const name = from + nameLength + (entries[entry + ENTRY_VALUE] ?? 0) + 4;
        codedAt = copyWords(bytes, name, name + (entries[entry + ENTRY_CODED_NAME] ?? 0), into.codedView, codedAt);
        coded[codedStart] = ((coded[codedStart] ?? 0) & 15) | flags;
      }
    }
    const codedName = codedAt - codedStart;
    const value = line + nameLength + 2;
    text[value - 2] = 58;
    text[value - 1] = SP;
    at = this.#string(buffer, at, end, into, value, codedAt);
    if (at < 0) return at;
    codedAt = this.#codedEnd;
    const valueEnd = this.#textEnd;
    const valueLength = valueEnd - value;
    if (valueLength > 0 && flaw === FIELD_GOOD) {
      const head = text[value];
      const tail = text[valueEnd - 1];
      if (this.#bad || head === SP || head === HTAB || tail === SP || tail === HTAB) flaw = BAD_VALUE;
    }
    text[valueEnd] = 13;
    text[valueEnd + 1] = 10;
    into.codedAt = codedAt;
    if (incremental) {
      this.#table ??= new DynamicTable();
      this.#table.insert(
        into.textView,
        line,
        nameLength,
        valueLength,
        into.codedView,
        codedStart,
        codedName,
        codedAt,
        field,
        flaw,
      );
    }
    into.field(field, flaw, line, nameLength, valueLength, codedStart);
    return at;
  }

  /**
   * A string (section 5.2): its bytes to the text from `to`, its coded form to the coded bytes from `codedAt`.
   *
   * @returns the offset behind it, BROKEN, or NO_ROOM; `#textEnd`, `#codedEnd` and `#bad` are set
   */
  #string(buffer: Buffer, start: number, end: number, into: HeadBuilder, to: number, codedAt: number): number {
    if (start >= end) return BROKEN;
    const first = buffer[start] ?? 0;
    let length = first & 127;
    let at = start + 1;
    if (length === 127) {
      const read = readInteger(buffer, start, end, 127);
      if (read < 0) return BROKEN;
      length = read >>> 3;
      at = start + (read & 7);
    }
    const next = at + length;
    if (next > end) return BROKEN;
    const { coded } = into;
    let out = codedAt;
    if (first < HUFFMAN) {
      if (to + length > into.limit) return NO_ROOM;
      this.#bad = !copyText(sourceView(buffer), at, next, into.textView, to) && hasControls(into.text, to, to + length);
      this.#textEnd = to + length;
      out = writeInteger(coded, out, 0, 127, length);
      this.#codedEnd = copyWords(into.textView, to, to + length, into.codedView, out);
      return next;
    }
    if (to + huffmanBound(length) > into.limit) return NO_ROOM;
    const textEnd = decodeHuffman(buffer, at, next, into.textView, to);
    if (textEnd < 0) return BROKEN;
    this.#textEnd = textEnd;
    this.#bad = huffmanBad;
    const plain = textEnd - to;
    if (length <= plain) {
      out = writeInteger(coded, out, HUFFMAN, 127, length);
      this.#codedEnd =
        next + WORD_SLACK <= buffer.length
          ? copyWords(sourceView(buffer), at, next, into.codedView, out)
          : copyBytes(buffer, at, next, coded, out);
    } else {
      out = writeInteger(coded, out, 0, 127, plain);
      this.#codedEnd = copyWords(into.textView, to, textEnd, into.codedView, out);
    }
    return next;
  }

  /** A literal for which no room is large enough, so that no table holds it: only its end is looked for. */
  #pass(buffer: Buffer, start: number, end: number): number {
    const first = buffer[start] ?? 0;
    const incremental = first >= INCREMENTAL;
    const name = readInteger(buffer, start, end, incremental ? 63 : 15);
    if (name < 0) return BROKEN;
    const index = name >>> 3;
    if (index > STATIC_ENTRIES + (this.#table?.count ?? 0)) return BROKEN;
    let at = start + (name & 7);
    for (let strings = index === 0 ? 2 : 1; strings > 0; strings--) {
      const read = readInteger(buffer, at, end, 127);
      if (read < 0) return BROKEN;
      at += (read & 7) + (read >>> 3);
      if (at > end) return BROKEN;
    }
    if (incremental) this.#table?.insertTooLarge();
    return at;
  }
}

function hasControls(text: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (FIELD_VALUE[text[at] ?? 0] !== 1) return true;
  return false;
}
