import type { Spoken, UpstreamLease } from '../connection/upstream.ts';
import type { CarpoolError } from '../errors.ts';
import type { TunnelPlace } from '../pool/tunnel-place.ts';
import type { Head } from '../protocol/head.ts';
import type { Destination } from '../routing/destination.ts';
import type { ByteSocket } from '../transport/byte-socket.ts';
import type { KeptRequest } from './kept-request.ts';

/** Takes one response, in pieces. */
export interface ResponseOutput {
  interim(head: Head): void;
  head(head: Head, bodyKind: number): void;
  /** Whether a body would leave now. @returns false: the exchange hears `downstreamWritable` when it would */
  ready(): boolean;
  /**
   * @param stable the bytes stay as they are while their source is paused
   * @returns false: pause until the exchange hears `downstreamWritable`
   */
  data(buffer: Buffer, start: number, end: number, stable: boolean): boolean;
  trailers(head: Head): void;
  end(): void;
}

/**
 * What an exchange asks of the app's side, whatever the protocol there.
 *
 * Sequence: to `output` `interim` any times, then `head`, `data` any times, `trailers` at most once, `end`; then
 * `exchangeEnded`. Or `fail` in place of what is missing, or `upgraded`, and `exchangeEnded`.
 */
export interface Downstream {
  /** What the app speaks. */
  readonly spoken: Spoken;
  readonly output: ResponseOutput;
  /** Room for the request's bytes, while they may have to be sent (again). */
  readonly kept: KeptRequest;
  /** A connection that belongs to this downstream connection alone (NTLM, Negotiate), or null. */
  pinned: UpstreamLease | null;
  /** 101: from here on both sides' bytes belong to each other; `place` hears of it when both are gone. */
  upgraded(head: Head, upstream: ByteSocket, rest: Buffer, destination: Destination, place: TunnelPlace): void;
  /** A local answer, or where a response has begun, a cut that the app can see. */
  fail(error: CarpoolError): void;
  pauseRequest(): void;
  resumeRequest(): void;
  /** The exchange holds nothing any more; called once, last. */
  exchangeEnded(): void;
}

/** NTLM and Negotiate authenticate a connection, not a request: it must never serve anybody else (rule 17a). */
export function pinTo(downstream: Downstream, lease: UpstreamLease | null, destination: string): void {
  const { pinned } = downstream;
  if (lease === null || !lease.pin(destination) || pinned === lease) return;
  pinned?.cancel();
  downstream.pinned = lease;
}
