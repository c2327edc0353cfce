import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Cluster } from './cluster.ts';

/** Stands between one sidecar and the API server: counts connections and bytes, and breaks them when told to. */
export class ApiRelay {
  readonly #cluster: Cluster;
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  #port = 0;
  connections = 0;
  mostOpen = 0;
  /** Bytes of TLS from the API server. */
  bytes = 0;

  private constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#server = createServer((client) => this.#join(client));
  }

  static async open(cluster: Cluster): Promise<ApiRelay> {
    const relay = new ApiRelay(cluster);
    await relay.listen();
    return relay;
  }

  get host(): string {
    return this.#cluster.hostIp;
  }

  get port(): number {
    return this.#port;
  }

  get openNow(): number {
    return this.#open.size;
  }

  /** Takes connections (again, at the same port). */
  async listen(): Promise<void> {
    this.#server.listen(this.#port, this.host);
    await once(this.#server, 'listening');
    const address = this.#server.address();
    if (address !== null && typeof address === 'object') this.#port = address.port;
  }

  /** Resets all connections; new ones are taken. */
  cut(): void {
    for (const socket of this.#open) socket.resetAndDestroy();
  }

  /** Resets all connections and refuses new ones. */
  async refuse(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.cut();
    await closed;
  }

  async close(): Promise<void> {
    if (this.#server.listening) await this.refuse();
  }

  #join(client: Socket): void {
    const server = connect(6443, this.#cluster.nodeIp);
    this.#open.add(client);
    this.connections++;
    this.mostOpen = Math.max(this.mostOpen, this.#open.size);
    server.on('data', (bytes: Buffer) => {
      this.bytes += bytes.length;
    });
    client.pipe(server);
    server.pipe(client);
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.on('error', () => other.resetAndDestroy());
      one.once('close', () => other.destroy());
    }
    client.once('close', () => this.#open.delete(client));
  }
}
