import type { Duplex } from 'node:stream';
import { CarpoolError } from '../errors.ts';
import { type Answer, json } from './answer.ts';

/** Who is told of requests that wanted a proxy, and what their proxy is. */
export type ProxyElsewhere = {
  /** What the app's HTTP_PROXY has to be. */
  readonly proxyUrl: () => string;
  /** Counts such a request. */
  readonly misused: (error: CarpoolError) => void;
};

const WORDS = 'this is the operator port, which shows how carpool is, and no proxy';

function misuse(status: 400 | 405, proxyUrl: string): CarpoolError {
  return new CarpoolError('BAD_REQUEST', WORDS, {
    hint: `Set HTTP_PROXY=${proxyUrl} and HTTPS_PROXY=${proxyUrl} in the app: that is the port for its requests.`,
    status,
    misuse: 'operator_port',
  });
}

/** The answer to a request in absolute form (RFC 9112 section 3.2.2), which only a proxy is sent; null: it is none. */
export function absoluteFormAnswer(target: string, { proxyUrl, misused }: ProxyElsewhere): Answer | null {
  if (!/^https?:\/\//i.test(target)) return null;
  const error = misuse(400, proxyUrl());
  misused(error);
  const { code, message, hint } = error;
  return json(400, { code, message, hint }, { connection: 'close' });
}

/** Answers a CONNECT (RFC 9110 section 9.3.6) and closes: what follows it would be no HTTP. */
export function refuseConnect(socket: Duplex, { proxyUrl, misused }: ProxyElsewhere): void {
  const error = misuse(405, proxyUrl());
  misused(error);
  const { code, message, hint } = error;
  const body = `${JSON.stringify({ code, message, hint }, null, 2)}\n`;
  socket.on('error', () => socket.destroy());
  socket.end(
    `HTTP/1.1 405 Method Not Allowed\r\nallow: GET, HEAD\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}
