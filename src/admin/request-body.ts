import type { IncomingMessage } from 'node:http';

/** A command's JSON is small; more is a mistake. */
export const MAX_BODY_BYTES = 65_536;

/** The request's JSON object (empty where there is no body), or what is wrong with it. */
export type Body =
  | { readonly fields: ReadonlyMap<string, unknown> }
  | { readonly status: 400 | 413; readonly problem: string };

/** Reads a small JSON object. The server's request timeout bounds the wait. */
export async function readBody(request: IncomingMessage): Promise<Body> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    if (!Buffer.isBuffer(chunk)) continue;
    length += chunk.length;
    if (length > MAX_BODY_BYTES) return { status: 413, problem: `the body is over ${MAX_BODY_BYTES} bytes` };
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks).toString();
  if (body.trim() === '') return { fields: new Map() };
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return { status: 400, problem: 'the body is not JSON' };
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    return { status: 400, problem: 'the body must be a JSON object' };
  return { fields: new Map(Object.entries(parsed)) };
}
