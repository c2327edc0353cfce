import type { Vanished } from '../config/types.ts';
import type { CarpoolError } from '../errors.ts';

/**
 * How discovery tells routing and pool which endpoints a destination has. Static lists, DNS and (later) Kubernetes
 * speak through this one interface; nothing above it knows who found an endpoint.
 */

/** One backend as discovery names it. */
export type EndpointSpec = {
  /** Identity: the same address reused by another pod has another id. Static and DNS: `address:port`. */
  readonly id: string;
  /** IPv4 or IPv6 literal: the checked address is the dialled one. */
  readonly address: string;
  readonly port: number;
  readonly zone?: string;
  readonly hostname?: string;
};

/** What a destination implements. Calls come in any order and may repeat; each must be idempotent. */
export interface EndpointSink {
  /** An endpoint that takes new leases; also brings a suspended or terminating one back (with new connections). */
  add(endpoint: EndpointSpec): void;
  /** Out of rotation, its connections live on (unready; a DNS answer with another subset). */
  suspend(id: string): void;
  /** Shutting down: no new lease, idle connections close, what runs finishes. */
  terminating(id: string): void;
  /** Gone: as `terminating`, and what still runs is bounded by the eviction grace. */
  remove(id: string): void;
  /**
   * Discovery has an answer: with no error the endpoints told so far are the whole set; with one, requests that wait
   * for a first answer fail with it (endpoints already known are kept and go on being used).
   */
  settled(error: CarpoolError | null): void;
}

/** One destination's interest in a name; `close` ends it and no call to the sink follows. */
export interface EndpointSubscription {
  /** Where the endpoints come from and how it stands, for /health/destinations. */
  describe(): DiscoveryState;
  /** Asks for a fresh answer soon (after a connect failure); rate-limited by the source. */
  refresh(): void;
  close(): void;
}

export type DiscoveryState = {
  readonly source: 'static' | 'dns' | 'literal';
  readonly state: 'resolving' | 'ready' | 'failing';
  /** The last error in words, while failing. */
  readonly error: string | null;
  /** Milliseconds since the last good answer, or null. */
  readonly ageMs: number | null;
};

/** What a destination's policy says about finding its endpoints. */
export type SubscribeOptions = {
  /** What becomes of an address that left the DNS answer; null or absent: `evict` below the cluster domain, else `keep`. */
  readonly vanished?: Vanished | null;
  /** The endpoints that the configuration names for this destination; null or absent: they are to be found. */
  readonly endpoints?: readonly { readonly address: string; readonly port: number }[] | null;
};

/** A source of endpoints. */
export interface Discovery {
  /**
   * Starts telling `sink` about `host:port`. Calls to the sink may come before this returns (a cached answer).
   * @param host lower case, without a trailing dot (where one is kept, DNS takes the name as absolute and skips the
   *   search list); an IP literal without brackets
   */
  subscribe(host: string, port: number, sink: EndpointSink, options?: SubscribeOptions): EndpointSubscription;
}
