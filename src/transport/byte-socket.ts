import net from 'node:net';
import { outputSlab, ReadEvent } from './output-slab.ts';

/** What a byte socket tells its owner. Every callback may call back into the socket. */
export interface ByteHandler {
  /** Bytes were read: `buffer[0..length)`, valid until the call returns. */
  onBytes(buffer: Buffer, length: number): void;
  /** The peer will send nothing more (FIN). */
  onEnd(): void;
  /** Everything that `send` and `write` took has left, after one of them said that it was full. */
  onDrain(): void;
  /** The socket is gone, once, and always last; with the error that ended it, or null. */
  onClose(error: NodeJS.ErrnoException | null): void;
}

const READ_BYTES = 64 * 1024;

/** Bytes in a socket's queue above which its source should pause: `limits.bufferBytes` counts on it. */
const WRITE_HIGH_WATER = 32 * 1024;

/** One read buffer for all sockets: a read event is handled to its end before the next one begins. */
const readBuffer = Buffer.allocUnsafeSlow(READ_BYTES);

/** Options that `net.Socket` takes and its types leave out: see `onread` of `net.connect`. */
type OnRead = { buffer: Uint8Array; callback: (bytes: number, buffer: Uint8Array) => boolean };

/**
 * A TCP socket for a relay: reads into one buffer that all sockets share (Node's `onread`), writes from the output slab,
 * and tells its one handler.
 */
export class ByteSocket {
  readonly #socket: net.Socket;
  #handler: ByteHandler;
  #closed = false;
  #error: NodeJS.ErrnoException | null = null;
  bytesRead = 0;
  /** Bytes that the kernel, or the queue before it, took. */
  bytesWritten = 0;
  /** A write was refused whole: what it held was provably not sent. */
  writeFailed = false;

