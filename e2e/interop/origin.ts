import { once } from 'node:events';
import { createServer as createHttp1 } from 'node:http';
import {
  createServer as createHttp2,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Server } from 'node:net';
import type { Test } from 'tap';

/** A server of Node's own in clear; it is closed with the test. */
export type Origin = {
  readonly port: number;
  /** Connections that were made to it so far. */
  readonly connections: number;
};

/** What every origin answers: `hello` to a request without a body, else how many bytes came. */
const answerTo = (bytes: number): string => (bytes === 0 ? 'hello\n' : `${bytes} bytes\n`);
const TEXT = { 'content-type': 'text/plain' };

/** HTTP/2 by prior knowledge. What begins with `/big` is answered with a mebibyte. */
export async function http2Origin(t: Test): Promise<Origin> {
  const sessions = new Set<Http2Session>();
  const server = createHttp2();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => {});
    session.once('close', () => sessions.delete(session));
  });
  server.on('stream', (stream: ServerHttp2Stream, fields: IncomingHttpHeaders) => {
    let bytes = 0;
    stream.on('error', () => {});
    stream.on('data', (piece: Buffer) => {
      bytes += piece.length;
    });
    stream.on('end', () => {
      if (stream.destroyed) return;
      stream.respond({ ':status': 200, ...TEXT });
      stream.end(fields[':path']?.startsWith('/big') === true ? Buffer.alloc(1 << 20, 'x') : answerTo(bytes));
    });
  });
  return await listening(t, server, () => {
    for (const session of sessions) session.destroy();
  });
}

export async function http1Origin(t: Test): Promise<Origin> {
  const server = createHttp1((request, response) => {
    let bytes = 0;
    request.on('error', () => {});
    request.on('data', (piece: Buffer) => {
      bytes += piece.length;
    });
    request.on('end', () => response.writeHead(200, TEXT).end(answerTo(bytes)));
  });
  return await listening(t, server, () => server.closeAllConnections());
}

async function listening(t: Test, server: Server, cut: () => void): Promise<Origin> {
  let connections = 0;
  server.on('connection', () => {
    connections++;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(async () => {
    const closed = once(server, 'close');
    server.close();
    cut();
    await closed;
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    get connections() {
      return connections;
    },
  };
}
