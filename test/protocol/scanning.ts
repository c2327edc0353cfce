import { Head, type HeadLimits } from '../../src/protocol/head.ts';
import { BODY_CHUNKED, BodyReader, type BodySink } from '../../src/protocol/http1/body-reader.ts';
import { HeadScanner, SCAN_DONE, SCAN_MORE } from '../../src/protocol/http1/head-scanner.ts';
import { PartialHead } from '../../src/protocol/http1/partial-head.ts';

export const LIMITS: HeadLimits = { maxHeadBytes: 65_536, maxFields: 200, maxTargetBytes: 16_384 };

export type Kind = 'request' | 'response' | 'trailers';

/** What a scan found, as values that can be compared. */
export type Scanned =
  | { readonly result: 'more' }
  | { readonly result: 'fault'; readonly code: string; readonly rule: string }
  | { readonly result: 'done'; readonly facts: Facts };

export type Facts = ReturnType<typeof factsOf>;

/** Everything that a head says, with the place of its end counted from its start. */
export function factsOf(head: Head, kind: Kind) {
  const text = (start: number, end: number): string => head.buffer.toString('latin1', start, end);
  return {
    bytes: head.end - head.start,
    line: text(head.start, head.lineEnd),
    method: kind === 'request' ? head.methodText() : '',
    methodId: kind === 'request' ? head.method : -1,
    form: kind === 'request' ? head.form : -1,
    secure: head.secure,
    authority: text(head.authorityStart, head.authorityEnd),
    host: head.authorityEnd > head.authorityStart ? text(head.authorityStart, head.hostEnd) : '',
    port: head.port,
    path: kind === 'request' ? head.pathText() : '',
    status: kind === 'response' ? head.status : 0,
    minor: kind === 'trailers' ? -1 : head.minor,
    contentLength: head.contentLength,
    chunked: head.chunked,
    close: head.close,
    keepAlive: head.keepAlive,
    upgradeNominated: head.upgradeNominated,
    upgrade: head.upgradeField,
    expectContinue: head.expectContinue,
    trailersAccepted: head.trailersAccepted,
    hostAgrees: head.hostAgrees,
    maxForwards: head.maxForwards,
    cookieCrumbs: head.cookieCrumbs,
    places: [
      head.hostField,
      head.viaField,
      head.requestTimeoutField,
      head.contentTypeField,
      head.keepAliveField,
      head.grpcTimeoutField,
      head.connectionAuthField,
      head.cookieField,
    ].join(' '),
    fields: Array.from({ length: head.fieldCount }, (_, index) => ({
      name: head.nameText(index),
      value: head.valueText(index),
      dropped: head.dropped[index] === 1,
    })),
  };
}

export const makeScanner = (limits: HeadLimits = LIMITS): HeadScanner =>
  new HeadScanner(new Head(limits.maxFields), limits);

export function scanWith(scanner: HeadScanner, kind: Kind, buffer: Buffer, start: number, end: number): Scanned {
  const scan = { request: 'scanRequest', response: 'scanResponse', trailers: 'scanTrailers' } as const;
  const result = scanner[scan[kind]](buffer, start, end);
  if (result === SCAN_MORE) return { result: 'more' };
  if (result !== SCAN_DONE) return { result: 'fault', ...scanner.fault };
  return { result: 'done', facts: factsOf(scanner.head, kind) };
}

/** The scan of a whole text, in the middle of a buffer whose other bytes would complete or break it. */
export function scan(kind: Kind, text: string, limits: HeadLimits = LIMITS): Scanned {
  const bytes = Buffer.from(`\r\nX: y${text}\r\n\r\n\r\n`, 'latin1');
  return scanWith(makeScanner(limits), kind, bytes, 6, 6 + text.length);
}

/** The scan of parts as a connection does it: what is not whole is held, and scanned again when that is worth while. */
export function scanParts(kind: Kind, parts: readonly Buffer[]): Scanned {
  const scanner = makeScanner();
  const partial = new PartialHead();
  for (const part of parts) {
    let buffer = part;
    if (!partial.empty) {
      partial.add(part, 0, part.length);
      if (!partial.worthScanning()) continue;
      buffer = partial.bytes();
      partial.clear();
    }
    if (buffer.length === 0) continue;
    const scanned = scanWith(scanner, kind, buffer, 0, buffer.length);
    if (scanned.result !== 'more') return scanned;
    partial.add(buffer, 0, buffer.length);
    partial.worthScanning();
  }
  return { result: 'more' };
}

/** The rule that a text breaks, or what it is instead. */
export function ruleOf(kind: Kind, text: string, limits: HeadLimits = LIMITS): string {
  const scanned = scan(kind, text, limits);
  return scanned.result === 'fault' ? `${scanned.code}: ${scanned.rule}` : scanned.result;
}

export function facts(kind: Kind, text: string): Facts {
  const scanned = scan(kind, text);
  if (scanned.result !== 'done') throw new Error(`${JSON.stringify(text)}: ${JSON.stringify(scanned)}`);
  return scanned.facts;
}

export type ReadBody = {
  readonly body: string;
  readonly trailers: string | null;
  readonly fault: string | null;
  readonly done: boolean;
  /** Bytes of the body's message, where it is done. */
  readonly consumed: number;
};

/** A body of `kind` read from parts. */
export function readBody(parts: readonly Buffer[], kind: number = BODY_CHUNKED, length = 0): ReadBody {
  const reader = new BodyReader();
  const out = { body: '', trailers: null as string | null };
  const sink: BodySink = {
    bodyData(buffer, start, end) {
      out.body += buffer.toString('latin1', start, end);
    },
    bodyTrailers(buffer, start, end) {
      if (out.trailers !== null) throw new Error('trailers came twice');
      out.trailers = buffer.toString('latin1', start, end);
    },
  };
  reader.begin(kind, length);
  let consumed = 0;
  for (const part of parts) {
    if (reader.done || reader.fault !== null) break;
    // In the middle of a larger buffer: what stands around must not be read.
    const around = Buffer.concat([Buffer.from('7\r\n'), part, Buffer.from('\r\n0\r\n\r\n')]);
    const end = 3 + part.length;
    const next = reader.read(around, 3, end, sink);
    if (next < 3 || next > end) throw new Error(`the reader stopped at ${next - 3} of ${part.length} bytes`);
    if (!reader.done && reader.fault === null && next !== end)
      throw new Error('bytes were left although the body goes on');
    consumed += next - 3;
  }
  return { ...out, fault: reader.fault, done: reader.done, consumed: reader.done ? consumed : 0 };
}

export const chunkedBody = (text: string): ReadBody => readBody([Buffer.from(text, 'latin1')]);
