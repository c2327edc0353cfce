import { copyBytes, SP, TOKEN_LOWER } from '../bytes.ts';
import type { FieldEdits } from '../field-edits.ts';
import {
  FIELD_CONTENT_LENGTH,
  FIELD_EXPECT,
  FIELD_HOST,
  FIELD_MAX_FORWARDS,
  FIELD_TE,
  FORBIDDEN_IN_TRAILERS,
  HOP_BY_HOP,
} from '../field-names.ts';
import { countsHops, FORM_AUTHORITY, type Head, METHOD_GET, METHOD_OPTIONS, METHOD_POST } from '../head.ts';
import { readInteger, writeInteger } from './prefix-integer.ts';
import {
  STATIC_ACCEPT_ENCODING,
  STATIC_AUTHORITY,
  STATIC_METHOD,
  STATIC_PATH,
  STATIC_SCHEME,
  STATIC_STATUS,
  staticNameIndex,
} from './static-table.ts';

/*
 * Writes heads as field blocks (RFC 7541). The dynamic table of the peer is not used: what came by HTTP/2 goes as the bytes
 * that came; for what came by HTTP/1.1, names by the static table and plain literals cost less time than they would save bytes.
 */

const INDEXED = 0x80;
const NEVER_INDEXED = 0x10;

const GZIP_DEFLATE = Buffer.from('gzip, deflate', 'latin1');
const ASTERISK = Buffer.from('*', 'latin1');
const SLASH = Buffer.from('/', 'latin1');
const PROTOCOL = Buffer.from(':protocol', 'latin1');
const TE_TRAILERS = Buffer.concat([
  Buffer.from([0, 2]),
  Buffer.from('te', 'latin1'),
  Buffer.from([8]),
  Buffer.from('trailers', 'latin1'),
]);
const MAX_FORWARDS_INDEX = 47;

/** By static index: 1 for names whose values no table may keep, here or further on (RFC 7541 section 7.1.3). */
const SECRET = new Uint8Array(62);
for (const index of [23 /* authorization */, 32 /* cookie */, 49 /* proxy-authorization */, 55 /* set-cookie */]) {
  SECRET[index] = 1;
}

/** Static indices of statuses; 0 for those that have none. */
const STATUS_INDEX = new Uint8Array(600);
for (const [offset, status] of [200, 204, 206, 304, 400, 404, 500].entries())
  STATUS_INDEX[status] = STATIC_STATUS + offset;

export type RequestBlockOptions = {
  /** What `:authority` says instead of what the request says, or null. */
  readonly authority: Buffer | null;
  /** Goes before the path; empty for none. */
  readonly pathPrefix: Buffer;
  /** Whole lines that carpool adds (`via: 1.1 carpool` and CRLF), or null. */
  readonly extraLines: Buffer | null;
  /** What the destination changes in the fields; null or absent: nothing. */
  readonly edits?: FieldEdits | null;
};

export type ResponseBlockOptions = {
  /** 204 and 1xx carry no Content-Length (RFC 9110 section 8.6). */
  readonly dropContentLength: boolean;
  readonly extraLines: Buffer | null;
};

/** What our own words need: pseudo-header fields of the largest sizes, TE, Max-Forwards. */
const BLOCK_ROOM = 160;

/** A field takes at most so many bytes more than in its line. */
const FIELD_ROOM = 4;

/** A line has 4 bytes at least, so that lines of any names and values at most double. */
const linesBound = (lines: Buffer | null): number => (lines === null ? 0 : 2 * lines.length);

const headBound = (head: Head): number =>
  head.end -
  head.start +
  FIELD_ROOM * head.fieldCount +
  (head.protocolEnd - head.protocolStart) +
  (head.coded === null ? 0 : head.codedEnd - head.codedStart) +
  BLOCK_ROOM;

/** How many bytes writing the request in `head` may need at most. */
export function requestBlockBound(head: Head, options: RequestBlockOptions): number {
  return (
    headBound(head) +
    (options.authority?.length ?? 0) +
    options.pathPrefix.length +
    linesBound(options.extraLines) +
    (options.edits?.block.length ?? 0)
  );
}

