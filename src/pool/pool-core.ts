import type { DestinationPolicy } from '../config/types.ts';
import type { Http1Connection } from '../connection/http1-connection.ts';
import type { CloseReason } from '../observer.ts';
import type { CapacityUser } from './capacity.ts';
import type { EndpointPool } from './endpoint-pool.ts';
import type { IdleTime } from './idle-time.ts';
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
  readonly endpoints: readonly EndpointPool[];
  /** Those that discovery forgot and that still have connections, too. */
  readonly allEndpoints: readonly EndpointPool[];
  /** Connections that count in `pool.maxConnections`. */
  readonly counted: number;
  /** The endpoint that the balancer picks, one that was not tried yet where there is one; null: there is none. */
  pick(tried: readonly EndpointPool[], now: number): EndpointPool | null;
  /** Whether `pool.maxConnections` leaves room, after closing an idle connection if need be. */
  room(endpoint: EndpointPool): boolean;
  /** Why a connection must go instead of staying, or null. */
  whyRetire(connection: Http1Connection, now: number): CloseReason | null;
  /** How full it is, in words for an error. */
  occupancy(): string;
  /** An endpoint that discovery forgot is forgotten when it has nothing open any more. */
  settleLeaving(endpoint: EndpointPool): void;
  /** Whether discovery still names this endpoint, and not another in its place. */
  holds(endpoint: EndpointPool): boolean;
  /** The most connections that were busy at once since it was asked last. */
  takePeak(): number;
  /** Opens a connection that nobody waits for. @returns whether there was room */
  warm(endpoint: EndpointPool): boolean;
}
