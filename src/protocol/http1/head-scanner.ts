import { scanAuthority } from '../authority.ts';
import { COLON, CR, equalsIgnoringCase, FIELD_VALUE, HTAB, LF, SP, TARGET, TOKEN_LOWER } from '../bytes.ts';
import { type Fault, type FaultCode, FieldFacts, type FieldsOf } from '../field-facts.ts';
import { FIELD_OTHER, fieldId, HOP_BY_HOP } from '../field-names.ts';
import {
  FORM_ABSOLUTE,
  FORM_ASTERISK,
  FORM_AUTHORITY,
  FORM_ORIGIN,
  type Head,
  type HeadLimits,
  METHOD_CONNECT,
  METHOD_OPTIONS,
  METHOD_OTHER,
} from '../head.ts';
import { methodId } from '../method.ts';

/** The head is not there whole: scan again with more bytes. */
export const SCAN_MORE = 0;
/** `head` is filled. */
export const SCAN_DONE = 1;
/** `scanner.fault` says which rule was broken. */
export const SCAN_FAULT = 2;

/** The first byte of a TLS record that holds a handshake: an app that takes the proxy for an https:// one sends it. */
const TLS_HANDSHAKE = 0x16;
/** And of one that holds an alert: what a server that speaks TLS says to a request in clear (RFC 8446 section 5.1). */
const TLS_ALERT = 0x15;
/** And of the greetings of SOCKS (RFC 1928 section 3): its version. */
const SOCKS4 = 4;
const SOCKS5 = 5;

/*
 * The loops over bytes run without a look at the end of the range: the byte behind it is none that they pass (sockets put a
 * NUL there, see byte-socket.ts), or there is none, and `undefined` compares as false.
 */
const isToken = (buffer: Buffer, at: number): boolean => (TOKEN_LOWER[buffer[at] as number] as number) > 0;
const isTarget = (buffer: Buffer, at: number): boolean => TARGET[buffer[at] as number] === 1;
const isValue = (buffer: Buffer, at: number): boolean => FIELD_VALUE[buffer[at] as number] === 1;

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
  readonly #facts: FieldFacts;
  /** Whose fields are read. */
  #of: FieldsOf = 'request';

  constructor(head: Head, limits: HeadLimits) {
    this.head = head;
    this.#limits = limits;
    this.#facts = new FieldFacts(head);
  }

  /** Scans a request head at `buffer[start..end)`. */
  scanRequest(buffer: Buffer, start: number, end: number): number {
    const head = this.head;
    head.reset(buffer, start);
    this.#of = 'request';
    // Whoever refuses a head asks whether it was HEAD's.
    head.method = METHOD_OTHER;
    let at = start;
    while (isToken(buffer, at)) at++;
    if (at >= end) return this.#incomplete(start, end);
    if (buffer[at] !== SP || at === start) return this.#noRequestLine(buffer[start]);
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
    if (version < 0) return version === -1 ? this.#incomplete(start, end) : this.#badVersion(buffer, target, at, end);
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
    return this.#facts.request(buffer) ? SCAN_DONE : this.#broken();
  }

  /** Scans a response head at `buffer[start..end)`. */
  scanResponse(buffer: Buffer, start: number, end: number): number {
    const head = this.head;
    head.reset(buffer, start);
    this.#of = 'response';
    const version = this.#version(buffer, start, end);
    if (version < 0)
      return version === -1
        ? this.#incomplete(start, end)
        : this.#bad(
            buffer[start] === 0
              ? 'the upstream seems to speak HTTP/2 and not HTTP/1.1: set protocol: http2 for this destination'
              : buffer[start] === TLS_ALERT
                ? 'the upstream speaks TLS (it answered with an alert): set tls.originate: true for this destination, or call https://'
                : 'the status line must begin with HTTP/1.1 or HTTP/1.0',
          );
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
    return this.#facts.framing() ? SCAN_DONE : this.#broken();
  }

  /** Scans a trailer section at `buffer[start..end)`: field lines and the blank line, with no start line. */
  scanTrailers(buffer: Buffer, start: number, end: number): number {
    const head = this.head;
    head.reset(buffer, start);
    this.#of = 'trailers';
    head.lineEnd = start;
    const result = this.#fields(buffer, start, end);
    return result === SCAN_MORE ? this.#incomplete(start, end) : result;
  }

  /** A field said what it may not. */
  #broken(): typeof SCAN_FAULT {
    this.fault = this.#facts.fault;
    return SCAN_FAULT;
  }

  #fail(code: FaultCode, rule: string): typeof SCAN_FAULT {
    this.fault = { code, rule };
    return SCAN_FAULT;
  }

  /** No method begins here. */
  #noRequestLine(first: number | undefined): number {
    if (first === TLS_HANDSHAKE) {
      const rule =
        'this is a TLS handshake, and this port speaks plain HTTP: write http:// in HTTPS_PROXY, or in the base URL of a local port';
      this.fault = { code: 'BAD_REQUEST', rule, spoken: 'tls' };
    } else if (first === SOCKS4 || first === SOCKS5) {
      const rule = `this is a greeting of SOCKS${first}, and this port speaks HTTP: write http:// in ALL_PROXY`;
      this.fault = { code: 'BAD_REQUEST', rule, spoken: 'socks' };
    } else return this.#bad('the request line must begin with a method token and one space');
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

  /** What stands behind the target `buffer[target..targetEnd)` is no version of HTTP/1. */
  #badVersion(buffer: Buffer, target: number, targetEnd: number, end: number): typeof SCAN_FAULT {
    const version = targetEnd + 1;
    // A path, or a URI, is a request whose version is mistyped; three words are of another protocol.
    let foreign = buffer[target] !== 47 && !equalsIgnoringCase(buffer, version, Math.min(version + 5, end), 'http/');
    for (let at = target; at < targetEnd; at++) if (buffer[at] === COLON) foreign = false;
    this.fault = { code: 'BAD_REQUEST', rule: 'the version must be HTTP/1.1 or HTTP/1.0', foreign };
    return SCAN_FAULT;
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
    const facts = this.#facts;
    const noted = this.#of !== 'trailers';
    facts.begin(this.#of);
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
      if (noted && id !== FIELD_OTHER && !facts.note(buffer, id, count, value, valueEnd)) return this.#broken();
      count++;
      at += 2;
    }
    if (head.end - head.start > this.#limits.maxHeadBytes) {
      return this.#fail('HEAD_TOO_LARGE', `the head is over ${this.#limits.maxHeadBytes} bytes`);
    }
    // The line after the last field begins where the blank line does.
    lineStarts[count] = head.end - 2;
    facts.dropNominated(buffer);
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
}