/** Writes the request in `head` to `out` from `at`; `secure` tells which scheme it says. @returns the offset behind it */
export function writeRequestBlock(
  head: Head,
  options: RequestBlockOptions,
  secure: boolean,
  out: Buffer,
  at: number,
): number {
  const { coded } = head;
  const { authority, pathPrefix, extraLines } = options;
  const edits = options.edits ?? null;
  const hops = countsHops(head);
  let to = at;
  if (coded !== null && !hops) {
    const asItCame = authority === null && pathPrefix.length === 0 && secure === head.secure;
    if (edits !== null) {
      to = asItCame
        ? copyBytes(coded, head.codedStart, head.codedFields, out, to)
        : requestPseudo(head, options, secure, out, to);
      to = otherCodedFields(head, coded, edits, out, to);
    } else if (asItCame) {
      to = copyBytes(coded, head.codedStart, head.codedEnd, out, to);
    } else {
      to = requestPseudo(head, options, secure, out, to);
      to = copyBytes(coded, head.codedFields, head.codedEnd, out, to);
    }
  } else {
    to = requestPseudo(head, options, secure, out, to);
    if (hops) {
      const left = String(head.maxForwards - 1);
      to = writeInteger(out, to, 0, 15, MAX_FORWARDS_INDEX);
      to = writeInteger(out, to, 0, 127, left.length);
      to += out.write(left, to, 'latin1');
    }
    const { fieldCount, fieldIds, dropped } = head;
    for (let index = 0; index < fieldCount; index++) {
      const id = fieldIds[index] ?? 0;
      if (dropped[index] === 1 || id === FIELD_HOST || (hops && id === FIELD_MAX_FORWARDS)) continue;
      if (id === FIELD_EXPECT && head.minor === 0) continue;
      if (edits?.drops(head.buffer, head.lineStarts[index] ?? 0, head.nameEnds[index] ?? 0) === true) continue;
      to = fieldAt(head, index, out, to);
    }
    if (head.trailersAccepted) to = copyBytes(TE_TRAILERS, 0, TE_TRAILERS.length, out, to);
  }
  if (edits !== null) to = copyBytes(edits.block, 0, edits.block.length, out, to);
  return extraLines === null ? to : lines(extraLines, out, to);
}

/**
 * The coded fields but those that the destination leaves out: field by field beside the table, so that each keeps the form in which it
 * came (what must never be indexed stays so, RFC 7541 section 6.2.3).
 */
function otherCodedFields(head: Head, coded: Buffer, edits: FieldEdits, out: Buffer, at: number): number {
  const { buffer, fieldCount, fieldIds, lineStarts, nameEnds, codedEnd } = head;
  let from = head.codedFields;
  let to = at;
  for (let index = 0; index < fieldCount && from < codedEnd; index++) {
    const id = fieldIds[index] ?? 0;
    // What concerns one hop, and Host, are in the table and not in the coded form; TE is in both.
    if (id === FIELD_HOST || (id !== FIELD_TE && HOP_BY_HOP[id] === 1)) continue;
    const next = codedFieldEnd(coded, from, codedEnd);
    if (!edits.drops(buffer, lineStarts[index] ?? 0, nameEnds[index] ?? 0)) to = copyBytes(coded, from, next, out, to);
    from = next;
  }
  return to;
}

/** The end of the field whose coded form, our own, begins at `at`: an index of the static table, or a literal. */
function codedFieldEnd(coded: Buffer, at: number, end: number): number {
  const first = coded[at] ?? 0;
  if ((first & INDEXED) !== 0) return at + (readInteger(coded, at, end, 127) & 7);
  const name = readInteger(coded, at, end, 15);
  const value = at + (name & 7);
  return stringEnd(coded, name >> 3 === 0 ? stringEnd(coded, value, end) : value, end);
}

function stringEnd(coded: Buffer, at: number, end: number): number {
  const length = readInteger(coded, at, end, 127);
  return at + (length & 7) + (length >> 3);
}

