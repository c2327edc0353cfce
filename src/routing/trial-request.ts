import type { ProtocolNeed, UpstreamLease } from '../connection/upstream.ts';
import type { CarpoolError } from '../errors.ts';
import type { EndpointPool } from '../pool/endpoint-pool.ts';
import type { LeaseWaiter } from '../pool/lease.ts';
import type { TunnelPlace } from '../pool/tunnel-place.ts';
import type { ByteSocket } from '../transport/byte-socket.ts';

/**
 * The one request that tries whether a destination works again, while it waits for its connection: it stands in for the
 * request itself, so that its breaker hears when it does not get that far.
 */
export class TrialRequest implements LeaseWaiter {
  /** What was quiet while nothing was let through may be dead, and would tell nothing of how things are now. */
  readonly fresh = true;
  /** The request itself. */
  readonly behind: LeaseWaiter;
  readonly #over: (cameToNothing: boolean) => void;

  /** @param over told once, when its wait has ended; whether with no connection */
  constructor(behind: LeaseWaiter, over: (cameToNothing: boolean) => void) {
    this.behind = behind;
    this.#over = over;
  }

  get unsafe(): boolean {
    return this.behind.unsafe;
  }

  get sticky(): number {
    return this.behind.sticky;
  }

  get need(): ProtocolNeed {
    return this.behind.need;
  }

  get tunnel(): boolean {
    return this.behind.tunnel;
  }

  leased(lease: UpstreamLease, endpoint: EndpointPool): void {
    this.#over(false);
    this.behind.leased(lease, endpoint);
  }

  tunnelReady(socket: ByteSocket, endpoint: EndpointPool, place: TunnelPlace): void {
    this.#over(false);
    this.behind.tunnelReady(socket, endpoint, place);
  }

  acquireFailed(error: CarpoolError): void {
    // Where its connects have failed the breaker has heard of that already, and is open.
    this.#over(true);
    this.behind.acquireFailed(error);
  }
}
