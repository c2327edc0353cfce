import { createServer, type Server } from 'node:http';
import { type Answer, send, text } from '../admin/answer.ts';
import { listen, stopServer } from '../admin/listening.ts';
import type { Clock } from '../clock.ts';

/** Connections beyond this are closed as they come. */
const MAX_CONNECTIONS = 50;
const HEAD_TIMEOUT_MS = 5_000;
const STALL_TIMEOUT_MS = 15_000;

export type StatusServerOptions = {
  /** Null: every address of either family. */
  readonly host: string | null;
  /** 0: any free port. */
  readonly port: number;
  readonly clock: Clock;
  /** Null: questions can be answered; else what is missing. */
  readonly notReady: () => string | null;
  readonly metrics: () => Promise<{ readonly contentType: string; readonly body: string }>;
};

/** GET /livez, /readyz and /metrics, for the kubelet and Prometheus. */
export class StatusServer {
  readonly #options: StatusServerOptions;
  readonly #server: Server;

  constructor(options: StatusServerOptions) {
    this.#options = options;
    this.#server = createServer({ headersTimeout: HEAD_TIMEOUT_MS, requestTimeout: HEAD_TIMEOUT_MS });
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.setTimeout(STALL_TIMEOUT_MS);
    this.#server.on('request', (request, response) => {
      response.on('error', () => response.destroy());
      this.#answer(request.method ?? '', (request.url ?? '').split('?', 1)[0] ?? '')
        .then((answer) => send(response, answer, request.method === 'HEAD'))
        .catch(() => response.destroy());
    });
  }

  /** Binds the port. Rejects with the error of the bind. */
  async start(): Promise<number> {
    const { host, port } = this.#options;
    const address = await listen(this.#server, host === null ? { port } : { host, port });
    if (address === null || typeof address === 'string') throw new Error('listening, but not on a port');
    return address.port;
  }

  /** Ends within a second or so. */
  stop(): Promise<void> {
    return this.#server.listening ? stopServer(this.#server, this.#options.clock) : Promise.resolve();
  }

  async #answer(method: string, path: string): Promise<Answer> {
    if (method !== 'GET' && method !== 'HEAD')
      return { ...text(405, 'GET and HEAD only'), headers: { connection: 'close' } };
    if (path === '/livez') return text(200, 'ok');
    if (path === '/readyz') {
      const missing = this.#options.notReady();
      return missing === null ? text(200, 'ok') : text(503, missing);
    }
    if (path !== '/metrics') return text(404, 'there are /livez, /readyz and /metrics');
    const { contentType, body } = await this.#options.metrics();
    return { status: 200, contentType, body };
  }
}
