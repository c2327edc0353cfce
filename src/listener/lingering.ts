import type { ByteHandler, ByteSocket } from '../transport/byte-socket.ts';
import type { DownstreamSession } from './downstream-session.ts';
import type { ListenerContext } from './listener-context.ts';
import { LINGER_BYTES, LINGER_MS } from './session-bounds.ts';

/**
 * The end of a connection of the app: FIN is sent, and what still comes is thrown away for a moment, for a close with unread bytes would reset the
 * connection under the last answer (RFC 9112 section 9.6).
 */
export class Lingering implements ByteHandler, DownstreamSession {
  readonly busy = 0;
  readonly #socket: ByteSocket;
  readonly #context: ListenerContext;
  /** Since when (monotonic ms). */
  readonly #since: number;
  #dropped = 0;

  /** Takes the socket over, and stands among the sessions till it is closed. */
  constructor(socket: ByteSocket, context: ListenerContext) {
    this.#socket = socket;
    this.#context = context;
    this.#since = context.forward.clock.now();
    context.sessions.add(this);
    socket.setHandler(this);
    socket.end();
    socket.resume();
  }

  onBytes(_buffer: Buffer, length: number): void {
    this.#dropped += length;
    if (this.#dropped > LINGER_BYTES) this.#socket.destroy();
  }

  /** Both sides have ended: it closes by itself when what is queued has left. */
  onEnd(): void {
    if (this.#socket.queued === 0) this.#socket.destroy();
  }

  onDrain(): void {}

  onClose(): void {
    this.#context.sessions.closed(this);
  }

  tick(now: number): void {
    this.#socket.settle();
    const { writeMs } = this.#context.config.defaults.timeouts;
    if (now - this.#since > (this.#socket.queued > 0 ? writeMs : LINGER_MS)) this.#socket.destroy();
  }

  drain(): void {}

  destroy(): void {
    this.#socket.destroy();
  }
}
