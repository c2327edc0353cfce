import net from 'node:net';

/** Lets every socket of this process that has something to read be read: one full turn of the event loop. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Two turns: what was written before them has been read by a peer in this process, and read alone. */
export async function settle(): Promise<void> {
  await turn();
  await turn();
}

/** One client connection that records, for tests that make very many of them. */
export class Caller {
  received = '';
  ended = false;
  closed = false;
  /** It was cut, which is not an end. */
  reset = false;
  readonly socket: net.Socket;
  #wake: (() => void) | null = null;

  constructor(port: number) {
    this.socket = net.connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    const wake = (): void => {
      const waiting = this.#wake;
      this.#wake = null;
      waiting?.();
    };
    this.socket.on('connect', wake);
    this.socket.on('data', (bytes: Buffer) => {
      this.received += bytes.toString('latin1');
      wake();
    });
    this.socket.on('end', () => {
      this.ended = true;
      wake();
    });
    this.socket.on('error', () => {
      this.reset = true;
    });
    this.socket.on('close', () => {
      this.ended = true;
      this.closed = true;
      wake();
    });
  }

  /** Resolves when `done` holds; it is asked after each read, FIN and close. */
  async until(done: (caller: Caller) => boolean): Promise<void> {
    while (!done(this)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async connected(): Promise<void> {
    await this.until(({ socket, closed }) => !socket.connecting || closed);
    await settle();
  }

  /** Sends `parts`, each so that it is read alone. */
  async send(parts: readonly string[]): Promise<void> {
    for (const [index, part] of parts.entries()) {
      if (index > 0) await settle();
      this.socket.write(Buffer.from(part, 'latin1'));
    }
  }

  /** Says that nothing more comes, and waits for the end. */
  async finish(): Promise<void> {
    this.socket.end();
    await this.until(({ closed }) => closed);
  }
}

/** `bytes` cut at the offset; 0 and the end give one part. */
export const cutAt = (bytes: string, offset: number): string[] =>
  offset <= 0 || offset >= bytes.length ? [bytes] : [bytes.slice(0, offset), bytes.slice(offset)];