/** The pseudo-header fields of a request, made of its text. */
function requestPseudo(head: Head, options: RequestBlockOptions, secure: boolean, out: Buffer, at: number): number {
  const { buffer } = head;
  let to = at;
  if (head.method === METHOD_GET || head.method === METHOD_POST) {
    out[to++] = INDEXED | (head.method === METHOD_GET ? STATIC_METHOD : STATIC_METHOD + 1);
  } else to = literal(STATIC_METHOD, buffer, head.start, head.methodEnd, out, to);
  const { authority } = options;
  if (authority !== null) to = literal(STATIC_AUTHORITY, authority, 0, authority.length, out, to);
  else if (head.authorityEnd > head.authorityStart) {
    to = literal(STATIC_AUTHORITY, buffer, head.authorityStart, head.authorityEnd, out, to);
  }
  // CONNECT to a host and port has no more (RFC 9113 section 8.5).
  if (head.form === FORM_AUTHORITY) return to;
  out[to++] = INDEXED | (secure ? STATIC_SCHEME + 1 : STATIC_SCHEME);
  if (head.protocolEnd > head.protocolStart) {
    out[to++] = 0;
    to = string(PROTOCOL, 0, PROTOCOL.length, out, to);
    to = string(buffer, head.protocolStart, head.protocolEnd, out, to);
  }
  return path(head, options.pathPrefix, out, to);
}

/** The path as `writeRequestHead` of HTTP/1.1 has it. */
function path(head: Head, prefix: Buffer, out: Buffer, at: number): number {
  const { buffer, pathStart, pathEnd } = head;
  const length = pathEnd - pathStart;
  if (prefix.length === 0) {
    if (length === 0) {
      if (head.method !== METHOD_OPTIONS) {
        out[at] = INDEXED | STATIC_PATH;
        return at + 1;
      }
      // OPTIONS http://host with no path asks about the server as a whole (RFC 9112 section 3.2.4).
      return literal(STATIC_PATH, ASTERISK, 0, 1, out, at);
    }
    if (length === 1 && buffer[pathStart] === 47) {
      out[at] = INDEXED | STATIC_PATH;
      return at + 1;
    }
  }
  const slash = length === 0 || buffer[pathStart] === 63;
  let to = writeInteger(out, at, 0, 15, STATIC_PATH);
  to = writeInteger(out, to, 0, 127, prefix.length + (slash ? 1 : 0) + length);
  to = copyBytes(prefix, 0, prefix.length, out, to);
  if (slash) to = copyBytes(SLASH, 0, 1, out, to);
  return copyBytes(buffer, pathStart, pathEnd, out, to);
}

/** How many bytes writing the response in `head` may need at most. */
export function responseBlockBound(head: Head, options: ResponseBlockOptions): number {
  return headBound(head) + linesBound(options.extraLines);
}

/** Writes the response in `head` to `out` from `at`. @returns the offset behind it */
export function writeResponseBlock(head: Head, options: ResponseBlockOptions, out: Buffer, at: number): number {
  const { coded } = head;
  const except = options.dropContentLength && head.contentLength >= 0 ? FIELD_CONTENT_LENGTH : 0;
  let to = at;
  if (coded !== null && except === 0) to = copyBytes(coded, head.codedStart, head.codedEnd, out, to);
  else {
    to = statusField(head.status, out, to);
    const { fieldCount, fieldIds, dropped } = head;
    for (let index = 0; index < fieldCount; index++) {
      if (dropped[index] === 1 || (except !== 0 && fieldIds[index] === except)) continue;
      to = fieldAt(head, index, out, to);
    }
  }
  return options.extraLines === null ? to : lines(options.extraLines, out, to);
}

function statusField(status: number, out: Buffer, at: number): number {
  const index = STATUS_INDEX[status] ?? 0;
  if (index !== 0) {
    out[at] = INDEXED | index;
    return at + 1;
  }
  out[at] = STATIC_STATUS;
  out[at + 1] = 3;
  out[at + 2] = 48 + (((status / 100) | 0) % 10);
  out[at + 3] = 48 + (((status / 10) | 0) % 10);
  out[at + 4] = 48 + (status % 10);
  return at + 5;
}

