import type { Socket } from 'node:net';
import type { Clock, Timer } from '../clock.ts';
import type { Proxied } from '../discovery/discovery.ts';
import { type ByteHandler, ByteSocket } from '../transport/byte-socket.ts';
import type { RawSocket } from '../transport/raw-socket.ts';
import type { SecureTarget } from '../transport/secure-socket.ts';
import { TlsFileError } from '../transport/tls-files.ts';
import type { DialFailure } from './dial-failure.ts';
import { bracketed, unreadable } from './proxy-refusal.ts';
import { ofProxy, ProxyTunnel, type TunnelOutcome } from './proxy-tunnel.ts';
import type { SecureDial } from './secure-dial.ts';
import { alpnFailure, filesFailure, type TlsFailure, tlsFailure } from './tls-failure.ts';

/** One backend: the same port at each of its addresses (one of each family), in the order in which to try them. */
export type DialTarget = { readonly addresses: readonly string[]; readonly port: number };

export interface DialOutcome {
  /** The connection to `address` stands after `ms`. The socket has no owner yet: set its handler at once. */
  dialed(socket: ByteSocket, ms: number, address: string): void;
  dialFailed(failure: DialFailure): void;
  /** No answer after the attempt time; the dial goes on. Called at most once. */
  dialSlow(): void;
}

export type DialOptions = {
  /** For all addresses together, TCP and TLS. */
  readonly connectMs: number;
  readonly attemptMs: number;
  readonly keepAliveMs: number;
  /** What TLS is opened with, or null: none. */
  readonly secure: SecureDial | null;
  /** The addresses are those of a parent proxy; null or absent: of the endpoint itself. */
  readonly by?: ProxyDial | null;
};

/** What is asked of a parent proxy. */
export type ProxyDial = {
  readonly proxied: Proxied;
  /** A tunnel to the host (CONNECT), in which TLS is opened where there is TLS; false: the connection itself, for requests in absolute form. */
  readonly tunnel: boolean;
};

/** When the other address family is tried beside one that has not answered (RFC 8305 section 5 recommends it). */
const OTHER_FAMILY_AFTER_MS = 250;

const NO_ANSWER = 'did not answer';
const HANGS_INSIDE = 'did not finish the TLS handshake';
/** What a host or network without the family says: it tells less than the failure at the other address. */
const UNREACHABLE = new Set(['ENETUNREACH', 'EHOSTUNREACH', 'EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL']);

/** Who has not answered: the parent proxy, or, where its tunnel stands, the host behind it. */
function nameOf({ host, port, proxy }: Proxied, all: string, inside: boolean): string {
  return inside
    ? `${bracketed(host)}:${port}, reached by the parent proxy ${proxy.url},`
    : `the parent proxy ${proxy.url} (${all})`;
}

/** A connect to one address. Tells its dial how it ended, once, unless it is given up. */
class Attempt implements ByteHandler, TunnelOutcome {
  readonly address: string;
  readonly #port: number;
  readonly #options: DialOptions;
  readonly #must: string | null;
  #socket: ByteSocket | null = null;
  #tunnel: ProxyTunnel | null = null;
  #dial: Dial | null;

  constructor(address: string, port: number, options: DialOptions, dial: Dial) {
    const { keepAliveMs, secure } = options;
    const by = options.by ?? null;
    this.address = address;
    this.#port = port;
    this.#options = options;
    this.#dial = dial;
    this.#must = secure?.must ?? null;
    try {
      if (by?.tunnel === true) this.#tunnel = new ProxyTunnel({ address, port, keepAliveMs }, by.proxied, this);
      else this.#connect(by === null ? (secure?.target() ?? null) : by.proxied.proxy.secure(), null);
    } catch (error) {
      if (!(error instanceof TlsFileError)) throw error;
      const failure = by === null ? filesFailure(error) : ofProxy(filesFailure(error));
      // Whoever dials does not expect an outcome before the dial exists.
      process.nextTick(() => this.#tlsFailed(failure));
    }
  }

  #connect(secure: SecureTarget | null, over: Socket | null): void {
    const { keepAliveMs } = this.#options;
    const target = { address: this.address, port: this.#port, keepAliveMs, secure, over };
    this.#socket = ByteSocket.connect(target, this, () => this.#connected());
  }

  tunnelOpened({ socket, secure }: RawSocket, rest: Buffer): void {
    const inside = this.#options.secure;
    if (inside === null) {
      if (rest.length > 0) socket.unshift(rest);
      this.#socket = ByteSocket.accept(socket, this, secure);
      this.#connected();
    } else if (rest.length > 0 && this.#options.by) {
      // In TLS the client speaks first.
      const refusal = unreadable(this.#options.by.proxied, 'bytes came behind its answer, before TLS had begun');
      socket.destroy();
      this.#failed({ errno: refusal.code, message: refusal.message, timedOut: false, tls: null, refusal });
    } else {
      try {
        this.#connect(inside.target(), socket);
      } catch (error) {
        socket.destroy();
        if (!(error instanceof TlsFileError)) throw error;
        this.#tlsFailed(filesFailure(error));
      }
    }
  }

  tunnelFailed(failure: DialFailure): void {
    this.#failed(failure);
  }

  /** What it waits for, in words: TCP stands already, or not. */
  get waitsFor(): string {
    const phase = this.#socket?.secure?.phase;
    if (this.#options.by?.tunnel === true && (phase === 'handshake' || phase === 'verifying')) return HANGS_INSIDE;
    if (phase === 'handshake' || phase === 'verifying' || this.#tunnel?.shakesHands === true)
      return 'accepted the connection, but did not finish the TLS handshake';
    return this.#tunnel?.asked === true ? 'accepted the connection, but did not answer CONNECT' : NO_ANSWER;
  }

  giveUp(): void {
    this.#end();
    this.#tunnel?.destroy();
    this.#socket?.destroy();
  }

  #connected(): void {
    const socket = this.#socket;
    if (socket === null) return;
    if (this.#must !== null && socket.alpn !== this.#must) this.#tlsFailed(alpnFailure(this.#must, socket.alpn));
    else this.#end()?.connected(this, socket);
  }

  #end(): Dial | null {
    const dial = this.#dial;
    this.#dial = null;
    return dial;
  }

  #failed(failure: DialFailure): void {
    const dial = this.#end();
    this.#socket?.destroy();
    dial?.attemptFailed(this, failure);
  }

  #tlsFailed(failure: TlsFailure): void {
    this.#failed({ errno: failure.code, message: failure.message, timedOut: false, tls: failure });
  }

  onBytes(): void {}

  onEnd(): void {
    this.#failed({
      errno: 'ECONNRESET',
      message: 'the connection was closed while it was opened',
      timedOut: false,
      tls: null,
    });
  }

  onDrain(): void {}

  onClose(error: NodeJS.ErrnoException | null): void {
    const tls = this.#socket === null ? null : tlsFailure(error, this.#socket);
    // In absolute form TLS is the proxy's own.
    if (tls !== null) this.#tlsFailed(this.#options.by?.tunnel === false ? ofProxy(tls) : tls);
    this.#failed({
      tls: null,
      errno: error?.code ?? 'ECONNRESET',
      message: error?.message ?? 'the connection was closed while it was opened',
      timedOut: error?.code === 'ETIMEDOUT',
    });
  }
}

