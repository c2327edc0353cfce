import http from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';

/** A request as an origin got it, whatever it speaks. */
export type Captured = {
  readonly spoken: 'http1' | 'http2';
  readonly method: string;
  readonly path: string;
  /** `:authority`, or Host. */
  readonly authority: string;
  readonly scheme: string | null;
  /** Without pseudo-header fields; several fields of a name joined as Node does. */
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
  readonly bodyBytes: number;
  readonly trailers: Record<string, string | undefined>;
  /** Which of the origin's connections it came on, 0 first. */
  readonly connection: number;
};

/** What an origin answers. */
export type Answer = {
  readonly status?: number;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string | Buffer;
  readonly trailers?: Record<string, string>;
  /** Interim responses before it. */
  readonly hints?: Record<string, string>;
  /** No Content-Length. */
  readonly lengthless?: boolean;
};

export type Origin = {
  readonly port: number;
  readonly requests: Captured[];
  /** Connections accepted so far. */
  readonly connections: () => number;
  answer: (request: Captured) => Answer;
};

/** Starts an origin of Node's own that speaks only `spoken`, in clear; it keeps what it was sent. */
export async function startOrigin(t: Test, spoken: 'http1' | 'http2', answer: Origin['answer']): Promise<Origin> {
  const requests: Captured[] = [];
  const seen = new Map<unknown, number>();
  const connectionOf = (key: unknown): number => {
    const known = seen.get(key) ?? seen.size;
    seen.set(key, known);
    return known;
  };
  const origin: { answer: Origin['answer'] } = { answer };
  const server = spoken === 'http2' ? http2.createServer() : http.createServer({ keepAliveTimeout: 600_000 });
  const closers = new Set<{ destroy(): void }>();
  if (spoken === 'http2') {
    server.on('session', (session: http2.ServerHttp2Session) => {
      closers.add(session);
      session.on('error', () => {});
      connectionOf(session);
    });
    server.on('stream', (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
      stream.on('error', () => {});
      if (headers.expect !== undefined) stream.additionalHeaders({ ':status': 100 });
      void readStream(stream, headers, connectionOf(stream.session), (request) => {
        requests.push(request);
        answerStream(stream, origin.answer(request));
      });
    });
  } else {
    server.on('connection', (socket) => {
      closers.add(socket);
      connectionOf(socket);
    });
    server.on('checkContinue', (request: http.IncomingMessage, response: http.ServerResponse) => {
      response.writeContinue();
      server.emit('request', request, response);
    });
    server.on('request', (request: http.IncomingMessage, response: http.ServerResponse) => {
      void readRequest(request, connectionOf(request.socket), (captured) => {
        requests.push(captured);
        answerRequest(response, origin.answer(captured));
      });
    });
  }
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve());
  });
  t.teardown(() => {
    for (const each of closers) each.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return Object.assign(origin, { port, requests, connections: () => seen.size });
}

async function readStream(
  stream: http2.ServerHttp2Stream,
  headers: http2.IncomingHttpHeaders,
  connection: number,
  done: (request: Captured) => void,
): Promise<void> {
  let trailers: Record<string, string | undefined> = {};
  stream.on('trailers', (fields: Record<string, string>) => {
    trailers = { ...fields };
  });
  const body = await collect(stream);
  if (body === null) return;
  const rest: Captured['headers'] = {};
  for (const [name, value] of Object.entries(headers)) if (!name.startsWith(':')) rest[name] = value;
  done({
    spoken: 'http2',
    method: headers[':method'] ?? '',
    path: headers[':path'] ?? '',
    authority: headers[':authority'] ?? '',
    scheme: headers[':scheme'] ?? null,
    headers: rest,
    body: body.toString('latin1', 0, 4096),
    bodyBytes: body.length,
    trailers,
    connection,
  });
}

function answerStream(stream: http2.ServerHttp2Stream, answer: Answer): void {
  if (stream.destroyed) return;
  const body = Buffer.from(answer.body ?? '');
  if (answer.hints !== undefined) stream.additionalHeaders({ ':status': 103, ...answer.hints });
  const length = answer.lengthless === true || answer.trailers !== undefined ? {} : { 'content-length': body.length };
  const status = answer.status ?? 200;
  const fields = status === 204 || status === 304 ? {} : length;
  stream.respond(
    { ':status': status, ...fields, ...answer.headers },
    { waitForTrailers: answer.trailers !== undefined },
  );
  stream.on('wantTrailers', () => stream.sendTrailers(answer.trailers ?? {}));
  stream.end(body);
}

async function readRequest(
  request: http.IncomingMessage,
  connection: number,
  done: (request: Captured) => void,
): Promise<void> {
  const body = await collect(request);
  if (body === null) return;
  done({
    spoken: 'http1',
    method: request.method ?? '',
    path: request.url ?? '',
    authority: request.headers.host ?? '',
    scheme: null,
    headers: { ...request.headers },
    body: body.toString('latin1', 0, 4096),
    bodyBytes: body.length,
    trailers: { ...request.trailers },
    connection,
  });
}

function answerRequest(response: http.ServerResponse, answer: Answer): void {
  const body = Buffer.from(answer.body ?? '');
  if (answer.hints !== undefined) response.writeEarlyHints(answer.hints);
  const status = answer.status ?? 200;
  const lengthless = answer.lengthless === true || answer.trailers !== undefined || status === 204 || status === 304;
  const length = lengthless ? {} : { 'content-length': body.length };
  const announced = answer.trailers === undefined ? {} : { trailer: Object.keys(answer.trailers).join(', ') };
  response.writeHead(status, { ...length, ...announced, ...answer.headers });
  if (answer.trailers !== undefined) response.addTrailers(answer.trailers);
  response.end(body);
}

/** All bytes of a body; null where it broke off. */
function collect(stream: NodeJS.ReadableStream): Promise<Buffer | null> {
  return new Promise((resolve) => {
    const pieces: Buffer[] = [];
    stream.on('data', (piece: Buffer) => pieces.push(piece));
    stream.on('end', () => resolve(Buffer.concat(pieces)));
    stream.on('error', () => resolve(null));
    stream.on('aborted', () => resolve(null));
  });
}
