import type { Timer } from '../clock.ts';
import { CarpoolError } from '../errors.ts';
import { localAnswer } from '../forward/local-answer.ts';
import type { EndpointPool } from '../pool/endpoint-pool.ts';
import type { LeaseWaiter } from '../pool/lease.ts';
import type { TunnelPlace } from '../pool/tunnel-place.ts';
import type { ByteHandler, ByteSocket } from '../transport/byte-socket.ts';
import { CONNECT_OK, type ConnectTarget } from './connect.ts';
import type { DownstreamSession } from './downstream-session.ts';
import { Lingering } from './lingering.ts';
import type { ListenerContext } from './listener-context.ts';
import { ReadAhead } from './read-ahead.ts';
import { HALF_CLOSED_MS } from './session-bounds.ts';
import { Tunnel } from './tunnel.ts';

/** A CONNECT to a port of TLS while its upstream is dialled: 200 and an opaque tunnel follow, or the error and the end. */
export class ConnectOpaque implements ByteHandler, DownstreamSession, LeaseWaiter {
  readonly busy = 1;
  readonly unsafe = true;
  readonly fresh = true;
  readonly tunnel = true;
  readonly sticky: number;
  readonly need = 'as_http1';
  readonly #socket: ByteSocket;
  readonly #context: ListenerContext;
  readonly #target: ConnectTarget;
  /** The tunnel's first bytes, if it opens (robustness rule 11). */
  readonly #held: ReadAhead;
  #open = true;
  #appEnded = false;
  #halfClosed: Timer | null = null;

  /** Takes the socket over, and stands among the sessions while it dials. Parameters as of `TakeConnect`. */
  constructor(
    socket: ByteSocket,
    context: ListenerContext,
    target: ConnectTarget,
    early: Buffer | null,
    appEnded: boolean,
  ) {
    this.#socket = socket;
    this.#context = context;
    this.#target = target;
    this.sticky = target.destination.tunnelKey;
    this.#held = new ReadAhead(context.budget);
    context.sessions.add(this);
    socket.setHandler(this);
    socket.resume();
    if (early !== null) this.onBytes(early, early.length);
    if (appEnded) this.onEnd();
    try {
      target.destination.acquire(this, []);
    } catch (error) {
      this.acquireFailed(
        error instanceof CarpoolError ? error : new CarpoolError('INTERNAL', String(error), { cause: error }),
      );
    }
  }

  onBytes(buffer: Buffer, length: number): void {
    if (!this.#held.add(buffer, 0, length)) this.#socket.pause();
  }

  /** The app may have left; but the protocol inside may want it so. */
  onEnd(): void {
    this.#appEnded = true;
    this.#halfClosed = this.#context.forward.clock.setTimer(() => this.#socket.destroy(), HALF_CLOSED_MS);
  }

  onDrain(): void {}

  onClose(): void {
    if (!this.#open) return;
    this.#end();
    this.#target.trace?.failed('DOWNSTREAM_ABORTED', 0);
    this.#target.destination.withdraw(this);
  }

  leased(): void {
    throw new Error('a tunnel was given a pooled connection');
  }

  tunnelReady(upstream: ByteSocket, endpoint: EndpointPool, place: TunnelPlace): void {
    this.#target.trace?.open(place, endpoint);
    const first = { toApp: CONNECT_OK, toUpstream: this.#held.take(), appEnded: this.#appEnded, upstreamEnded: false };
    this.#end();
    const { name, policy, observer } = this.#target.destination;
    const { tunnels } = this.#context;
    new Tunnel(this.#socket, upstream, policy.timeouts.streamIdleMs, first, tunnels, place, tunnels.namesFor(name));
    observer.requestEnded(2, 200, 0);
  }

  acquireFailed(error: CarpoolError): void {
    const { destination, authority } = this.#target;
    if (error.code !== 'DESTINATION_DENIED') destination.refresh();
    destination.observer.failed(error);
    destination.observer.requestEnded(2, error.status, 0);
    this.#target.trace?.failed(error.code, error.status);
    this.#end();
    const answer = localAnswer({
      error,
      destination: authority.toString('latin1'),
      headRequest: false,
      close: true,
      keepAlive10: false,
    });
    this.#socket.write(answer, 0, answer.length);
    new Lingering(this.#socket, this.#context);
  }

  #end(): void {
    this.#open = false;
    this.#halfClosed?.cancel();
    this.#held.take();
    this.#context.sessions.closed(this);
  }

  /** The dial has its own deadline. */
  tick(): void {}

  drain(): void {}

  destroy(): void {
    this.#socket.destroy();
  }
}
