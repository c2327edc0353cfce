import type { Timer } from '../clock.ts';
import { AbsoluteForm } from '../connection/absolute-form.ts';
import { Dial } from '../connection/dial.ts';
import type { DialFailure } from '../connection/dial-failure.ts';
import { Http1Connection } from '../connection/http1-connection.ts';
import { PingInterval } from '../connection/ping-interval.ts';
import type { Lane, PooledConnection, PrefaceAnswer } from '../connection/upstream.ts';
import type { DestinationObserver } from '../observer.ts';
import type { ByteSocket } from '../transport/byte-socket.ts';
import type { EndpointPool } from './endpoint-pool.ts';
import type { PoolContext } from './lease.ts';
import type { Pending } from './pending.ts';
import { DialHandle } from './pending.ts';
import type { PoolCore } from './pool-core.ts';
import { VirtualIdle } from './virtual-idle.ts';

/** What becomes of a connect. Each ends in one of these, or is cancelled; `riders` are those who waited for it until now. */
export interface DialSink {
  /** The endpoint took a connection. */
  reachable(endpoint: EndpointPool): void;
  /** No answer after the attempt time; it goes on. */
  dialSlow(handle: DialHandle): void;
  socketOpened(handle: DialHandle, riders: readonly Pending[], socket: ByteSocket): void;
  connectionOpened(endpoint: EndpointPool, riders: readonly Pending[], connection: PooledConnection): void;
  /** The endpoint has answered HTTP/2's preface with something else; the connect's place in the limits is held still. */
  notHttp2(endpoint: EndpointPool, riders: readonly Pending[], failure: DialFailure): void;
  /** Its place in the limits is held still. */
  dialFailed(endpoint: EndpointPool, riders: readonly Pending[], failure: DialFailure): void;
}

/**
 * The connects of one destination that are under way, from the first SYN until it is clear what is spoken: TCP, TLS, and
 * the answer to HTTP/2's preface where it is not known that the endpoint speaks that.
 */
export class Dials {
  readonly #pool: PoolCore;
  readonly #observer: DestinationObserver;
  readonly #context: PoolContext;
  readonly #sink: DialSink;
  readonly #pings: PingInterval;
  readonly #open = new Set<DialHandle>();

  constructor(pool: PoolCore, observer: DestinationObserver, context: PoolContext, sink: DialSink) {
    this.#pool = pool;
    this.#observer = observer;
    this.#context = context;
    this.#sink = sink;
    this.#pings = new PingInterval(() => context.pingAfterMs());
  }

  /** Those under way now; they may end while the caller walks over them. */
  all(): readonly DialHandle[] {
    return [...this.#open];
  }

  /** One to `endpoint` in this lane that has a seat left, or null. */
  rideTo(endpoint: EndpointPool, lane: Lane): DialHandle | null {
    if (endpoint.dialing === 0 || !endpoint.protocol.mayShare(lane)) return null;
    for (const handle of this.#open) {
      if (handle.endpoint === endpoint && handle.lane === lane && !handle.tunnel && !handle.full) return handle;
    }
    return null;
  }

  /** Begins a connect to `endpoint`, whose place in the limits is taken already. */
  begin(endpoint: EndpointPool, lane: Lane, tunnel: boolean): DialHandle {
    const { timeouts, pool } = this.#pool.policy;
    const { peerStreams } = endpoint.protocol;
    const streams = peerStreams === null ? pool.maxStreams : Math.max(1, Math.min(pool.maxStreams, peerStreams));
    const seats = pool.enabled && endpoint.protocol.mayShare(lane) ? streams : 1;
    const { proxied } = endpoint.spec;
    // To a parent proxy requests in clear go as they are, all else goes through a tunnel: neither can become the other.
    const absolute = proxied !== undefined && !tunnel && !this.#pool.secure && lane === 'http1';
    const bare = !this.#pool.secure && lane === 'http1' && proxied === undefined;
    const handle = new DialHandle(endpoint, lane, seats, tunnel, bare);
    endpoint.dialing++;
    if (tunnel) endpoint.dialingTunnels++;
    if (handle.http2) endpoint.dialingHttp2++;
    this.#open.add(handle);
    const dial = new Dial(
      { addresses: endpoint.addresses, port: endpoint.spec.port },
      {
        connectMs: timeouts.connectMs,
        attemptMs: timeouts.connectAttemptMs,
        keepAliveMs: pool.tcpKeepAliveMs,
        secure: tunnel ? null : this.#pool.secureDial(lane),
        by: proxied === undefined ? null : { proxied, tunnel: !absolute },
      },
      this.#context.clock,
      {
        dialed: (socket, ms, address) => {
          this.#observer.connectDuration.observe(ms);
          endpoint.lastConnectMs = ms;
          endpoint.reached(address);
          if (!tunnel) this.#observe(handle, dial.startedAt);
          this.#dialed(handle, socket, timeouts.connectMs - ms);
        },
        dialFailed: (failure) => this.#sink.dialFailed(endpoint, this.#ended(handle), failure),
        dialSlow: () => this.#sink.dialSlow(handle),
      },
    );
    handle.cancel = () => {
      this.#ended(handle);
      dial.cancel();
      this.#context.capacity.release();
    };
    return handle;
  }

  /** In `mode: observe` each connection is one request's: would it have been spared? */
  #observe({ endpoint, riders }: DialHandle, begunAt: number): void {
    const { idleTime, policy } = this.#pool;
    if (policy.mode !== 'observe') {
      endpoint.virtual = null;
      return;
    }
    endpoint.virtual ??= new VirtualIdle();
    const [rider] = riders;
    if (rider === undefined) return;
    const anyAge = !rider.waiter.unsafe || idleTime.known;
    const maxIdleMs = anyAge ? Number.POSITIVE_INFINITY : policy.pool.unsafeMaxIdleMs;
    if (endpoint.virtual.begun(begunAt, idleTime.effectiveMs, maxIdleMs)) this.#observer.wouldReuse++;
  }

