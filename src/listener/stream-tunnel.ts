import type { TunnelPlace } from '../pool/tunnel-place.ts';
import { CANCEL, CONNECT_ERROR } from '../protocol/http2/frame-types.ts';
import type { ByteHandler, ByteSocket } from '../transport/byte-socket.ts';
import type { OpenTunnel, TunnelRegistry } from './tunnel.ts';

/** The app's side of a tunnel: a stream. */
export interface TunnelStream {
  /** @returns false: send no more until `writable` */
  sendBytes(buffer: Buffer, start: number, end: number): boolean;
  sendEnd(): void;
  /** No more is taken for now, or it is again. */
  pauseRequest(): void;
  resumeRequest(): void;
  cut(code: number): void;
}

/** What came from the upstream before the tunnel was open, and from the app. */
export type FirstStreamBytes = { readonly toApp: Buffer; readonly toUpstream: Buffer | null };

/**
 * A stream of the app and a socket whose bytes belong to each other (RFC 9113 section 8.5, RFC 8441). END_STREAM stands for FIN, a
 * reset for a reset.
 */
export class StreamTunnel implements ByteHandler, OpenTunnel {
  readonly #stream: TunnelStream;
  readonly #upstream: ByteSocket;
  readonly #idleMs: number;
  readonly #registry: TunnelRegistry;
  readonly #place: TunnelPlace;
  #moved = true;
  #quietSince = 0;
  #open = true;
  /** END_STREAM was sent. */
  #sentEnd = false;

  constructor(
    stream: TunnelStream,
    upstream: ByteSocket,
    idleMs: number,
    first: FirstStreamBytes,
    registry: TunnelRegistry,
    place: TunnelPlace,
  ) {
    this.#stream = stream;
    this.#upstream = upstream;
    this.#idleMs = idleMs;
    this.#registry = registry;
    this.#place = place;
    place.onCut = () => this.#cut(CONNECT_ERROR);
    registry.add(this);
    upstream.setHandler(this);
    if (first.toApp.length > 0) this.onBytes(first.toApp, first.toApp.length);
    if (first.toUpstream !== null) this.data(first.toUpstream, 0, first.toUpstream.length);
    upstream.resume();
    stream.resumeRequest();
  }

  // --- the upstream

  onBytes(buffer: Buffer, length: number): void {
    this.#moved = true;
    if (!this.#stream.sendBytes(buffer, 0, length)) this.#upstream.pause();
  }

  onEnd(): void {
    this.#moved = true;
    this.#sentEnd = true;
    this.#stream.sendEnd();
  }

  onDrain(): void {
    this.#moved = true;
    this.#stream.resumeRequest();
  }

  onClose(error: NodeJS.ErrnoException | null): void {
    if (error === null && this.#sentEnd) this.#ended();
    else this.#cut(CONNECT_ERROR);
  }

  // --- the app

  data(buffer: Buffer, start: number, end: number): void {
    this.#moved = true;
    this.#upstream.write(buffer, start, end);
    this.#upstream.flush();
    if (this.#upstream.full) this.#stream.pauseRequest();
  }

  appEnded(): void {
    this.#upstream.end();
  }

  writable(): void {
    this.#moved = true;
    this.#upstream.resume();
  }

  /** The stream was reset, or its connection is gone. */
  appLost(): void {
    this.#upstream.reset();
    this.#ended();
  }

  // --- the end: with both ends said the upstream closes, as soon as it has taken all

  tick(now: number): void {
    if (this.#moved || this.#quietSince === 0) {
      this.#moved = false;
      this.#quietSince = now;
    } else if (now - this.#quietSince >= this.#idleMs) this.close();
  }

  close(): void {
    this.#upstream.destroy();
    this.#cut(CANCEL);
  }

  #cut(code: number): void {
    if (!this.#open) return;
    this.#upstream.reset();
    this.#ended();
    this.#stream.cut(code);
  }

  #ended(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#registry.delete(this);
    this.#place.closed();
  }
}
