import type { Timer } from '../clock.ts';
import type { ErrorCode } from '../errors.ts';
import type { CloseReason } from '../observer.ts';
import {
  ENHANCE_YOUR_CALM,
  NO_ERROR,
  PREFACE,
  PROTOCOL_ERROR,
  SETTING_ENABLE_PUSH,
  SETTING_MAX_HEADER_LIST_SIZE,
} from '../protocol/http2/frame-types.ts';
import { Http2Lease } from './http2-lease.ts';
import { Http2Link } from './http2-link.ts';
import type { LinkContext } from './link-core.ts';
import type { PingInterval } from './ping-interval.ts';
import type {
  ConnectionOwner,
  Http2Opening,
  OpenState,
  PooledConnection,
  PrefaceAnswer,
  UpstreamLease,
} from './upstream.ts';

/** Stream ids end at 2^31; a connection retires before. */
const LAST_ID = 0x7fffffff - 1000;
/** A connection that was quiet for so long is asked by PING together with its next request (robustness rule 23). */
const DOUBTED_AFTER_MS = 30_000;
/** How long it has to answer then. */
const VERDICT_MS = 1000;
/** How long an answer to a PING of a silent connection may take. */
const PING_TIMEOUT_MS = 10_000;
const MAX_PINGS_IN_A_ROW = 2;
const PING_PAYLOAD = Buffer.from('carpool\0', 'latin1');

/**
 * One upstream HTTP/2 connection: as many exchanges at a time as the peer and `pool.maxStreams` allow, each a stream with a lease of its own.
 * idle: no stream. active: some. draining: no new ones, and it closes after the last. closed: gone.
 */
export class Http2Connection extends Http2Link<Http2Lease> implements PooledConnection {
  readonly id: number;
  readonly spoken = 'http2';
  readonly createdAt: number;
  readonly secure: boolean;
  idleSince: number;
  requests = 0;
  waited = false;
  list: PooledConnection['list'] = 'none';
  leases = 0;
  expiresAt = Number.POSITIVE_INFINITY;
  readonly #owner: ConnectionOwner;
  readonly #maxStreams: number;
  readonly #peerStreams: number | null;
  readonly #pings: PingInterval;
  #answered: Http2Opening['answered'];
  #state: OpenState | 'closed' = 'idle';
  #retireReason: CloseReason | null = null;
  /** Why it is being closed from here, for `lost`. */
  #closing: { readonly reason: CloseReason; readonly code: ErrorCode } | null = null;
  #verdict: Timer | null = null;
  /** PINGs sent since HEADERS or DATA came last, and when the one that is not answered yet was sent. */
  #pingsInARow = 0;
  #pingSentAt: number | null = null;

  constructor(options: Http2Opening, context: LinkContext) {
    super('client', options.socket, context);
    this.id = options.id;
    this.#owner = options.owner;
    this.#maxStreams = options.maxStreams;
    this.#peerStreams = options.peerStreams;
    this.secure = options.secure;
    this.#pings = options.pings;
    this.#answered = options.answered;
    this.lastStream = -1;
    this.createdAt = this.clock.now();
    this.idleSince = this.createdAt;
    this.out.settings(PREFACE, [
      [SETTING_ENABLE_PUSH, 0],
      [SETTING_MAX_HEADER_LIST_SIZE, context.limits.maxHeadBytes],
    ]);
  }

  get state(): OpenState | 'closed' {
    return this.#state;
  }

  get retireReason(): CloseReason | null {
    return this.#retireReason;
  }

  get localPort(): number {
    return this.socket.localPort;
  }

  get settling(): boolean {
    return !this.settled && this.#peerStreams === null && this.#state !== 'closed';
  }

