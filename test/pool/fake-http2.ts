import type {
  AttemptFailure,
  Http2Opening,
  OpenState,
  PooledConnection,
  PrefaceAnswer,
  ResponseReceiver,
  UpstreamLease,
} from '../../src/connection/upstream.ts';
import type { CloseReason } from '../../src/observer.ts';
import type { Head } from '../../src/protocol/head.ts';
import type { RequestHeadOptions } from '../../src/protocol/http1/head-writer.ts';
import type { TestClock } from '../test-clock.ts';
import { poolContext, type TestContext } from './pool-fixture.ts';

/** One stream of a fake connection: it is given a receiver, and ends as the test says. */
class FakeLease implements UpstreamLease {
  readonly spoken = 'http2';
  readonly refusable = true;
  readonly reused: boolean;
  receiver: ResponseReceiver | null = null;
  readonly #connection: FakeHttp2;

  constructor(connection: FakeHttp2, reused: boolean) {
    this.#connection = connection;
    this.reused = reused;
  }

  sendHead(_head: Head, _options: RequestHeadOptions, receiver: ResponseReceiver): void {
    this.receiver = receiver;
  }
  sendData(): boolean {
    return true;
  }
  sendTrailers(): void {}
  sendEnd(): void {}
  flush(): boolean {
    return true;
  }
  pauseResponse(): void {}
  resumeResponse(): void {}
  pin(): boolean {
    return false;
  }
  leaseAgain(): boolean {
    return false;
  }
  cancel(): void {
    this.#connection.streamOver(this);
  }
}

/**
 * An HTTP/2 connection as its pool knows it, on a socket that carries nothing: it keeps the contract of upstream.ts, and
 * what its peer does is the test's to say.
 */
export class FakeHttp2 implements PooledConnection {
  readonly spoken = 'http2';
  readonly id: number;
  readonly createdAt: number;
  readonly opening: Http2Opening;
  readonly streams: FakeLease[] = [];
  idleSince: number;
  requests = 0;
  waited = false;
  expiresAt = Number.POSITIVE_INFINITY;
  list: PooledConnection['list'] = 'none';
  leases = 0;
  state: PooledConnection['state'] = 'idle';
  retireReason: CloseReason | null = null;
  ticks = 0;
  readonly settling = false;
  /** The most streams that it ever carried. */
  most = 0;
  /** What the peer allows. */
  allowed = Number.POSITIVE_INFINITY;
  #answered: Http2Opening['answered'];
  readonly #clock: TestClock;

  constructor(opening: Http2Opening, clock: TestClock) {
    this.opening = opening;
    this.id = opening.id;
    this.createdAt = clock.now();
    this.idleSince = this.createdAt;
    this.#answered = opening.answered;
    this.#clock = clock;
    opening.socket.setHandler({
      onBytes: () => {},
      onDrain: () => {},
      onEnd: () => this.#close('upstream_closed', this.#idleMs),
      onClose: () => this.#close('error', this.#idleMs),
    });
  }

  get localPort(): number {
    return this.opening.socket.localPort;
  }

  get room(): number {
    if (this.state === 'draining' || this.state === 'closed') return 0;
    return Math.max(0, Math.min(this.opening.maxStreams, this.allowed) - this.streams.length);
  }

  get unproven(): boolean {
    return this.#answered !== null;
  }

