import { CarpoolError } from '../errors.ts';
import type { EndpointPool } from '../pool/endpoint-pool.ts';
import type { LeaseWaiter } from '../pool/lease.ts';
import type { TunnelPlace } from '../pool/tunnel-place.ts';
import type { Head } from '../protocol/head.ts';
import type { Destination } from '../routing/destination.ts';
import type { ByteSocket } from '../transport/byte-socket.ts';
import type { ListenerContext } from './listener-context.ts';

/** The answer to a CONNECT whose tunnel is open. */
export const CONNECT_OK = Buffer.from('HTTP/1.1 200 Connection established\r\n\r\n', 'latin1');

/** What the downstream connection does with the outcome of a CONNECT. */
export interface ConnectOutcome {
  tunnelOpen(upstream: ByteSocket, destination: Destination, place: TunnelPlace): void;
  connectFailed(error: CarpoolError): void;
}

/** One CONNECT while it waits for its upstream connection: an opaque tunnel (RFC 9110 section 9.3.6). */
export class ConnectRequest implements LeaseWaiter {
  readonly unsafe = true;
  readonly fresh = true;
  readonly tunnel = true;
  readonly #destination: Destination;
  #outcome: ConnectOutcome | null;

  /** @throws CarpoolError where the tunnel is refused at once */
  constructor(head: Head, context: ListenerContext, outcome: ConnectOutcome) {
    const host = head.buffer.toString('latin1', head.authorityStart, head.hostEnd);
    const { port } = head;
    if (!context.config.security.connectPorts.some(({ from, to }) => port >= from && port <= to)) {
      throw new CarpoolError('PORT_DENIED', `CONNECT to port ${port} is not allowed`);
    }
    context.tunnels.admit();
    this.#outcome = outcome;
    this.#destination = context.router.find(host.startsWith('[') ? host.slice(1, -1) : host, port);
  }

  get destination(): Destination {
    return this.#destination;
  }

  /** @throws CarpoolError where it cannot even wait */
  begin(): void {
    this.#destination.acquire(this, []);
  }

  /** The app left. */
  cancel(): void {
    if (this.#outcome === null) return;
    this.#outcome = null;
    this.#destination.withdraw(this);
  }

  leased(): void {
    throw new Error('a tunnel was given a pooled connection');
  }

  tunnelReady(socket: ByteSocket, _endpoint: EndpointPool, place: TunnelPlace): void {
    const outcome = this.#outcome;
    this.#outcome = null;
    if (outcome === null) {
      socket.destroy();
      place.closed();
      return;
    }
    outcome.tunnelOpen(socket, this.#destination, place);
  }

  acquireFailed(error: CarpoolError): void {
    const outcome = this.#outcome;
    this.#outcome = null;
    if (error.code !== 'DESTINATION_DENIED') this.#destination.refresh();
    outcome?.connectFailed(error);
  }
}
