import type { DownstreamSession } from './downstream-session.ts';

/** The downstream connections of all listeners, and their limit (`listener.maxConnections`, under the file limit). */
export class Sessions {
  readonly #sessions = new Set<DownstreamSession>();

  get count(): number {
    return this.#sessions.size;
  }

  /** Exchanges under way. */
  get busy(): number {
    let count = 0;
    for (const session of this.#sessions) count += session.busy;
    return count;
  }

  add(session: DownstreamSession): void {
    this.#sessions.add(session);
  }

  /** What a session calls when it is closed, or has become something else: another session, a tunnel. */
  readonly closed = (session: DownstreamSession): void => {
    this.#sessions.delete(session);
  };

  /** Once a second. */
  tick(now: number): void {
    for (const session of this.#sessions) session.tick(now);
  }

  /** Closes connections that have been idle for `idleMs`; one that has just come keeps that long for its request. */
  drain(now: number, idleMs: number): void {
    for (const session of [...this.#sessions]) session.drain(now, idleMs);
  }

  destroy(): void {
    for (const session of [...this.#sessions]) session.destroy();
  }
}
