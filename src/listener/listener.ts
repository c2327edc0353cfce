import net from 'node:net';
import { CarpoolError } from '../errors.ts';
import { localAnswer } from '../forward/local-answer.ts';
import { type ByteHandler, ByteSocket } from '../transport/byte-socket.ts';
import { acceptHandles, type Handle } from '../transport/node-handle.ts';
import type { ListenerContext } from './listener-context.ts';
import { Opening } from './opening.ts';
import { type LocalDestination, RequestPlanner } from './request-plan.ts';
import type { Sessions } from './sessions.ts';

/** A port that could not be bound; the message names it and its setting. */
export class ListenError extends Error {}

const TOO_MANY = new CarpoolError(
  'OVERLOADED',
  'the app has as many connections open as listener.maxConnections allows',
  {
    proxyError: 'connection_limit_reached',
    hint: 'Raise listener.maxConnections (and the file-descriptor limit), or let the app keep fewer connections.',
  },
);

const REFUSED = localAnswer({
  error: TOO_MANY,
  destination: null,
  headRequest: false,
  close: true,
  keepAlive10: false,
});

const ignore: ByteHandler = { onBytes() {}, onEnd() {}, onDrain() {}, onClose() {} };

/** Over the limit: an answer, and the end. */
function refuse(accepted: Handle | net.Socket): void {
  const socket = ByteSocket.accept(accepted, ignore);
  socket.write(REFUSED, 0, REFUSED.length);
  socket.endAndClose();
}

/** One listening socket: the main port, or the local port of one destination. */
export class Listener {
  readonly #server: net.Server;
  readonly #setting: string;
  readonly #accept: (accepted: Handle | net.Socket) => void;
  #bound: { host: string; port: number } | null = null;

  /** @param setting where its port is configured, for errors */
  constructor(context: ListenerContext, sessions: Sessions, local: LocalDestination | null, setting: string) {
    this.#setting = setting;
    this.#server = net.createServer({ noDelay: true, pauseOnConnect: true, allowHalfOpen: true });
    const planner = new RequestPlanner(context, local);
    this.#accept = (accepted) => {
      if (sessions.count + context.tunnels.count >= context.config.listener.maxConnections) {
        context.countError(TOO_MANY);
        refuse(accepted);
        return;
      }
      new Opening(ByteSocket.accept(accepted, ignore), context, planner);
    };
    // Accepting goes on whatever happened to one connection (EMFILE among it).
    this.#server.on('error', () => {});
  }

  get address(): { host: string; port: number } | null {
    return this.#bound;
  }

  /** @throws ListenError that names the port */
  async listen(host: string, port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const failed = (error: NodeJS.ErrnoException): void => reject(this.#explain(error, host, port));
      this.#server.once('error', failed);
      this.#server.listen({ host, port, backlog: 4096 }, () => {
        this.#server.off('error', failed);
        resolve();
      });
    });
    acceptHandles(this.#server, this.#accept);
    const address = this.#server.address();
    if (address !== null && typeof address === 'object') this.#bound = { host: address.address, port: address.port };
  }

  #explain(error: NodeJS.ErrnoException, host: string, port: number): ListenError {
    const where = `${host}:${port} (${this.#setting})`;
    if (error.code === 'EADDRINUSE') {
      return new ListenError(`${where} is in use by another process: stop that one, or set another port`);
    }
    if (error.code === 'EACCES')
      return new ListenError(`${where} needs a privilege that carpool has not: set a port above 1023`);
    if (error.code === 'EADDRNOTAVAIL') return new ListenError(`${where}: this machine has no such address`);
    return new ListenError(`${where}: ${error.message}`);
  }

  /** Accepts nothing more. */
  close(): void {
    this.#server.close();
  }
}