  private constructor(socket: net.Socket, handler: ByteHandler) {
    this.#socket = socket;
    this.#handler = handler;
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#error = error;
    });
    socket.on('end', () => this.#handler.onEnd());
    socket.on('drain', () => this.#handler.onDrain());
    socket.on('close', () => {
      this.#closed = true;
      outputSlab.forget(this);
      this.#handler.onClose(this.#error);
    });
  }

  /**
   * Takes over a socket that a server accepted with `pauseOnConnect`. Node documents `onread` for `net.connect` only; an
   * accepted socket gets it by wrapping its handle anew. Where that is not possible the socket's `data` events serve: the
   * same behaviour, a little slower.
   */
  static accept(accepted: net.Socket, handler: ByteHandler): ByteSocket {
    const rewrapped = rewrapWithSharedBuffer(accepted);
    if (rewrapped === null) {
      const socket = new ByteSocket(accepted, handler);
      accepted.on('data', (chunk: Buffer) => socket.#onRead(chunk, chunk.length));
      accepted.resume();
      return socket;
    }
    const socket = new ByteSocket(rewrapped.socket, handler);
    rewrapped.begin((bytes) => socket.#onRead(readBuffer, bytes));
    return socket;
  }

  /** Dials `address:port`; `connected` is called once when the connection stands, `onClose` when it fails. */
  static connect(
    target: { address: string; port: number; keepAliveMs: number },
    handler: ByteHandler,
    connected: () => void,
  ): ByteSocket {
    let socket: ByteSocket | null = null;
    const raw = net.connect({
      host: target.address,
      port: target.port,
      noDelay: true,
      keepAlive: target.keepAliveMs > 0,
      keepAliveInitialDelay: target.keepAliveMs,
      allowHalfOpen: true,
      writableHighWaterMark: WRITE_HIGH_WATER,
      // The address is a literal: nothing is looked up and nothing is raced behind our back.
      autoSelectFamily: false,
      onread: {
        buffer: readBuffer,
        callback: (bytes: number) => {
          if (socket !== null) socket.#onRead(readBuffer, bytes);
          return true;
        },
      },
    } as net.NetConnectOpts);
    socket = new ByteSocket(raw, handler);
    raw.once('connect', connected);
    return socket;
  }

  /** Hands the socket to another owner (a tunnel). */
  setHandler(handler: ByteHandler): void {
    this.#handler = handler;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Whether it can still be written to. */
  get writable(): boolean {
    return this.#socket.writable && !this.#closed;
  }

  /** Bytes that the kernel has not taken yet. */
  get queued(): number {
    return this.#socket.writableLength;
  }

  get localPort(): number {
    return this.#socket.localPort ?? 0;
  }

  get remoteAddress(): string {
    return this.#socket.remoteAddress ?? '';
  }

  #onRead(buffer: Buffer, bytes: number): void {
    this.bytesRead += bytes;
    const nested = ReadEvent.running;
    ReadEvent.running = true;
    if (!nested) ReadEvent.count++;
    try {
      this.#handler.onBytes(buffer, bytes);
    } finally {
      if (!nested) {
        ReadEvent.running = false;
        outputSlab.flush();
      }
    }
  }

  /**
   * Writes a range without copying it.
   * @returns whether the memory is still in use afterwards, so that the caller must leave it alone
   */
  send(buffer: Buffer, start: number, end: number): boolean {
    const socket = this.#socket;
    if (this.#closed || !socket.writable) {
      this.writeFailed = true;
      return false;
    }
    socket.write(start === 0 && end === buffer.length ? buffer : buffer.subarray(start, end));
    // The kernel refused (EPIPE, ECONNRESET) and took nothing; the error event follows.
    if (socket.errored !== null) {
      this.writeFailed = true;
      return false;
    }
    this.bytesWritten += end - start;
    return socket.writableLength !== 0;
  }

  /**
   * Copies a range into the slab, to leave with what else this event makes.
   * @returns false where more than the high-water mark waits: pause the source until `onDrain`
   */
  write(buffer: Buffer, start: number, end: number): boolean {
    const length = end - start;
    outputSlab.reserve(this, length);
    if (length > 0) buffer.copy(outputSlab.buffer, outputSlab.length, start, end);
    outputSlab.length += length;
    return !this.full;
  }

  /** Whether the source should pause; `onDrain` follows when there is room again. */
  get full(): boolean {
    return this.#socket.writableNeedDrain;
  }

  /** Sends what the slab holds for this socket now. */
  flush(): void {
    outputSlab.flushFor(this);
  }

  /** Stops reading: back-pressure. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Sends what is gathered, then FIN. */
  end(): void {
    outputSlab.flushFor(this);
    this.#socket.end();
  }

  /** Closes now; what is queued is lost. */
  destroy(): void {
    outputSlab.forget(this);
    this.#socket.destroy();
  }

  /** Closes now with RST, so that the peer sees that its message was cut and not ended. */
  reset(): void {
    outputSlab.flushFor(this);
    this.#socket.resetAndDestroy();
  }
}

type Rewrapped = { socket: net.Socket; begin: (onRead: (bytes: number) => void) => void };

/** The one place that touches what Node does not document; null where this Node has it no more. */
function rewrapWithSharedBuffer(accepted: net.Socket): Rewrapped | null {
  const holder: { _handle?: unknown } = accepted as unknown as { _handle?: unknown };
  const handle = holder._handle;
  if (handle === null || handle === undefined || process.env.CARPOOL_PLAIN_ACCEPT === '1') return null;
  holder._handle = null;
  let onRead: ((bytes: number) => void) | null = null;
  const onread: OnRead = {
    buffer: readBuffer,
    callback: (bytes) => {
      onRead?.(bytes);
      return true;
    },
  };
  const socket = new net.Socket({
    handle,
    onread,
    allowHalfOpen: true,
    writableHighWaterMark: WRITE_HIGH_WATER,
  } as unknown as net.SocketConstructorOpts);
  return {
    socket,
    begin: (callback) => {
      onRead = callback;
      socket.resume();
    },
  };
}
