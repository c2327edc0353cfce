import net from 'node:net';
import {
  directHandle,
  endedByCloseNotify,
  type Handle,
  isSocket,
  readInto,
  systemError,
  whenWritten,
  wrapHandle,
  writeDirect,
} from './node-handle.ts';
import { outputSlab, ReadEvent } from './output-slab.ts';
import { connectSecure, type SecureSocket, type SecureTarget, truncated } from './secure-socket.ts';

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

/** What to dial. `secure`: what TLS is opened with, where it is; `over`: a connection that stands, for TLS to go over. */
export type ConnectTarget = {
  readonly address: string;
  readonly port: number;
  readonly keepAliveMs: number;
  readonly secure?: SecureTarget | null;
  readonly over?: net.Socket | null;
};

const READ_BYTES = 64 * 1024;

/** Bytes that sockets hold because the kernel did not take them, of all sockets; part of `limits.bufferBytes`. */
export const queuedBytes = { total: 0 };

/** Bytes in a socket's queue above which its source should pause. */
export const WRITE_HIGH_WATER = 32 * 1024;

/** One read buffer for all sockets: a read event is handled to its end before the next one begins. */
const readBuffer = Buffer.allocUnsafeSlow(READ_BYTES);

/** Ranges from this size on are worth sending without a copy; not below the high-water mark, see `sendStable`. */
const STABLE_BYTES = WRITE_HIGH_WATER;
/** From this length on it pays to read a body into a buffer of its own and to send it from there. */
const LARGE_BODY_BYTES = 128 * 1024;
/** So many sockets may have a read buffer of their own (64 KiB each). */
const MAX_OWN_BUFFERS = 256;
let ownBuffers = 0;

/**
 * A TCP socket for a relay, with TLS on it or not: reads into one buffer that all sockets share (Node's `onread`), writes
 * from the output slab, and tells its one handler.
 *
 * Of TLS a read event is one record, and up to 64 KiB may come after `pause`: what had been read is decrypted to its end. So no
 * TLS socket has a buffer of its own. Writes go by the stream, for Node's TLS takes one at a time.
 */
export class ByteSocket {
  readonly #socket: net.Socket;
  #handler: ByteHandler;
  #closed = false;
  #error: NodeJS.ErrnoException | null = null;
  bytesRead = 0;
  /** Bytes that the kernel, or the queue before it, took. */
  bytesWritten = 0;
  /** A read buffer of its own, for large bodies; else all sockets share one. */
  #ownBuffer: Buffer | null = null;
  /** For writes past the stream; null before the connection stands, and where this Node cannot. */
  #handle: Handle | null = null;
  /** Bytes of such writes that the kernel has not taken yet, and whether there were so many that the source pauses. */
  #pending = 0;
  #full = false;
  /** What of this socket's queue stands in `queuedBytes`. */
  #charged = 0;
  /** A write was refused whole: what it held was provably not sent. */
  writeFailed = false;
  /** Null: it is in clear. */
  readonly #secure: SecureSocket | null;
  /** Its owner has let go of it, and it says goodbye (close_notify): nothing but its close is told. */
  #released = false;