  get room(): number {
    if (this.#state === 'draining' || this.#state === 'closed' || this.lastStream > LAST_ID) return 0;
    // What is sent over the peer's limit is refused, and costs its exchange a try.
    const allowed = this.settled ? this.peerMaxStreams : Math.max(1, this.#peerStreams ?? 1);
    return Math.max(0, Math.min(this.#maxStreams, allowed) - this.streams.size);
  }

  // --- the pool's side

  lease(now: number): UpstreamLease {
    if (this.room === 0) throw new Error(`connection ${this.id} was leased without room while ${this.#state}`);
    if (now - this.readAt >= DOUBTED_AFTER_MS && this.#verdict === null && this.requests > 0) this.#doubt();
    this.lastStream += 2;
    this.requests++;
    const reused = this.requests > 1 || this.waited;
    const idleBefore = this.#state === 'idle' ? now - this.idleSince : 0;
    const lease = new Http2Lease(this.lastStream, this.out.firstWindow, now, this, reused, idleBefore);
    this.adopt(lease);
    this.floods.streamOpened(now);
    this.#state = 'active';
    return lease;
  }

  retire(reason: CloseReason): void {
    if (this.#state === 'idle') this.#end(reason);
    else if (this.#state === 'active') this.#drain(reason);
  }

  #drain(reason: CloseReason): void {
    this.#state = 'draining';
    this.#retireReason = reason;
    this.#owner.connectionDrains(this);
  }

  destroy(reason: CloseReason): void {
    if (this.#state !== 'closed') this.#end(reason);
  }

  #end(reason: CloseReason, code: ErrorCode = 'UPSTREAM_CLOSED'): void {
    this.#closing = { reason, code };
    this.close(NO_ERROR);
  }

  // --- quiet connections (robustness rule 23)

  /** It was quiet for long: is it still there? A PING goes with the request, and silence for a second means no. */
  #doubt(): void {
    this.#sendPing();
    const { readAt } = this;
    this.#verdict = this.clock.setTimer(() => {
      this.#verdict = null;
      if (this.readAt === readAt && this.#state !== 'closed') this.#gone('nothing came back after a long silence');
    }, VERDICT_MS);
  }

  #sendPing(): void {
    this.#pingsInARow++;
    this.#pingSentAt = this.clock.now();
    this.out.ping(false, PING_PAYLOAD, 0);
  }

  #gone(_why: string): void {
    this.#closing = { reason: 'error', code: 'UPSTREAM_CLOSED' };
    this.socket.destroy();
    this.close(null);
  }

  override tick(now: number): void {
    super.tick(now);
    if (this.streams.size === 0 || this.#state === 'closed') return;
    this.streams.forEach((lease) => {
      lease.tick(now);
    });
    if (this.#pingSentAt !== null) {
      if (this.readAt >= this.#pingSentAt) this.#pingSentAt = null;
      else if (now - this.#pingSentAt >= PING_TIMEOUT_MS) this.#gone('a PING was not answered');
      return;
    }
    if (now - this.readAt >= this.#pings.ms && this.#pingsInARow < MAX_PINGS_IN_A_ROW) this.#sendPing();
  }

  /** HEADERS or DATA came: it is alive, and may be asked again. */
  heard(): void {
    this.#pingsInARow = 0;
  }

  // --- streams

  protected headersOfNew(id: number, buffer: Buffer, start: number, end: number): void {
    if (id > this.lastStream || (id & 1) === 0)
      this.connectionError(PROTOCOL_ERROR, 'HEADERS for a stream that was never opened');
    else this.headersOfPast(id, buffer, start, end);
  }

  protected headersOf(stream: Http2Lease, buffer: Buffer, start: number, end: number, endStream: boolean): void {
    this.heard();
    const answered = stream.responseStarted;
    const head = this.decoded(
      answered ? this.blocks.readTrailers(buffer, start, end) : this.blocks.readResponse(buffer, start, end, endStream),
    );
    if (head === null) {
      if (!this.ended) this.malformed(stream, PROTOCOL_ERROR, this.blocks.fault.rule);
      return;
    }
    const rule = answered ? stream.trailersCame(head, endStream) : stream.headCame(head, endStream);
    if (rule !== null) this.malformed(stream, PROTOCOL_ERROR, rule);
    else if (endStream && !stream.closed) this.remoteEnd(stream);
  }

  protected mayCarryData(stream: Http2Lease, length: number): string | null {
    this.heard();
    return stream.mayCarryData(length);
  }

  protected streamGone(): void {
    if (this.ended) return;
    if (this.streams.size === 0 && this.#state === 'active') {
      this.#state = 'idle';
      this.idleSince = this.clock.now();
    }
    this.#owner.leaseEnded(this);
    if (this.#state !== 'draining') this.#owner.connectionFree(this);
    else if (this.streams.size === 0) this.#end(this.#retireReason ?? 'admin');
  }

  survivedIdle(ms: number): void {
    this.#owner.survivedIdle(ms);
  }

  // --- what the peer says of the connection

  protected limitChanged(): void {
    if (this.settled) this.#owner.peerAllows(this.peerMaxStreams);
    if (this.#answered !== null) {
      if (this.settled) this.#tellAnswer('http2');
    } else if ((this.#state === 'active' || this.#state === 'idle') && this.room > 0) this.#owner.connectionFree(this);
  }

  #tellAnswer(answer: PrefaceAnswer): boolean {
    const answered = this.#answered;
    this.#answered = null;
    answered?.(answer);
    return answered !== null;
  }

  protected lastPeerStream(): number {
    // A server may not open streams here: push is off.
    return 0;
  }

  protected goingAway(lastStream: number, code: number, debug: string): void {
    if (code === ENHANCE_YOUR_CALM && debug.includes('too_many_pings')) this.#pings.tooMany();
    if (this.#state === 'idle') {
      this.#end('goaway');
      return;
    }
    if (this.#state === 'active') this.#drain('goaway');
    this.streams.forEach((lease) => {
      if (lease.id > lastStream) lease.unprocessed();
    });
  }

  protected lost(message: string, error: NodeJS.ErrnoException | null): void {
    this.#verdict?.cancel();
    const from = this.#state === 'closed' ? 'idle' : this.#state;
    this.#state = 'closed';
    if (this.#answered !== null) {
      // Whoever gave it up knows, and the others are told how the peer answered.
      if (this.#closing === null) this.#tellAnswer('closed');
      else if (this.#closing.reason === 'protocol_error') this.#tellAnswer(this.reader.notHttp2 ? 'other' : 'broken');
      return;
    }
    const leases: Http2Lease[] = [];
    this.streams.forEach((lease) => {
      this.forget(lease);
      leases.push(lease);
    });
    for (let ended = 0; ended < leases.length; ended++) this.#owner.leaseEnded(this);
    if (this.reader.notHttp2) this.#owner.prefaceRefused(this);
    this.#owner.connectionClosed(this, from, this.#reason(error, from), this.#idleMs(from, leases));
    if (this.reader.notHttp2) for (const lease of leases) lease.unspoken();
    const code = this.#closing?.code ?? (error === null ? 'UPSTREAM_CLOSED' : 'UPSTREAM_RESET');
    for (const lease of leases) lease.connectionLost(code, message);
  }

  /** How long it had been idle, where the peer closed it while idle, or just when a request was sent into it; else null. */
  #idleMs(from: OpenState, leases: readonly Http2Lease[]): number | null {
    if (this.#closing !== null && this.#closing.reason !== 'goaway') return null;
    if (from === 'idle') return this.clock.now() - this.idleSince;
    const [first] = leases;
    return first !== undefined && first.idleBefore > 0 && !first.responseStarted ? first.idleBefore : null;
  }

  #reason(error: NodeJS.ErrnoException | null, from: OpenState): CloseReason {
    if (this.#closing !== null) return this.#closing.reason;
    if (from === 'draining') return this.#retireReason ?? 'goaway';
    if (error !== null) return 'error';
    return from === 'idle' ? 'upstream_closed' : 'error';
  }

  override connectionError(code: number, rule: string): void {
    this.#closing ??= { reason: 'protocol_error', code: 'UPSTREAM_PROTOCOL' };
    super.connectionError(code, rule);
  }
}
