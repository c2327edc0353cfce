import type { Timer } from '../clock.ts';
import { CarpoolError } from '../errors.ts';
import type { EndpointPool } from '../pool/endpoint-pool.ts';
import type { LeaseWaiter } from '../pool/lease.ts';
import type { TunnelPlace } from '../pool/tunnel-place.ts';
import type { ByteHandler, ByteSocket } from '../transport/byte-socket.ts';
import { CONNECT_OK, type ConnectTarget } from './connect.ts';
import type { DownstreamSession } from './downstream-session.ts';
import type { ListenerContext } from './listener-context.ts';
import { openSession } from './open-session.ts';
import { ReadAhead } from './read-ahead.ts';
import { RequestPlanner } from './request-plan.ts';
import { HALF_CLOSED_MS } from './session-bounds.ts';
import { Sniffer } from './sniffer.ts';
import { Tunnel } from './tunnel.ts';

/** How long an app that has said nothing yet may still begin a request, whose answer then tells why the dial failed. */
const FAILED_DIAL_MS = 1000;

const NOTHING = Buffer.alloc(0);

/**
 * looking: nothing is dialled, the app may say what it speaks. dialling: it was silent for long, or speaks what cannot be pooled. dialled: the
 * upstream connection stands, and whichever side speaks first decides. failed: it could not be dialled, and the app was silent till now.
 * over: handed on, or closed.
 */
type State =
  | { readonly state: 'looking' | 'dialling' | 'failed' | 'over' }
  | {
      readonly state: 'dialled';
      readonly upstream: ByteSocket;
      readonly endpoint: EndpointPool;
      readonly place: TunnelPlace;
    };

/**
 * A CONNECT that was answered before anything was dialled, while it is not known what is spoken inside. HTTP is pooled as any other: a session
 * follows on the same connection. Everything else becomes an opaque tunnel. What it cannot tell in time becomes a tunnel too: that always works.
 */
export class ConnectInside implements ByteHandler, DownstreamSession, LeaseWaiter {
  readonly unsafe = true;
  readonly fresh = true;
  readonly tunnel = true;
  readonly sticky: number;
  readonly need = 'as_http1';
  readonly #socket: ByteSocket;
  readonly #context: ListenerContext;
  readonly #target: ConnectTarget;
  readonly #sniffer = new Sniffer();
  /** What the app has sent and nobody has got yet. */
  readonly #held: ReadAhead;
  #state: State = { state: 'looking' };
  /** The app has sent its FIN: what it has said till then is all. */
  #appEnded: boolean;
  #timer: Timer | null = null;
  /** When the current state began (monotonic ms). */
  #since: number;

  /** Takes the socket over, says 200, and stands among the sessions till it is clear what follows. Parameters as of `TakeConnect`. */
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
    this.#appEnded = appEnded;
    this.#since = context.forward.clock.now();
    context.sessions.add(this);
    socket.setHandler(this);
    socket.write(CONNECT_OK, 0, CONNECT_OK.length);
    socket.resume();
    if (early === null) this.#awaitWord();
    else this.onBytes(early, early.length);
    if (appEnded && this.#open) this.onEnd();
  }

  /** Whether an exchange of its own is under way: somebody waits for a dial. */
  get busy(): number {
    return this.#state.state === 'dialling' && this.#opaque ? 1 : 0;
  }

