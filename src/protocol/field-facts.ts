import { scanAuthority } from './authority.ts';
import { CR, equalsIgnoringCase, HTAB, SP, TOKEN_LOWER } from './bytes.ts';
import {
  FIELD_AUTHORIZATION,
  FIELD_CONNECTION,
  FIELD_CONTENT_LENGTH,
  FIELD_CONTENT_TYPE,
  FIELD_COOKIE,
  FIELD_EXPECT,
  FIELD_GRPC_TIMEOUT,
  FIELD_HOST,
  FIELD_KEEP_ALIVE,
  FIELD_MAX_FORWARDS,
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
import { FORM_ABSOLUTE, FORM_AUTHORITY, type Head } from './head.ts';

export type FaultCode = 'BAD_REQUEST' | 'HEAD_TOO_LARGE' | 'URI_TOO_LONG' | 'EXPECTATION_FAILED' | 'TRANSFER_CODING';

/** The rule that a head broke, in words for the one who sent it. */
export type Fault = {
  readonly code: FaultCode;
  readonly rule: string;
  /** The first line names a protocol that is not HTTP/1: its sender will not read an answer of HTTP/1.1 either. */
  readonly foreign?: boolean;
  /** What the first bytes are in place of HTTP. */
  readonly spoken?: 'tls' | 'socks';
};

/** What fields mean in the part that is read: some say something in requests alone, in trailers none says anything. */
export type FieldsOf = 'request' | 'response' | 'trailers';

/**
 * What single fields say about their message: framing, this hop's connection, the host. One interpretation or a fault.
 *
 * Sources: RFC 9112 section 6, RFC 9110 sections 7.2, 7.6 and 10.1.1.
 */
export class FieldFacts {
  /** The rule that was broken, where a method returned false. */
  fault: Fault = { code: 'BAD_REQUEST', rule: '' };
  readonly #head: Head;
  #of: FieldsOf = 'request';
  /** Ranges of field names that Connection fields of this head nominated: start, end, start, end … */
  readonly #nominated: number[] = [];

  constructor(head: Head) {
    this.#head = head;
  }

  begin(of: FieldsOf): void {
    this.#of = of;
    if (this.#nominated.length > 0) this.#nominated.length = 0;
  }

  #fail(code: FaultCode, rule: string): false {
    this.fault = { code, rule };
    return false;
  }

  #bad(rule: string): false {
    return this.#fail('BAD_REQUEST', rule);
  }

  /** Notes what field `index` says; false with a fault where it breaks a rule. */
  note(buffer: Buffer, id: number, index: number, start: number, end: number): boolean {
    const head = this.#head;
    switch (id) {
      case FIELD_HOST:
        if (this.#of !== 'request') return true;
        if (head.hostField >= 0) return this.#bad('there must be one Host field');
        head.hostField = index;
        return true;
      case FIELD_CONTENT_LENGTH:
        return this.#contentLength(buffer, start, end);
      case FIELD_TRANSFER_ENCODING:
        if (head.chunked) return this.#bad('there must be one Transfer-Encoding field');
        if (!equalsIgnoringCase(buffer, start, end, 'chunked') || this.#tabAround(buffer, index, start, end)) {
          return this.#fail('TRANSFER_CODING', 'the only transfer coding understood is chunked, once and alone');
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
        if (this.#of !== 'request') return true;
        if (!equalsIgnoringCase(buffer, start, end, '100-continue')) {
          return this.#fail('EXPECTATION_FAILED', 'the only expectation that can be met is 100-continue');
        }
        head.expectContinue = true;
        return true;
      case FIELD_VIA:
        head.viaField = index;
        return true;
      case FIELD_MAX_FORWARDS:
        return this.#of !== 'request' || this.#maxForwards(buffer, start, end);
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
      case FIELD_GRPC_TIMEOUT:
        head.grpcTimeoutField = index;
        return true;
      case FIELD_COOKIE:
        if (head.cookieField < 0) head.cookieField = index;
        else head.cookieCrumbs = this.#of === 'request';
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
    for (let at = (this.#head.nameEnds[index] ?? 0) + 1; at < start; at++) if (buffer[at] === HTAB) return true;
    for (let at = end; buffer[at] !== CR; at++) if (buffer[at] === HTAB) return true;
    return false;
  }

  #contentLength(buffer: Buffer, start: number, end: number): boolean {
    const head = this.#head;
    if (head.contentLength >= 0) return this.#bad('there must be one Content-Length field');
    let length = 0;
    // 2^53 has 16 digits; 16 nines are above it, so the value is looked at too.
    if (end === start || end - start > 16) return this.#bad('Content-Length must be a decimal number below 2^53');
    for (let at = start; at < end; at++) {
      const digit = (buffer[at] ?? 0) - 48;
      if (digit < 0 || digit > 9) return this.#bad('Content-Length must be digits and nothing else');
      length = length * 10 + digit;
    }
    if (length > Number.MAX_SAFE_INTEGER) return this.#bad('Content-Length must be below 2^53');
    head.contentLength = length;
    return true;
  }

  #maxForwards(buffer: Buffer, start: number, end: number): boolean {
    let hops = 0;
    for (let at = start; at < end; at++) {
      const digit = (buffer[at] ?? 0) - 48;
      if (digit < 0 || digit > 9) return this.#bad('Max-Forwards must be a number');
      hops = Math.min(hops * 10 + digit, 1_000_000);
    }
    if (end > start) this.#head.maxForwards = hops;
    return true;
  }

  /** The options of one Connection field (RFC 9110 section 7.6.1). */
  #connection(buffer: Buffer, start: number, end: number): boolean {
    const head = this.#head;
    let at = start;
    while (at < end) {
      while (at < end && (buffer[at] === SP || buffer[at] === HTAB || buffer[at] === 44)) at++;
      const option = at;
      while (at < end && TOKEN_LOWER[buffer[at] ?? 0] !== 0) at++;
      const optionEnd = at;
      while (at < end && (buffer[at] === SP || buffer[at] === HTAB)) at++;
      if (at < end && buffer[at] !== 44) return this.#bad('Connection must be a list of tokens');
      if (optionEnd === option) continue;
      if (equalsIgnoringCase(buffer, option, optionEnd, 'keep-alive')) head.keepAlive = true;
      else if (equalsIgnoringCase(buffer, option, optionEnd, 'close')) head.close = true;
      else if (equalsIgnoringCase(buffer, option, optionEnd, 'upgrade')) head.upgradeNominated = true;
      else {
        const id = fieldId(buffer, option, optionEnd);
        if (PROTECTED_FROM_CONNECTION[id] === 1) {
          return this.#bad('Connection may not name a field that is meant for the other end');
        }
        if (HOP_BY_HOP[id] !== 1) this.#nominated.push(option, optionEnd);
      }
    }
    return true;
  }

  /** Leaves out the fields that Connection named. */
  dropNominated(buffer: Buffer): void {
    const head = this.#head;
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
  framing(): boolean {
    const head = this.#head;
    if (!head.chunked) return true;
    if (head.contentLength >= 0) {
      return this.#bad('Content-Length and Transfer-Encoding may not stand together');
    }
    if (head.minor === 0) return this.#bad('Transfer-Encoding does not exist in HTTP/1.0');
    return true;
  }

  /** What a request's fields must say together: framing, and one Host that can be read (RFC 9112 section 3.2). */
  request(buffer: Buffer): boolean {
    const head = this.#head;
    if (!this.framing()) return false;
    if (head.hostField < 0) {
      if (head.minor === 1) return this.#bad('an HTTP/1.1 request must have a Host field');
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
      return rule === null || this.#bad(`Host: ${rule}`);
    }
    const rule = scanAuthority(head, buffer, start, end);
    return rule === null || this.#bad(`Host: ${rule}`);
  }
}
