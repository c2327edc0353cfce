import { once } from 'node:events';
import net from 'node:net';
import type { Test } from 'tap';
import { seededRandom } from '../pool/pool-fixture.ts';

/** What an origin does with one request in place of answering it. */
export type Fault =
  /** The connection is reset, or closed, before a byte of an answer. */
  | { readonly kind: 'reset' | 'close' }
  /** Half of a body, then a reset. */
  | { readonly kind: 'cut' }
  | { readonly kind: 'status'; readonly status: number; readonly fields?: string; readonly body?: string }
  /** The request is read, and nothing ever follows. */
  | { readonly kind: 'silence' }
  /** The answer comes after so many turns of the event loop; `dribble`: its body byte by byte, so many turns apart. */
  | { readonly kind: 'delay' | 'dribble'; readonly turns: number }
  /** A whole answer, and a turn of the event loop later the idle connection is reset. */
  | { readonly kind: 'reset_idle' };

/** `share` of the requests get this fault; the rest of 1 is answered with 200. */
export type Faults = readonly { readonly share: number; readonly fault: Fault }[];

export type FaultyOrigin = {
  readonly port: number;
  /** From now on; what is under way goes on as it began. */
  faults: Faults;
  /** Requests that came, whatever became of them. */
  readonly seen: number;
  /** How often each `METHOD /path` came. */
  readonly times: ReadonlyMap<string, number>;
  readonly connections: number;
};

const BODY = 'a body of some bytes';

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** One connection of it: reads requests (with Content-Length, or without a body) and answers them in order. */
class FaultyConnection {
  readonly #socket: net.Socket;
  readonly #answer: (request: string) => Fault | null;
  #bytes = '';
  /** Answers are given one after the other. */
  #busy = false;

  constructor(socket: net.Socket, answer: (request: string) => Fault | null) {
    this.#socket = socket;
    this.#answer = answer;
    socket.on('error', () => {});
    socket.on('end', () => socket.end());
    socket.on('data', (bytes: Buffer) => {
      this.#bytes += bytes.toString('latin1');
      void this.#read();
    });
  }

  async #read(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    for (let request = this.#take(); request !== null; request = this.#take()) {
      const fault = this.#answer(request);
      if (fault === null) this.#send('200 OK', BODY);
      else await this.#fail(fault);
    }
    this.#busy = false;
  }

  /** `METHOD /path` of the next whole request, or null. */
  #take(): string | null {
    const headEnd = this.#bytes.indexOf('\r\n\r\n');
    if (headEnd < 0 || this.#socket.destroyed) return null;
    const head = this.#bytes.slice(0, headEnd);
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
    if (this.#bytes.length < headEnd + 4 + length) return null;
    this.#bytes = this.#bytes.slice(headEnd + 4 + length);
    return head.slice(0, head.indexOf(' HTTP/'));
  }

  #send(status: string, body: string, fields = ''): void {
    if (!this.#socket.writable) return;
    this.#socket.write(`HTTP/1.1 ${status}\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`, 'latin1');
  }

  async #fail(fault: Fault): Promise<void> {
    const socket = this.#socket;
    switch (fault.kind) {
      case 'reset':
        socket.resetAndDestroy();
        return;
      case 'close':
        socket.end();
        return;
      case 'cut':
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY.slice(5)}`, () =>
          socket.resetAndDestroy(),
        );
        return;
      case 'status':
        this.#send(`${fault.status} Faulty`, fault.body ?? BODY, fault.fields);
        return;
      case 'silence':
        await once(socket, 'close');
        return;
      case 'delay':
        await turns(fault.turns);
        this.#send('200 OK', BODY);
        return;
      case 'dribble':
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${BODY.length}\r\n\r\n`);
        for (const byte of BODY) {
          await turns(fault.turns);
          if (socket.writable) socket.write(byte);
        }
        return;
      case 'reset_idle':
        this.#send('200 OK', BODY);
        await turns(1);
        socket.resetAndDestroy();
    }
  }
}

/**
 * An origin that fails a share of its requests in ways that are the same in each run: which request gets which fault
 * follows from `seed` and the order of arrival.
 * @param port the port to listen on, or 0: a free one
 */
export async function faultyOrigin(t: Test, faults: Faults = [], seed = 1, port = 0): Promise<FaultyOrigin> {
  const random = seededRandom(seed);
  const times = new Map<string, number>();
  const sockets = new Set<net.Socket>();
  const origin = { port, faults, seen: 0, times, connections: 0 };
  const answer = (request: string): Fault | null => {
    origin.seen++;
    times.set(request, (times.get(request) ?? 0) + 1);
    let drawn = random();
    for (const { share, fault } of origin.faults) {
      if (drawn < share) return fault;
      drawn -= share;
    }
    return null;
  };
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    origin.connections++;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    new FaultyConnection(socket, answer);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the origin has no port');
  origin.port = address.port;
  t.teardown(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return origin;
}
