import { once } from 'node:events';
import net from 'node:net';
import type { Test } from 'tap';
import { readAtOrigin, readRequests, type StrictMessage } from './strict-reader.ts';

/** One request that the origin read whole, and the answer that it gave. */
export type Recorded = {
  readonly id: string;
  readonly connection: number;
  readonly seen: string;
  readonly message: StrictMessage;
};

let nextId = 0;

/**
 * An origin that reads as strictly as can be, records what it read, and answers each request at once with an id that no
 * other answer has: who gets it can tell whose answer it is.
 */
export class CaseOrigin {
  readonly #server: net.Server;
  readonly #open = new Map<number, { socket: net.Socket; bytes: string }>();
  /** Requests since the last `take`. */
  #recorded: Recorded[] = [];
  /** Bytes that no strict reader accepts: the relay must never send such. */
  readonly faults: string[] = [];
  /** Unfinished requests whose connection ended, since the last `take`: what they held of a body. */
  #cut: string[] = [];
  accepted = 0;
  answered = 0;
  #waiters: (() => void)[] = [];

  constructor() {
    this.#server = net.createServer((socket) => this.#accept(socket));
  }

  async listen(t: Test): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    t.teardown(() => {
      this.#server.close();
      for (const { socket } of this.#open.values()) socket.destroy();
    });
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the origin has no port');
    return address.port;
  }

  get connections(): number {
    return this.#open.size;
  }

  #accept(socket: net.Socket): void {
    const index = this.accepted++;
    const connection = { socket, bytes: '' };
    this.#open.set(index, connection);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => {
      connection.bytes += bytes.toString('latin1');
      this.#read(index, connection);
    });
    socket.on('close', () => {
      this.#open.delete(index);
      if (connection.bytes !== '') this.#cut.push(readRequests(connection.bytes).partialBody ?? '');
      const waiters = this.#waiters;
      this.#waiters = [];
      for (const waiter of waiters) waiter();
    });
  }

  #read(index: number, connection: { socket: net.Socket; bytes: string }): void {
    const { messages, end, consumed } = readRequests(connection.bytes);
    if (end === 'malformed') this.faults.push(connection.bytes);
    connection.bytes = connection.bytes.slice(consumed);
    for (const message of messages) {
      const id = `id-${nextId++}`;
      this.#recorded.push({ id, connection: index, seen: readAtOrigin(message), message });
      this.answered++;
      const body = message.method === 'HEAD' ? '' : id;
      connection.socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${id.length}\r\nX-Answer: ${id}\r\n\r\n${body}`);
    }
  }

  /** What was recorded since the last call; resolves when no connection holds an unfinished request any more. */
  async take(): Promise<{ requests: readonly Recorded[]; cut: readonly string[] }> {
    while ([...this.#open.values()].some(({ bytes }) => bytes !== '')) {
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
    const taken = { requests: this.#recorded, cut: this.#cut };
    this.#recorded = [];
    this.#cut = [];
    return taken;
  }
}
