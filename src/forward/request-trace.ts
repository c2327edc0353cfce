import type { UpstreamLease } from '../connection/upstream.ts';
import type { CarpoolError } from '../errors.ts';
import type { EndpointPool } from '../pool/endpoint-pool.ts';
import type { TunnelPlace } from '../pool/tunnel-place.ts';
import type { Head } from '../protocol/head.ts';
import type { RequestHeadOptions } from '../protocol/http1/head-writer.ts';
import type { Destination } from '../routing/destination.ts';

/** Decides which requests are followed (docs/tracing.md). Where nobody wants any, there is none of it: a request then costs one look at null. */
export interface Tracing {
  /**
   * A request begins; its head can be read during the call.
   * @param startedAt monotonic ms
   * @returns null: it is not followed
   */
  request(head: Head, destination: Destination, startedAt: number): RequestTrace | null;
  /** A CONNECT begins; as `request`. */
  tunnel(head: Head, destination: Destination): TunnelTrace | null;
}

/** What became of an exchange. */
export type RequestOutcome = {
  readonly destination: Destination;
  /** Of the answer that the app got; 0: none. */
  readonly status: number;
  readonly error: CarpoolError | null;
  readonly attempts: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
};

/**
 * One request that is followed. Sequence: `asks`, then `attempt` or `noConnection`; after an attempt `answered`, `trailers`, and one of
 * `attemptFailed` and `attemptEnded`; then perhaps `asks` again. `ended` comes once, last, and may come at any time.
 */
export interface RequestTrace {
  /** It asks for a connection. */
  asks(): void;
  /** None could be made. */
  noConnection(error: CarpoolError): void;
  /** It is sent. @returns how its head is to be written */
  attempt(lease: UpstreamLease, endpoint: EndpointPool | null, options: RequestHeadOptions): RequestHeadOptions;
  /** A final head came, whether or not it is passed on. @param head null: of an Upgrade */
  answered(status: number, head: Head | null, grpc: boolean): void;
  /** The trailers of gRPC came. */
  trailers(head: Head): void;
  /** @param code of the error table */
  attemptFailed(code: string): void;
  /** Its answer came to the end, or is given up. */
  attemptEnded(): void;
  /** @param ms since the request began */
  ended(outcome: RequestOutcome, ms: number): void;
}

/** One CONNECT that is followed, till its tunnel closes. One whose inside turns out to be HTTP is forgotten: its requests are followed by themselves. */
export interface TunnelTrace {
  open(place: TunnelPlace, endpoint: EndpointPool): void;
  /** @param code of the error table */
  failed(code: string, status: number): void;
}