/**
 * One connect to one endpoint, with its deadline: at its first address, and where that fails or does not answer soon,
 * beside it at the other one ("happy eyeballs", RFC 8305). Ends once: by `dialed`, `dialFailed` or `cancel`.
 */
export class Dial {
  readonly startedAt: number;
  readonly #clock: Clock;
  readonly #target: DialTarget;
  readonly #options: DialOptions;
  readonly #attempts = new Set<Attempt>();
  /** How many of the addresses have been tried. */
  #tried = 0;
  #failure: DialFailure | null = null;
  #outcome: DialOutcome | null;
  readonly #deadline: Timer;
  readonly #slow: Timer;
  #other: Timer | null = null;

  constructor(target: DialTarget, options: DialOptions, clock: Clock, outcome: DialOutcome) {
    this.#clock = clock;
    this.#target = target;
    this.#options = options;
    this.#outcome = outcome;
    this.startedAt = clock.now();
    this.#tryNext();
    if (target.addresses.length > 1) this.#other = clock.setTimer(() => this.#tryNext(), OTHER_FAMILY_AFTER_MS);
    this.#deadline = clock.setTimer(() => this.#timedOut(options.connectMs), options.connectMs);
    this.#slow = clock.setTimer(() => this.#outcome?.dialSlow(), options.attemptMs);
  }

  /** Ends the dial without an outcome. */
  cancel(): void {
    this.#end(null);
  }

  #tryNext(): boolean {
    const address = this.#target.addresses[this.#tried];
    if (address === undefined) return false;
    this.#tried++;
    this.#attempts.add(new Attempt(address, this.#target.port, this.#options, this));
    return true;
  }

  /** An attempt's connection stands: the other one is given up. */
  connected(attempt: Attempt, socket: ByteSocket): void {
    this.#end(attempt)?.dialed(socket, this.#clock.now() - this.startedAt, attempt.address);
  }

  /** An attempt has failed: the other one decides. */
  attemptFailed(attempt: Attempt, failure: DialFailure): void {
    this.#attempts.delete(attempt);
    if (this.#failure === null || UNREACHABLE.has(this.#failure.errno)) this.#failure = failure;
    if (this.#tryNext() || this.#attempts.size > 0) return;
    this.#end(null)?.dialFailed(this.#failure);
  }

  #timedOut(connectMs: number): void {
    const { addresses, port } = this.#target;
    const all = addresses.map((address) => `${address}:${port}`).join(' and ');
    // Who takes the connection and says nothing may wait for another protocol, or be stuck; the network is in order.
    const waits = [...this.#attempts].map(({ waitsFor }) => waitsFor);
    const what = waits.find((words) => words !== NO_ANSWER) ?? NO_ANSWER;
    const by = this.#options.by ?? null;
    const where = by === null ? all : nameOf(by.proxied, all, what === HANGS_INSIDE);
    const message = `${where} ${what} within ${connectMs} ms`;
    this.#end(null)?.dialFailed({ errno: 'ETIMEDOUT', message, timedOut: true, tls: null });
  }

  #end(winner: Attempt | null): DialOutcome | null {
    const outcome = this.#outcome;
    this.#outcome = null;
    for (const attempt of this.#attempts) if (attempt !== winner) attempt.giveUp();
    this.#attempts.clear();
    this.#deadline.cancel();
    this.#slow.cancel();
    this.#other?.cancel();
    return outcome;
  }
}
