import { FIELD_OTHER } from './field-names.ts';

/** Known methods; every other token is `METHOD_OTHER` and travels as its bytes. */
export const METHOD_OTHER = 0;
export const METHOD_GET = 1;
export const METHOD_HEAD = 2;
export const METHOD_POST = 3;
export const METHOD_PUT = 4;
export const METHOD_DELETE = 5;
export const METHOD_OPTIONS = 6;
export const METHOD_TRACE = 7;
export const METHOD_PATCH = 8;
export const METHOD_CONNECT = 9;

/** Methods that may be sent twice with the effect of once (RFC 9110 section 9.2.2), by method id. */
export const IDEMPOTENT: readonly boolean[] = [false, true, true, false, true, true, true, true, false, false];

/** Forms of a request target (RFC 9112 section 3.2). */
export const FORM_ORIGIN = 0;
export const FORM_ABSOLUTE = 1;
export const FORM_AUTHORITY = 2;
export const FORM_ASTERISK = 3;

/** What a head may cost; more is refused. */
export type HeadLimits = {
  /** The whole head with its blank line. */
  readonly maxHeadBytes: number;
  readonly maxFields: number;
  /** The request target. */
  readonly maxTargetBytes: number;
};

/**
 * A message head as a view on the bytes that were read, with the facts that forwarding needs. A scanner fills it, a
 * writer reads it. It is valid only until the read event that filled it ends: whoever keeps a request copies its bytes
 * (`buffer[start..end)`) and scans them again.
 *
 * All positions are offsets into `buffer`; ranges are [start, end).
 */
export class Head {
  buffer: Buffer = Buffer.alloc(0);
  /** The first byte of the start line. */
  start = 0;
  /** The byte after the blank line. */
  end = 0;

  // Request line.
  method = METHOD_OTHER;
  methodEnd = 0;
  form = FORM_ORIGIN;
  /** Absolute form with https. */
  secure = false;
  /** The authority of an absolute or authority form, else the Host value; empty (equal) where there is none. */
  authorityStart = 0;
  authorityEnd = 0;
  /** The end of the host part of the authority, without brackets' port part; and the port, -1 where none stands there. */
  hostEnd = 0;
  port = -1;
  /** Path and query; empty for an absolute form without them. */
  pathStart = 0;
  pathEnd = 0;

  // Status line.
  status = 0;
  /** Where the status code begins: the rest of the status line is passed on as it is. */
  statusStart = 0;
  /** The end of the start line, before its CRLF. */
  lineEnd = 0;

  /** The minor version: 0 or 1. */
  minor = 1;

  // Facts from fields.
  /** -1 where there is no Content-Length. */
  contentLength = -1;
  chunked = false;
  /** Connection: close. */
  close = false;
  /** Connection: keep-alive, which only means something in HTTP/1.0. */
  keepAlive = false;
  /** Connection names Upgrade. */
  upgradeNominated = false;
  expectContinue = false;
  /** `TE: trailers` stood there alone. */
  trailersAccepted = false;
  /** Index of the Host field, or -1. */
  hostField = -1;
  /** Whether Host equals the authority of the target to the letter, so that it need not be written again. */
  hostAgrees = false;
  /** Index of the Upgrade field, or -1; and -2 where there are several. */
  upgradeField = -1;
  /** Index of an Authorization (request) or WWW-Authenticate (response) field of a connection-bound scheme, or -1. */
  connectionAuthField = -1;
  /** Index of the last field of this id, or -1. */
  viaField = -1;
  maxForwards = -1;
  requestTimeoutField = -1;
  contentTypeField = -1;
  keepAliveField = -1;
  /** Index of the grpc-timeout field, or -1. */
  grpcTimeoutField = -1;

  /** Index of the first Cookie field of a request, or -1. */
  cookieField = -1;
  /** There are several Cookie fields, which HTTP/1.1 must get as one (RFC 9113 section 8.2.3). */
  cookieCrumbs = false;

  // What came by HTTP/2 alone (docs/http2.md).
  /** It came as a field block; the text that the other positions speak of was made of it. */
  http2 = false;
  /** It belongs to a memo of heads and stays as it is: whoever keeps it need not copy it. */
  lasting = false;
  /** The block in a form that needs no dynamic table: [codedStart, codedFields) pseudo-header fields, [codedFields, codedEnd) those that may pass; or null. */
  coded: Buffer | null = null;
  codedStart = 0;
  codedFields = 0;
  codedEnd = 0;
  /** The value of `:protocol` (RFC 8441); an empty range where there is none. */
  protocolStart = 0;
  protocolEnd = 0;

  // The table of fields, in order.
  fieldCount = 0;
  fieldIds: Uint8Array;
  /** Where the field line begins; the name ends at `nameEnd`, the value is [valueStart, valueEnd) without white space around. */
  lineStarts: Int32Array;
  nameEnds: Int32Array;
  valueStarts: Int32Array;
  valueEnds: Int32Array;
  /** 1: not passed on. */
  dropped: Uint8Array;

