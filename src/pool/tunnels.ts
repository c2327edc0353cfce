import type { ByteSocket } from '../transport/byte-socket.ts';
import type { Capacity } from './capacity.ts';
import type { EndpointPool } from './endpoint-pool.ts';
import type { PoolCore } from './pool-core.ts';
import { TunnelPlace } from './tunnel-place.ts';

/** The tunnels of one destination: no part of its pool, and still in the account of their endpoints and of all connections. */
export class Tunnels {
  readonly #pool: PoolCore;
  readonly #capacity: Capacity;
  readonly #pooled: (endpoint: EndpointPool, socket: ByteSocket) => void;

  /** @param pooled makes a connection of a socket, which has a place in the limits */
  constructor(pool: PoolCore, capacity: Capacity, pooled: (endpoint: EndpointPool, socket: ByteSocket) => void) {
    this.#pool = pool;
    this.#capacity = capacity;
    this.#pooled = pooled;
  }

  /** A socket was opened for a tunnel, in a place that it keeps. */
  opened(endpoint: EndpointPool | null): TunnelPlace {
    const place = new TunnelPlace(() => {
      if (endpoint !== null) {
        endpoint.tunnelClosed(place);
        this.#pool.settleLeaving(endpoint);
      }
      this.#capacity.release();
      // Of a fleet's share tunnels use a part, which is free for the pool now.
      if (this.#pool.limit.share !== null) this.#pool.roomFreed();
    });
    endpoint?.tunnelOpened(place);
    return place;
  }

  /** An exchange's connection has become a tunnel: it has left the pool, and still counts in limits.maxConnections. */
  became(endpoint: EndpointPool | null): TunnelPlace {
    endpoint?.virtual?.becomesTunnel();
    // The connection is about to give its place back.
    this.#capacity.hold();
    return this.opened(endpoint);
  }

  /** A socket that was dialled for a tunnel is to carry requests: see `DestinationPool.join`. */
  join(socket: ByteSocket, endpoint: EndpointPool, place: TunnelPlace): void {
    const { pool } = this.#pool.policy;
    const fits = endpoint.fits('http1', 'as_http1') && !this.#pool.secure;
    const stays = !this.#pool.closed && this.#pool.holds(endpoint) && this.#pool.drainReason(endpoint) === null;
    if (!fits || !stays || !pool.enabled || this.#pool.counted >= this.#pool.limit.current) socket.destroy();
    else {
      // The connection takes a place of its own before its tunnel gives back the old one.
      this.#capacity.hold();
      this.#pooled(endpoint, socket);
    }
    place.closed();
  }
}
