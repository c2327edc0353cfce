import type { Test } from 'tap';
import { type ScriptedServer, type ServerConnection, scriptedServer } from '../http2/scripted-server.ts';
import { type OriginConnection, rawClient } from '../raw-origin.ts';
import { type Sidecar, startSidecar } from '../sidecar.ts';

/** What an app that speaks HTTP/1.1 got for one request. */
export type AppAnswer = {
  readonly status: number;
  /** Interim responses before it: their status and their fields. */
  readonly interim: readonly (readonly [number, ReadonlyMap<string, string>])[];
  /** Names in lower case; values of several fields of a name joined by comma. */
  readonly fields: ReadonlyMap<string, string>;
  readonly body: string;
  readonly trailers: ReadonlyMap<string, string>;
  /** The connection ended before the answer did. */
  readonly cut: boolean;
  /** `code` of the JSON body, where carpool made the answer. */
  readonly code: string | null;
};

function fieldsOf(lines: readonly string[]): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    fields.set(name, fields.has(name) ? `${fields.get(name)}, ${value}` : value);
  }
  return fields;
}

type Body = { readonly body: string; readonly trailers: ReadonlyMap<string, string>; readonly whole: boolean };

const NO_TRAILERS: ReadonlyMap<string, string> = new Map();

function readBody(bytes: string, fields: ReadonlyMap<string, string>, none: boolean): Body {
  if (none) return { body: '', trailers: NO_TRAILERS, whole: bytes === '' };
  const length = fields.get('content-length');
  if (length !== undefined) return { body: bytes, trailers: NO_TRAILERS, whole: bytes.length === Number(length) };
  if (fields.get('transfer-encoding') !== 'chunked') return { body: bytes, trailers: NO_TRAILERS, whole: false };
  let body = '';
  let at = 0;
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd < 0) return { body, trailers: NO_TRAILERS, whole: false };
    const size = Number.parseInt(bytes.slice(at, lineEnd), 16);
    at = lineEnd + 2;
    if (size === 0) {
      const rest = bytes.slice(at);
      const lines = rest.split('\r\n').slice(0, -2);
      return { body, trailers: fieldsOf(lines), whole: rest === '\r\n' || rest.endsWith('\r\n\r\n') };
    }
    body += bytes.slice(at, at + size);
    if (bytes.length < at + size + 2) return { body, trailers: NO_TRAILERS, whole: false };
    at += size + 2;
  }
}

/** Reads an answer from the bytes of a connection that had no other, or null while it is not whole and may go on. */
function readAnswer(method: string, bytes: string, over: boolean): AppAnswer | null {
  const interim: [number, ReadonlyMap<string, string>][] = [];
  let at = 0;
  for (;;) {
    const headEnd = bytes.indexOf('\r\n\r\n', at);
    if (headEnd < 0) {
      if (!over) return null;
      return { status: 0, interim, fields: NO_TRAILERS, body: '', trailers: NO_TRAILERS, cut: true, code: null };
    }
    const [line = '', ...lines] = bytes.slice(at, headEnd).split('\r\n');
    const status = Number(line.split(' ')[1]);
    const fields = fieldsOf(lines);
    at = headEnd + 4;
    if (status < 200) {
      interim.push([status, fields]);
      continue;
    }
    const none = method === 'HEAD' || status === 204 || status === 304;
    const { body, trailers, whole } = readBody(bytes.slice(at), fields, none);
    if (!whole && !over) return null;
    const own = fields.has('proxy-status') && fields.get('content-type') === 'application/json';
    const code = own ? (/"code":"([A-Z_]+)"/.exec(body)?.[1] ?? null) : null;
    return { status, interim, fields, body, trailers, cut: !whole, code };
  }
}

/** A request of the app that is under way. */
export type Asked = {
  /** Its connection: for requests whose bytes a test sends in steps. */
  readonly client: OriginConnection;
  /** The answer, whole or cut. */
  answer(): Promise<AppAnswer>;
};

export type Upstream = Sidecar & {
  readonly server: ScriptedServer;
  /** `orders.test:port`. */
  readonly authority: string;
  /** Sends a request on a connection of its own. `fields` are whole lines, each with its CRLF. */
  ask(method: string, path: string, fields?: string, body?: string): Promise<Asked>;
  /** Asks for something else, which is answered, and tells on which connection it came. */
  next(t: Test): Promise<ServerConnection>;
};

/** A sidecar in front of a scripted HTTP/2 server, and an app that speaks HTTP/1.1. */
export async function startUpstream(
  t: Test,
  settings: Parameters<typeof scriptedServer>[1] = [],
  policy: Record<string, unknown> = {},
): Promise<Upstream> {
  const server = await scriptedServer(t, settings);
  const authority = `orders.test:${server.port}`;
  const sidecar = await startSidecar(t, {
    destinations: [{ match: authority, protocol: 'http2', endpoints: [`127.0.0.1:${server.port}`], ...policy }],
  });
  const ask: Upstream['ask'] = async (method, path, fields = '', body = '') => {
    const client = await rawClient(t, sidecar.port);
    client.write(`${method} http://${authority}${path} HTTP/1.1\r\nHost: ${authority}\r\n${fields}\r\n${body}`);
    return {
      client,
      async answer() {
        await client.until(({ received, ended }) => readAnswer(method, received, ended) !== null);
        const answer = readAnswer(method, client.received, client.ended);
        if (answer === null) throw new Error('unreachable');
        return answer;
      },
    };
  };
  let nexts = 0;
  return {
    ...sidecar,
    server,
    authority,
    ask,
    async next(t) {
      const path = `/next-${nexts++}`;
      const asked = await ask('GET', path);
      const { connection, request } = await server.arrived(path);
      connection.answer(request.stream, 'its own');
      const { status, body } = await asked.answer();
      t.same([status, body], [200, 'its own'], 'the next request gets its own answer');
      return connection;
    },
  };
}
