import { systemClock } from '../../src/clock.ts';
import { ClientConnection } from './client-connection.ts';

const ANSWER_DEADLINE_MS = 5000;

/**
 * Clients that have each had one good answer and now only hold their connection. They ask one after another, so that
 * the proxy needs one upstream connection for each address and no more.
 */
export class IdleClients {
  readonly #connections: ClientConnection[] = [];
  bad = 0;

  /** Opens `count` connections to the proxy; client i asks for `target(i)`. */
  async open(port: number, count: number, target: (index: number) => { host: string; url: string }): Promise<void> {
    for (let i = 0; i < count; i++) {
      const { host, url } = target(i);
      const connection = new ClientConnection(port);
      this.#connections.push(connection);
      const request = Buffer.from(`GET ${url} HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 'latin1');
      if (!(await succeeds(connection, request))) this.bad++;
    }
  }

  /** How many connections the proxy has kept open. */
  held(): number {
    return this.#connections.filter((connection) => connection.usable).length;
  }

  close(): void {
    for (const connection of this.#connections) connection.destroy();
  }
}

function succeeds(connection: ClientConnection, request: Buffer): Promise<boolean> {
  return new Promise((resolve) => {
    const deadline = systemClock.setTimer(() => {
      connection.destroy();
      resolve(false);
    }, ANSWER_DEADLINE_MS);
    connection.send(request, (outcome) => {
      deadline.cancel();
      resolve(outcome.kind === 'answered' && outcome.status === 200);
    });
  });
}
