import { scanAuthority } from './authority.ts';
import { COLON, CR, equalsIgnoringCase, FIELD_VALUE, HTAB, LF, SP, TARGET, TOKEN_LOWER } from './bytes.ts';
import {
  FIELD_AUTHORIZATION,
  FIELD_CONNECTION,
  FIELD_CONTENT_LENGTH,
  FIELD_CONTENT_TYPE,
  FIELD_EXPECT,
  FIELD_HOST,
  FIELD_KEEP_ALIVE,
  FIELD_MAX_FORWARDS,
  FIELD_OTHER,
  FIELD_REQUEST_TIMEOUT,
  FIELD_TE,
  FIELD_TRANSFER_ENCODING,
  FIELD_UPGRADE,
  FIELD_VIA,
  FIELD_WWW_AUTHENTICATE,
  fieldId,
  HOP_BY_HOP,
  PROTECTED_FROM_CONNECTION,
} from './field-names.ts';
import {
  FORM_ABSOLUTE,
  FORM_ASTERISK,
  FORM_AUTHORITY,
  FORM_ORIGIN,
  type Head,
  METHOD_CONNECT,
  METHOD_DELETE,
  METHOD_GET,
  METHOD_HEAD,
  METHOD_OPTIONS,
  METHOD_OTHER,
  METHOD_PATCH,
  METHOD_POST,
  METHOD_PUT,
  METHOD_TRACE,
} from './head.ts';

/** The head is not there whole: scan again with more bytes. */
export const SCAN_MORE = 0;
/** `head` is filled. */
export const SCAN_DONE = 1;
/** `scanner.fault` says which rule was broken. */
export const SCAN_FAULT = 2;

const NOTES_NOTHING = 0;
const NOTES_RESPONSE = 1;
const NOTES_REQUEST = 2;

export type FaultCode = 'BAD_REQUEST' | 'HEAD_TOO_LARGE' | 'URI_TOO_LONG' | 'EXPECTATION_FAILED' | 'TRANSFER_CODING';

/** The rule that a head broke, in words for the one who sent it. */
export type Fault = { readonly code: FaultCode; readonly rule: string };

export type HeadLimits = {
  /** The whole head with its blank line. */
  readonly maxHeadBytes: number;
  readonly maxFields: number;
  /** The request target. */
  readonly maxTargetBytes: number;
};

const METHOD_NAMES: readonly (readonly [string, number])[] = [
  ['HEAD', METHOD_HEAD],
  ['PUT', METHOD_PUT],
  ['DELETE', METHOD_DELETE],
  ['OPTIONS', METHOD_OPTIONS],
  ['TRACE', METHOD_TRACE],
  ['PATCH', METHOD_PATCH],
  ['CONNECT', METHOD_CONNECT],
];

/*
 * The loops over bytes run without a look at the end of the range: the byte behind it is none that they pass (sockets put a
 * NUL there, see byte-socket.ts), or there is none, and `undefined` compares as false.
 */
const isToken = (buffer: Buffer, at: number): boolean => (TOKEN_LOWER[buffer[at] as number] as number) > 0;
const isTarget = (buffer: Buffer, at: number): boolean => TARGET[buffer[at] as number] === 1;
const isValue = (buffer: Buffer, at: number): boolean => FIELD_VALUE[buffer[at] as number] === 1;

/** Methods are case-sensitive (RFC 9110 section 9.1): `get` is another method than `GET`. */
function methodId(buffer: Buffer, start: number, end: number): number {
  const length = end - start;
  if (length === 3 && buffer[start] === 71 && buffer[start + 1] === 69 && buffer[start + 2] === 84) return METHOD_GET;
  if (length === 4 && buffer[start] === 80 && buffer[start + 1] === 79 && buffer[start + 2] === 83) {
    if (buffer[start + 3] === 84) return METHOD_POST;
  }
  for (const [name, id] of METHOD_NAMES) {
    if (name.length !== length) continue;
    let at = 0;
    while (at < length && buffer[start + at] === name.charCodeAt(at)) at++;
    if (at === length) return id;
  }
  return METHOD_OTHER;
}

