import type { Clock } from '../clock.ts';
import type { Http2Opening, PooledConnection, ProtocolNeed, UpstreamLease } from '../connection/upstream.ts';
import type { CarpoolError } from '../errors.ts';
import type { EventSink } from '../observer.ts';
import type { HeadScanner } from '../protocol/http1/head-scanner.ts';
import type { ByteSocket } from '../transport/byte-socket.ts';
import type { Capacity } from './capacity.ts';
import type { EndpointPool } from './endpoint-pool.ts';
import type { TunnelPlace } from './tunnel-place.ts';

/** A request that wants a connection. */
export interface LeaseWaiter {
  /** It could not be sent again: a connection of doubtful freshness is not for it. */
  readonly unsafe: boolean;
  /**
   * Only a connection that was opened for it will do, or one that carries other exchanges: what is quiet may be dead
   * already. After an attempt that the upstream provably did not act on (GOAWAY, REFUSED_STREAM) it is not needed.
   */
  readonly fresh: boolean;
  /** What requests for the same endpoint have in common (balancer `sticky`): a hash from 0 to 2³¹ − 1; -1: nothing. */
  readonly sticky: number;
  /** What it wants spoken. */
  readonly need: ProtocolNeed;
  /** It wants a connection of its own that is no part of the pool: `tunnelReady` is called in place of `leased`. */
  readonly tunnel: boolean;
  tunnelReady(socket: ByteSocket, endpoint: EndpointPool, place: TunnelPlace): void;
  /** The lease is its own now; `endpoint` is the one whose evidence its exchange feeds. */
  leased(lease: UpstreamLease, endpoint: EndpointPool): void;
  acquireFailed(error: CarpoolError): void;
}

/** Chooses among endpoints (routing/balancers.ts). */
export interface Balancer {
  /** What has one key goes to one endpoint: a request that has to wait waits for that one, and `pick` is told what was tried. */
  readonly steady?: boolean;
  /**
   * @param candidates at least one; never changed in place
   * @param key the request's `sticky`
   * @param tried for a steady balancer: endpoints to pass over while there are others; from any other they are left out before
   */
  pick(candidates: readonly EndpointPool[], now: number, key: number, tried?: readonly EndpointPool[]): EndpointPool;
}

/** What all destinations share. */
export type PoolContext = {
  readonly clock: Clock;
  readonly capacity: Capacity;
  readonly events: EventSink;
  /** Scans responses of all connections: one read event at a time. */
  readonly responseScanner: HeadScanner;
  /** This pod's address, where the configuration tells it: what a request has in common with others, where it has nothing else (`sticky`). */
  readonly podAddress?: string | null;
  /** `discovery.emptyWait`: how long a request waits for a first endpoint (ms); a reload may change it. */
  emptyWaitMs: number;
  /** Begins to speak HTTP/2 on a socket. */
  openHttp2(opening: Http2Opening): PooledConnection;
  /** `http2.pingAfter` as it stands (ms); 0: never. */
  pingAfterMs(): number;
  nextConnectionId(): number;
  random(): number;
};
