import { copyBytes } from '../bytes.ts';
import type { FieldEdits } from '../field-edits.ts';
import { FIELD_CONTENT_LENGTH, FIELD_COOKIE, FIELD_EXPECT, FIELD_HOST, FIELD_MAX_FORWARDS } from '../field-names.ts';
import { countsHops, FORM_ASTERISK, type Head, METHOD_OPTIONS } from '../head.ts';

/**
 * Writes HTTP/1.1 heads into an output buffer: the start line anew, end-to-end fields as the bytes that were read, what
 * concerns this hop by our own words (RFC 9112, RFC 9110 section 7.6.1).
 */

/** Room that a head needs beyond the bytes it was read from: our own lines and a rewritten authority. */
export const HEAD_ROOM = 1024;

const line = (text: string): Buffer => Buffer.from(`${text}\r\n`, 'latin1');

const VERSION_LINE = line(' HTTP/1.1');
const HOST = Buffer.from('host: ', 'latin1');
const STATUS_VERSION = Buffer.from('HTTP/1.1 ', 'latin1');
const CHUNKED_LINE = line('transfer-encoding: chunked');
const TE_LINE = line('te: trailers');
const UPGRADE = Buffer.from('upgrade: ', 'latin1');
const CONNECTION_CLOSE = line('connection: close');
const CONNECTION_KEEP_ALIVE = line('connection: keep-alive');
const CONNECTION_UPGRADE = line('connection: upgrade');
const CONNECTION_TE = line('connection: te');
const CONNECTION_TE_CLOSE = line('connection: te, close');
const COOKIE = Buffer.from('cookie: ', 'latin1');
const SEMICOLON = Buffer.from('; ', 'latin1');
const CRLF = Buffer.from('\r\n', 'latin1');

const put = (bytes: Buffer, to: Buffer, at: number): number => copyBytes(bytes, 0, bytes.length, to, at);

export type RequestHeadOptions = {
  /** Bytes for Host instead of what the request says, or null. */
  readonly authority: Buffer | null;
  /** Goes before the path; empty for none. */
  readonly pathPrefix: Buffer;
  /** Pass the Upgrade field on. */
  readonly upgrade: boolean;
  /** This connection carries this request alone. */
  readonly close: boolean;
  /** Whole lines that carpool adds (Via), or null. */
  readonly extraLines: Buffer | null;
  /** What the destination changes in the fields; null or absent: nothing. */
  readonly edits?: FieldEdits | null;
};

/** A request that goes to a proxy and not to its origin: its target is in absolute form (RFC 9112 section 3.2.2). */
export type ProxiedHead = {
  /** `http://host:port`, which goes before the path. */
  readonly scheme: Buffer;
  /** What Host says: the same host and port. */
  readonly authority: Buffer;
  /** The line with the proxy's credentials, or null. */
  readonly credentials: Buffer | null;
};

/** How many bytes the options may add beyond `HEAD_ROOM`. */
export function optionsBound(options: RequestHeadOptions, proxied: ProxiedHead | null): number {
  const edits = options.edits ?? null;
  const added = options.pathPrefix.length + (edits === null ? 0 : edits.lines.length);
  if (proxied === null) return added;
  return added + 2 * proxied.scheme.length + (proxied.credentials?.length ?? 0);
}

/**
 * Writes the request in `head` to `out` from `at`; there must be room for the head's bytes, `optionsBound` and `HEAD_ROOM`.
 * @param proxied the proxy's way of saying where it goes, or null: it goes to the origin itself
 */