/** How many bytes writing the trailers in `head` may need at most. */
export const trailersBlockBound = (head: Head): number => headBound(head);

/** Writes the trailers in `head` to `out` from `at`, but those that may not stand there. @returns the offset behind them */
export function writeTrailersBlock(head: Head, out: Buffer, at: number): number {
  if (head.coded !== null) return copyBytes(head.coded, head.codedFields, head.codedEnd, out, at);
  let to = at;
  for (let index = 0; index < head.fieldCount; index++) {
    if (FORBIDDEN_IN_TRAILERS[head.idAt(index)] !== 1) to = fieldAt(head, index, out, to);
  }
  return to;
}

/** A field that carpool says itself. */
export type FieldPair = readonly [name: string, value: string];

/** How many bytes `writeFields` may need at most. */
export function fieldsBlockBound(pairs: readonly FieldPair[]): number {
  let bytes = BLOCK_ROOM;
  for (const [name, value] of pairs) bytes += name.length + value.length + FIELD_ROOM + 4;
  return bytes;
}

/** Writes fields of carpool's own, in latin1, behind `:status` where `status` is not 0. @returns the offset behind them */
export function writeFields(out: Buffer, at: number, status: number, pairs: readonly FieldPair[]): number {
  let to = status === 0 ? at : statusField(status, out, at);
  for (const [name, value] of pairs) {
    const text = Buffer.from(`${name}${value}`, 'latin1');
    to = field(text, 0, name.length, name.length, text.length, out, to);
  }
  return to;
}

function fieldAt(head: Head, index: number, out: Buffer, at: number): number {
  const { buffer, lineStarts, nameEnds, valueStarts, valueEnds } = head;
  const value = valueStarts[index] ?? 0;
  return field(buffer, lineStarts[index] ?? 0, nameEnds[index] ?? 0, value, valueEnds[index] ?? 0, out, at);
}

/** Writes a regular field. */
function field(
  buffer: Buffer,
  name: number,
  nameEnd: number,
  value: number,
  valueEnd: number,
  out: Buffer,
  at: number,
): number {
  const index = staticNameIndex(buffer, name, nameEnd);
  let to = at;
  if (index === 0) {
    out[to] = 0;
    to = writeInteger(out, to + 1, 0, 127, nameEnd - name);
    for (let from = name; from < nameEnd; from++) out[to++] = TOKEN_LOWER[buffer[from] ?? 0] ?? 0;
  } else {
    if (index === STATIC_ACCEPT_ENCODING && equals(buffer, value, valueEnd, GZIP_DEFLATE)) {
      out[to] = INDEXED | index;
      return to + 1;
    }
    to = writeInteger(out, to, SECRET[index] === 1 ? NEVER_INDEXED : 0, 15, index);
  }
  return string(buffer, value, valueEnd, out, to);
}

function equals(buffer: Buffer, start: number, end: number, bytes: Buffer): boolean {
  if (end - start !== bytes.length) return false;
  let at = 0;
  while (at < bytes.length && buffer[start + at] === bytes[at]) at++;
  return at === bytes.length;
}

/** A literal with the name of static entry `index`. */
function literal(index: number, buffer: Buffer, start: number, end: number, out: Buffer, at: number): number {
  return string(buffer, start, end, out, writeInteger(out, at, 0, 15, index));
}

function string(buffer: Buffer, start: number, end: number, out: Buffer, at: number): number {
  return copyBytes(buffer, start, end, out, writeInteger(out, at, 0, 127, end - start));
}

/** Writes the fields of whole lines, `name: value` and CRLF each. */
function lines(text: Buffer, out: Buffer, at: number): number {
  let to = at;
  let line = 0;
  for (;;) {
    const nameEnd = text.indexOf(58, line);
    const end = text.indexOf(13, nameEnd);
    if (nameEnd < 0 || end < 0) return to;
    let value = nameEnd + 1;
    while (text[value] === SP) value++;
    to = field(text, line, nameEnd, value, end, out, to);
    line = end + 2;
  }
}
