import { Agent, buildConnector, type Dispatcher } from 'undici';
import type { ApiAccess } from './api-access.ts';

/** Behind it a connect has failed, whatever the clock of the callers says: it holds a socket. */
const CONNECT_TIMEOUT_MS = 5_000;
/** Calls on one HTTP/2 connection; kube-apiserver takes 250 by default. */
const MAX_STREAMS = 250;
/** Connections to a server that speaks HTTP/1.1 only, where each watch needs its own. */
const MAX_HTTP1_CONNECTIONS = 64;

/** How long a call or a silence may last is the callers' business, by their clock; life is told by bookmarks, not PING. */
const NO_TIMERS = { headersTimeout: 0, bodyTimeout: 0 } as const;

/**
 * The way to one API server with one CA and one client certificate: a single TLS connection for everything where it
 * speaks HTTP/2. Nothing is opened before the first call, and what is idle closes after 4 s.
 *
 * undici's pool would open a second and third one while the first is being made or lost, so it is given one only, and
 * another pool for servers that turn out to speak HTTP/1.1.
 */
export class ApiConnection {
  readonly #access: ApiAccess;
  readonly #single: Agent;
  #many: Agent | null = null;

  constructor(access: ApiAccess) {
    this.#access = access;
    this.#single = new Agent({
      ...NO_TIMERS,
      connections: 1,
      // Else calls wait for the end of every watch on a connection that the server retires (GOAWAY) before the next opens.
      pipelining: MAX_STREAMS,
      h2Options: { pingInterval: 0, maxConcurrentStreams: MAX_STREAMS },
      connect: this.#connector(),
    });
  }

  /** Where calls go; `interceptor` stands between it and them. */
  dispatcher(interceptor?: Dispatcher.DispatcherComposeInterceptor): Dispatcher {
    const choose: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (options, handler) =>
      this.#many
        ? this.#many.dispatch(options, handler)
        : dispatch(options, new Http1Fallback(handler, () => this.#manyConnections().dispatch(options, handler)));
    return interceptor ? this.#single.compose(choose, interceptor) : this.#single.compose(choose);
  }

  /** Whether it goes where `access` says, with the same trust. The token may be another: it goes with each call. */
  fits(access: ApiAccess): boolean {
    return samePlace(this.#access, access);
  }

  /** Ends at once; calls under way fail with `error`. */
  destroy(error: Error): void {
    this.#single.destroy(error).catch(() => {});
    this.#many?.destroy(error).catch(() => {});
  }

  #connector(): buildConnector.connector {
    const connect = buildConnector(this.#tls({ allowH2: true, preferH2: true }));
    return (options, callback) =>
      connect(options, (...[error, socket]) => {
        if (error) callback(error, null);
        else if ('alpnProtocol' in socket && socket.alpnProtocol === 'h2') callback(null, socket);
        else {
          socket.destroy();
          callback(new Http1Only(), null);
        }
      });
  }

  #manyConnections(): Agent {
    this.#many ??= new Agent({
      ...NO_TIMERS,
      allowH2: false,
      connections: MAX_HTTP1_CONNECTIONS,
      connect: this.#tls({ allowH2: false }),
    });
    return this.#many;
  }

  #tls(protocols: { allowH2: boolean; preferH2?: boolean }): buildConnector.BuildOptions {
    const { ca, cert, key, serverName, insecure } = this.#access;
    return {
      ...protocols,
      timeout: CONNECT_TIMEOUT_MS,
      rejectUnauthorized: !insecure,
      ...(ca === null ? {} : { ca }),
      ...(cert === null ? {} : { cert }),
      ...(key === null ? {} : { key }),
      ...(serverName === null ? {} : { servername: serverName }),
    };
  }
}

/** Whether two accesses are the same server with the same trust, whatever the token. */
export function samePlace(a: ApiAccess, b: ApiAccess): boolean {
  return (
    a.server.href === b.server.href &&
    a.ca === b.ca &&
    a.cert === b.cert &&
    a.key === b.key &&
    a.serverName === b.serverName &&
    a.insecure === b.insecure
  );
}

/** The server has been reached, and HTTP/2 is not what it speaks. */
class Http1Only extends Error {}

/** Begins a call anew when the connect has shown that the server speaks HTTP/1.1; nothing had been sent. */
class Http1Fallback implements Dispatcher.DispatchHandler {
  readonly #handler: Dispatcher.DispatchHandler;
  readonly #again: () => void;

  constructor(handler: Dispatcher.DispatchHandler, again: () => void) {
    this.#handler = handler;
    this.#again = again;
  }

  onRequestStart(...args: Told<'onRequestStart'>): void {
    this.#handler.onRequestStart?.(...args);
  }

  onResponseStart(...args: Told<'onResponseStart'>): void {
    this.#handler.onResponseStart?.(...args);
  }

  onResponseData(...args: Told<'onResponseData'>): void {
    this.#handler.onResponseData?.(...args);
  }

  onResponseEnd(...args: Told<'onResponseEnd'>): void {
    this.#handler.onResponseEnd?.(...args);
  }

  onResponseError(...args: Told<'onResponseError'>): void {
    if (args[1] instanceof Http1Only) this.#again();
    else this.#handler.onResponseError?.(...args);
  }
}

type Told<Name extends keyof Dispatcher.DispatchHandler> = Parameters<NonNullable<Dispatcher.DispatchHandler[Name]>>;
