import type { Clock, Timer } from '../clock.ts';
import type { EndpointSpec } from '../discovery/discovery.ts';
import { type ByteHandler, ByteSocket } from '../transport/byte-socket.ts';

export type DialFailure = {
  /** An errno name (`ECONNREFUSED`), or `ETIMEDOUT` where the deadline passed. */
  readonly errno: string;
  readonly message: string;
  readonly timedOut: boolean;
};

export interface DialOutcome {
  /** The connection stands after `ms`. The socket has no owner yet: set its handler at once. */
  dialed(socket: ByteSocket, ms: number): void;
  dialFailed(failure: DialFailure): void;
  /** No answer after the attempt time; the dial goes on. Called at most once. */
  dialSlow(): void;
}

/** One connect attempt to one endpoint, with its deadline. Ends once: by `dialed`, `dialFailed` or `cancel`. */
export class Dial implements ByteHandler {
  readonly startedAt: number;
  readonly #clock: Clock;
  readonly #socket: ByteSocket;
  #outcome: DialOutcome | null;
  #deadline: Timer;
  #slow: Timer;

  constructor(
    endpoint: EndpointSpec,
    options: { connectMs: number; attemptMs: number; keepAliveMs: number },
    clock: Clock,
    outcome: DialOutcome,
  ) {
    this.#clock = clock;
    this.#outcome = outcome;
    this.startedAt = clock.now();
    this.#socket = ByteSocket.connect(
      { address: endpoint.address, port: endpoint.port, keepAliveMs: options.keepAliveMs },
      this,
      () => this.#connected(),
    );
    this.#deadline = clock.setTimer(
      () =>
        this.#failed({
          errno: 'ETIMEDOUT',
          message: `${endpoint.address}:${endpoint.port} did not answer within ${options.connectMs} ms`,
          timedOut: true,
        }),
      options.connectMs,
    );
    this.#slow = clock.setTimer(() => this.#outcome?.dialSlow(), options.attemptMs);
  }

  /** Ends the attempt without an outcome. */
  cancel(): void {
    this.#end();
    this.#socket.destroy();
  }

  #connected(): void {
    const outcome = this.#end();
    outcome?.dialed(this.#socket, this.#clock.now() - this.startedAt);
  }

  #failed(failure: DialFailure): void {
    const outcome = this.#end();
    this.#socket.destroy();
    outcome?.dialFailed(failure);
  }

  #end(): DialOutcome | null {
    const outcome = this.#outcome;
    this.#outcome = null;
    this.#deadline.cancel();
    this.#slow.cancel();
    return outcome;
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
