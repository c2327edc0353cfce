import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import type { Test } from 'tap';
import { type ClientOptions, type ServerOptions, WebSocket, WebSocketServer } from 'ws';
import { type Sidecar, startSidecar } from '../sidecar.ts';

/** The ways by which a WebSocket of an app reaches its server through the sidecar. */
export const WAYS = ['absolute form', 'CONNECT', 'a local port'] as const;
export type Way = (typeof WAYS)[number];

/** Opens each connection by CONNECT to a proxy on 127.0.0.1, as the agents of proxies do. */
class ConnectAgent extends http.Agent {
  readonly #proxyPort: number;

  constructor(proxyPort: number) {
    super();
    this.#proxyPort = proxyPort;
  }

  override createConnection(
    { host, port }: http.ClientRequestArgs,
    callback?: (error: Error | null, socket: Duplex) => void,
  ): undefined {
    const request = http.request({
      host: '127.0.0.1',
      port: this.#proxyPort,
      method: 'CONNECT',
      path: `${host}:${port}`,
      agent: false,
    });
    request.on('connect', (response, socket) => {
      callback?.(response.statusCode === 200 ? null : new Error(`CONNECT: ${response.statusCode}`), socket);
    });
    request.on('error', (error) => callback?.(error, new net.Socket()));
    request.end();
  }
}

export type WebSockets = {
  readonly sidecar: Sidecar;
  readonly server: WebSocketServer;
  /** Every connection that the server's port accepted, in order. */
  readonly connections: readonly net.Socket[];
  /** Begins to open one; what the server makes of it is the test's. */
  open(options?: ClientOptions): WebSocket;
  /** One that is open, and the server's end of it. */
  pair(options?: ClientOptions): Promise<{ client: WebSocket; peer: WebSocket }>;
};

/** A WebSocket server behind a sidecar, and a client that goes `way`. */
export async function startWebSockets(t: Test, way: Way, options: ServerOptions = {}): Promise<WebSockets> {
  const origin = http.createServer((request, response) => response.end(`plain ${request.url}`));
  const connections: net.Socket[] = [];
  origin.on('connection', (socket) => connections.push(socket));
  origin.listen(0, '127.0.0.1');
  await once(origin, 'listening');
  const address = origin.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const server = new WebSocketServer({ ...options, server: origin });
  const sidecar = await startSidecar(t, {
    destinations: [{ match: `127.0.0.1:${port}`, localPort: 0, endpoints: [`127.0.0.1:${port}`] }],
  });
  t.teardown(() => {
    for (const client of server.clients) client.terminate();
    for (const socket of connections) socket.destroy();
    origin.close();
  });
  const agent = new ConnectAgent(sidecar.port);
  const open = (client: ClientOptions = {}): WebSocket => {
    const opened =
      way === 'CONNECT'
        ? new WebSocket(`ws://127.0.0.1:${port}/ws`, { ...client, agent })
        : way === 'a local port'
          ? new WebSocket(`ws://127.0.0.1:${sidecar.localPorts[0]?.port}/ws`, client)
          : new WebSocket(`ws://127.0.0.1:${sidecar.port}/ws`, {
              ...client,
              finishRequest: (request) => {
                request.path = `http://127.0.0.1:${port}/ws`;
                request.end();
              },
            });
    opened.on('error', () => {});
    t.teardown(() => opened.terminate());
    return opened;
  };
  return {
    sidecar,
    server,
    connections,
    open,
    async pair(client) {
      const accepted = once(server, 'connection');
      const opened = open(client);
      const [[peer]] = await Promise.all([accepted, once(opened, 'open')]);
      if (!(peer instanceof WebSocket)) throw new Error('the server accepted no WebSocket');
      return { client: opened, peer };
    },
  };
}
