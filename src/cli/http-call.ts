import { request } from 'node:http';
import { errorCode } from '../admin/listening.ts';
import type { Clock } from '../clock.ts';
import { COMMAND_AGENT } from '../command-agent.ts';
import { CliError, EXIT } from './deps.ts';

/** More than a sidecar at its limits would say. */
const MAX_ANSWER_BYTES = 268_435_456;

/** Where a sidecar is asked: its operator port (or control port), or its control socket. */
export type Target =
  | { readonly kind: 'url'; readonly url: string; readonly token: string | null }
  | { readonly kind: 'socket'; readonly path: string };

export type Call = {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: Readonly<Record<string, unknown>>;
  readonly timeoutMs: number;
  /** Ends the wait early; the call rejects. */
  readonly stopped?: AbortSignal;
};

export type Reply = { readonly status: number; readonly body: string };

/** The target in words, for messages. */
export function showTarget(target: Target): string {
  return target.kind === 'url' ? target.url : target.path;
}

/** One HTTP call. Rejects with a CliError that says what to do where there is no answer. */
export function call(target: Target, { method, path, body, timeoutMs, stopped }: Call, clock: Clock): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const payload = body === undefined ? '' : JSON.stringify(body);
    const headers: Record<string, string> = { connection: 'close', 'user-agent': COMMAND_AGENT };
    if (payload !== '') {
      headers['content-type'] = 'application/json';
      headers['content-length'] = String(Buffer.byteLength(payload));
    }
    if (target.kind === 'url' && target.token !== null) headers.authorization = `Bearer ${target.token}`;
    const where = target.kind === 'url' ? addressOf(target.url) : { socketPath: target.path };
    const outgoing = request({ ...where, agent: false, method, path, headers });
    const deadline = clock.setTimer(() => {
      outgoing.destroy(new CliError(`${showTarget(target)} did not answer within ${timeoutMs / 1000} s`));
    }, timeoutMs);
    const stop = () => outgoing.destroy(new CliError('it was stopped'));
    const over = () => {
      deadline.cancel();
      stopped?.removeEventListener('abort', stop);
    };
    stopped?.addEventListener('abort', stop);
    const fail = (error: unknown) => {
      over();
      reject(error instanceof CliError ? error : new CliError(explain(error, target)));
    };
    outgoing.on('error', fail);
    outgoing.on('response', (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      response.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (length > MAX_ANSWER_BYTES) outgoing.destroy(new CliError('the answer is too large'));
        else chunks.push(chunk);
      });
      response.on('error', fail);
      response.on('end', () => {
        over();
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() });
      });
    });
    outgoing.end(payload);
  });
}

function addressOf(text: string): { host: string; port: string } {
  const url = URL.parse(text);
  if (url?.protocol !== 'http:')
    throw new CliError(`${text} is no http:// address, such as http://127.0.0.1:14191`, EXIT.usage);
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port || '80' };
}

function explain(error: unknown, target: Target): string {
  const code = errorCode(error);
  if (target.kind === 'socket') {
    const other = 'or name its socket with --socket (control.socket in its configuration)';
    if (code === 'ENOENT')
      return `there is no control socket at ${target.path}: run this in the sidecar's container, ${other}`;
    if (code === 'ECONNREFUSED') return `nothing answers on ${target.path}: the sidecar has ended; start it, ${other}`;
    if (code === 'EACCES') return `no permission for ${target.path}: only the user that runs the sidecar may use it`;
  }
  if (code === 'ECONNREFUSED')
    return `nothing listens on ${showTarget(target)}: is the sidecar running, and is this its operator.port? Another one: --url or CARPOOL_OPERATOR_URL`;
  return `no answer from ${showTarget(target)}: ${error instanceof Error && error.message !== '' ? error.message : code}`;
}
