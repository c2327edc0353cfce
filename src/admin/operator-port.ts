import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Clock } from '../clock.ts';
import { CarpoolError } from '../errors.ts';
import { type Answer, json, send } from './answer.ts';
import { errorCode, listen, stopServer } from './listening.ts';
import { absoluteFormAnswer, type ProxyElsewhere, refuseConnect } from './not-a-proxy.ts';
import { answerFor, PROBE_PATHS, type RouteContext } from './operator-routes.ts';
import { MAX_READERS, StatusStream } from './status-stream.ts';

/** Connections beyond this are closed as they come. */
const MAX_CONNECTIONS = 100;
/** Answers (probes aside) that are made or written at a time; each may hold a scrape's text until its reader took it. */
const MAX_ANSWERS = 8;
/** Milliseconds for a request's head, and of silence on a connection whose reader does not read. */
const HEAD_TIMEOUT_MS = 5000;
const STALL_TIMEOUT_MS = 15_000;

export type OperatorPortOptions = RouteContext & {
  /** `::` falls back to `0.0.0.0` where there is no IPv6. */
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly clock: Clock;
  readonly elsewhere: ProxyElsewhere;
  /** Told of a fault inside a route; the reader gets a 500. */
  readonly onFault: (error: unknown, path: string) => void;
};

/** The read-only port for probes, Prometheus and people: GET and HEAD, nothing that changes anything. */
export class OperatorPort {
  readonly #options: OperatorPortOptions;
  readonly #server: Server;
  readonly #stream: StatusStream;
  #answers = 0;

  constructor(options: OperatorPortOptions) {
    this.#options = options;
    this.#stream = new StatusStream(options.clock, options.status, options.onFault);
    this.#server = createServer({
      headersTimeout: HEAD_TIMEOUT_MS,
      requestTimeout: HEAD_TIMEOUT_MS,
      keepAliveTimeout: 30_000,
      connectionsCheckingInterval: 1000,
      maxHeaderSize: 16_384,
    });
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.setTimeout(STALL_TIMEOUT_MS);
    this.#server.on('connect', (_request, socket) => refuseConnect(socket, this.#options.elsewhere));
    this.#server.on('request', (request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        this.#options.onFault(error, request.url ?? '');
        response.destroy();
      });
    });
  }

  /**
   * Binds the port. Rejects with CONFIG_INVALID, naming port and setting, where that cannot be.
   * @returns where it listens
   */
  async start(): Promise<{ readonly host: string; readonly port: number }> {
    const { host, port } = this.#options;
    try {
      return await this.#bind(host);
    } catch (error) {
      const noIpv6 = ['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL'].includes(errorCode(error));
      if (host !== '::' || !noIpv6) throw bindError(error, host, port);
      return this.#bind('0.0.0.0').catch((second: unknown) => {
        throw bindError(second, '0.0.0.0', port);
      });
    }
  }

  /** Ends within a second or so; answers in progress have that long. */
  stop(): Promise<void> {
    if (!this.#server.listening) return Promise.resolve();
    const stopped = stopServer(this.#server, this.#options.clock);
    this.#stream.close();
    return stopped;
  }

  async #bind(host: string): Promise<{ host: string; port: number }> {
    const address = await listen(this.#server, { host, port: this.#options.port });
    if (address === null || typeof address === 'string') throw new Error('listening, but not on a port');
    return { host: address.address, port: address.port };
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A reader that goes away shows as an error on the response; its end is all that matters, and `send` sees that.
    response.on('error', () => response.destroy());
    // A stream has its connection for itself: what comes behind it would wait for its end, and hold a place until then.
    if (this.#stream.carriedBy(request.socket)) return void request.socket.destroy();
    const head = request.method === 'HEAD';
    const misused = absoluteFormAnswer(request.url ?? '', this.#options.elsewhere);
    if (misused !== null) return send(response, misused, head);
    if (!head && request.method !== 'GET') {
      const message = `${request.method} is not possible here: this port only shows; the control socket changes things`;
      // The body is not read: the connection cannot carry another request.
      const headers = { allow: 'GET, HEAD', connection: 'close' };
      return send(response, json(405, { code: 'METHOD_NOT_ALLOWED', message }, headers), false);
    }
    const target = parseTarget(request.url ?? '/');
    if (!target)
      return send(response, json(400, { code: 'BAD_REQUEST', message: 'the path is not well formed' }), head);
    if (target.pathname === '/status/stream') {
      // No socket: answers before it are still being sent.
      if (response.socket === null) return send(response, NOT_ALONE, head);
      if (!this.#stream.full) return this.#stream.open(request, response, target.searchParams.get('destination'));
      return send(response, busy(`${MAX_READERS} readers have a stream already`), head);
    }
    const probe = PROBE_PATHS.has(target.pathname);
    if (!probe && this.#answers >= MAX_ANSWERS)
      return send(response, busy(`${MAX_ANSWERS} other answers are still being read`), head);
    if (!probe) this.#answers++;
    try {
      const answer = await answerFor(target, request.headers.accept, this.#options);
      await send(response, answer, head);
    } catch (error) {
      this.#options.onFault(error, target.pathname);
      if (response.headersSent) response.destroy();
      else await send(response, json(500, { code: 'INTERNAL', message: 'the log has the details' }), head);
    } finally {
      if (!probe) this.#answers--;
    }
  }
}

const NOT_ALONE = json(
  400,
  { code: 'BAD_REQUEST', message: 'a stream needs a connection of its own' },
  { connection: 'close' },
);

function busy(message: string): Answer {
  return json(503, { code: 'BUSY', message }, { 'retry-after': '1' });
}

function parseTarget(url: string): URL | null {
  if (!url.startsWith('/')) return null;
  return URL.parse(`http://operator${url}`);
}

function bindError(error: unknown, host: string, port: number): CarpoolError {
  const code = errorCode(error);
  const setting = 'set operator.port (CARPOOL_OPERATOR_PORT) to a free one';
  const words =
    code === 'EADDRINUSE'
      ? `operator port ${port} is taken by another process (of this pod, or another sidecar): ${setting}`
      : code === 'EACCES'
        ? `operator port ${port} needs rights that this process does not have: ${setting} above 1023`
        : `cannot listen on operator.host ${host}, operator.port ${port}: ${error instanceof Error ? error.message : code}`;
  return new CarpoolError('CONFIG_INVALID', words, { cause: error });
}
