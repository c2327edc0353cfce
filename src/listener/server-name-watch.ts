import { ClientHelloReader } from '../protocol/client-hello.ts';
import type { ByteHandler, ByteSocket } from '../transport/byte-socket.ts';

/**
 * Looks at the first bytes of an app that pass through a tunnel, for the server name that TLS asks for, and gets out of the way. The bytes pass
 * before it looks at them.
 */
export class ServerNameWatch implements ByteHandler {
  readonly #socket: ByteSocket;
  readonly #next: ByteHandler;
  readonly #told: (serverName: string) => void;
  readonly #reader = new ClientHelloReader();

  /** @param next where bytes and events go, during the watch and after it */
  constructor(socket: ByteSocket, next: ByteHandler, told: (serverName: string) => void) {
    this.#socket = socket;
    this.#next = next;
    this.#told = told;
    socket.setHandler(this);
  }

  /** Bytes that came before the watch. */
  look(buffer: Buffer, length: number): void {
    if (!this.#reader.read(buffer, length)) return;
    this.#socket.setHandler(this.#next);
    if (this.#reader.serverName !== null) this.#told(this.#reader.serverName);
  }

  onBytes(buffer: Buffer, length: number): void {
    this.#next.onBytes(buffer, length);
    this.look(buffer, length);
  }

  onEnd(): void {
    this.#next.onEnd();
  }

  onDrain(): void {
    this.#next.onDrain();
  }

  onClose(error: NodeJS.ErrnoException | null): void {
    this.#next.onClose(error);
  }
}
