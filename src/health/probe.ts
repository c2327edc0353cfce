import type { Socket } from 'node:net';
import type { Clock, Timer } from '../clock.ts';
import type { HealthKind } from '../config/types.ts';
import { type CheckPlace, CheckSocket } from './check-socket.ts';
import type { CheckReply, Exchange, ExchangeOutcome } from './exchange.ts';
import { grpcFailure, grpcRequest } from './grpc-health.ts';

const USER_AGENT = 'carpool-health-check';

/** What one check asks, and where. */
export type Question = CheckPlace & {
  readonly kind: HealthKind;
  readonly timeoutMs: number;
  /** What goes into Host, or `:authority`. */
  readonly authority: string;
  readonly path: string;
  readonly service: string | null;
  /** HTTP/2 in clear. */
  readonly http2: boolean;
};

/**
 * One check of one endpoint, on a connection of its own and with a deadline for all of it. Tells how it ended once, never
 * before the constructor has returned, unless it is cancelled.
 */
export class Probe implements ExchangeOutcome {
  readonly #question: Question;
  readonly #deadline: Timer;
  #done: ((failure: string | null) => void) | null;
  #socket: CheckSocket | null = null;
  #exchange: Exchange | null = null;

  /** @param done gets why the check failed, in words, or null: it passed */
  constructor(question: Question, clock: Clock, done: (failure: string | null) => void) {
    const { timeoutMs, kind } = question;
    this.#question = question;
    this.#done = done;
    this.#deadline = clock.setTimer(
      () => this.#end(`timed out after ${timeoutMs} ms, ${this.#socket?.phase ?? 'beginning'}`),
      timeoutMs,
    );
    // A connection is all that kind `tcp` wants.
    if (kind === 'tcp') this.#open(() => this.#end(null));
    else this.#openToAsk().catch((error: unknown) => this.#end(String(error)));
  }

  cancel(): void {
    this.#done = null;
    this.#end(null);
  }

  // --- ExchangeOutcome

  answered(reply: CheckReply): void {
    this.#end(this.#question.kind === 'grpc' ? grpcFailure(reply) : httpFailure(reply));
  }

  unanswered(reason: string): void {
    this.#end(reason);
  }

  /** undici is loaded with the first check that needs it: for kind `tcp` it never is. */
  async #openToAsk(): Promise<void> {
    const { Exchange } = await import('./exchange.ts');
    if (this.#done === null) return;
    const { kind, authority, path, service, http2, secure } = this.#question;
    const request =
      kind === 'grpc'
        ? grpcRequest(authority, service, USER_AGENT)
        : { method: 'GET' as const, path, headers: { host: authority, 'user-agent': USER_AGENT }, body: null };
    this.#open((socket) => {
      const agreed = 'alpnProtocol' in socket ? socket.alpnProtocol : null;
      const must = secure !== null && secure.protocols.length === 1 && secure.protocols[0] === 'h2';
      if (must && agreed !== 'h2') this.#end('the server does not speak HTTP/2 over TLS (ALPN)');
      else this.#exchange = new Exchange(socket, request, http2, this);
      if (this.#done === null) this.#exchange?.abort();
    });
  }

  #open(opened: (socket: Socket) => void): void {
    this.#socket = new CheckSocket(this.#question, { opened, openFailed: (reason) => this.#end(reason) });
  }

  #end(failure: string | null): void {
    const done = this.#done;
    this.#done = null;
    this.#deadline.cancel();
    this.#exchange?.abort();
    this.#socket?.destroy();
    done?.(failure);
  }
}

const httpFailure = ({ status }: CheckReply): string | null =>
  status >= 200 && status < 400 ? null : `status ${status}`;