export function writeRequestHead(
  head: Head,
  options: RequestHeadOptions,
  out: Buffer,
  at: number,
  proxied: ProxiedHead | null = null,
): number {
  const { buffer } = head;
  const edits = options.edits ?? null;
  const authority = proxied === null ? options.authority : proxied.authority;
  let to = copyBytes(buffer, head.start, head.methodEnd + 1, out, at);
  if (proxied !== null) to = put(proxied.scheme, out, to);
  if (options.pathPrefix.length > 0) to = put(options.pathPrefix, out, to);
  const whole = head.method === METHOD_OPTIONS && options.pathPrefix.length === 0;
  if (proxied !== null && whole && (head.pathStart === head.pathEnd || head.form === FORM_ASTERISK)) {
    // OPTIONS * goes to a proxy without a path; the last one before the origin makes the asterisk of it.
  } else if (head.pathStart === head.pathEnd) {
    // OPTIONS http://host with no path asks about the server as a whole (RFC 9112 section 3.2.4).
    out[to++] = whole ? 42 : 47;
  } else {
    if (buffer[head.pathStart] === 63) out[to++] = 47;
    to = copyBytes(buffer, head.pathStart, head.pathEnd, out, to);
  }
  to = put(VERSION_LINE, out, to);
  // Fields that are left out of what is copied, by bit of their id: the head itself is not changed, for it may be read again.
  let except = 0;
  const rewriteHost = authority !== null || !head.hostAgrees;
  if (rewriteHost) {
    to = put(HOST, out, to);
    to =
      authority !== null ? put(authority, out, to) : copyBytes(buffer, head.authorityStart, head.authorityEnd, out, to);
    to = put(CRLF, out, to);
    except |= 1 << FIELD_HOST;
  }
  if (countsHops(head)) {
    // In place of the field that was read.
    to += out.write(`max-forwards: ${head.maxForwards - 1}\r\n`, to, 'latin1');
    except |= 1 << FIELD_MAX_FORWARDS;
  }
  if (head.minor === 0 && head.expectContinue) except |= 1 << FIELD_EXPECT;
  // Several that came by HTTP/1.1 pass as they came.
  const crumbs = head.http2 && head.cookieCrumbs;
  if (crumbs) except |= 1 << FIELD_COOKIE;
  to = edits === null ? copyFields(head, out, to, except) : copyOtherFields(head, out, to, except, edits);
  if (crumbs && !dropsCookies(head, edits)) to = writeCookies(head, out, to);
  if (edits !== null) to = put(edits.lines, out, to);
  if (proxied !== null && proxied.credentials !== null) to = put(proxied.credentials, out, to);
  if (head.chunked) to = put(CHUNKED_LINE, out, to);
  if (options.upgrade && head.upgradeField >= 0) {
    to = put(UPGRADE, out, to);
    to = copyBytes(buffer, head.valueStarts[head.upgradeField] ?? 0, head.valueEnds[head.upgradeField] ?? 0, out, to);
    to = put(CRLF, out, to);
    to = put(CONNECTION_UPGRADE, out, to);
  } else if (head.trailersAccepted) {
    to = put(TE_LINE, out, to);
    to = put(options.close ? CONNECTION_TE_CLOSE : CONNECTION_TE, out, to);
  } else if (options.close) to = put(CONNECTION_CLOSE, out, to);
  if (options.extraLines !== null) to = put(options.extraLines, out, to);
  out[to] = 13;
  out[to + 1] = 10;
  return to + 2;
}

const dropsCookies = ({ buffer, lineStarts, nameEnds, cookieField }: Head, edits: FieldEdits | null): boolean =>
  edits?.drops(buffer, lineStarts[cookieField] ?? 0, nameEnds[cookieField] ?? 0) === true;

/** Writes the Cookie fields as one (RFC 9113 section 8.2.3). */
function writeCookies(head: Head, out: Buffer, at: number): number {
  let to = put(COOKIE, out, at);
  let first = true;
  for (let index = head.cookieField; index < head.fieldCount; index++) {
    if (head.fieldIds[index] !== FIELD_COOKIE || head.dropped[index] === 1) continue;
    if (!first) to = put(SEMICOLON, out, to);
    first = false;
    to = copyBytes(head.buffer, head.valueStarts[index] ?? 0, head.valueEnds[index] ?? 0, out, to);
  }
  return put(CRLF, out, to);
}

export type ResponseHeadOptions = {
  /** The body goes out in chunks. */
  readonly chunked: boolean;
  /** 204 and 1xx carry no Content-Length (RFC 9110 section 8.6). */
  readonly dropContentLength: boolean;
  /** What is said about the downstream connection: nothing for HTTP/1.1 that stays open. */
  readonly connection: 'none' | 'close' | 'keep-alive' | 'upgrade';
  readonly extraLines: Buffer | null;
};

