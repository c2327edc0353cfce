import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { Teardown } from '../teardown.ts';

/** A server that can go and come back under the same address. */
export class Origin {
  readonly #server: Server;
  #port = 0;

  private constructor(delayMs: number) {
    this.#server = createServer((_request, response) => {
      setTimeout(() => response.end('well\n'), delayMs);
    });
  }

  /** @param delayMs until each answer */
  static async start(t: Teardown, delayMs = 0): Promise<Origin> {
    const origin = new Origin(delayMs);
    await origin.up();
    t.teardown(() => origin.down());
    return origin;
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  async up(): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    if (typeof address === 'object' && address !== null) this.#port = address.port;
  }

  async down(): Promise<void> {
    if (!this.#server.listening) return;
    const gone = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await gone;
  }
}
