/**
 * A strict reader of RFC 9112, written apart from the relay so that it can judge it: plain string matching on whole
 * inputs, no state, no leniency. What is not beyond doubt is `malformed`. Bytes are latin1 characters.
 */

export type Field = readonly [name: string, value: string];

export type StrictMessage = {
  /** The start line without its CRLF. */
  readonly line: string;
  readonly method: string;
  readonly target: string;
  readonly status: number;
  readonly minor: number;
  readonly fields: readonly Field[];
  readonly body: string;
  readonly trailers: readonly Field[];
  /** The offset behind it in the input. */
  readonly end: number;
};

/**
 * How the reading ended. `complete`: with the last message. `closed`: with a message after which the connection carries
 * nothing more. `incomplete`: inside a message that more bytes may finish. `malformed`: at bytes that no message begins with.
 */
export type StrictEnd = 'complete' | 'closed' | 'incomplete' | 'malformed';

export type StrictResult = {
  readonly messages: readonly StrictMessage[];
  readonly end: StrictEnd;
  /** Bytes of the messages. */
  readonly consumed: number;
  /** Body bytes so far of the message inside which the reading ended, or null where its head was not whole. */
  readonly partialBody: string | null;
};

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const REQUEST_LINE = new RegExp(`^(${TOKEN}) ([\\x21\\x22\\x24-\\x7e]+) HTTP/1\\.([01])$`);
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5][0-9]{2})( [\t\x20-\x7e\x80-\xff]*)?$/;
const FIELD_LINE = new RegExp(
  `^(${TOKEN}):[ \\t]*((?:[\\x21-\\x7e\\x80-\\xff](?:[\\t\\x20-\\x7e\\x80-\\xff]*[\\x21-\\x7e\\x80-\\xff])?)?)[ \\t]*$`,
);
const QUOTED = '"(?:[\\t \\x21\\x23-\\x5b\\x5d-\\x7e\\x80-\\xff]|\\\\[\\t \\x21-\\x7e\\x80-\\xff])*"';
const EXTENSION = `;[ \\t]*${TOKEN}(?:[ \\t]*=[ \\t]*(?:${TOKEN}|${QUOTED}))?`;
const CHUNK_LINE = new RegExp(`^([0-9A-Fa-f]{1,16})(?:${EXTENSION}(?:[ \\t]*${EXTENSION})*)?$`);
const HOST = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(?::[0-9]*)?$/;

const INCOMPLETE = 'incomplete';
const MALFORMED = 'malformed';
type Failure = typeof INCOMPLETE | typeof MALFORMED;

export const valuesOf = (fields: readonly Field[], name: string): string[] =>
  fields.filter(([each]) => each.toLowerCase() === name).map(([, value]) => value);

/** The members of a comma-separated field, lower case. */
export const membersOf = (fields: readonly Field[], name: string): string[] =>
  valuesOf(fields, name)
    .flatMap((value) => value.split(','))
    .map((member) => member.trim().toLowerCase())
    .filter((member) => member !== '');

function readFields(lines: readonly string[]): Field[] | null {
  const fields: Field[] = [];
  for (const line of lines) {
    const match = FIELD_LINE.exec(line);
    if (match === null) return null;
    fields.push([match[1] ?? '', match[2] ?? '']);
  }
  return fields;
}

type Framing = { kind: 'none' | 'chunked' | 'close' } | { kind: 'length'; length: number };

/** RFC 9112 section 6.3 without its recovery clauses; null where it is in doubt. */
function framing(fields: readonly Field[], minor: number, without: 'none' | 'close'): Framing | null {
  const codings = valuesOf(fields, 'transfer-encoding');
  const lengths = valuesOf(fields, 'content-length');
  if (codings.length > 0) {
    if (codings.length > 1 || codings[0]?.toLowerCase() !== 'chunked' || lengths.length > 0 || minor === 0) return null;
    return { kind: 'chunked' };
  }
  if (lengths.length === 0) return { kind: without };
  if (lengths.length > 1 || !/^[0-9]+$/.test(lengths[0] ?? '')) return null;
  const length = Number(lengths[0]);
  return Number.isSafeInteger(length) ? { kind: 'length', length } : null;
}

