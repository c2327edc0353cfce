import { PREFACE } from '../protocol/http2/frame-types.ts';
import type { ByteHandler, ByteSocket } from '../transport/byte-socket.ts';
import type { TakeConnect } from './connect.ts';
import { ConnectInside } from './connect-inside.ts';
import { ConnectOpaque } from './connect-opaque.ts';
import type { DownstreamSession } from './downstream-session.ts';
import { Http1Session } from './http1-session.ts';
import type { ListenerContext } from './listener-context.ts';
import { openSession } from './open-session.ts';
import type { RequestPlanner } from './request-plan.ts';

/** At a port of TLS the upstream is dialled first; elsewhere what is spoken inside decides. */
const takeConnect: TakeConnect = (socket, context, target, early, appEnded) => {
  const Taker = target.tls ? ConnectOpaque : ConnectInside;
  new Taker(socket, context, target, early, appEnded);
};

/** As much of the preface as no request of HTTP/1.1 begins with (RFC 9113 section 3.4): its first line. */
const PREFACE_LINE = PREFACE.indexOf('\r');

/**
 * A connection of the app before its first bytes have told what it speaks: HTTP/2 where they are the beginning of its preface, else HTTP/1.1, at the
 * first byte that the preface has not. It hands the connection on to a session, and is gone.
 */
export class Opening implements ByteHandler, DownstreamSession {
  readonly busy = 0;
  readonly #socket: ByteSocket;
  readonly #context: ListenerContext;
  readonly #planner: RequestPlanner;
  /** Bytes of the preface that have come. */
  #seen = 0;
  /** When it was accepted, or when its first byte came (monotonic ms). */
  #since: number;

  /** Takes the socket over, and stands among the sessions until it is known which one follows. */
  constructor(socket: ByteSocket, context: ListenerContext, planner: RequestPlanner) {
    this.#socket = socket;
    this.#context = context;
    this.#planner = planner;
    this.#since = context.forward.clock.now();
    socket.setHandler(this);
    context.sessions.add(this);
  }

  onBytes(buffer: Buffer, length: number): void {
    const before = this.#seen;
    let seen = before;
    for (let at = 0; at < length && seen < PREFACE_LINE && buffer[at] === PREFACE[seen]; at++) seen++;
    if (seen === PREFACE_LINE) this.#handOn('http2', before, buffer, length);
    else if (seen - before < length) this.#handOn('http1', before, buffer, length);
    else {
      if (before === 0) this.#since = this.#context.forward.clock.now();
      this.#seen = seen;
    }
  }

  /** @param before bytes of the preface that came in earlier reads */
  #handOn(speaks: 'http1' | 'http2', before: number, buffer: Buffer, length: number): void {
    const session = openSession(speaks, this.#socket, this.#context, this.#planner, takeConnect);
    this.#context.sessions.closed(this);
    if (before === 0) session.onBytes(buffer, length);
    else session.onBytes(Buffer.concat([PREFACE.subarray(0, before), buffer.subarray(0, length)]), before + length);
  }

  /** The app has left without a request. */
  onEnd(): void {
    this.#socket.destroy();
  }

  onDrain(): void {}

  onClose(): void {
    this.#context.sessions.closed(this);
  }

  tick(now: number): void {
    const { headTimeoutMs, idleTimeoutMs } = this.#context.config.listener;
    const waited = now - this.#since;
    if (this.#seen > 0) {
      if (waited >= headTimeoutMs) this.#headOverdue();
    } else if (idleTimeoutMs > 0 && waited >= idleTimeoutMs) this.#socket.endAndClose();
  }

  /** It has not become HTTP/2 in time: what has come is a request line of HTTP/1.1 that goes on too slowly. */
  #headOverdue(): void {
    const { sessions } = this.#context;
    const session = new Http1Session(this.#socket, this.#context, sessions.closed, this.#planner, null);
    sessions.closed(this);
    sessions.add(session);
    session.headOverdue();
  }

  drain(now: number, idleMs: number): void {
    if (this.#seen === 0 && now - this.#since >= idleMs) this.#socket.endAndClose();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
