import type { DestinationPolicy } from '../config/types.ts';
import type { SecureDial } from '../connection/secure-dial.ts';
import type { Lane, PooledConnection, UpstreamLease } from '../connection/upstream.ts';
import type { CarpoolError } from '../errors.ts';
import type { CloseReason } from '../observer.ts';
import type { CapacityUser } from './capacity.ts';
import type { ConnectionLimit } from './connection-limit.ts';
import type { EndpointPool } from './endpoint-pool.ts';
import type { IdleTime } from './idle-time.ts';
import type { LeaseWaiter } from './lease.ts';
import type { Pending } from './pending.ts';
import type { PendingQueue } from './pending-queue.ts';
import type { Rotation } from './rotation.ts';

/** What the parts of a destination's pool (connecting, evidence, sweep) ask of the whole. */
export interface PoolCore extends CapacityUser {
  readonly name: string;
  readonly policy: DestinationPolicy;
  readonly idleTime: IdleTime;
  readonly rotation: Rotation;
  readonly pending: PendingQueue;
  /** No new request comes; what waits is still served. */
  readonly closed: boolean;
  /** It is paused: nothing is opened that nobody waits for. */
  readonly resting: boolean;
  readonly endpoints: readonly EndpointPool[];
  /** Those that discovery forgot and that still have connections, too. */
  readonly allEndpoints: readonly EndpointPool[];
  /** Connections go by TLS. */
  readonly secure: boolean;
  /** How TLS is made on a connection that is to be opened in this lane, or null: in clear. */
  secureDial(lane: Lane): SecureDial | null;
  /** How many connections it may have. */
  readonly limit: ConnectionLimit;
  /** Connections that count in it. */
  readonly counted: number;
  /** The endpoint that the balancer picks, one that was not tried yet where there is one; null: there is none. */
  pick(tried: readonly EndpointPool[], now: number, key?: number): EndpointPool | null;
  /** Leases an open connection of `endpoint` that is fit for this request, or null. */
  take(endpoint: EndpointPool, waiter: LeaseWaiter, now: number): UpstreamLease | null;
  /** Whether the limit leaves room, after closing an idle connection if need be. */
  room(endpoint: EndpointPool): boolean;
  /** Why a connection must go instead of staying, or null. */
  whyRetire(connection: PooledConnection, now: number): CloseReason | null;
  /** Why connections of an endpoint do not stay, or null: they stay. */
  drainReason(endpoint: EndpointPool): CloseReason | null;
  /** The request that has waited longest among those that this connection to `endpoint` may serve, or null. */
  nextFor(endpoint: EndpointPool, connection: PooledConnection): Pending | null;
  /**
   * Whether a request may go to this endpoint, and not only to another one.
   * @param sharing to a connection that is in use, where a limit keeps it from one of its own
   */
  mayServe(entry: Pending, endpoint: EndpointPool, sharing?: boolean): boolean;
  /** The endpoint that a request which waits keeps to (balancer `sticky`); null: any will do. */
  ownOf(entry: Pending, now: number): EndpointPool | null;
  /** That no endpoint takes requests, in words for who waited for one. */
  noEndpoints(): CarpoolError;
  /** How full it is, in words for an error. */
  occupancy(): string;
  /** An endpoint that discovery forgot is forgotten when it has nothing open any more. */
  settleLeaving(endpoint: EndpointPool): void;
  /** Whether discovery still names this endpoint, and not another in its place. */
  holds(endpoint: EndpointPool): boolean;
  /** How many connections are kept warm: `pool.minConnections`, or what was learned. */
  readonly floor: number;
  /** How many connections the peak of the last half minute needed. */
  readonly needed: number;
  /** Opens a connection that nobody waits for. @returns whether there was room */
  warm(endpoint: EndpointPool): boolean;
}
