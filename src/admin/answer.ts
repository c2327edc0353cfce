import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Writable } from 'node:stream';
import { createGzip, type Gzip } from 'node:zlib';
import { Pacer } from '../telemetry/pacer.ts';
import { wantsGzip } from './content-coding.ts';

/** Bytes (characters, to be exact) handed to a connection at a time. */
const CHUNK = 65_536;
/** Below that gzip gains less than it costs. */
const LEAST_ZIPPED = 1024;
/** Metrics become a twelfth already by this one, and the next ones cost more than they gain. */
const LEVEL = 3;

/** What a route answers: a whole body, or one that is made piece by piece while the reader takes it. */
export type Answer = {
  readonly status: number;
  readonly contentType: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | Iterable<string>;
};

/** A JSON answer, indented for people. */
export function json(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, contentType: 'application/json', headers, body: `${JSON.stringify(value, null, 2)}\n` };
}

export function text(status: number, body: string): Answer {
  return { status, contentType: 'text/plain; charset=utf-8', body: `${body}\n` };
}

/** A JSON object whose `items` field is written one item at a time, so that neither memory nor the event loop holds all. */
export function jsonList(fields: Readonly<Record<string, unknown>>, items: string, list: Iterable<unknown>): Answer {
  return { status: 200, contentType: 'application/json', body: listParts(fields, items, list) };
}

function* listParts(fields: Readonly<Record<string, unknown>>, items: string, list: Iterable<unknown>) {
  yield '{\n';
  for (const [key, value] of Object.entries(fields)) yield `  ${JSON.stringify(key)}: ${JSON.stringify(value)},\n`;
  yield `  ${JSON.stringify(items)}: [`;
  let separator = '\n    ';
  for (const item of list) {
    yield `${separator}${JSON.stringify(item)}`;
    separator = ',\n    ';
  }
  yield '\n  ]\n}\n';
}

/**
 * Writes an answer at the pace of its reader, in slices between which requests get their turn; as gzip, which other
 * threads make, where the reader takes it and it is worth it. Returns when all is written or the reader has gone; the
 * server's socket timeout ends one that stands still.
 */
export async function send(response: ServerResponse, answer: Answer, head: boolean): Promise<void> {
  const pacer = new Pacer();
  const chunks = chunksOf(answer.body, pacer);
  const first = await chunks.next();
  const begin = first.done === true ? '' : first.value;
  const zipped = begin.length > LEAST_ZIPPED && wantsGzip(response.req.headers['accept-encoding']);
  response.writeHead(answer.status, {
    'content-type': answer.contentType,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...answer.headers,
    ...(begin.length > LEAST_ZIPPED ? { vary: varyOf(answer.headers) } : {}),
    ...(zipped ? { 'content-encoding': 'gzip' } : lengthOf(answer.body)),
  });
  if (head) {
    response.end();
    return;
  }
  const to = zipped ? zipInto(response) : response;
  if (!(await write(to, response, begin))) return;
  for await (const chunk of chunks) if (!(await write(to, response, chunk))) return;
  to.end();
}

/** A page's Vary, and what the coding depends on (RFC 9110 section 12.5.5). */
function varyOf(headers: Answer['headers']): string {
  return headers?.vary === undefined ? 'accept-encoding' : `${headers.vary}, accept-encoding`;
}

function lengthOf(body: Answer['body']): { readonly 'content-length'?: string } {
  return typeof body === 'string' ? { 'content-length': String(Buffer.byteLength(body)) } : {};
}

function zipInto(response: ServerResponse): Gzip {
  const gzip = createGzip({ level: LEVEL });
  // Its errors would be the end of the response: the reader sees that it is cut.
  gzip.on('error', () => response.destroy());
  response.once('close', () => gzip.destroy());
  gzip.pipe(response);
  return gzip;
}

/** Pieces gathered into chunks, with a turn for requests after each slice of work. */
async function* chunksOf(body: Answer['body'], pacer: Pacer): AsyncGenerator<string> {
  let chunk = '';
  for (const piece of pieces(body)) {
    chunk += piece;
    if (chunk.length >= CHUNK) {
      yield chunk;
      chunk = '';
    }
    await pacer.breathe();
  }
  if (chunk !== '') yield chunk;
}

function* pieces(body: Answer['body']): Generator<string> {
  if (typeof body !== 'string') {
    yield* body;
    return;
  }
  for (let from = 0; from < body.length; ) {
    // Two halves of a character, cut apart, would be written as two that are none.
    const to = isFirstHalf(body.charCodeAt(from + CHUNK - 1)) ? from + CHUNK - 1 : from + CHUNK;
    yield body.slice(from, to);
    from = to;
  }
}

const isFirstHalf = (code: number): boolean => code >= 0xd800 && code < 0xdc00;

/** False where the reader has gone. */
async function write(to: Writable, response: ServerResponse, chunk: string): Promise<boolean> {
  if (response.destroyed) return false;
  if (to.write(chunk)) return true;
  const gone = new AbortController();
  const leave = () => gone.abort();
  response.once('close', leave);
  try {
    await once(to, 'drain', { signal: gone.signal });
    return true;
  } catch {
    return false;
  } finally {
    response.off('close', leave);
  }
}
