import { once } from 'node:events';
import net from 'node:net';
import type { Test } from 'tap';

/** One connection that the origin accepted, with every byte that came over it. */
export class OriginConnection {
  readonly socket: net.Socket;
  /** In order of arrival, 0 first. */
  readonly index: number;
  #received = Buffer.alloc(0);
  #ended = false;
  #closed = false;
  #waiters: (() => void)[] = [];

  constructor(socket: net.Socket, index: number) {
    this.socket = socket;
    this.index = index;
    const wake = (): void => {
      const waiters = this.#waiters;
      this.#waiters = [];
      for (const waiter of waiters) waiter();
    };
    socket.on('data', (bytes: Buffer) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      wake();
    });
    socket.on('end', () => {
      this.#ended = true;
      wake();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#closed = true;
      wake();
    });
  }

  /** All bytes so far. */
  get received(): string {
    return this.#received.toString('latin1');
  }

  get ended(): boolean {
    return this.#ended || this.#closed;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Resolves when `done` holds; it is asked again after each read, FIN and close. Fails by the test's own time-out. */
  async until(done: (connection: OriginConnection) => boolean): Promise<void> {
    while (!done(this)) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  /** Resolves when what was received contains `text`. */
  async untilReceived(text: string): Promise<void> {
    await this.until(({ received }) => received.includes(text));
  }

  write(text: string | Buffer): void {
    this.socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text);
  }
}

export type RawOrigin = {
  readonly port: number;
  readonly connections: readonly OriginConnection[];
  /** The connection number `index`, as soon as it has come. */
  connection(index: number): Promise<OriginConnection>;
};

/** An origin that does nothing by itself but record: the test writes the bytes of its answers. */
export async function rawOrigin(
  t: Test,
  onConnection: (connection: OriginConnection) => void = () => {},
): Promise<RawOrigin> {
  const connections: OriginConnection[] = [];
  let waiters: (() => void)[] = [];
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    const connection = new OriginConnection(socket, connections.length);
    connections.push(connection);
    onConnection(connection);
    const woken = waiters;
    waiters = [];
    for (const waiter of woken) waiter();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the origin has no port');
  t.teardown(() => {
    server.close();
    for (const { socket } of connections) socket.destroy();
  });
  return {
    port: address.port,
    connections,
    async connection(index) {
      for (;;) {
        const found = connections[index];
        if (found !== undefined) return found;
        await new Promise<void>((resolve) => waiters.push(resolve));
      }
    },
  };
}

/** A client connection of the test, with every byte that came back. The same class serves: it is a socket that records. */
export async function rawClient(t: Test, port: number): Promise<OriginConnection> {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  const client = new OriginConnection(socket, 0);
  await once(socket, 'connect');
  t.teardown(() => {
    socket.destroy();
  });
  return client;
}
