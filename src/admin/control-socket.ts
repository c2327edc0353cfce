import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Clock } from '../clock.ts';
import { CarpoolError } from '../errors.ts';
import { json, send } from './answer.ts';
import { carriesToken, readToken } from './bearer-token.ts';
import { type ControlContext, findCommand, runCommand } from './control-routes.ts';
import { errorCode, listen, stopServer } from './listening.ts';
import { readBody } from './request-body.ts';
import { listenOnUnixSocket } from './unix-socket.ts';

const MAX_CONNECTIONS = 20;
const TIMEOUT_MS = 5000;
/** A command that is at work (a reload) keeps its connection this long. */
const STALL_TIMEOUT_MS = 60_000;

export type ControlSocketOptions = ControlContext & {
  /** Path of the Unix socket, or null. */
  readonly socket: string | null;
  /** Loopback port that asks for the token, or null; 0: any free port. */
  readonly port: number | null;
  /** Needed with `port`. */
  readonly tokenFile: string | null;
  readonly clock: Clock;
  /** Told of a fault inside a command; the caller gets a 500. */
  readonly onFault: (error: unknown, path: string) => void;
};

/** Where commands are taken, and what the sidecar has to do without. */
export type ControlStarted = {
  readonly socket: string | null;
  readonly port: number | null;
  readonly warnings: readonly string[];
};

/**
 * The way to steer a running sidecar: HTTP with JSON over a Unix socket whose file only this user may open, and, where
 * configured, over a loopback port with a bearer token. Never on the pod's address.
 */
export class ControlSocket {
  readonly #options: ControlSocketOptions;
  readonly #servers: Server[] = [];

  constructor(options: ControlSocketOptions) {
    this.#options = options;
  }

  /**
   * Starts what is configured. A socket that cannot be made is a warning; one that belongs to a living process, or a
   * port that is taken, rejects with CONFIG_INVALID.
   */
  async start(): Promise<ControlStarted> {
    const { socket, port } = this.#options;
    const warnings: string[] = [];
    let openSocket: string | null = null;
    if (socket !== null) {
      const server = this.#server(false);
      const warning = await listenOnUnixSocket(server, socket, this.#options.clock);
      if (warning === null) {
        openSocket = socket;
        this.#servers.push(server);
      } else warnings.push(warning);
    }
    const openPort = port === null ? null : await this.#startPort(port, warnings);
    return { socket: openSocket, port: openPort, warnings };
  }

  /** Ends within a second or so, and removes the socket file. */
  async stop(): Promise<void> {
    await Promise.all(this.#servers.splice(0).map((server) => stopServer(server, this.#options.clock)));
  }

  async #startPort(port: number, warnings: string[]): Promise<number | null> {
    const { tokenFile } = this.#options;
    const token = tokenFile === null ? { problem: 'control.tokenFile is not set' } : readToken(tokenFile);
    if ('problem' in token) {
      warnings.push(`no control port: ${token.problem}; write a random token of at least 16 characters to it`);
      return null;
    }
    const server = this.#server(true);
    try {
      const address = await listen(server, { host: '127.0.0.1', port });
      this.#servers.push(server);
      return typeof address === 'object' && address !== null ? address.port : port;
    } catch (error) {
      await this.stop();
      const reason = errorCode(error) === 'EADDRINUSE' ? 'is taken by another process' : `cannot be bound: ${error}`;
      throw new CarpoolError('CONFIG_INVALID', `control.port ${port} ${reason}; set control.port to a free one`, {
        cause: error,
      });
    }
  }

  #server(asksForToken: boolean): Server {
    const server = createServer({
      headersTimeout: TIMEOUT_MS,
      requestTimeout: TIMEOUT_MS,
      keepAliveTimeout: TIMEOUT_MS,
      connectionsCheckingInterval: 1000,
      maxHeaderSize: 16_384,
    });
    server.maxConnections = MAX_CONNECTIONS;
    server.setTimeout(STALL_TIMEOUT_MS);
    server.on('request', (request, response) => {
      this.#serve(request, response, asksForToken).catch((error: unknown) => {
        this.#options.onFault(error, request.url ?? '');
        response.destroy();
      });
    });
    return server;
  }

  async #serve(request: IncomingMessage, response: ServerResponse, asksForToken: boolean): Promise<void> {
    response.on('error', () => response.destroy());
    if (asksForToken && !this.#authorized(request)) {
      const message = 'this port wants "Authorization: Bearer …" with the token of control.tokenFile';
      const headers = { 'www-authenticate': 'Bearer', connection: 'close' };
      return send(response, json(401, { code: 'UNAUTHORIZED', message }, headers), false);
    }
    const target = URL.parse(`http://control${request.url ?? '/'}`);
    const command = findCommand(request.method ?? '', target?.pathname ?? '/');
    if (!('run' in command))
      return send(response, { ...command, headers: { ...command.headers, connection: 'close' } }, false);
    const body = await readBody(request).catch(() => null);
    if (!body) return void response.destroy();
    if ('problem' in body) {
      const answer = json(body.status, { code: 'BAD_REQUEST', message: body.problem }, { connection: 'close' });
      return send(response, answer, false);
    }
    try {
      const query = target?.searchParams ?? new URLSearchParams();
      await send(response, await runCommand(command, this.#options, body.fields, query), false);
    } catch (error) {
      this.#options.onFault(error, request.url ?? '');
      if (response.headersSent) response.destroy();
      else await send(response, json(500, { code: 'INTERNAL', message: 'the log has the details' }), false);
    }
  }

  #authorized(request: IncomingMessage): boolean {
    const { tokenFile } = this.#options;
    const token = tokenFile === null ? { problem: 'none' } : readToken(tokenFile);
    return 'token' in token && carriesToken(request.headers.authorization, token.token);
  }
}