  private constructor(socket: net.Socket, handler: ByteHandler, secure: SecureSocket | null = null) {
    this.#socket = socket;
    this.#handler = handler;
    this.#secure = secure;
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#error ??= error;
      // Node tells of what breaks TLS later on, and leaves the socket open.
      if (secure !== null) socket.destroy();
    });
    socket.on('end', () => this.#onEnd());
    socket.on('drain', () => {
      this.#charge(this.queued);
      if (!this.#released) this.#handler.onDrain();
    });
    socket.on('close', () => {
      this.#closed = true;
      if (this.#ownBuffer !== null) ownBuffers--;
      this.#charge(0);
      outputSlab.forget(this);
      this.#handler.onClose(this.#error);
    });
  }

  /**
   * Takes over what a server has accepted: its bare handle, or a paused socket (see node-handle.ts); or what stands, by TLS
   * where `secure` says so.
   */
  static accept(accepted: Handle | net.Socket, handler: ByteHandler, secure: SecureSocket | null = null): ByteSocket {
    if (isSocket(accepted)) {
      const socket = new ByteSocket(accepted, handler, secure);
      accepted.on('data', (chunk: Buffer) => socket.#onRead(chunk, chunk.length));
      accepted.resume();
      return socket;
    }
    accepted.setNoDelay?.(true);
    const wrapped = wrapHandle(accepted, readBuffer, WRITE_HIGH_WATER);
    const socket = new ByteSocket(wrapped.socket, handler);
    socket.#handle = directHandle(wrapped.socket);
    wrapped.begin((bytes) => socket.#onRead(socket.#ownBuffer ?? readBuffer, bytes));
    return socket;
  }

  /**
   * Dials `address:port`; `connected` is called once when the connection stands (with `secure`: when TLS does), `onClose`
   * when it fails.
   */
  static connect(target: ConnectTarget, handler: ByteHandler, connected: () => void): ByteSocket {
    let socket: ByteSocket | null = null;
    const onread = {
      buffer: readBuffer,
      callback: (bytes: number) => {
        if (socket !== null) socket.#onRead(socket.#ownBuffer ?? readBuffer, bytes);
        return true;
      },
    };
    if (target.secure) {
      const secure = connectSecure(target, target.secure, WRITE_HIGH_WATER, onread);
      const opened = new ByteSocket(secure.socket, handler, secure);
      secure.socket.once('secureConnect', connected);
      if (target.over) secure.socket.on('data', (chunk: Buffer) => opened.#onRead(chunk, chunk.length));
      socket = opened;
      return opened;
    }
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
      onread,
    } as net.NetConnectOpts);
    socket = new ByteSocket(raw, handler);
    raw.once('connect', () => {
      if (socket !== null) socket.#handle = directHandle(raw);
      connected();
    });
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
    // Past the stream nothing waits inside of it.
    return this.#handle === null ? this.#socket.writableLength : this.#pending;
  }

  /** What ALPN agreed on; null: nothing, or there is no TLS. */
  get alpn(): string | null {
    return this.#secure?.socket.alpnProtocol || null;
  }

  /** How far TLS has come and what it knows, for who has to say why it failed; null: there is no TLS. */
  get secure(): Readonly<Pick<SecureSocket, 'phase' | 'certificate'>> | null {
    return this.#secure;
  }

  get localPort(): number {
    return this.#socket.localPort ?? 0;
  }

  get remoteAddress(): string {
    return this.#socket.remoteAddress ?? '';
  }

  #onEnd(): void {
    if (this.#released) return;
    const secure = this.#secure;
    // A handshake that was cut ends with an error, which follows.
    if (secure !== null && secure.phase !== 'established') return;
    // While it is paused TCP is not read, and what ended can be TLS alone.
    if (secure === null || secure.socket.isPaused() || endedByCloseNotify(secure.socket)) this.#handler.onEnd();
    else secure.socket.destroy(truncated());
  }

  #onRead(buffer: Buffer, bytes: number): void {
    if (this.#released) return;
    // What scans a head stops at a NUL, so that it need not look for the end of the bytes at each of them.
    if (bytes < buffer.length) buffer[bytes] = 0;
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
    const length = end - start;
    const bytes = start === 0 && end === buffer.length ? buffer : buffer.subarray(start, end);
    if (this.#handle === null) {
      const dispatched = this.#secure !== null && socket.writableLength === 0;
      // TLS has encrypted what it took when it returns; what has to wait for its turn waits in memory of its own.
      socket.write(this.#secure === null || dispatched ? bytes : Buffer.from(bytes));
      // The kernel refused (EPIPE, ECONNRESET) and took nothing; the error event follows.
      this.writeFailed = socket.errored !== null;
    } else {
      const result = writeDirect(this.#handle, bytes);
      if (result !== 0) this.#notTaken(result, bytes);
    }
    if (this.writeFailed) return false;
    this.bytesWritten += length;
    const { queued } = this;
    if (queued !== this.#charged) this.#charge(queued);
    return queued !== 0 && this.#secure === null;
  }

  /** The kernel refused a write, or took a part of it. */
  #notTaken(result: Exclude<ReturnType<typeof writeDirect>, 0>, bytes: Buffer): void {
    if (typeof result === 'number') {
      this.writeFailed = true;
      this.#socket.destroy(systemError('write', result));
      return;
    }
    this.#pending += bytes.length;
    if (this.#pending >= WRITE_HIGH_WATER) this.#full = true;
    whenWritten(result, bytes, (status) => this.#written(bytes.length, status));
  }

  /** A write that took its time is over. */
  #written(length: number, status: number): void {
    this.#pending -= length;
    if (this.#closed) return;
    if (status < 0) {
      this.#socket.destroy(systemError('write', status));
      return;
    }
    this.#charge(this.queued);
    if (this.#pending > 0 || !this.#full) return;
    this.#full = false;
    this.#handler.onDrain();
  }

  #charge(queued: number): void {
    queuedBytes.total += queued - this.#charged;
    this.#charged = queued;
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

  /**
   * A body of `length` bytes is about to be read: a large one gives this socket a read buffer of its own, so that what it reads can be sent from
   * where it stands. Where Node has the means no more, or too many have one, nothing changes and bytes are copied.
   */
  expectBody(length: number): void {
    if (length < LARGE_BODY_BYTES || this.#ownBuffer !== null || ownBuffers >= MAX_OWN_BUFFERS || this.#secure) return;
    const own = Buffer.allocUnsafeSlow(READ_BYTES);
    if (!readInto(this.#socket, own)) return;
    this.#ownBuffer = own;
    ownBuffers++;
  }

  /**
   * Whether `buffer`, in which bytes of this socket stand, stays as it is while the socket is paused. The read that
   * brings the head of the first large body stands in the shared buffer still.
   */
  keepsWhilePaused(buffer: Buffer): boolean {
    return buffer === this.#ownBuffer;
  }

  /**
   * Writes a range that stays as it is until its source is resumed: a large one without a copy. The source must pause
   * where this returns false, and be resumed by `onDrain` alone: a range over the high-water mark that the kernel does
   * not take whole makes the socket full, so that `onDrain` is sure to follow.
   */
  sendStable(buffer: Buffer, start: number, end: number): boolean {
    if (end - start < STABLE_BYTES) return this.write(buffer, start, end);
    outputSlab.flushFor(this);
    this.send(buffer, start, end);
    return !this.full;
  }

  /** Whether the source should pause; `onDrain` follows when there is room again. */
  get full(): boolean {
    // A destroyed one takes nothing more and drains never.
    if (this.#socket.destroyed) return false;
    return this.#handle === null ? this.#socket.writableNeedDrain : this.#full;
  }

  /** Sends what the slab holds for this socket now. */
  flush(): void {
    outputSlab.flushFor(this);
  }

  /** Once in a while: a small queue empties without a word. */
  settle(): void {
    if (this.#charged !== 0) this.#charge(this.queued);
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

  /** Sends what is gathered, then closes without waiting for the peer. */
  endAndClose(): void {
    outputSlab.flushFor(this);
    this.#socket.destroySoon();
  }

  /** Closes now; what is queued is lost. */
  destroy(): void {
    outputSlab.forget(this);
    const socket = this.#socket;
    if (this.#secure?.phase !== 'established' || !socket.writable || socket.writableLength > 0) {
      socket.destroy();
      return;
    }
    // A client says that it closes (RFC 9112 section 9.8).
    this.#released = true;
    socket.destroySoon();
  }

  /** Closes now with RST, so that the peer sees that its message was cut and not ended. */
  reset(): void {
    outputSlab.flushFor(this);
    // Of TLS a close without a goodbye says the same, and Node has no other.
    if (this.#secure !== null) this.#socket.destroy();
    // While a FIN is on its way Node can reset no more, and would leave the socket open for good.
    else if (this.#socket.writableEnded && !this.#socket.writableFinished) this.#socket.destroy();
    else this.#socket.resetAndDestroy();
  }
}
