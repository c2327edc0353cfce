import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Test } from 'tap';

/** Over how long the sum is looked at: a connection that takes the place of another may be seen before that one's end. */
const SAMPLE_MS = 20;

/** An upstream that answers after a while and counts who has how many connections open. */
export class CountingOrigin {
  readonly port: number;
  /** Sidecars by the connections that they have open here: named by the header `x-sidecar`. */
  readonly #open = new Map<Socket, string>();
  #most = 0;

  private constructor(server: Server) {
    const { port } = server.address() as AddressInfo;
    this.port = port;
  }

  /** @param delayMs how long each answer takes */
  static async start(t: Test, delayMs: number): Promise<CountingOrigin> {
    const server = createServer({ keepAliveTimeout: 120_000 });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const origin = new CountingOrigin(server);
    server.on('connection', (socket) => {
      origin.#open.set(socket, '');
      socket.once('close', () => origin.#open.delete(socket));
    });
    server.on('request', (request: IncomingMessage, response) => {
      origin.#open.set(request.socket, String(request.headers['x-sidecar'] ?? ''));
      setTimeout(() => response.end('done'), delayMs);
    });
    const sampling = setInterval(() => {
      origin.#most = Math.max(origin.#most, origin.open);
    }, SAMPLE_MS);
    t.teardown(() => {
      clearInterval(sampling);
      server.closeAllConnections();
      server.close();
    });
    return origin;
  }

  get open(): number {
    return this.#open.size;
  }

  /** The most that were open at once since this was asked last. */
  takeMost(): number {
    const most = this.#most;
    this.#most = this.open;
    return most;
  }

  openBy(sidecar: string): number {
    let count = 0;
    for (const name of this.#open.values()) if (name === sidecar) count++;
    return count;
  }
}
