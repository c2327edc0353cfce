import type { Clock, Timer } from '../clock.ts';
import { type ByteHandler, ByteSocket } from '../transport/byte-socket.ts';
import { TlsFileError } from '../transport/tls-files.ts';
import type { SecureDial } from './secure-dial.ts';
import { alpnFailure, filesFailure, type TlsFailure, tlsFailure } from './tls-failure.ts';

/** One backend: the same port at each of its addresses (one of each family), in the order in which to try them. */
export type DialTarget = { readonly addresses: readonly string[]; readonly port: number };

export type DialFailure = {
  /** An errno name (`ECONNREFUSED`), `ETIMEDOUT` where the deadline passed, or the code of a TLS failure. */
  readonly errno: string;
  readonly message: string;
  readonly timedOut: boolean;
  /** TCP stood, or was not even tried, and TLS failed; else null. */
  readonly tls: TlsFailure | null;
};

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
};

/** When the other address family is tried beside one that has not answered (RFC 8305 section 5 recommends it). */
const OTHER_FAMILY_AFTER_MS = 250;

/** What a host or network without the family says: it tells less than the failure at the other address. */
const UNREACHABLE = new Set(['ENETUNREACH', 'EHOSTUNREACH', 'EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL']);

/** A connect to one address. Tells its dial how it ended, once, unless it is given up. */
class Attempt implements ByteHandler {
  readonly address: string;
  readonly #must: string | null;
  #socket: ByteSocket | null = null;
  #dial: Dial | null;

  constructor(address: string, port: number, options: DialOptions, dial: Dial) {
    const { keepAliveMs, secure } = options;
    this.address = address;
    this.#dial = dial;
    this.#must = secure?.must ?? null;
    try {
      const target = secure === null ? null : secure.target();
      this.#socket = ByteSocket.connect({ address, port, keepAliveMs, secure: target }, this, () => this.#connected());
    } catch (error) {
      if (!(error instanceof TlsFileError)) throw error;
      // Whoever dials does not expect an outcome before the dial exists.
      process.nextTick(() => this.#tlsFailed(filesFailure(error)));
    }
  }

  /** Whether TCP stands and the TLS handshake goes on. */
  get shakesHands(): boolean {
    const phase = this.#socket?.secure?.phase;
    return phase === 'handshake' || phase === 'verifying';
  }

  giveUp(): void {
    this.#end();
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
    if (tls !== null) this.#tlsFailed(tls);
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
    const where = addresses.map((address) => `${address}:${port}`).join(' and ');
    // Who takes the connection and says nothing may wait for another protocol, or be stuck; the network is in order.
    const what = [...this.#attempts].some(({ shakesHands }) => shakesHands)
      ? 'accepted the connection, but did not finish the TLS handshake'
      : 'did not answer';
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
