import { copyBytes, equalsIgnoringCase, TOKEN_LOWER } from '../bytes.ts';
import { type Fault, FieldFacts } from '../field-facts.ts';
import {
  FIELD_CONNECTION,
  FIELD_HOST,
  FIELD_KEEP_ALIVE,
  FIELD_OTHER,
  FIELD_PROXY_CONNECTION,
  FIELD_TE,
  FIELD_TRANSFER_ENCODING,
  FIELD_UPGRADE,
  FORBIDDEN_IN_TRAILERS,
  HOP_BY_HOP,
} from '../field-names.ts';
import { Head, type HeadLimits, METHOD_CONNECT, METHOD_OTHER } from '../head.ts';
import * as fault from './block-faults.ts';
import { type LimitFaults, limitFaults } from './block-faults.ts';
import { writeInteger } from './prefix-integer.ts';
import { PseudoFields } from './pseudo-fields.ts';
import { writeRequestLine } from './request-line.ts';
import { STATIC_AUTHORITY } from './static-table.ts';
import { statusLine } from './status-lines.ts';
import { BAD_NAME, FIELD_GOOD, PSEUDO } from './table-entry.ts';
import { viewOf } from './words.ts';

export const OF_REQUEST = 0;
export const OF_RESPONSE = 1;
export const OF_TRAILERS = 2;
/** Nobody asks for what the block says. */
export const OF_NOTHING = 3;

/** Room for one field that a dynamic table may hold, by the most that its coded bytes could have decoded to. */
const FIELD_ROOM = 32_768;
/** Room for what is added to a head: our own field, the blank line. */
const END_ROOM = 64;

const CHUNKED_LINE = Buffer.from('transfer-encoding: chunked\r\n', 'latin1');

const FACTS_OF = ['request', 'response', 'trailers', 'trailers'] as const;

/** By field id: 1 for what may not stand in any block (RFC 9113 section 8.2.2). */
const SPECIFIC = new Uint8Array(PSEUDO);
for (const id of [FIELD_CONNECTION, FIELD_KEEP_ALIVE, FIELD_PROXY_CONNECTION, FIELD_TRANSFER_ENCODING, FIELD_UPGRADE]) {
  SPECIFIC[id] = 1;
}

/**
 * Makes a head of the fields of a block, as text and in coded form (docs/http2.md), in memory that all readers of the process share:
 * what it made is good until the next `begin`.
 *
 * The text: pseudo-header fields as lines from 0; regular ones from `#base`; when all are known, the start line is written so that it
 * ends where the fields begin.
 *
 * Sources: RFC 9113 section 8, RFC 8441 section 4.
 */
export class HeadBuilder {
  readonly head: Head;
  readonly text: Buffer;
  readonly textView: DataView;
  readonly coded: Buffer;
  readonly codedView: DataView;
  /** Where the next line goes, and where lines must end. */
  at = 0;
  limit = 0;
  codedAt = 0;
  fault: Fault = fault.NO_FAULT;
  readonly #limits: HeadLimits;
  readonly #facts: FieldFacts;
  readonly #base: number;
  readonly #pseudoLimit: number;
  readonly #faults: LimitFaults;
  #of = OF_NOTHING;
  #malformed = false;
  #inFields = false;
  /** The list was over its limit: lines overwrite each other. */
  #over = false;
  #count = 0;
  #bytes = 0;
  #codedFields = 0;
  /** The value of Host; -1 where none came. */
  #hostStart = -1;
  #hostEnd = 0;
  readonly #pseudo = new PseudoFields();