  get #idleMs(): number | null {
    return this.state === 'idle' ? this.#clock.now() - this.idleSince : null;
  }

  // --- the pool's side

  lease(): UpstreamLease {
    if (this.unproven) throw new Error(`connection ${this.id} was leased before its preface was answered`);
    if (this.room === 0) throw new Error(`connection ${this.id} was leased while it had no room`);
    const lease = new FakeLease(this, this.requests > 0 || this.waited);
    this.streams.push(lease);
    this.most = Math.max(this.most, this.streams.length);
    this.requests++;
    this.state = 'active';
    return lease;
  }

  retire(reason: CloseReason): void {
    if (this.state === 'idle') this.#close(reason, null);
    else if (this.state === 'active') this.#drain(reason);
  }

  destroy(reason: CloseReason): void {
    this.#close(reason, null);
  }

  tick(): void {
    this.ticks++;
  }

  // --- what the peer does

  /** It answers the preface. */
  answer(answer: PrefaceAnswer): void {
    const answered = this.#answered;
    this.#answered = null;
    if (answer !== 'http2') {
      this.state = 'closed';
      this.opening.socket.destroy();
    }
    answered?.(answer);
  }

  /** SETTINGS_MAX_CONCURRENT_STREAMS. */
  limit(streams: number): void {
    this.allowed = streams;
    if (this.room > 0) this.opening.owner.connectionFree(this);
  }

  /** A response ends. */
  respond(at = 0): void {
    const lease = this.streams[at];
    if (lease === undefined) throw new Error(`there is no stream ${at} of ${this.streams.length}`);
    this.streamOver(lease);
    lease.receiver?.responseEnd();
  }

  /** GOAWAY; the streams finish. */
  goaway(): void {
    if (this.state === 'idle') this.#close('goaway', this.#idleMs);
    else if (this.state === 'active') this.#drain('goaway');
  }

  /** The connection breaks. @param notHttp2 it does so with an answer to the preface that is not HTTP/2 */
  break(notHttp2 = false): void {
    this.#close('error', this.#idleMs, notHttp2);
  }

  streamOver(lease: FakeLease): void {
    const at = this.streams.indexOf(lease);
    if (at < 0) return;
    this.streams.splice(at, 1);
    const { owner } = this.opening;
    if (this.streams.length > 0) {
      owner.leaseEnded(this);
      if (this.room > 0) owner.connectionFree(this);
    } else if (this.state === 'draining') this.#close(this.retireReason ?? 'admin', null, false, 1);
    else {
      this.state = 'idle';
      this.idleSince = this.#clock.now();
      owner.leaseEnded(this);
      owner.connectionFree(this);
    }
  }

  #drain(reason: CloseReason): void {
    this.state = 'draining';
    this.retireReason = reason;
    this.opening.owner.connectionDrains(this);
  }

  /** @param ended leases whose end the pool has not heard of yet */
  #close(reason: CloseReason, idleMs: number | null, notHttp2 = false, ended = 0): void {
    if (this.state === 'closed') return;
    const from: OpenState = this.state;
    this.state = 'closed';
    this.opening.socket.destroy();
    if (this.#answered !== null) {
      this.#answered = null;
      return;
    }
    const { owner } = this.opening;
    const lost = this.streams.splice(0);
    for (let left = lost.length + ended; left > 0; left--) owner.leaseEnded(this);
    if (notHttp2) owner.prefaceRefused(this);
    owner.connectionClosed(this, from, reason, idleMs);
    for (const { receiver } of lost) receiver?.attemptFailed(failure(notHttp2));
  }
}

const failure = (unprocessed: boolean): AttemptFailure => ({
  code: 'UPSTREAM_CLOSED',
  message: 'the connection broke',
  unprocessed,
  responseStarted: false,
  connectionLost: true,
  streamCode: null,
});

export type Http2Context = TestContext & {
  /** All that were opened, in order. */
  readonly opened: FakeHttp2[];
};

/**
 * What pools share, where HTTP/2 connections are fakes.
 * @param prove what a peer answers to the preface where that is asked, in the next turn of the event loop; null: the test answers
 */
export function http2Context(
  maxConnections = 10_000,
  prove: ((connection: FakeHttp2) => PrefaceAnswer) | null = () => 'http2',
): Http2Context {
  const context = poolContext(maxConnections);
  const opened: FakeHttp2[] = [];
  return {
    ...context,
    opened,
    openHttp2: (opening) => {
      const connection = new FakeHttp2(opening, context.clock);
      opened.push(connection);
      if (prove !== null && connection.unproven)
        setImmediate(() => {
          if (connection.unproven && connection.state !== 'closed') connection.answer(prove(connection));
        });
      return connection;
    },
  };
}