  constructor(maxFields: number) {
    this.fieldIds = new Uint8Array(maxFields + 1);
    this.lineStarts = new Int32Array(maxFields + 1);
    this.nameEnds = new Int32Array(maxFields + 1);
    this.valueStarts = new Int32Array(maxFields + 1);
    this.valueEnds = new Int32Array(maxFields + 1);
    this.dropped = new Uint8Array(maxFields + 1);
  }

  reset(buffer: Buffer, start: number): void {
    this.buffer = buffer;
    this.start = start;
    this.end = start;
    this.secure = false;
    this.authorityStart = 0;
    this.authorityEnd = 0;
    this.port = -1;
    this.contentLength = -1;
    this.chunked = false;
    this.close = false;
    this.keepAlive = false;
    this.upgradeNominated = false;
    this.expectContinue = false;
    this.trailersAccepted = false;
    this.hostField = -1;
    this.hostAgrees = false;
    this.upgradeField = -1;
    this.connectionAuthField = -1;
    this.viaField = -1;
    this.maxForwards = -1;
    this.requestTimeoutField = -1;
    this.contentTypeField = -1;
    this.keepAliveField = -1;
    this.grpcTimeoutField = -1;
    this.http2 = false;
    this.coded = null;
    this.cookieField = -1;
    this.cookieCrumbs = false;
    this.protocolStart = 0;
    this.protocolEnd = 0;
    this.fieldCount = 0;
  }

  /**
   * Becomes a copy of `head` whose text is in `buffer`, `by` bytes further than in the one of `head`; and whose coded form is there from
   * `codedStart`. The table must be as long as `head` has fields, and one more.
   */
  copyFrom(head: Head, buffer: Buffer, by: number, codedStart: number): void {
    this.buffer = buffer;
    this.start = head.start + by;
    this.end = head.end + by;
    this.method = head.method;
    this.methodEnd = head.methodEnd + by;
    this.form = head.form;
    this.secure = head.secure;
    this.authorityStart = head.authorityStart + by;
    this.authorityEnd = head.authorityEnd + by;
    this.hostEnd = head.hostEnd + by;
    this.port = head.port;
    this.pathStart = head.pathStart + by;
    this.pathEnd = head.pathEnd + by;
    this.status = head.status;
    this.statusStart = head.statusStart + by;
    this.lineEnd = head.lineEnd + by;
    this.minor = head.minor;
    this.contentLength = head.contentLength;
    this.chunked = head.chunked;
    this.close = head.close;
    this.keepAlive = head.keepAlive;
    this.upgradeNominated = head.upgradeNominated;
    this.expectContinue = head.expectContinue;
    this.trailersAccepted = head.trailersAccepted;
    this.hostField = head.hostField;
    this.hostAgrees = head.hostAgrees;
    this.upgradeField = head.upgradeField;
    this.connectionAuthField = head.connectionAuthField;
    this.viaField = head.viaField;
    this.maxForwards = head.maxForwards;
    this.requestTimeoutField = head.requestTimeoutField;
    this.contentTypeField = head.contentTypeField;
    this.keepAliveField = head.keepAliveField;
    this.grpcTimeoutField = head.grpcTimeoutField;
    this.http2 = head.http2;
    this.coded = head.coded === null ? null : buffer;
    this.codedStart = codedStart;
    this.codedFields = codedStart + head.codedFields - head.codedStart;
    this.codedEnd = codedStart + head.codedEnd - head.codedStart;
    this.cookieField = head.cookieField;
    this.cookieCrumbs = head.cookieCrumbs;
    this.protocolStart = head.protocolStart + by;
    this.protocolEnd = head.protocolEnd + by;
    this.fieldCount = head.fieldCount;
    for (let index = 0; index <= head.fieldCount; index++) {
      this.fieldIds[index] = head.fieldIds[index] ?? 0;
      this.lineStarts[index] = (head.lineStarts[index] ?? 0) + by;
      this.nameEnds[index] = (head.nameEnds[index] ?? 0) + by;
      this.valueStarts[index] = (head.valueStarts[index] ?? 0) + by;
      this.valueEnds[index] = (head.valueEnds[index] ?? 0) + by;
      this.dropped[index] = head.dropped[index] ?? 0;
    }
  }

  /** The method as text, for logs; not for the hot path. */
  methodText(): string {
    return this.buffer.toString('latin1', this.start, this.methodEnd);
  }

  /** The path and query as text, for logs; not for the hot path. */
  pathText(): string {
    return this.buffer.toString('latin1', this.pathStart, this.pathEnd);
  }

  /** The value of field `index` as text. */
  valueText(index: number): string {
    return index < 0 ? '' : this.buffer.toString('latin1', this.valueStarts[index] ?? 0, this.valueEnds[index] ?? 0);
  }

  /** The name of field `index` as text. */
  nameText(index: number): string {
    return this.buffer.toString('latin1', this.lineStarts[index] ?? 0, this.nameEnds[index] ?? 0);
  }

  idAt(index: number): number {
    return this.fieldIds[index] ?? FIELD_OTHER;
  }
}

/** Whether this hop counts in Max-Forwards (RFC 9110 section 7.6.2). */
export function countsHops(head: Head): boolean {
  return head.maxForwards > 0 && (head.method === METHOD_TRACE || head.method === METHOD_OPTIONS);
}
