import type { Vanished } from '../config/types.ts';
import type { CarpoolError } from '../errors.ts';
import type { ProxyHop } from '../transport/proxy-hop.ts';

/**
 * How discovery tells routing and pool which endpoints a destination has. Static lists, DNS and Kubernetes speak through
 * this one interface; nothing above it knows who found an endpoint.
 */

/** One backend as discovery names it. */
export type EndpointSpec = {
  /** Identity: the same address reused by another pod has another id. Static and DNS: `address:port`. */
  readonly id: string;
  /** IPv4 or IPv6 literal: the checked address is the dialled one. */
  readonly address: string;
  readonly port: number;
  /** The same backend in the other address family, dialled when `address` cannot be reached. */
  readonly otherAddress?: string;
  readonly zone?: string;
  readonly hostname?: string;
  /** The pod behind it, for people. */
  readonly pod?: string;
  /** What the Service's port says is spoken there (`appProtocol`). */
  readonly appProtocol?: string;
  /** The address is that of a parent proxy, which is between; with what it is asked for. */
  readonly proxied?: Proxied;
  /** Which of the destination's targets (`to`) it is of. */
  readonly target?: string;
  /** Its address stands in the configuration. */
  readonly written?: true;
};

/** What a parent proxy is asked for. */
export type Proxied = {
  /** A name that the proxy resolves, or an address without brackets. */
  readonly host: string;
  readonly port: number;
  readonly proxy: ProxyHop;
};

/** What a destination implements. Calls come in any order and may repeat; each must be idempotent. */
export interface EndpointSink {
  /** An endpoint that takes new leases; also brings a suspended, unready or terminating one back. */
  add(endpoint: EndpointSpec): void;
  /** Out of rotation while there are others, its connections live on (a DNS answer with another subset). */
  suspend(id: string): void;
  /** Takes no new lease at all; what runs is untouched and idle connections stay, so that a flap costs no handshake. */
  unready(id: string): void;
  /**
   * Shutting down: no new lease and its idle connections close while a better endpoint is there; what runs finishes.
   * @param serving whether it takes leases when there is no better one
   */
  terminating(id: string, serving: boolean): void;
  /** Gone: as `terminating`, never leased, and what still runs is bounded by the eviction grace. */
  remove(id: string): void;
  /** All requests go to the endpoint that this key picks (a Service's session affinity); null: as the balancer says. */
  affinity(key: string | null): void;
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
  readonly source: 'static' | 'dns' | 'literal' | 'kubernetes' | 'parent_proxy';
  readonly state: 'resolving' | 'ready' | 'failing';
  /** What is wrong, in words, or null: also while a next best source serves (`ready`). */
  readonly error: string | null;
  /** What to do about it. */
  readonly hint?: string;
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