/** Writes the response in `head` to `out` from `at`, as `writeRequestHead` does. */
export function writeResponseHead(head: Head, options: ResponseHeadOptions, out: Buffer, at: number): number {
  const { buffer } = head;
  let to = put(STATUS_VERSION, out, at);
  to = copyBytes(buffer, head.statusStart, head.lineEnd, out, to);
  out[to++] = 13;
  out[to++] = 10;
  to = copyFields(head, out, to, options.dropContentLength ? 1 << FIELD_CONTENT_LENGTH : 0);
  if (options.chunked) to = put(CHUNKED_LINE, out, to);
  switch (options.connection) {
    case 'close':
      to = put(CONNECTION_CLOSE, out, to);
      break;
    case 'keep-alive':
      to = put(CONNECTION_KEEP_ALIVE, out, to);
      break;
    case 'upgrade':
      if (head.upgradeField >= 0) {
        to = put(UPGRADE, out, to);
        to = copyBytes(
          buffer,
          head.valueStarts[head.upgradeField] ?? 0,
          head.valueEnds[head.upgradeField] ?? 0,
          out,
          to,
        );
        to = put(CRLF, out, to);
      }
      to = put(CONNECTION_UPGRADE, out, to);
      break;
    default:
  }
  if (options.extraLines !== null) to = put(options.extraLines, out, to);
  out[to] = 13;
  out[to + 1] = 10;
  return to + 2;
}

/** Copies the lines that pass, in runs; `except` has the bits of ids to leave out besides. */
function copyFields(head: Head, out: Buffer, at: number, except: number): number {
  const { buffer, fieldCount, lineStarts, dropped, fieldIds } = head;
  let to = at;
  let run = -1;
  for (let index = 0; index < fieldCount; index++) {
    if (dropped[index] === 1 || ((except >>> (fieldIds[index] ?? 0)) & 1) === 1) {
      if (run >= 0) {
        to = copyBytes(buffer, run, lineStarts[index] ?? 0, out, to);
        run = -1;
      }
    } else if (run < 0) run = lineStarts[index] ?? 0;
  }
  return run < 0 ? to : copyBytes(buffer, run, lineStarts[fieldCount] ?? 0, out, to);
}

/** `copyFields`, without those that the destination leaves out. */
function copyOtherFields(head: Head, out: Buffer, at: number, except: number, edits: FieldEdits): number {
  const { buffer, fieldCount, lineStarts, nameEnds, dropped, fieldIds } = head;
  let to = at;
  for (let index = 0; index < fieldCount; index++) {
    const line = lineStarts[index] ?? 0;
    if (dropped[index] === 1 || ((except >>> (fieldIds[index] ?? 0)) & 1) === 1) continue;
    if (!edits.drops(buffer, line, nameEnds[index] ?? 0))
      to = copyBytes(buffer, line, lineStarts[index + 1] ?? 0, out, to);
  }
  return to;
}

/** Writes the trailer fields that may pass and the blank line (RFC 9110 section 6.5.1). */
export function writeTrailers(head: Head, forbidden: Uint8Array, out: Buffer, at: number): number {
  let to = at;
  for (let index = 0; index < head.fieldCount; index++) {
    if (forbidden[head.idAt(index)] === 1) continue;
    to = copyBytes(head.buffer, head.lineStarts[index] ?? 0, head.lineStarts[index + 1] ?? 0, out, to);
  }
  out[to] = 13;
  out[to + 1] = 10;
  return to + 2;
}

const HEX = Buffer.from('0123456789abcdef', 'latin1');

/** Room that the frame of one chunk needs: size line, and CRLF behind the data. */
export const CHUNK_ROOM = 20;

/** Writes the size line of a chunk of `length` bytes. */
export function writeChunkSize(length: number, out: Buffer, at: number): number {
  let digits = 1;
  for (let rest = Math.floor(length / 16); rest > 0; rest = Math.floor(rest / 16)) digits++;
  let rest = length;
  for (let index = digits - 1; index >= 0; index--) {
    out[at + index] = HEX[rest % 16] ?? 48;
    rest = Math.floor(rest / 16);
  }
  out[at + digits] = 13;
  out[at + digits + 1] = 10;
  return at + digits + 2;
}
