import { CarpoolError } from '../errors.ts';
import type { TunnelPlace } from '../pool/tunnel-place.ts';
import type { ByteHandler, ByteSocket } from '../transport/byte-socket.ts';
import { ServerNameWatch } from './server-name-watch.ts';

/** Hears which server names (SNI) apps ask for inside of tunnels: their own words, which nothing relies upon. */
export interface ServerNameLog {
  readonly wanted: boolean;
  serverName(destination: string, serverName: string): void;
}

/** A tunnel that is open, whatever the app's side of it is. */
export interface OpenTunnel {
  /** Once a second. */
  tick(now: number): void;
  close(): void;
}

/** The tunnels that are open, and their limit (`limits.tunnels`). */
export class TunnelRegistry {
  readonly #open = new Set<OpenTunnel>();
  readonly #names: ServerNameLog | null;
  #max: number;

  /** @param names hears which server names TLS asks for inside, or null */
  constructor(max: number, names: ServerNameLog | null = null) {
    this.#max = max;
    this.#names = names;
  }

  /** Where the server name inside a tunnel to `destination` is to be told; null: nobody asks. */
  namesFor(destination: string): ((serverName: string) => void) | null {
    const names = this.#names;
    return names?.wanted === true ? (serverName) => names.serverName(destination, serverName) : null;
  }

  get count(): number {
    return this.#open.size;
  }

  /** @throws CarpoolError where there is no room for another tunnel */
  admit(): void {
    if (this.#open.size < this.#max) return;
    throw new CarpoolError(
      'OVERLOADED',
      `${this.#open.size} tunnels are open, the limit is ${this.#max} (limits.tunnels)`,
    );
  }

  setMax(max: number): void {
    this.#max = max;
  }

  add(tunnel: OpenTunnel): void {
    this.#open.add(tunnel);
  }

  delete(tunnel: OpenTunnel): void {
    this.#open.delete(tunnel);
  }

  /** Once a second. */
  tick(now: number): void {
    for (const tunnel of this.#open) tunnel.tick(now);
  }

  closeAll(): void {
    for (const tunnel of [...this.#open]) tunnel.close();
  }
}

/** One direction's source: passes bytes and ends on to the other socket. */
class Side implements ByteHandler {
  readonly #tunnel: Tunnel;
  readonly #to: ByteSocket;
  readonly #from: ByteSocket;

  constructor(tunnel: Tunnel, from: ByteSocket, to: ByteSocket) {
    this.#tunnel = tunnel;
    this.#from = from;
    this.#to = to;
  }

  onBytes(buffer: Buffer, length: number): void {
    this.#tunnel.moved = true;
    this.#to.write(buffer, 0, length);
    // What the kernel did not take is known only after the flush.
    this.#to.flush();
    if (this.#to.full) this.#from.pause();
  }

  onEnd(): void {
    this.#to.end();
  }

  /** This side has room again: the other one may go on reading. */
  onDrain(): void {
    this.#tunnel.moved = true;
    this.#to.resume();
  }

  onClose(error: NodeJS.ErrnoException | null): void {
    this.#tunnel.sideClosed(this.#to, error !== null);
  }
}

/** What came from either side before the tunnel was open. */
export type FirstBytes = {
  readonly toApp: Buffer;
  readonly toUpstream: Buffer | null;
  /** The app has sent its FIN already. */
  readonly appEnded: boolean;
  /** The upstream has. */
  readonly upstreamEnded: boolean;
};

/**
 * Two sockets whose bytes belong to each other: CONNECT and upgraded connections. Each half closes on its own, as the
 * protocol inside may need; a reset passes on as a reset. It has no age, only `timeouts.streamIdle`.
 */
export class Tunnel implements OpenTunnel {
  /** Set by either side, cleared by the tick. */
  moved = true;
  readonly #downstream: ByteSocket;
  readonly #upstream: ByteSocket;
  readonly #idleMs: number;
  readonly #registry: TunnelRegistry;
  readonly #place: TunnelPlace;
  #quietSince = 0;
  #open = true;

  /**
   * @param place given back when both sides are gone; the pool may end the tunnel by it
   * @param named hears the server name that TLS asks for inside, or null
   */
  constructor(
    downstream: ByteSocket,
    upstream: ByteSocket,
    idleMs: number,
    first: FirstBytes,
    registry: TunnelRegistry,
    place: TunnelPlace,
    named: ((serverName: string) => void) | null = null,
  ) {
    this.#downstream = downstream;
    this.#upstream = upstream;
    this.#idleMs = idleMs;
    this.#registry = registry;
    this.#place = place;
    place.onCut = () => this.#cut();
    this.#begin(first);
    const side = new Side(this, downstream, upstream);
    downstream.setHandler(side);
    if (named !== null) {
      const watch = new ServerNameWatch(downstream, side, named);
      if (first.toUpstream !== null) watch.look(first.toUpstream, first.toUpstream.length);
    }
    upstream.setHandler(new Side(this, upstream, downstream));
    registry.add(this);
    downstream.resume();
    upstream.resume();
    if (downstream.closed || upstream.closed) this.close();
  }

  #begin({ toApp, toUpstream, appEnded, upstreamEnded }: FirstBytes): void {
    if (toApp.length > 0) this.#downstream.write(toApp, 0, toApp.length);
    this.#downstream.flush();
    if (toUpstream !== null) this.#upstream.write(toUpstream, 0, toUpstream.length);
    this.#upstream.flush();
    if (appEnded) this.#upstream.end();
    if (upstreamEnded) this.#downstream.end();
  }

  sideClosed(other: ByteSocket, failed: boolean): void {
    if (failed && !other.closed) other.reset();
    else if (!other.closed) other.end();
    if (this.#downstream.closed && this.#upstream.closed) this.#ended();
  }

  tick(now: number): void {
    if (this.moved || this.#quietSince === 0) {
      this.moved = false;
      this.#quietSince = now;
    } else if (now - this.#quietSince >= this.#idleMs) this.close();
  }

  /** The endpoint is gone for good: a reset tells both peers that this is no end of theirs. */
  #cut(): void {
    this.#downstream.reset();
    this.#upstream.reset();
    this.#ended();
  }

  close(): void {
    this.#downstream.destroy();
    this.#upstream.destroy();
    this.#ended();
  }

  #ended(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#registry.delete(this);
    this.#place.closed();
  }
}