  get #open(): boolean {
    return this.#state.state !== 'over';
  }

  /** What the app speaks is for the server alone. */
  get #opaque(): boolean {
    const { verdict } = this.#sniffer;
    return this.#appEnded || verdict === 'tls' || verdict === 'other';
  }

  // --- the app

  onBytes(buffer: Buffer, length: number): void {
    const verdict = this.#sniffer.read(buffer, length);
    if (verdict === 'http1' || verdict === 'http2') {
      this.#handOn(verdict, buffer, length);
      return;
    }
    if (!this.#held.add(buffer, 0, length)) this.#socket.pause();
    if (verdict === 'unclear') this.#awaitWord();
    else this.#toTunnel();
  }

  /** It speaks HTTP: a session takes over, whose requests are pooled, and a connection that was dialled meanwhile is for the pool. */
  #handOn(speaks: 'http1' | 'http2', buffer: Buffer, length: number): void {
    const held = this.#held.take();
    const bytes = held === null ? buffer : Buffer.concat([held, buffer.subarray(0, length)]);
    const before = this.#end();
    const { destination } = this.#target;
    if (before.state === 'dialling') destination.withdraw(this);
    if (before.state === 'dialled') {
      const { upstream, endpoint, place } = before;
      if (speaks === 'http1') destination.pool.join(upstream, endpoint, place);
      else {
        upstream.destroy();
        place.closed();
      }
    }
    const planner = new RequestPlanner(this.#context, null, this.#target);
    const session = openSession(speaks, this.#socket, this.#context, planner, null);
    session.onBytes(bytes, held === null ? length : bytes.length);
    if (this.#appEnded) session.onEnd();
  }

  /** The app has closed its sending side: what it has said goes to the server, and so does its end. */
  onEnd(): void {
    this.#appEnded = true;
    const { state } = this.#state;
    if (state === 'failed') this.#socket.destroy();
    else this.#toTunnel();
    // It waits for no long dial: it may have left.
    if (state === 'looking' || state === 'dialling') this.#setTimer(() => this.#socket.destroy(), HALF_CLOSED_MS);
  }

  onDrain(): void {}

  onClose(): void {
    if (!this.#open) return;
    const before = this.#end();
    if (before.state === 'dialling') this.#target.destination.withdraw(this);
    if (before.state === 'dialled') {
      before.upstream.destroy();
      before.place.closed();
    }
  }

  // --- silence

  /** Another word of the app is waited for. */
  #awaitWord(): void {
    const { state } = this.#state;
    if (state !== 'looking' && state !== 'dialled') return;
    const { sniffTimeoutMs } = this.#context.config.connect;
    if (sniffTimeoutMs === 0) this.#silent();
    else this.#setTimer(() => this.#silent(), sniffTimeoutMs);
  }

  /** It may be the server that speaks first; or the app has begun with what is no request, and waits for an answer. */
  #silent(): void {
    this.#timer = null;
    if (this.#state.state === 'looking') this.#dial();
    else if (this.#state.state === 'dialled' && !this.#held.empty) this.#openTunnel(NOTHING, false);
  }

  #setTimer(then: () => void, ms: number): void {
    this.#timer?.cancel();
    this.#timer = this.#open ? this.#context.forward.clock.setTimer(then, ms) : null;
  }

  // --- the upstream connection

  /** What the app speaks is for the server alone: it goes there as soon as there is a connection. */
  #toTunnel(): void {
    const { state } = this.#state;
    if (state === 'looking') this.#dial();
    else if (state === 'dialled') this.#openTunnel(NOTHING, false);
    else if (state === 'failed') this.#socket.reset();
  }

  #dial(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#move({ state: 'dialling' });
    try {
      this.#context.tunnels.admit();
      this.#target.destination.acquire(this, []);
    } catch (error) {
      this.acquireFailed(
        error instanceof CarpoolError ? error : new CarpoolError('INTERNAL', String(error), { cause: error }),
      );
    }
  }

  leased(): void {
    throw new Error('a tunnel was given a pooled connection');
  }

  tunnelReady(upstream: ByteSocket, endpoint: EndpointPool, place: TunnelPlace): void {
    this.#move({ state: 'dialled', upstream, endpoint, place });
    place.onCut = () => this.#socket.reset();
    upstream.setHandler({
      onBytes: (buffer, length) => this.#openTunnel(buffer.subarray(0, length), false),
      onEnd: () => this.#openTunnel(NOTHING, true),
      onDrain: () => {},
      onClose: () => this.#upstreamLost(),
    });
    if (this.#opaque) this.#openTunnel(NOTHING, false);
    else if (!this.#held.empty) this.#awaitWord();
  }

  acquireFailed(error: CarpoolError): void {
    const { destination } = this.#target;
    if (error.code !== 'DESTINATION_DENIED') destination.refresh();
    this.#move({ state: 'failed' });
    if (this.#opaque) this.#refuse(error);
    else this.#setTimer(() => this.#refuse(error), FAILED_DIAL_MS);
  }

  /** 200 was said before: only a reset can tell that the server was not reached. */
  #refuse(error: CarpoolError): void {
    const { observer } = this.#target.destination;
    observer.failed(error);
    observer.requestEnded(2, error.status, 0);
    this.#target.trace?.failed(error.code, error.status);
    this.#socket.reset();
  }

  #upstreamLost(): void {
    if (this.#state.state === 'dialled') this.#socket.reset();
  }

  /** @param toApp what the server has said */
  #openTunnel(toApp: Buffer, upstreamEnded: boolean): void {
    if (this.#state.state !== 'dialled') return;
    const { tunnels } = this.#context;
    try {
      tunnels.admit();
    } catch (error) {
      if (!(error instanceof CarpoolError)) throw error;
      this.#refuse(error);
      return;
    }
    const { upstream, endpoint, place } = this.#state;
    this.#target.trace?.open(place, endpoint);
    const first = { toApp, toUpstream: this.#held.take(), appEnded: this.#appEnded, upstreamEnded };
    this.#end();
    const { name, policy, observer } = this.#target.destination;
    new Tunnel(this.#socket, upstream, policy.timeouts.streamIdleMs, first, tunnels, place, tunnels.namesFor(name));
    observer.requestEnded(2, 200, 0);
  }

  // --- the end

  #move(next: State): void {
    this.#state = next;
    this.#since = this.#context.forward.clock.now();
  }

  /** Gives back all but what the state holds. @returns the state that ends */
  #end(): State {
    const before = this.#state;
    this.#move({ state: 'over' });
    this.#timer?.cancel();
    this.#timer = null;
    this.#held.take();
    this.#context.sessions.closed(this);
    return before;
  }

  /** Once a second: a silent connection has the time of an idle one, and of a tunnel once its server stands by. */
  tick(now: number): void {
    const { idleTimeoutMs } = this.#context.config.listener;
    const waited = now - this.#since;
    const { state } = this.#state;
    if (state === 'looking' && idleTimeoutMs > 0 && waited >= idleTimeoutMs) this.#socket.endAndClose();
    if (state === 'dialled' && waited >= this.#target.destination.policy.timeouts.streamIdleMs) this.#socket.destroy();
  }

  drain(now: number, idleMs: number): void {
    if (this.#state.state !== 'dialling' && this.#held.empty && now - this.#since >= idleMs) this.#socket.endAndClose();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
