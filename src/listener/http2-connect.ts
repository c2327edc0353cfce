import type { CarpoolError } from '../errors.ts';
import type { TunnelTrace } from '../forward/request-trace.ts';
import type { EndpointPool } from '../pool/endpoint-pool.ts';
import type { LeaseWaiter } from '../pool/lease.ts';
import type { TunnelPlace } from '../pool/tunnel-place.ts';
import type { Destination } from '../routing/destination.ts';
import type { ByteSocket } from '../transport/byte-socket.ts';

/** What a stream does with the outcome of its CONNECT. */
export interface StreamConnectOutcome {
  tunnelOpen(upstream: ByteSocket, destination: Destination, place: TunnelPlace): void;
  connectFailed(error: CarpoolError, destination: Destination): void;
}

/** A CONNECT by HTTP/2 while it waits for its upstream connection: an opaque tunnel (RFC 9113 section 8.5). */
export class Http2Connect implements LeaseWaiter {
  readonly unsafe = true;
  readonly fresh = true;
  readonly tunnel = true;
  readonly sticky: number;
  readonly need = 'as_http1';
  readonly #destination: Destination;
  readonly #trace: TunnelTrace | null;
  #outcome: StreamConnectOutcome | null;

  /** @param trace follows it, or null */
  constructor(destination: Destination, outcome: StreamConnectOutcome, trace: TunnelTrace | null) {
    this.#destination = destination;
    this.sticky = destination.tunnelKey;
    this.#outcome = outcome;
    this.#trace = trace;
  }

  /** @throws CarpoolError where it cannot even wait */
  begin(): void {
    this.#destination.acquire(this, []);
  }

  /** The app left. */
  cancel(): void {
    if (this.#outcome === null) return;
    this.#outcome = null;
    this.#trace?.failed('DOWNSTREAM_ABORTED', 0);
    this.#destination.withdraw(this);
  }

  leased(): void {
    throw new Error('a tunnel was given a pooled connection');
  }

  tunnelReady(socket: ByteSocket, endpoint: EndpointPool, place: TunnelPlace): void {
    const outcome = this.#outcome;
    this.#outcome = null;
    if (outcome === null) {
      socket.destroy();
      place.closed();
      return;
    }
    this.#trace?.open(place, endpoint);
    outcome.tunnelOpen(socket, this.#destination, place);
  }

  acquireFailed(error: CarpoolError): void {
    const outcome = this.#outcome;
    this.#outcome = null;
    if (error.code !== 'DESTINATION_DENIED') this.#destination.refresh();
    if (outcome !== null) this.#trace?.failed(error.code, error.status);
    outcome?.connectFailed(error, this.#destination);
  }
}