type Body = { body: string; trailers: readonly Field[]; end: number };
type BodyFailure = { failure: Failure; partial: string };

function readChunked(bytes: string, from: number): Body | BodyFailure {
  let at = from;
  let body = '';
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd < 0) return { failure: INCOMPLETE, partial: body };
    const match = CHUNK_LINE.exec(bytes.slice(at, lineEnd));
    const size = match === null ? Number.NaN : Number.parseInt(match[1] ?? '', 16);
    if (!Number.isSafeInteger(size)) return { failure: MALFORMED, partial: body };
    at = lineEnd + 2;
    if (size === 0) break;
    body += bytes.slice(at, at + size);
    if (at + size > bytes.length) return { failure: INCOMPLETE, partial: body };
    const after = bytes.slice(at + size, at + size + 2);
    if (!'\r\n'.startsWith(after)) return { failure: MALFORMED, partial: body };
    if (after.length < 2) return { failure: INCOMPLETE, partial: body };
    at += size + 2;
  }
  const lines: string[] = [];
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd < 0) return { failure: INCOMPLETE, partial: body };
    const line = bytes.slice(at, lineEnd);
    at = lineEnd + 2;
    if (line === '') break;
    lines.push(line);
  }
  const trailers = readFields(lines);
  return trailers === null ? { failure: MALFORMED, partial: body } : { body, trailers, end: at };
}

function readBody(bytes: string, from: number, frame: Framing, closed: boolean): Body | BodyFailure {
  switch (frame.kind) {
    case 'none':
      return { body: '', trailers: [], end: from };
    case 'chunked':
      return readChunked(bytes, from);
    case 'close': {
      const body = bytes.slice(from);
      return closed ? { body, trailers: [], end: bytes.length } : { failure: INCOMPLETE, partial: body };
    }
    default: {
      const body = bytes.slice(from, from + frame.length);
      return body.length < frame.length
        ? { failure: INCOMPLETE, partial: body }
        : { body, trailers: [], end: from + frame.length };
    }
  }
}

type Head = { lines: string[]; end: number };

function readHead(bytes: string, from: number): Head | null {
  const end = bytes.indexOf('\r\n\r\n', from);
  return end < 0 ? null : { lines: bytes.slice(from, end).split('\r\n'), end: end + 4 };
}

/** Whether the connection goes on behind a message (RFC 9112 section 9.3). */
export const keepsOpen = (fields: readonly Field[], minor: number): boolean => {
  const options = membersOf(fields, 'connection');
  return !options.includes('close') && (minor === 1 || options.includes('keep-alive'));
};

/** All requests that a strict server finds in `bytes`. */
export function readRequests(bytes: string): StrictResult {
  const messages: StrictMessage[] = [];
  let consumed = 0;
  const ended = (end: StrictEnd, partialBody: string | null = null): StrictResult => ({
    messages,
    end,
    consumed,
    partialBody,
  });
  for (;;) {
    // One empty line before a request line is skipped (RFC 9112 section 2.2).
    const from = bytes.startsWith('\r\n', consumed) ? consumed + 2 : consumed;
    if (from === bytes.length) return ended('complete');
    const head = readHead(bytes, from);
    if (head === null) return ended(INCOMPLETE);
    const line = head.lines[0] ?? '';
    const match = REQUEST_LINE.exec(line);
    const fields = readFields(head.lines.slice(1));
    if (match === null || fields === null) return ended(MALFORMED);
    const minor = Number(match[3]);
    const hosts = valuesOf(fields, 'host');
    if (hosts.length > 1 || (minor === 1 && hosts.length === 0)) return ended(MALFORMED);
    if (hosts.some((host) => !HOST.test(host))) return ended(MALFORMED);
    const frame = framing(fields, minor, 'none');
    if (frame === null) return ended(MALFORMED);
    const body = readBody(bytes, head.end, frame, false);
    if ('failure' in body) return ended(body.failure, body.partial);
    messages.push({
      line,
      method: match[1] ?? '',
      target: match[2] ?? '',
      status: 0,
      minor,
      fields,
      body: body.body,
      trailers: body.trailers,
      end: body.end,
    });
    consumed = body.end;
    if (!keepsOpen(fields, minor)) return ended('closed');
  }
}

