import type { Clock, Timer } from '../clock.ts';
import type { ByteHandler, ByteSocket } from '../transport/byte-socket.ts';

const LINGER_MS = 2000;
const LINGER_BYTES = 1024 * 1024;

/** Reads on and throws away, within bounds, until the peer has closed. */
class Linger implements ByteHandler {
  readonly #socket: ByteSocket;
  readonly #timer: Timer;
  #bytes = 0;

  constructor(socket: ByteSocket, clock: Clock) {
    this.#socket = socket;
    this.#timer = clock.setTimer(() => socket.destroy(), LINGER_MS);
  }

  onBytes(_buffer: Buffer, length: number): void {
    this.#bytes += length;
    if (this.#bytes > LINGER_BYTES) this.#socket.destroy();
  }

  onEnd(): void {
    this.#socket.destroy();
  }

  onDrain(): void {}

  onClose(): void {
    this.#timer.cancel();
  }
}

/**
 * Ends a connection whose last words the peer is to read: a close with unread bytes would reset it, and they would be lost (RFC 9112
 * section 9.6 tells it of HTTP/1.1).
 */
export function linger(socket: ByteSocket, clock: Clock): void {
  if (socket.closed) return;
  socket.setHandler(new Linger(socket, clock));
  socket.end();
  socket.resume();
}