  #ended(handle: DialHandle): readonly Pending[] {
    const { endpoint } = handle;
    endpoint.dialing--;
    if (handle.tunnel) endpoint.dialingTunnels--;
    if (handle.http2) endpoint.dialingHttp2--;
    this.#open.delete(handle);
    handle.over = true;
    const riders = handle.empty();
    this.#pool.settleLeaving(endpoint);
    return riders;
  }

  /** @param leftMs what is left of the time for the connect */
  #dialed(handle: DialHandle, socket: ByteSocket, leftMs: number): void {
    const { endpoint } = handle;
    const [rider] = handle.riders;
    if (rider?.waiter.tunnel === true) {
      const riders = this.#ended(handle);
      this.#observer.connectionsCreated++;
      this.#sink.reachable(endpoint);
      this.#sink.socketOpened(handle, riders, socket);
      return;
    }
    const { secure, policy } = this.#pool;
    const spoken = handle.lane === 'negotiate' ? (socket.alpn === 'h2' ? 'http2' : 'http1') : handle.lane;
    if (handle.lane === 'negotiate') endpoint.protocol.spoke(spoken);
    if (spoken === 'http2' && !secure && endpoint.protocol.mustProve(policy.protocol)) {
      this.#prove(handle, socket, leftMs);
      return;
    }
    const riders = this.#ended(handle);
    this.#sink.reachable(endpoint);
    const { proxied } = endpoint.spec;
    const form = proxied === undefined || secure || handle.lane !== 'http1' ? null : new AbsoluteForm(proxied);
    const connection = spoken === 'http2' ? this.#http2(endpoint, socket, null) : this.http1(endpoint, socket, form);
    this.#opened(endpoint, riders, connection);
  }

  #opened(endpoint: EndpointPool, riders: readonly Pending[], connection: PooledConnection): void {
    this.#observer.connectionsCreated++;
    this.#sink.connectionOpened(endpoint, riders, connection);
  }

  /** The preface goes out, and the connect goes on until it is answered. */
  #prove(handle: DialHandle, socket: ByteSocket, leftMs: number): void {
    const { endpoint } = handle;
    const { connectMs } = this.#pool.policy.timeouts;
    let deadline: Timer | null = null;
    const connection = this.#http2(endpoint, socket, (answer) => {
      deadline?.cancel();
      if (this.#open.has(handle)) this.#proved(handle, connection, answer);
    });
    deadline = this.#context.clock.setTimer(() => {
      const riders = this.#ended(handle);
      connection.destroy('error');
      const message = `${endpoint.spec.id} did not answer the preface of HTTP/2 within ${connectMs} ms`;
      this.#sink.dialFailed(endpoint, riders, { errno: 'ETIMEDOUT', message, timedOut: true, tls: null });
    }, leftMs);
    handle.cancel = () => {
      deadline?.cancel();
      this.#ended(handle);
      connection.destroy('admin');
      this.#context.capacity.release();
    };
  }

  #proved(handle: DialHandle, connection: PooledConnection, answer: PrefaceAnswer): void {
    const { endpoint } = handle;
    const riders = this.#ended(handle);
    endpoint.protocol.answered(answer);
    if (answer === 'http2' || answer === 'other') this.#sink.reachable(endpoint);
    if (answer === 'http2') this.#opened(endpoint, riders, connection);
    else if (answer === 'other') {
      const message = 'the endpoint does not speak HTTP/2';
      this.#sink.notHttp2(endpoint, riders, { errno: 'EPROTO', message, timedOut: false, tls: null });
    } else {
      const broken = answer === 'broken';
      const message = broken
        ? 'the endpoint answered the preface of HTTP/2 with a frame that breaks a rule'
        : 'the connection was closed at the preface of HTTP/2';
      const errno = broken ? 'EPROTO' : 'ECONNRESET';
      this.#sink.dialFailed(endpoint, riders, { errno, message, timedOut: false, tls: null });
    }
  }

  /** A connection over a socket that stands. The caller makes it the endpoint's. @param form of a parent proxy that takes whole URLs, or null */
  http1(endpoint: EndpointPool, socket: ByteSocket, form: AbsoluteForm | null = null): PooledConnection {
    const { clock, responseScanner } = this.#context;
    const id = this.#context.nextConnectionId();
    const connection = new Http1Connection(id, endpoint.spec.id, socket, endpoint, responseScanner, clock, form);
    connection.expiresAt = this.#expiry(connection.createdAt);
    return connection;
  }

  #http2(
    endpoint: EndpointPool,
    socket: ByteSocket,
    answered: ((answer: PrefaceAnswer) => void) | null,
  ): PooledConnection {
    const { pool } = this.#pool.policy;
    const connection = this.#context.openHttp2({
      id: this.#context.nextConnectionId(),
      endpointId: endpoint.spec.id,
      socket,
      owner: endpoint,
      maxStreams: pool.enabled ? pool.maxStreams : 1,
      peerStreams: endpoint.protocol.peerStreams,
      secure: this.#pool.secure,
      pings: this.#pings,
      answered,
    });
    connection.expiresAt = this.#expiry(connection.createdAt);
    return connection;
  }

  #expiry(createdAt: number): number {
    const { maxAgeMs } = this.#pool.policy.pool;
    // ±10 %, so that connections that were opened together do not all retire together.
    return maxAgeMs === 0 ? Number.POSITIVE_INFINITY : createdAt + maxAgeMs * (0.9 + 0.2 * this.#context.random());
  }
}
