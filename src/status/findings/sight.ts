import type { Config, DestinationPolicy } from '../../config/types.ts';
import type { LimitStats } from '../../pool/stats.ts';
import type { ErrorSeen, MisuseSeen } from '../error-book.ts';
import type { Flapping } from '../flap-watch.ts';
import type { DestinationRow, SidecarView } from '../types.ts';

/** An endpoint that takes no connection. */
export type Unreached = {
  readonly id: string;
  /** Connects that failed, one after the other. */
  readonly connects: number;
  /** Of the last one: what it came to, in words, and how long ago that is. */
  readonly cause: string;
  readonly timedOut: boolean;
  readonly agoMs: number;
};

/** What is known of a destination beside its row. */
export type DestinationSight = {
  readonly row: DestinationRow;
  /** In force for it. */
  readonly policy: DestinationPolicy;
  readonly limit: LimitStats;
  /** Connections that count in the limit, and those of them that can take no more requests (`pool.places`). */
  readonly places: { readonly counted: number; readonly taken: number };
  /** Requests that ended in the last minute. */
  readonly ended: number;
  /** Of the last minute, in milliseconds: how long a request that was sent held its connection (its time without the wait for one), or null. */
  readonly serviceMs: number | null;
  /** Whether every connection speaks HTTP/2, and there is one. */
  readonly http2: boolean;
  /**
   * Endpoints that would get requests, and to which the last connect failed, and none has worked since; five of them are
   * enough. Failures of TLS are not among them.
   */
  readonly unreached: readonly Unreached[];
  /** Endpoints that are out after failures or by their health checks; five of them are enough. */
  readonly unfit: readonly { readonly id: string; readonly state: 'ejected' | 'failing' }[];
};

/** All that findings are made of. */
export type Sight = {
  readonly sidecar: SidecarView;
  readonly config: Config;
  readonly destinations: readonly DestinationSight[];
  /** From the `ErrorBook`. */
  readonly errors: readonly ErrorSeen[];
  readonly misuses: readonly MisuseSeen[];
  /** From the `FlapWatch`. */
  readonly flapping: readonly Flapping[];
  /** Whether the app has sent any request yet. */
  readonly requestSeen: boolean;
  /** Spans that reached no collector in the last ten minutes. */
  readonly spansLost: number;
};
