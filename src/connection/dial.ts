import type { Clock, Timer } from '../clock.ts';
import { type ByteHandler, ByteSocket } from '../transport/byte-socket.ts';

/** One backend: the same port at each of its addresses (one of each family), in the order in which to try them. */
export type DialTarget = { readonly addresses: readonly string[]; readonly port: number };

export type DialFailure = {
  /** An errno name (`ECONNREFUSED`), or `ETIMEDOUT` where the deadline passed. */
  readonly errno: string;
  readonly message: string;
  readonly timedOut: boolean;
};

export interface DialOutcome {
  /** The connection to `address` stands after `ms`. The socket has no owner yet: set its handler at once. */
  dialed(socket: ByteSocket, ms: number, address: string): void;
  dialFailed(failure: DialFailure): void;
  /** No answer after the attempt time; the dial goes on. Called at most once. */
  dialSlow(): void;
}

/** When the other address family is tried beside one that has not answered (RFC 8305 section 5 recommends it). */
const OTHER_FAMILY_AFTER_MS = 250;

/** What a host or network without the family says: it tells less than the failure at the other address. */
const UNREACHABLE = new Set(['ENETUNREACH', 'EHOSTUNREACH', 'EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL']);

/** A connect to one address. Tells its dial how it ended, once, unless it is given up. */
class Attempt implements ByteHandler {
  readonly address: string;
  readonly socket: ByteSocket;
  #dial: Dial | null;

  constructor(address: string, port: number, keepAliveMs: number, dial: Dial) {
    this.address = address;
    this.#dial = dial;
    this.socket = ByteSocket.connect({ address, port, keepAliveMs }, this, () => this.#end()?.connected(this));
  }

  giveUp(): void {
    this.#end();
    this.socket.destroy();
  }

  #end(): Dial | null {
    const dial = this.#dial;
    this.#dial = null;
    return dial;
  }

  #failed(failure: DialFailure): void {
    const dial = this.#end();
    this.socket.destroy();
    dial?.attemptFailed(this, failure);
  }

  onBytes(): void {}

  onEnd(): void {
    this.#failed({ errno: 'ECONNRESET', message: 'the connection was closed while it was opened', timedOut: false });
  }

  onDrain(): void {}

  onClose(error: NodeJS.ErrnoException | null): void {
    this.#failed({
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
  readonly #keepAliveMs: number;
  readonly #attempts = new Set<Attempt>();
  /** How many of the addresses have been tried. */
  #tried = 0;
  #failure: DialFailure | null = null;
  #outcome: DialOutcome | null;
  readonly #deadline: Timer;
  readonly #slow: Timer;
  #other: Timer | null = null;

  constructor(
    target: DialTarget,
    options: { connectMs: number; attemptMs: number; keepAliveMs: number },
    clock: Clock,
    outcome: DialOutcome,
  ) {
    this.#clock = clock;
    this.#target = target;
    this.#keepAliveMs = options.keepAliveMs;
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
    this.#attempts.add(new Attempt(address, this.#target.port, this.#keepAliveMs, this));
    return true;
  }

  /** An attempt's connection stands: the other one is given up. */
  connected(attempt: Attempt): void {
    this.#end(attempt)?.dialed(attempt.socket, this.#clock.now() - this.startedAt, attempt.address);
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
    const message = `${where} did not answer within ${connectMs} ms`;
    this.#end(null)?.dialFailed({ errno: 'ETIMEDOUT', message, timedOut: true });
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