/**
 * All responses that a strict client finds in `bytes`, interim ones too.
 * @param methods of the requests, in order; GET where there are more responses
 * @param closed whether the sender has closed the connection
 */
export function readResponses(bytes: string, methods: readonly string[], closed: boolean): StrictResult {
  const messages: StrictMessage[] = [];
  let consumed = 0;
  let finals = 0;
  const ended = (end: StrictEnd, partialBody: string | null = null): StrictResult => ({
    messages,
    end,
    consumed,
    partialBody,
  });
  for (;;) {
    if (consumed === bytes.length) return ended('complete');
    const head = readHead(bytes, consumed);
    if (head === null) return ended(INCOMPLETE);
    const line = head.lines[0] ?? '';
    const match = STATUS_LINE.exec(line);
    const fields = readFields(head.lines.slice(1));
    if (match === null || fields === null) return ended(MALFORMED);
    const minor = Number(match[1]);
    const status = Number(match[2]);
    if (status === 101) return ended(MALFORMED);
    const frame = framing(fields, minor, 'close');
    if (frame === null) return ended(MALFORMED);
    const bodiless = status < 200 || status === 204 || status === 304 || methods[finals] === 'HEAD';
    const body = readBody(bytes, head.end, bodiless ? { kind: 'none' } : frame, closed);
    if ('failure' in body) return ended(body.failure, body.partial);
    messages.push({
      line,
      method: '',
      target: '',
      status,
      minor,
      fields,
      body: body.body,
      trailers: body.trailers,
      end: body.end,
    });
    consumed = body.end;
    if (status < 200) continue;
    finals++;
    if (!keepsOpen(fields, minor) || (frame.kind === 'close' && !bodiless)) return ended('closed');
  }
}

const HOP_BY_HOP = [
  'connection',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
];

const FORBIDDEN_TRAILERS = [
  ...HOP_BY_HOP,
  'authorization',
  'cache-control',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'cookie',
  'expect',
  'location',
  'max-forwards',
  'range',
  'set-cookie',
  'trailer',
  'www-authenticate',
  'x-request-timeout',
];

/** The fields that a proxy passes on, in order: those of no hop (RFC 9110 section 7.6.1). */
export function endToEnd(message: StrictMessage): string[] {
  const nominated = membersOf(message.fields, 'connection');
  return message.fields
    .filter(([name]) => !HOP_BY_HOP.includes(name.toLowerCase()) && !nominated.includes(name.toLowerCase()))
    .filter(([name]) => !(name.toLowerCase() === 'expect' && message.minor === 0 && message.method !== ''))
    .map(([name, value]) => `${name}: ${value}`);
}

export const passingTrailers = (message: StrictMessage): string[] =>
  message.trailers
    .filter(([name]) => !FORBIDDEN_TRAILERS.includes(name.toLowerCase()))
    .map(([name, value]) => `${name}: ${value}`);

/** The target in the form that an origin gets (RFC 9112 section 3.2.1). */
export function originTarget(message: StrictMessage): string {
  const absolute = /^https?:\/\/[^/?]*(.*)$/i.exec(message.target);
  if (absolute === null) return message.target;
  const rest = absolute[1] ?? '';
  if (rest === '') return message.method === 'OPTIONS' ? '*' : '/';
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** What an origin is to see of a request, as one text to compare. */
export const seenByOrigin = (message: StrictMessage, host: string): string =>
  [
    `${message.method} ${originTarget(message)}`,
    `host: ${host}`,
    ...endToEnd(message),
    '',
    message.body,
    ...passingTrailers(message),
  ].join('\n');

/** The same of a request that an origin has read. */
export const readAtOrigin = (message: StrictMessage): string =>
  [
    `${message.method} ${message.target}`,
    `host: ${valuesOf(message.fields, 'host').join('|')}`,
    ...endToEnd(message),
    '',
    message.body,
    ...message.trailers.map(([name, value]) => `${name}: ${value}`),
  ].join('\n');
