import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

type Pair = { readonly client: Socket; readonly server: Socket; frozen: boolean };

/**
 * The network in front of a server on loopback: it can go away, come back at the same port, reset a connection, and
 * swallow everything without a sign, as a dead node or a firewall that forgot a connection does.
 */
export class TcpRelay {
  readonly #target: number;
  readonly #pairs = new Set<Pair>();
  #listener: Server | null = null;
  #port = 0;
  #frozen = false;
  /** Connections accepted so far, with or without a TLS handshake. */
  opened = 0;
  /** Bytes towards clients. */
  bytesSent = 0;
  /** Called after each change of what this class counts. */
  changed: () => void = () => {};

  constructor(target: number) {
    this.#target = target;
  }

  get port(): number {
    return this.#port;
  }

  get open(): number {
    return this.#pairs.size;
  }

  /** Starts listening: at any port the first time, at the same one after `stop`. */
  async start(): Promise<void> {
    const listener = createServer({ allowHalfOpen: true }, (client) => this.#accept(client));
    listener.listen(this.#port, '127.0.0.1');
    await once(listener, 'listening');
    const address = listener.address();
    if (address === null || typeof address === 'string') throw new Error('the relay listens at no port');
    this.#port = address.port;
    this.#listener = listener;
  }

  /** Ends all connections with RST and takes no new one: connects are refused. */
  async stop(): Promise<void> {
    const listener = this.#listener;
    this.#listener = null;
    this.reset();
    if (!listener) return;
    await new Promise<void>((resolve) => listener.close(() => resolve()));
  }

  /** From now on nothing gets through towards clients or from them; a client learns of nothing. */
  freeze(): void {
    this.#frozen = true;
    for (const pair of this.#pairs) pair.frozen = true;
  }

  /** New connections get through again; those that were frozen stay dead for ever. */
  thaw(): void {
    this.#frozen = false;
  }

  /** RST to clients: all, or the one that the server sees coming from `port`. */
  reset(port: number | null = null): void {
    for (const { client, server } of [...this.#pairs]) {
      if (port !== null && server.localPort !== port) continue;
      // After a FIN there is no RST: libuv refuses it, and Node then never closes the handle, nor ends.
      if (client.writableEnded) client.destroy();
      else client.resetAndDestroy();
      server.destroy();
    }
  }

  #accept(client: Socket): void {
    const server = connect({ port: this.#target, host: '127.0.0.1', allowHalfOpen: true });
    const pair: Pair = { client, server, frozen: this.#frozen };
    this.#pairs.add(pair);
    this.opened++;
    this.changed();
    client.setNoDelay(true);
    server.setNoDelay(true);
    this.#pipe(pair, client, server, () => {});
    this.#pipe(pair, server, client, (bytes) => {
      this.bytesSent += bytes;
    });
    client.on('close', () => {
      server.destroy();
      this.#pairs.delete(pair);
      this.changed();
    });
    server.on('close', () => {
      if (!pair.frozen) client.destroySoon();
    });
  }

  #pipe(pair: Pair, from: Socket, to: Socket, count: (bytes: number) => void): void {
    from.on('error', () => {});
    from.on('data', (bytes: Buffer) => {
      if (pair.frozen) return;
      count(bytes.length);
      if (to.writable) to.write(bytes);
    });
    from.on('end', () => {
      if (!pair.frozen) to.end();
      // What a client closed is closed: it is no part of the silence.
      else if (from === pair.client) from.destroy();
    });
  }
}