  constructor(limits: HeadLimits) {
    const { maxHeadBytes, maxFields } = limits;
    this.#limits = limits;
    this.#pseudoLimit = maxHeadBytes + FIELD_ROOM;
    // Before the fields there is room for Host, the value of :protocol, and the start line, each no longer than a head may be.
    this.#base = this.#pseudoLimit + END_ROOM + 3 * maxHeadBytes;
    this.text = Buffer.allocUnsafeSlow(this.#base + maxHeadBytes + FIELD_ROOM + END_ROOM);
    // A coded field is longer than its line by 3 bytes at most, and a line has 4 at least.
    this.coded = Buffer.allocUnsafeSlow(4 * this.#pseudoLimit);
    this.textView = viewOf(this.text);
    this.codedView = viewOf(this.coded);
    this.head = new Head(maxFields);
    this.#facts = new FieldFacts(this.head);
    this.#faults = limitFaults(limits);
  }

  /** Whether heads of these limits fit. */
  serves(limits: HeadLimits): boolean {
    const own = this.#limits;
    return (
      own.maxHeadBytes === limits.maxHeadBytes &&
      own.maxFields === limits.maxFields &&
      own.maxTargetBytes === limits.maxTargetBytes
    );
  }

  begin(of: number): void {
    this.#of = of;
    this.fault = fault.NO_FAULT;
    this.#malformed = false;
    this.#inFields = false;
    this.#over = false;
    // A request's first field is Host.
    this.#count = of === OF_REQUEST ? 1 : 0;
    this.#bytes = 0;
    this.#pseudo.begin(of === OF_REQUEST, of === OF_RESPONSE);
    this.#hostStart = -1;
    this.at = 0;
    this.limit = this.#pseudoLimit;
    this.codedAt = 0;
    this.#codedFields = 0;
    const { head } = this;
    head.reset(this.text, this.#base);
    // Whoever refuses a head asks whether it was HEAD's.
    head.method = METHOD_OTHER;
    this.#facts.begin(FACTS_OF[of] ?? 'trailers');
  }

  /** Nobody asks for the fields, or for no more of them: those that a table holds whole need not be copied. */
  get discards(): boolean {
    return this.#over || this.#of === OF_NOTHING;
  }

  /** A regular field is about to come. @returns whether it is the first, so that `at` has moved */
  toFields(): boolean {
    if (this.#inFields) return false;
    this.#inFields = true;
    this.at = this.#base;
    this.limit = this.#base + this.#pseudoLimit;
    this.#codedFields = this.codedAt;
    return true;
  }

  /** There is no room: the list is too large, and from here on only what the decoder's table needs is right. */
  overflow(): void {
    this.#over = true;
    this.at = this.#inFields ? this.#base : 0;
    this.codedAt = 0;
    this.#fail(this.#faults.tooLarge);
  }

  #fail(broken: Fault): void {
    if (this.#malformed) return;
    this.#malformed = true;
    this.fault = broken;
  }

  /**
   * Takes the field whose line was written at `at`, and its coded form from `codedStart` to `codedAt`.
   * @param flaw what is wrong with its bytes (table-entry.ts)
   */
  field(field: number, flaw: number, line: number, nameLength: number, valueLength: number, codedStart: number): void {
    // Names of pseudo-header fields are no part of the text; how many of them there can be is a matter of room.
    this.#bytes += field >= PSEUDO ? valueLength : nameLength + valueLength + 4;
    if (this.#over) {
      this.codedAt = 0;
      return;
    }
    if (this.#bytes > this.#limits.maxHeadBytes) {
      this.overflow();
      return;
    }
    if (flaw !== FIELD_GOOD) this.#fail(flaw === BAD_NAME ? fault.NAME_IS_BAD : fault.VALUE_IS_BAD);
    const value = line + nameLength + 2;
    const valueEnd = value + valueLength;
    this.at = valueEnd + 2;
    if (field >= PSEUDO) {
      const broken = this.#inFields ? fault.PSEUDO_LATE : this.#pseudo.take(field, this.text, value, valueEnd);
      if (broken !== null) this.#fail(broken);
      return;
    }
    const of = this.#of;
    if (field !== FIELD_OTHER) {
      if (SPECIFIC[field] === 1) this.#fail(fault.CONNECTION_SPECIFIC);
      else if (field === FIELD_TE) this.#te(value, valueEnd);
      else if (HOP_BY_HOP[field] === 1 || (of === OF_TRAILERS && FORBIDDEN_IN_TRAILERS[field] === 1)) {
        this.codedAt = codedStart;
      } else if (field === FIELD_HOST && of === OF_REQUEST) {
        this.#host(line, value, valueEnd);
        this.codedAt = codedStart;
        return;
      }
    }
    const index = this.#count++;
    if (index >= this.#limits.maxFields) {
      this.#fail(this.#faults.tooMany);
      this.#count = index;
      return;
    }
    const { head } = this;
    head.fieldIds[index] = field;
    head.lineStarts[index] = line;
    head.nameEnds[index] = line + nameLength;
    head.valueStarts[index] = value;
    head.valueEnds[index] = valueEnd;
    head.dropped[index] = HOP_BY_HOP[field] ?? 0;
    // A bad value may make the facts trip, but a fault is there already then.
    if (field !== FIELD_OTHER && field !== FIELD_TE && of <= OF_RESPONSE && !this.#malformed) {
      if (!this.#facts.note(this.text, field, index, value, valueEnd)) this.#fail(this.#facts.fault);
    }
  }

  #te(value: number, valueEnd: number): void {
    if (this.#of === OF_REQUEST && equalsIgnoringCase(this.text, value, valueEnd, 'trailers')) {
      this.head.trailersAccepted = true;
    } else this.#fail(fault.TE_IS_BAD);
  }

  /** Host is kept apart: it is our first line, whether it came or not. */
  #host(line: number, value: number, valueEnd: number): void {
    if (this.#hostStart >= 0) this.#fail(fault.HOST_TWICE);
    this.#hostStart = this.#pseudoLimit + END_ROOM;
    this.#hostEnd = copyBytes(this.text, value, valueEnd, this.text, this.#hostStart);
    this.at = line;
  }

  /** The block was a request's, and is whole; false with a fault where it is none. */
  finishRequest(endStream: boolean): boolean {
    const { head, text } = this;
    const pseudo = this.#pseudo;
    head.method = pseudo.method;
    if (this.#malformed) return false;
    const broken = pseudo.requestFault(text, this.#hostStart >= 0) ?? this.#hostFault();
    if (broken !== null) return this.#refuse(broken);
    this.toFields();
    if (!pseudo.hasAuthority) this.#authorityOfHost();
    const unfit = writeRequestLine(
      head,
      pseudo,
      text,
      this.textView,
      this.#base,
      this.at + 2,
      this.#limits,
      this.#faults,
    );
    if (unfit !== null) return this.#refuse(unfit);
    if (endStream) {
      if (head.contentLength > 0) return this.#refuse(fault.BODY_MISSING);
    } else if (head.contentLength < 0 && head.method !== METHOD_CONNECT && !this.#chunked()) return false;
    return this.#end();
  }

  #refuse(broken: Fault): false {
    this.#fail(broken);
    return false;
  }

  /** Host beside `:authority` must say the same (RFC 9113 section 8.3.1). */
  #hostFault(): Fault | null {
    const { authorityStart, authorityEnd, hasAuthority } = this.#pseudo;
    const from = this.#hostStart;
    if (!hasAuthority || from < 0) return null;
    if (this.#hostEnd - from !== authorityEnd - authorityStart) return fault.HOST_DIFFERS;
    for (let at = authorityStart; at < authorityEnd; at++) {
      // A byte that is no token character is a colon or a bracket, or the authority is refused later.
      const byte = this.text[at] ?? 0;
      const host = this.text[from + at - authorityStart] ?? 0;
      if (byte !== host && ((TOKEN_LOWER[byte] ?? 0) === 0 || TOKEN_LOWER[byte] !== TOKEN_LOWER[host])) {
        return fault.HOST_DIFFERS;
      }
    }
    return null;
  }

  /** Without `:authority`, Host says where the request goes; in the coded form it becomes `:authority`. */
  #authorityOfHost(): void {
    const pseudo = this.#pseudo;
    pseudo.authorityStart = this.#hostStart;
    pseudo.authorityEnd = this.#hostEnd;
    const { coded, text } = this;
    const length = this.#hostEnd - this.#hostStart;
    const fields = this.#codedFields;
    // The length of the literal is known when it has been written, behind all others; then the fields are moved behind it.
    const literal = this.codedAt;
    let at = writeInteger(coded, literal, 0, 15, STATIC_AUTHORITY);
    at = writeInteger(coded, at, 0, 127, length);
    at = copyBytes(text, this.#hostStart, this.#hostEnd, coded, at);
    const bytes = at - literal;
    coded.copyWithin(at, literal, at);
    coded.copyWithin(fields + bytes, fields, literal);
    coded.copyWithin(fields, literal + bytes, literal + 2 * bytes);
    this.#codedFields = fields + bytes;
    this.codedAt = literal + bytes;
  }

  /** A body whose length nobody knows is a chunked one in HTTP/1.1. */
  #chunked(): boolean {
    const { head, at } = this;
    const index = this.#count;
    if (index >= this.#limits.maxFields) return this.#refuse(this.#faults.tooMany);
    this.#count++;
    this.at = copyBytes(CHUNKED_LINE, 0, CHUNKED_LINE.length, this.text, at);
    head.fieldIds[index] = FIELD_TRANSFER_ENCODING;
    head.lineStarts[index] = at;
    head.nameEnds[index] = at + 17;
    head.valueStarts[index] = at + 19;
    head.valueEnds[index] = at + 26;
    head.dropped[index] = 1;
    head.chunked = true;
    return true;
  }

  /** The block was a response's, and is whole; false with a fault where it is none. */
  finishResponse(endStream: boolean): boolean {
    if (this.#malformed) return false;
    const broken = this.#pseudo.responseFault(endStream);
    if (broken !== null) return this.#refuse(broken);
    this.toFields();
    const { head } = this;
    const line = statusLine(this.#pseudo.status);
    head.status = this.#pseudo.status;
    head.start = this.#base - line.length;
    head.statusStart = head.start + 9;
    head.lineEnd = this.#base - 2;
    copyBytes(line, 0, line.length, this.text, head.start);
    return this.#end();
  }

  /** The block was a trailer section, and is whole; false with a fault where it is none. */
  finishTrailers(): boolean {
    if (this.#malformed) return false;
    this.toFields();
    this.head.lineEnd = this.#base;
    return this.#end();
  }

  /** The blank line, and what all heads have. */
  #end(): boolean {
    const { head, text, at } = this;
    text[at] = 13;
    text[at + 1] = 10;
    head.end = at + 2;
    if (head.end - head.start > this.#limits.maxHeadBytes) return this.#refuse(this.#faults.tooLarge);
    head.fieldCount = this.#count;
    head.lineStarts[this.#count] = at;
    head.minor = 1;
    head.http2 = true;
    head.coded = this.coded;
    head.codedStart = 0;
    head.codedFields = this.#codedFields;
    head.codedEnd = this.codedAt;
    return true;
  }
}
