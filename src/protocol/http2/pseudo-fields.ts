import { equalsIgnoringCase, TARGET, TOKEN_LOWER } from '../bytes.ts';
import type { Fault } from '../field-facts.ts';
import { METHOD_CONNECT, METHOD_OPTIONS, METHOD_OTHER } from '../head.ts';
import { methodId } from '../method.ts';
import * as fault from './block-faults.ts';
import {
  PSEUDO,
  PSEUDO_AUTHORITY,
  PSEUDO_METHOD,
  PSEUDO_PATH,
  PSEUDO_PROTOCOL,
  PSEUDO_SCHEME,
  PSEUDO_STATUS,
} from './table-entry.ts';

const bit = (pseudo: number): number => 1 << (pseudo - PSEUDO);

const METHOD = bit(PSEUDO_METHOD);
const SCHEME = bit(PSEUDO_SCHEME);
const AUTHORITY = bit(PSEUDO_AUTHORITY);
const PATH = bit(PSEUDO_PATH);
const PROTOCOL = bit(PSEUDO_PROTOCOL);
const STATUS = bit(PSEUDO_STATUS);
const OF_REQUESTS = METHOD | SCHEME | AUTHORITY | PATH | PROTOCOL;

/**
 * The pseudo-header fields of one block, as ranges of the text that they were decoded into: each at most once, with a value that it may
 * have, and together a set that makes a request or a response (RFC 9113 section 8.3, RFC 8441 section 4).
 */
export class PseudoFields {
  method = METHOD_OTHER;
  methodStart = 0;
  methodEnd = 0;
  secure = false;
  authorityStart = 0;
  authorityEnd = 0;
  pathStart = 0;
  pathEnd = 0;
  protocolStart = 0;
  protocolEnd = 0;
  status = 0;
  #allowed = 0;
  #seen = 0;

  /** Begins with the block of a request, of a response, or (neither) of trailers. */
  begin(request: boolean, response: boolean): void {
    this.#allowed = request ? OF_REQUESTS : response ? STATUS : 0;
    this.#seen = 0;
    this.method = METHOD_OTHER;
  }

  get hasAuthority(): boolean {
    return (this.#seen & AUTHORITY) !== 0;
  }

  get hasProtocol(): boolean {
    return (this.#seen & PROTOCOL) !== 0;
  }

  /** Takes `pseudo` with its value; null, or the rule that it breaks. */
  take(pseudo: number, text: Buffer, start: number, end: number): Fault | null {
    const seen = bit(pseudo);
    if ((this.#allowed & seen) === 0) return this.#allowed === 0 ? fault.PSEUDO_IN_TRAILERS : fault.PSEUDO_STRANGE;
    if ((this.#seen & seen) !== 0) return fault.PSEUDO_TWICE;
    this.#seen |= seen;
    switch (pseudo) {
      case PSEUDO_METHOD:
        if (!isToken(text, start, end)) return fault.METHOD_IS_BAD;
        this.methodStart = start;
        this.methodEnd = end;
        this.method = methodId(text, start, end);
        return null;
      case PSEUDO_SCHEME:
        this.secure = equalsIgnoringCase(text, start, end, 'https');
        return this.secure || equalsIgnoringCase(text, start, end, 'http') ? null : fault.SCHEME_IS_BAD;
      case PSEUDO_AUTHORITY:
        this.authorityStart = start;
        this.authorityEnd = end;
        return null;
      case PSEUDO_PATH:
        this.pathStart = start;
        this.pathEnd = end;
        return isPath(text, start, end) ? null : fault.PATH_IS_BAD;
      case PSEUDO_PROTOCOL:
        this.protocolStart = start;
        this.protocolEnd = end;
        return isToken(text, start, end) ? null : fault.PROTOCOL_IS_BAD;
      default:
        return this.#readStatus(text, start, end) ? null : fault.STATUS_IS_BAD;
    }
  }

  #readStatus(text: Buffer, start: number, end: number): boolean {
    const hundreds = (text[start] ?? 0) - 48;
    const tens = (text[start + 1] ?? 0) - 48;
    const ones = (text[start + 2] ?? 0) - 48;
    if (end - start !== 3 || hundreds < 1 || hundreds > 5 || tens < 0 || tens > 9 || ones < 0 || ones > 9) return false;
    this.status = hundreds * 100 + tens * 10 + ones;
    return true;
  }

  /** What is wrong with them as a whole; null where they make a request, with `host` telling whether there is a Host field. */
  requestFault(text: Buffer, host: boolean): Fault | null {
    const seen = this.#seen;
    if (this.method === METHOD_CONNECT) {
      const wanted = this.hasProtocol ? OF_REQUESTS : METHOD | AUTHORITY;
      return seen === wanted ? null : fault.CONNECT_IS_BAD;
    }
    if ((seen & ~AUTHORITY) !== (METHOD | SCHEME | PATH)) {
      return (seen & PROTOCOL) !== 0 ? fault.PSEUDO_STRANGE : fault.PSEUDO_MISSING;
    }
    if ((seen & AUTHORITY) === 0 && !host) return fault.PSEUDO_MISSING;
    return this.method !== METHOD_OPTIONS && text[this.pathStart] === 42 ? fault.PATH_IS_BAD : null;
  }

  /** What is wrong with a response's; null where nothing is. */
  responseFault(endStream: boolean): Fault | null {
    if (this.#seen !== STATUS) return fault.STATUS_IS_BAD;
    if (this.status === 101) return fault.SWITCHING_PROTOCOLS;
    return this.status < 200 && endStream ? fault.INTERIM_ENDS : null;
  }
}

function isToken(text: Buffer, start: number, end: number): boolean {
  let at = start;
  while (at < end && TOKEN_LOWER[text[at] ?? 0] !== 0) at++;
  return at === end && end > start;
}

/** A path with its query, or `*`. */
function isPath(text: Buffer, start: number, end: number): boolean {
  if (text[start] !== 47) return text[start] === 42 && end - start === 1;
  let at = start;
  while (at < end && TARGET[text[at] ?? 0] === 1) at++;
  return at === end && end > start;
}