/**
 * Reads HTTP/1.1 heads: one interpretation or a fault. It never looks a second time at a head that was complete, makes
 * no strings, and fills the one `Head` that belongs to it.
 *
 * Sources: RFC 9112 sections 2 to 6, RFC 9110 sections 5 and 7.6.
 */
export class HeadScanner {
  readonly head: Head;
  fault: Fault = { code: 'BAD_REQUEST', rule: '' };
  readonly #limits: HeadLimits;
  /** Ranges of field names that Connection fields of this head nominated: start, end, start, end … */
  readonly #nominated: number[] = [];
  /** What the fields under way mean: trailers say nothing about the message, and some fields mean something in requests alone. */
  #notes = NOTES_REQUEST;

  constructor(head: Head, limits: HeadLimits) {
    this.head = head;
    this.#limits = limits;
  }

  /** Scans a request head at `buffer[start..end)`. */
  scanRequest(buffer: Buffer, start: number, end: number): number {
    const head = this.head;
    head.reset(buffer, start);
    this.#notes = NOTES_REQUEST;
    // Whoever refuses a head asks whether it was HEAD's.
    head.method = METHOD_OTHER;
    let at = start;
    while (isToken(buffer, at)) at++;
    if (at >= end) return this.#incomplete(start, end);
    if (buffer[at] !== SP || at === start)
      return this.#bad('the request line must begin with a method token and one space');
    head.methodEnd = at;
    head.method = methodId(buffer, start, at);
    const target = at + 1;
    at = target;
    while (isTarget(buffer, at)) at++;
    if (at - target > this.#limits.maxTargetBytes) {
      return this.#fail('URI_TOO_LONG', `the request target is over ${this.#limits.maxTargetBytes} bytes`);
    }
    if (at >= end) return this.#incomplete(start, end);
    if (at === target) return this.#bad('the request line must have exactly one space between method and target');
    if (buffer[at] !== SP) return this.#bad('the request target has a byte that is not allowed there');
    const targetEnd = at;
    const version = this.#version(buffer, at + 1, end);
    if (version < 0)
      return version === -1 ? this.#incomplete(start, end) : this.#bad('the version must be HTTP/1.1 or HTTP/1.0');
    head.minor = version;
    at += 9;
    if (at + 1 >= end) {
      if (at < end && buffer[at] !== CR) return this.#bad('the request line must end with CRLF after the version');
      return this.#incomplete(start, end);
    }
    if (buffer[at] !== CR || buffer[at + 1] !== LF)
      return this.#bad('the request line must end with CRLF after the version');
    head.lineEnd = at;
    if (!this.#target(buffer, target, targetEnd)) return SCAN_FAULT;
    const result = this.#fields(buffer, at + 2, end);
    if (result !== SCAN_DONE) return result === SCAN_MORE ? this.#incomplete(start, end) : result;
    return this.#requestFacts(buffer) ? SCAN_DONE : SCAN_FAULT;
  }

  /** Scans a response head at `buffer[start..end)`. */
  scanResponse(buffer: Buffer, start: number, end: number): number {
    const head = this.head;
    head.reset(buffer, start);
    this.#notes = NOTES_RESPONSE;
    const version = this.#version(buffer, start, end);
    if (version < 0)
      return version === -1
        ? this.#incomplete(start, end)
        : this.#bad('the status line must begin with HTTP/1.1 or HTTP/1.0');
    head.minor = version;
    let at = start + 8;
    if (at + 4 >= end) return this.#incomplete(start, end);
    if (buffer[at] !== SP) return this.#bad('the status line must have one space after the version');
    head.statusStart = at + 1;
    const hundreds = (buffer[at + 1] ?? 0) - 48;
    const tens = (buffer[at + 2] ?? 0) - 48;
    const ones = (buffer[at + 3] ?? 0) - 48;
    if (hundreds < 1 || hundreds > 5 || tens < 0 || tens > 9 || ones < 0 || ones > 9) {
      return this.#bad('the status must be three digits from 100 to 599');
    }
    head.status = hundreds * 100 + tens * 10 + ones;
    at += 4;
    // The space before an empty reason phrase is often left out; readers take it (RFC 9112 section 4).
    if (buffer[at] !== SP && buffer[at] !== CR) return this.#bad('the status must be followed by a space');
    while (isValue(buffer, at)) at++;
    if (at + 1 >= end) return this.#incomplete(start, end);
    if (buffer[at] !== CR || buffer[at + 1] !== LF) return this.#bad('the status line must end with CRLF');
    head.lineEnd = at;
    const result = this.#fields(buffer, at + 2, end);
    if (result !== SCAN_DONE) return result === SCAN_MORE ? this.#incomplete(start, end) : result;
    return this.#framing() ? SCAN_DONE : SCAN_FAULT;
  }

  /** Scans a trailer section at `buffer[start..end)`: field lines and the blank line, with no start line. */
  scanTrailers(buffer: Buffer, start: number, end: number): number {
    const head = this.head;
    head.reset(buffer, start);
    this.#notes = NOTES_NOTHING;
    head.lineEnd = start;
    const result = this.#fields(buffer, start, end);
    return result === SCAN_MORE ? this.#incomplete(start, end) : result;
  }

  #fail(code: FaultCode, rule: string): typeof SCAN_FAULT {
    this.fault = { code, rule };
    return SCAN_FAULT;
  }

