import { connect, type Socket } from 'node:net';
import { ResponseReader } from './response-reader.ts';

/**
 * How an exchange went, as the app sees it: a status, or why there is none. `truncated`: the head had come, the body
 * broke off. `closed`: the connection ended before any byte of an answer.
 */
export type Outcome =
  | { readonly kind: 'answered'; readonly status: number }
  | { readonly kind: 'unconnected' | 'closed' | 'reset' | 'truncated' };

/**
 * One keep-alive connection of a load generator, on node:net alone: neither the engine under test nor a client library
 * whose own pooling would be measured with it. One exchange at a time.
 */
export class ClientConnection {
  readonly #socket: Socket;
  readonly #reader = new ResponseReader();
  #waiting: ((outcome: Outcome) => void) | null = null;
  #connected = false;
  #open = true;

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.once('connect', () => {
      this.#connected = true;
    });
    this.#socket.on('data', (bytes: Buffer) => this.#read(bytes));
    this.#socket.once('end', () => this.#lost(this.#reader.end() ? 'complete' : 'closed'));
    this.#socket.once('error', () => this.#lost(this.#connected ? 'reset' : 'unconnected'));
    this.#socket.once('close', () => this.#lost('closed'));
  }

  /** Whether another request may be sent; false while one is under way. */
  get usable(): boolean {
    return this.#open && this.#waiting === null;
  }

  /** Sends a whole request. The callback comes once, with the end of the exchange, unless `destroy` is called first. */
  send(request: Buffer, callback: (outcome: Outcome) => void): void {
    this.#waiting = callback;
    this.#socket.write(request);
  }

  /** Gives up: no callback follows. */
  destroy(): void {
    this.#open = false;
    this.#waiting = null;
    this.#socket.destroy();
  }

  #read(bytes: Buffer): void {
    if (this.#reader.take(bytes)) this.#answered();
  }

  #answered(): void {
    if (!this.#reader.keepAlive) this.#close();
    this.#tell({ kind: 'answered', status: this.#reader.status });
  }

  #lost(how: 'complete' | 'closed' | 'reset' | 'unconnected'): void {
    this.#close();
    if (how === 'complete') this.#tell({ kind: 'answered', status: this.#reader.status });
    else this.#tell({ kind: this.#reader.begun ? 'truncated' : how });
  }

  #close(): void {
    this.#open = false;
    this.#socket.destroy();
  }

  #tell(outcome: Outcome): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.(outcome);
  }
}
