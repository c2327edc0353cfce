import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { METHODS } from './echo-service.ts';

/**
 * What the clients call: HTTP on 8080, HTTPS on 8443, gRPC on 9000, or on the three ports given.
 *
 *   node origin.js TLS-FOLDER [HTTP HTTPS GRPC]
 *
 * `/` says hello, `/missing` is not there, a body is counted. `/stream/ID` says the first half of its answer, and the
 * second only when somebody has asked for `/release/ID`: a client that gets the first half late never gets the second.
 * SIGTERM: it goes on serving for LINGER_MS, as a pod should whose end has not been told everywhere; then it finishes
 * what runs, and ends.
 */
const LINGER_MS = 5000;
const PATIENCE_MS = 10_000;
const TEXT = { 'content-type': 'text/plain' };
const [tls = '', http = '8080', https = '8443', grpc = '9000'] = process.argv.slice(2);
const waiting = new Map<string, () => void>();
let closing = false;

function answer(request: IncomingMessage, response: ServerResponse): void {
  const { method = '', url = '/' } = request;
  const [, what = '', id = ''] = url.split('/');
  let bytes = 0;
  request.on('error', () => {});
  request.on('data', (piece: Buffer) => {
    bytes += piece.length;
  });
  request.once('end', () => {
    const head = closing ? { ...TEXT, connection: 'close' } : TEXT;
    if (what === 'stream') stream(id, response);
    else if (what === 'release') response.writeHead(200, head).end(release(id));
    else if (what === 'missing') response.writeHead(404, head).end('nothing here\n');
    else response.writeHead(200, head).end(method === 'POST' ? `${bytes} bytes\n` : 'hello\n');
  });
}

function stream(id: string, response: ServerResponse): void {
  response.writeHead(200, TEXT);
  response.write('first half, ');
  const impatient = setTimeout(() => end('nobody released it\n'), PATIENCE_MS);
  const end = (text: string): void => {
    clearTimeout(impatient);
    waiting.delete(id);
    response.end(text);
  };
  waiting.set(id, () => end('second half\n'));
}

function release(id: string): string {
  const go = waiting.get(id);
  go?.();
  return go === undefined ? 'nobody waits\n' : 'released\n';
}

const plain = createServer(answer);
const secure = createTlsServer(
  { key: readFileSync(`${tls}/server.key`), cert: readFileSync(`${tls}/server.crt`) },
  answer,
);
for (const [server, port] of [
  [plain, http],
  [secure, https],
] as const) {
  // As long as a common reverse proxy keeps idle connections: their end is not what these tests are about.
  server.keepAliveTimeout = 75_000;
  server.listen(Number(port));
}

const calls = new Server();
calls.addService(METHODS, {
  say: (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) => done(null, call.request),
  spread: (call: ServerWritableStream<Buffer, Buffer>) => {
    for (const byte of call.request) call.write(Buffer.from([byte]));
    call.end();
  },
});
calls.bindAsync(`0.0.0.0:${grpc}`, ServerCredentials.createInsecure(), (error) => {
  if (error !== null) throw error;
  process.stdout.write('listening\n');
});

process.once('SIGTERM', () => {
  setTimeout(() => {
    closing = true;
    const closed = [plain, secure].map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    const shut = new Promise<void>((resolve) => calls.tryShutdown(() => resolve()));
    // What runs is finished on both sides; whoever keeps a connection open does not keep the pod.
    void Promise.all([...closed, shut]).then(() => process.exit(0));
    setTimeout(() => process.exit(0), PATIENCE_MS).unref();
  }, LINGER_MS);
});