  #bad(rule: string): typeof SCAN_FAULT {
    return this.#fail('BAD_REQUEST', rule);
  }

  #incomplete(start: number, end: number): number {
    if (end - start < this.#limits.maxHeadBytes) return SCAN_MORE;
    return this.#fail('HEAD_TOO_LARGE', `the head is over ${this.#limits.maxHeadBytes} bytes`);
  }

  /** @returns the minor version, -1 where bytes are missing, -2 for another version */
  #version(buffer: Buffer, at: number, end: number): number {
    const text = 'HTTP/1.';
    const known = Math.min(7, end - at);
    for (let index = 0; index < known; index++) if (buffer[at + index] !== text.charCodeAt(index)) return -2;
    if (at + 7 >= end) return -1;
    const minor = (buffer[at + 7] ?? 0) - 48;
    return minor === 0 || minor === 1 ? minor : -2;
  }

  /** Splits the request target (RFC 9112 section 3.2). */
  #target(buffer: Buffer, start: number, end: number): boolean {
    const head = this.head;
    if (head.method === METHOD_CONNECT) {
      head.form = FORM_AUTHORITY;
      head.pathStart = head.pathEnd = end;
      if (!this.#authority(buffer, start, end)) return false;
      if (head.port === -1) return this.#bad('CONNECT needs host:port') !== SCAN_FAULT;
      return true;
    }
    if (buffer[start] === 47) {
      head.form = FORM_ORIGIN;
      head.pathStart = start;
      head.pathEnd = end;
      return true;
    }
    if (end - start === 1 && buffer[start] === 42) {
      head.form = FORM_ASTERISK;
      head.pathStart = start;
      head.pathEnd = end;
      return head.method === METHOD_OPTIONS || this.#bad('the target * goes with OPTIONS alone') !== SCAN_FAULT;
    }
    head.form = FORM_ABSOLUTE;
    let authority = start;
    if (equalsIgnoringCase(buffer, start, Math.min(start + 7, end), 'http://')) authority = start + 7;
    else if (equalsIgnoringCase(buffer, start, Math.min(start + 8, end), 'https://')) {
      head.secure = true;
      authority = start + 8;
    } else return this.#bad('the target must be http://host/path, https://host/path, or a path') !== SCAN_FAULT;
    let at = authority;
    while (at < end && buffer[at] !== 47 && buffer[at] !== 63) at++;
    head.pathStart = at;
    head.pathEnd = end;
    return this.#authority(buffer, authority, at);
  }

  #authority(buffer: Buffer, start: number, end: number): boolean {
    const rule = scanAuthority(this.head, buffer, start, end);
    return rule === null || this.#bad(rule) !== SCAN_FAULT;
  }

  /** Reads field lines up to the blank line into the table, noting facts on the way. */
  #fields(buffer: Buffer, from: number, end: number): number {
    const head = this.head;
    const maxFields = this.#limits.maxFields;
    const { fieldIds, lineStarts, nameEnds, valueStarts, valueEnds, dropped } = head;
    if (this.#nominated.length > 0) this.#nominated.length = 0;
    const noted = this.#notes;
    let at = from;
    let count = 0;
    for (;;) {
      if (at + 1 >= end) {
        if (at < end && buffer[at] === LF) return this.#bad('a line must end with CRLF, not with a bare LF');
        return SCAN_MORE;
      }
      const first = buffer[at] ?? 0;
      if (first === CR) {
        if (buffer[at + 1] !== LF) return this.#bad('a bare CR may not stand in a head');
        head.end = at + 2;
        head.fieldCount = count;
        break;
      }
      const line = at;
      while (isToken(buffer, at)) at++;
      if (at >= end) return SCAN_MORE;
      if (buffer[at] !== 58 || at === line) return this.#badName(buffer, line, at);
      const nameEnd = at++;
      while ((buffer[at] === SP || buffer[at] === HTAB) && at < end) at++;
      const value = at;
      while (isValue(buffer, at)) at++;
      if (at + 1 >= end) {
        if (at < end && buffer[at] !== CR) return this.#badValue(buffer[at] ?? 0);
        return SCAN_MORE;
      }
      if (buffer[at] !== CR || buffer[at + 1] !== LF) return this.#badValue(buffer[at] ?? 0);
      if (count >= maxFields) return this.#fail('HEAD_TOO_LARGE', `the head has over ${maxFields} fields`);
      let valueEnd = at;
      while (valueEnd > value && (buffer[valueEnd - 1] === SP || buffer[valueEnd - 1] === HTAB)) valueEnd--;
      const id = fieldId(buffer, line, nameEnd);
      fieldIds[count] = id;
      lineStarts[count] = line;
      nameEnds[count] = nameEnd;
      valueStarts[count] = value;
      valueEnds[count] = valueEnd;
      dropped[count] = HOP_BY_HOP[id] ?? 0;
      if (id !== FIELD_OTHER && noted !== NOTES_NOTHING && !this.#fact(buffer, id, count, value, valueEnd))
        return SCAN_FAULT;
      count++;
      at += 2;
    }
    if (head.end - head.start > this.#limits.maxHeadBytes) {
      return this.#fail('HEAD_TOO_LARGE', `the head is over ${this.#limits.maxHeadBytes} bytes`);
    }
    // The line after the last field begins where the blank line does.
    lineStarts[count] = head.end - 2;
    if (this.#nominated.length > 0) this.#dropNominated(buffer);
    return SCAN_DONE;
  }

  #badName(buffer: Buffer, line: number, at: number): typeof SCAN_FAULT {
    const byte = buffer[at] ?? 0;
    if (at === line && (byte === SP || byte === HTAB)) return this.#bad('a field line may not be folded');
    if (byte === LF) return this.#bad('a line must end with CRLF, not with a bare LF');
    if (byte === SP || byte === HTAB) return this.#bad('no white space may stand before the colon of a field');
    if (byte === COLON) return this.#bad('a field must have a name');
    return this.#bad('a field name must be a token');
  }

  #badValue(byte: number): typeof SCAN_FAULT {
    if (byte === LF) return this.#bad('a line must end with CRLF, not with a bare LF');
    if (byte === CR) return this.#bad('a bare CR may not stand in a head');
    return this.#bad('a field value may not hold control bytes');
  }

  /** Notes what field `index` says; false with a fault where it breaks a rule. */
  #fact(buffer: Buffer, id: number, index: number, start: number, end: number): boolean {
    const head = this.head;
    switch (id) {
      case FIELD_HOST:
        if (this.#notes !== NOTES_REQUEST) return true;
        if (head.hostField >= 0) return this.#bad('there must be one Host field') !== SCAN_FAULT;
        head.hostField = index;
        return true;
      case FIELD_CONTENT_LENGTH:
        return this.#contentLength(buffer, start, end);
      case FIELD_TRANSFER_ENCODING:
        if (head.chunked) return this.#bad('there must be one Transfer-Encoding field') !== SCAN_FAULT;
        if (!equalsIgnoringCase(buffer, start, end, 'chunked') || this.#tabAround(buffer, index, start, end)) {
          this.#fail('TRANSFER_CODING', 'the only transfer coding understood is chunked, once and alone');
          return false;
        }
        head.chunked = true;
        return true;
      case FIELD_CONNECTION:
        return this.#connection(buffer, start, end);
      case FIELD_TE:
        head.trailersAccepted ||= this.#listHas(buffer, start, end, 'trailers');
        return true;
      case FIELD_UPGRADE:
        head.upgradeField = head.upgradeField === -1 ? index : -2;
        return true;
      case FIELD_EXPECT:
        if (this.#notes !== NOTES_REQUEST) return true;
        if (!equalsIgnoringCase(buffer, start, end, '100-continue')) {
          this.#fail('EXPECTATION_FAILED', 'the only expectation that can be met is 100-continue');
          return false;
        }
        head.expectContinue = true;
        return true;
      case FIELD_VIA:
        head.viaField = index;
        return true;
      case FIELD_MAX_FORWARDS:
        return this.#notes !== NOTES_REQUEST || this.#maxForwards(buffer, start, end);
      case FIELD_AUTHORIZATION:
      case FIELD_WWW_AUTHENTICATE:
        if (
          equalsIgnoringCase(buffer, start, Math.min(end, start + 4), 'ntlm') ||
          equalsIgnoringCase(buffer, start, Math.min(end, start + 9), 'negotiate')
        )
          head.connectionAuthField = index;
        return true;
      case FIELD_CONTENT_TYPE:
        head.contentTypeField = index;
        return true;
      case FIELD_REQUEST_TIMEOUT:
        head.requestTimeoutField = index;
        return true;
      case FIELD_KEEP_ALIVE:
        head.keepAliveField = index;
        return true;
      default:
        return true;
    }
  }

  /** A tab is white space to some readers and a part of the value to others: beside a transfer coding that is a doubt. */
  #tabAround(buffer: Buffer, index: number, start: number, end: number): boolean {
    for (let at = (this.head.nameEnds[index] ?? 0) + 1; at < start; at++) if (buffer[at] === HTAB) return true;
    for (let at = end; buffer[at] !== CR; at++) if (buffer[at] === HTAB) return true;
    return false;
  }

  #contentLength(buffer: Buffer, start: number, end: number): boolean {
    const head = this.head;
    if (head.contentLength >= 0) return this.#bad('there must be one Content-Length field') !== SCAN_FAULT;
    let length = 0;
    // 2^53 has 16 digits; 16 nines are above it, so the value is looked at too.
    if (end === start || end - start > 16)
      return this.#bad('Content-Length must be a decimal number below 2^53') !== SCAN_FAULT;
    for (let at = start; at < end; at++) {
      const digit = (buffer[at] ?? 0) - 48;
      if (digit < 0 || digit > 9) return this.#bad('Content-Length must be digits and nothing else') !== SCAN_FAULT;
      length = length * 10 + digit;
    }
    if (length > Number.MAX_SAFE_INTEGER) return this.#bad('Content-Length must be below 2^53') !== SCAN_FAULT;
    head.contentLength = length;
    return true;
  }

  #maxForwards(buffer: Buffer, start: number, end: number): boolean {
    let hops = 0;
    for (let at = start; at < end; at++) {
      const digit = (buffer[at] ?? 0) - 48;
      if (digit < 0 || digit > 9) return this.#bad('Max-Forwards must be a number') !== SCAN_FAULT;
      hops = Math.min(hops * 10 + digit, 1_000_000);
    }
    if (end > start) this.head.maxForwards = hops;
    return true;
  }

  /** The options of one Connection field (RFC 9110 section 7.6.1). */
  #connection(buffer: Buffer, start: number, end: number): boolean {
    const head = this.head;
    let at = start;
    while (at < end) {
      while (at < end && (buffer[at] === SP || buffer[at] === HTAB || buffer[at] === 44)) at++;
      const option = at;
      while (at < end && TOKEN_LOWER[buffer[at] ?? 0] !== 0) at++;
      const optionEnd = at;
      while (at < end && (buffer[at] === SP || buffer[at] === HTAB)) at++;
      if (at < end && buffer[at] !== 44) return this.#bad('Connection must be a list of tokens') !== SCAN_FAULT;
      if (optionEnd === option) continue;
      if (equalsIgnoringCase(buffer, option, optionEnd, 'keep-alive')) head.keepAlive = true;
      else if (equalsIgnoringCase(buffer, option, optionEnd, 'close')) head.close = true;
      else if (equalsIgnoringCase(buffer, option, optionEnd, 'upgrade')) head.upgradeNominated = true;
      else {
        const id = fieldId(buffer, option, optionEnd);
        if (PROTECTED_FROM_CONNECTION[id] === 1) {
          return this.#bad('Connection may not name a field that is meant for the other end') !== SCAN_FAULT;
        }
        if (HOP_BY_HOP[id] !== 1) this.#nominated.push(option, optionEnd);
      }
    }
    return true;
  }

  #dropNominated(buffer: Buffer): void {
    const head = this.head;
    for (let pair = 0; pair < this.#nominated.length; pair += 2) {
      const start = this.#nominated[pair] ?? 0;
      const name = buffer.toString('latin1', start, this.#nominated[pair + 1] ?? 0).toLowerCase();
      for (let index = 0; index < head.fieldCount; index++) {
        if (equalsIgnoringCase(buffer, head.lineStarts[index] ?? 0, head.nameEnds[index] ?? 0, name))
          head.dropped[index] = 1;
      }
    }
  }

  #listHas(buffer: Buffer, start: number, end: number, token: string): boolean {
    return buffer
      .toString('latin1', start, end)
      .toLowerCase()
      .split(',')
      .some((item) => item.trim() === token);
  }

  /** Body framing must be beyond doubt in both directions (RFC 9112 section 6.3). */
  #framing(): boolean {
    const head = this.head;
    if (!head.chunked) return true;
    if (head.contentLength >= 0) {
      return this.#bad('Content-Length and Transfer-Encoding may not stand together') !== SCAN_FAULT;
    }
    if (head.minor === 0) return this.#bad('Transfer-Encoding does not exist in HTTP/1.0') !== SCAN_FAULT;
    return true;
  }

  #requestFacts(buffer: Buffer): boolean {
    const head = this.head;
    if (!this.#framing()) return false;
    if (head.hostField < 0) {
      if (head.minor === 1) return this.#bad('an HTTP/1.1 request must have a Host field') !== SCAN_FAULT;
      return true;
    }
    const start = head.valueStarts[head.hostField] ?? 0;
    const end = head.valueEnds[head.hostField] ?? 0;
    if (head.form === FORM_ABSOLUTE || head.form === FORM_AUTHORITY) {
      const length = end - start;
      const authority = head.authorityStart;
      let same = 0;
      if (length === head.authorityEnd - authority) {
        while (same < length && buffer[start + same] === buffer[authority + same]) same++;
      }
      head.hostAgrees = same === length && length > 0;
      if (head.hostAgrees) return true;
      // The target wins (RFC 9112 section 3.2.2), but a Host that cannot be read is still refused.
      const { authorityStart, authorityEnd, hostEnd, port } = head;
      const rule = scanAuthority(head, buffer, start, end);
      head.authorityStart = authorityStart;
      head.authorityEnd = authorityEnd;
      head.hostEnd = hostEnd;
      head.port = port;
      return rule === null || this.#bad(`Host: ${rule}`) !== SCAN_FAULT;
    }
    const rule = scanAuthority(head, buffer, start, end);
    return rule === null || this.#bad(`Host: ${rule}`) !== SCAN_FAULT;
  }
}
