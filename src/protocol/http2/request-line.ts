import { scanAuthority } from '../authority.ts';
import { copyBytes } from '../bytes.ts';
import type { Fault } from '../field-facts.ts';
import { FIELD_HOST } from '../field-names.ts';
import { FORM_ABSOLUTE, FORM_AUTHORITY, type Head, type HeadLimits, METHOD_CONNECT } from '../head.ts';
import { CONNECT_WITHOUT_PORT, type LimitFaults } from './block-faults.ts';
import type { PseudoFields } from './pseudo-fields.ts';
import { copyWords, viewOf } from './words.ts';

const words = (text: string): DataView => viewOf(Buffer.from(text.padEnd(16), 'latin1'));

const HTTP = words('http://');
const HTTP_BYTES = 7;
const HTTPS = words('https://');
const HTTPS_BYTES = 8;
const HOST = words('host: ');
const HOST_BYTES = 6;
const VERSION_LINE = words(' HTTP/1.1\r\n');
const VERSION_BYTES = 11;

/**
 * Writes the request line and Host of HTTP/1.1 that pseudo-header fields stand for into `text`, so that they end at `base`, where the
 * other fields begin; `end` is where the head will end at least. `head` is told what there is.
 *
 * @returns null, or the rule that they break
 */
export function writeRequestLine(
  head: Head,
  pseudo: PseudoFields,
  text: Buffer,
  view: DataView,
  base: number,
  end: number,
  limits: HeadLimits,
  faults: LimitFaults,
): Fault | null {
  const tunnel = head.method === METHOD_CONNECT && !pseudo.hasProtocol;
  const authority = pseudo.authorityEnd - pseudo.authorityStart;
  const method = pseudo.methodEnd - pseudo.methodStart;
  const scheme = tunnel ? 0 : pseudo.secure ? HTTPS_BYTES : HTTP_BYTES;
  const path = tunnel || text[pseudo.pathStart] === 42 ? 0 : pseudo.pathEnd - pseudo.pathStart;
  const target = scheme + authority + path;
  if (target > limits.maxTargetBytes) return faults.targetTooLong;
  const hostLine = base - HOST_BYTES - authority - 2;
  const start = hostLine - VERSION_BYTES - target - 1 - method;
  if (end - start > limits.maxHeadBytes) return faults.tooLarge;
  // From left to right: what is copied by words ends in nonsense, on which the next part is written.
  if (pseudo.hasProtocol) {
    head.protocolStart = start - (pseudo.protocolEnd - pseudo.protocolStart);
    head.protocolEnd = copyWords(view, pseudo.protocolStart, pseudo.protocolEnd, view, head.protocolStart);
  }
  head.start = start;
  let at = copyWords(view, pseudo.methodStart, pseudo.methodEnd, view, start);
  head.methodEnd = at;
  text[at++] = 32;
  head.form = tunnel ? FORM_AUTHORITY : FORM_ABSOLUTE;
  if (!tunnel) {
    head.secure = pseudo.secure;
    at = copyWords(pseudo.secure ? HTTPS : HTTP, 0, scheme, view, at);
  }
  const authorityAt = at;
  at = copyWords(view, pseudo.authorityStart, pseudo.authorityEnd, view, at);
  const rule = scanAuthority(head, text, authorityAt, at);
  if (rule !== null) return { code: 'BAD_REQUEST', rule };
  if (tunnel && head.port === -1) return CONNECT_WITHOUT_PORT;
  head.pathStart = at;
  at = copyWords(view, pseudo.pathStart, pseudo.pathStart + path, view, at);
  head.pathEnd = at;
  head.lineEnd = at + VERSION_BYTES - 2;
  at = copyWords(VERSION_LINE, 0, VERSION_BYTES, view, at);
  head.fieldIds[0] = FIELD_HOST;
  head.lineStarts[0] = at;
  at = copyWords(HOST, 0, HOST_BYTES, view, at);
  head.nameEnds[0] = at - 2;
  head.valueStarts[0] = at;
  // The first of the other fields stands behind: no byte more is written.
  at = copyBytes(text, pseudo.authorityStart, pseudo.authorityEnd, text, at);
  head.valueEnds[0] = at;
  head.dropped[0] = 0;
  text[at] = 13;
  text[at + 1] = 10;
  head.hostField = 0;
  head.hostAgrees = true;
  return null;
}
