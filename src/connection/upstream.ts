import type { ErrorCode } from '../errors.ts';
import type { CloseReason } from '../observer.ts';
import type { Head } from '../protocol/head.ts';
import type { RequestHeadOptions } from '../protocol/http1/head-writer.ts';
import type { ByteSocket } from '../transport/byte-socket.ts';
import type { PingInterval } from './ping-interval.ts';

/**
 * The contract between an exchange and the upstream connection that it leases, whatever the protocol.
 *
 * Sequence, from the exchange's side: `sendHead` once; `sendData` any times; `sendTrailers` at most once; `sendEnd`
 * once. Meanwhile the receiver hears `interim` any times, then `response` once, `responseData` any times,
 * `responseTrailers` at most once, `responseEnd` once. Instead of any of these `attemptFailed` may come, once, and then
 * nothing more. `upgraded` may come in place of `response`. The exchange may `cancel` at any time; nothing follows.
 *
 * When both directions have ended the connection goes back to its pool by itself: that is the one release of the lease.
 */
export interface UpstreamLease {
  readonly spoken: Spoken;
  /** Whether the peer can say that it did not act on a request, whatever its method: worth keeping it whole for that. */
  readonly refusable: boolean;
  /** Whether it carried an exchange before, or waited for one: only then may the peer have closed it meanwhile. */
  readonly reused: boolean;
  /** Writes the request head. `body` false: nothing follows, the request ends with its head. */
  sendHead(head: Head, options: RequestHeadOptions, receiver: ResponseReceiver, body: boolean): void;
  /**
   * Passes request body bytes on. `stable`: they stay as they are until their source is resumed.
   * @returns false: pause until `requestWritable`
   */
  sendData(buffer: Buffer, start: number, end: number, stable: boolean): boolean;
  sendTrailers(head: Head): void;
  sendEnd(): void;
  /** Sends what was gathered. @returns false where the kernel refused all of this request so far: provably unprocessed */
  flush(): boolean;
  pauseResponse(): void;
  resumeResponse(): void;
  /** Ends the exchange now; the connection cannot serve another, unless the protocol can cancel alone. */
  cancel(): void;
  /**
   * Binds the connection to one downstream connection (NTLM, Negotiate): it never goes back to the pool, and who bound it gives it up (`cancel`).
   * @returns false: the protocol knows no such thing
   */
  pin(destination: string): boolean;
  /** Takes a pinned connection for the next request of its downstream connection. @returns false where it is of no use */
  leaseAgain(destination: string): boolean;
}

export interface ResponseReceiver {
  interim(head: Head): void;
  /** @param bodyKind one of the BODY_… kinds of body-reader.ts */
  response(head: Head, bodyKind: number): void;
  /** @param stable the bytes stay as they are until `resumeResponse`, if the response is paused by then */
  responseData(buffer: Buffer, start: number, end: number, stable: boolean): void;
  responseTrailers(head: Head): void;
  responseEnd(): void;
  /** 101: the connection is the exchange's own now; `rest` holds what came behind the head. */
  upgraded(head: Head, socket: ByteSocket, rest: Buffer): void;
  requestWritable(): void;
  attemptFailed(failure: AttemptFailure): void;
}

export type AttemptFailure = {
  readonly code: ErrorCode;
  readonly message: string;
  /** Not a byte of the request was handed to the kernel, or the protocol says that the peer did not act on it. */
  readonly unprocessed: boolean;
  /** Some bytes of a response had come (an interim response counts not). */
  readonly responseStarted: boolean;
  /** The connection is gone, and not this exchange alone: where it was used before, it may have been stale. */
  readonly connectionLost: boolean;
  /** The HTTP/2 error code that the peer reset the stream with, or null. */
  readonly streamCode: number | null;
};

/** States of a connection that is not closed. */
export type OpenState = 'idle' | 'active' | 'draining';

/** What is spoken on one upstream connection. */
export type Spoken = 'http1' | 'http2';

/** What to speak on a connection that is to be opened; `negotiate`: what ALPN agrees on, of both. */
export type Lane = Spoken | 'negotiate';

/**
 * What an exchange wants spoken: `http1` and `http2` are musts (an Upgrade; an extended CONNECT). `as_http1` and `as_http2`
 * tell what the app spoke, which decides where neither the configuration nor the endpoint says anything.
 */
export type ProtocolNeed = 'http1' | 'http2' | 'as_http1' | 'as_http2';

