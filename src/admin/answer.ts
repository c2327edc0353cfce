import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { Pacer } from '../telemetry/pacer.ts';

/** Bytes (characters, to be exact) handed to a connection at a time. */
const CHUNK = 65_536;

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
 * Writes an answer at the pace of its reader, in slices between which requests get their turn. Returns when all is
 * written or the reader has gone; the server's socket timeout ends one that stands still.
 */
export async function send(response: ServerResponse, answer: Answer, head: boolean): Promise<void> {
  response.writeHead(answer.status, {
    'content-type': answer.contentType,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...answer.headers,
    ...(typeof answer.body === 'string' ? { 'content-length': String(Buffer.byteLength(answer.body)) } : {}),
  });
  if (head) {
    response.end();
    return;
  }
  const pacer = new Pacer();
  let chunk = '';
  for (const piece of pieces(answer.body)) {
    chunk += piece;
    if (chunk.length >= CHUNK) {
      if (!(await write(response, chunk))) return;
      chunk = '';
    }
    await pacer.breathe();
  }
  response.end(chunk);
}

function* pieces(body: string | Iterable<string>): Generator<string> {
  if (typeof body !== 'string') yield* body;
  else for (let from = 0; from < body.length; from += CHUNK) yield body.slice(from, from + CHUNK);
}

/** False where the reader has gone. */
async function write(response: ServerResponse, chunk: string): Promise<boolean> {
  if (response.destroyed) return false;
  if (response.write(chunk)) return true;
  const gone = new AbortController();
  const leave = () => gone.abort();
  response.once('close', leave);
  try {
    await once(response, 'drain', { signal: gone.signal });
    return true;
  } catch {
    return false;
  } finally {
    response.off('close', leave);
  }
}
