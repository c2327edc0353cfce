import { systemClock } from '../../src/clock.ts';
import { ClientConnection } from '../load/client-connection.ts';
import type { FaultPeer } from './fault-peers.ts';

const CLIENT_TIMEOUT_MS = 5000;

/** Counts of one method. */
export type Tally = {
  sent: number;
  failed: number;
  /** Failures by kind: a status, or why there was none. */
  readonly kinds?: Record<string, number>;
};

/**
 * Clients that each hold one connection to the proxy and ask over it one request at a time; every POST has a path of
 * its own, by which the endpoints count how often it was applied.
 */
export class Lane {
  readonly #peer: FaultPeer;
  readonly #method: 'GET' | 'POST';
  readonly #name: string;
  readonly #tally: Tally;
  /** Paths of the POSTs that the client saw fail. */
  readonly failedPaths: string[] = [];
  #connection: ClientConnection | null = null;
  #count = 0;

  constructor(peer: FaultPeer, method: 'GET' | 'POST', name: string, tally: Tally) {
    this.#peer = peer;
    this.#method = method;
    this.#name = name;
    this.#tally = tally;
  }

  /** One request; resolves when it has ended, well or not. */
  ask(): Promise<void> {
    const path = `/${this.#name}-${this.#count++}`;
    const body = this.#method === 'POST' ? 'amount=1' : '';
    const length = this.#method === 'POST' ? `Content-Length: ${body.length}\r\n` : '';
    const { host } = this.#peer;
    const text = `${this.#method} http://${host}${path} HTTP/1.1\r\nHost: ${host}\r\n${length}\r\n${body}`;
    const connection = this.#usable();
    this.#tally.sent++;
    return new Promise((resolve) => {
      const end = (good: boolean, kind: string): void => {
        if (!good) {
          this.#tally.failed++;
          const { kinds } = this.#tally;
          if (kinds !== undefined) kinds[kind] = (kinds[kind] ?? 0) + 1;
          this.failedPaths.push(path);
        }
        resolve();
      };
      const deadline = systemClock.setTimer(() => {
        connection.destroy();
        end(false, 'timeout');
      }, CLIENT_TIMEOUT_MS);
      connection.send(Buffer.from(text, 'latin1'), (outcome) => {
        deadline.cancel();
        const kind = outcome.kind === 'answered' ? String(outcome.status) : outcome.kind;
        end(kind === '200', kind);
      });
    });
  }

  close(): void {
    this.#connection?.destroy();
  }

  #usable(): ClientConnection {
    if (this.#connection?.usable) return this.#connection;
    this.#connection?.destroy();
    this.#connection = new ClientConnection(this.#peer.port);
    return this.#connection;
  }
}