/** A connection as its pool sees it, whatever it speaks. */
export interface PooledConnection {
  readonly id: number;
  readonly spoken: Spoken;
  readonly createdAt: number;
  /** When it became idle last (monotonic ms). */
  readonly idleSince: number;
  /** Exchanges that it has been leased for. */
  readonly requests: number;
  /** It has been idle in its pool; set by the pool. */
  waited: boolean;
  /** After this it takes no new exchange (monotonic ms; Infinity: never); set by the pool. */
  expiresAt: number;
  /** Which of the pool's lists it stands in; set by the pool, `none` to begin with. */
  list: 'none' | 'idle' | 'shared';
  /** Leases that the pool has given and that have not ended; set by the pool, 0 to begin with. */
  leases: number;
  /** idle: no lease, and it could take one. active: at least one lease. draining: leases, and no new one. closed: gone. */
  readonly state: OpenState | 'closed';
  readonly retireReason: CloseReason | null;
  readonly localPort: number;
  /** How many more exchanges it could take now: 0 or 1 on HTTP/1.1; 0 while it drains, and where it is closed. */
  readonly room: number;
  /** Its peer has not told yet how many exchanges it allows, nor has an earlier connection: there is room for one till then. */
  readonly settling: boolean;
  /** Takes it for one exchange; only while there is room. */
  lease(now: number): UpstreamLease;
  /** No new exchange: an idle connection closes now, an active one when its last exchange has ended. Twice does nothing. */
  retire(reason: CloseReason): void;
  /** Closes now, failing the exchanges on it. */
  destroy(reason: CloseReason): void;
  /** Once a second, on HTTP/2. */
  tick(now: number): void;
}

/**
 * What a connection tells the pool that owns it. Its own state is up to date before each call, and the pool hears before
 * the exchange does, so that a retry finds the pool as it is.
 *
 * A connection that dies with three leases: its state is `closed` and its room 0; `leaseEnded` three times;
 * `connectionClosed`; then `attemptFailed` of each exchange.
 */
export interface ConnectionOwner<Connection = PooledConnection> {
  /** A lease is over, in whatever way: once for each, before `connectionFree` or `connectionClosed`. */
  leaseEnded(connection: Connection): void;
  /** It can take an exchange: one has ended, or the peer allows more of them. Not while it drains. */
  connectionFree(connection: Connection): void;
  /** It was active and drains from now on: by `retire`, or for the peer said so (GOAWAY). Once. */
  connectionDrains(connection: Connection): void;
  /**
   * It is gone, once, and all its leases have ended; `from` is the state it was in before. `idleMs`: how long it had been
   * idle where the peer closed it while idle (GOAWAY counts), or just when a request was sent into it; else null.
   */
  connectionClosed(connection: Connection, from: OpenState, reason: CloseReason, idleMs: number | null): void;
  /**
   * The peer answered HTTP/2's preface with something else, on a connection that was opened without waiting for the
   * answer (`Http2Opening.answered` is null). Told before `connectionClosed`; the exchanges on it fail as unprocessed.
   */
  prefaceRefused(connection: Connection): void;
  /** The peer of an HTTP/2 connection has told how many exchanges at a time it allows. */
  peerAllows(exchanges: number): void;
  /** A response came over a connection that had been idle for `ms` before. */
  survivedIdle(ms: number): void;
  /** An advertised `Keep-Alive: timeout`, in milliseconds. */
  idleTimeoutAdvertised(ms: number): void;
}

/**
 * How a peer answered HTTP/2's preface. `http2`: with SETTINGS. `broken`: with a frame that breaks a rule. `other`: with bytes that
 * are not HTTP/2. `closed`: not at all, the connection ended.
 */
export type PrefaceAnswer = 'http2' | 'broken' | 'other' | 'closed';

/** What an HTTP/2 connection is opened with, on a socket that stands (after TLS, where there is TLS). */
export type Http2Opening = {
  readonly id: number;
  readonly endpointId: string;
  /** It has no handler yet. */
  readonly socket: ByteSocket;
  readonly owner: ConnectionOwner;
  /** Exchanges at a time, as far as the peer allows; at least 1. */
  readonly maxStreams: number;
  /** What the peer allowed on an earlier connection: taken for granted until it tells; null: not known. */
  readonly peerStreams: number | null;
  readonly secure: boolean;
  /** Of its destination. */
  readonly pings: PingInterval;
  /**
   * Where it is not known that the peer speaks HTTP/2: told once, and never from within the call that opens; no lease is
   * taken before. With all but `http2` the connection is gone, and its owner hears nothing of it, neither then nor
   * when it was destroyed before the answer. Null: the connection can be leased at once.
   */
  readonly answered: ((answer: PrefaceAnswer) => void) | null;
};
