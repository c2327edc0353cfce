import type { Socket } from 'node:net';
import { Client, type Dispatcher } from 'undici';

/** Of a response no more is read. */
const MAX_BODY_BYTES = 65_536;

export type CheckRequest = {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | null;
};

export type CheckReply = {
  readonly status: number;
  readonly headers: Fields;
  readonly body: Buffer;
  /** There was more of the body than is read. */
  readonly cut: boolean;
  readonly trailers: Fields;
};

export type Fields = Readonly<Record<string, string | readonly string[] | undefined>>;

/** How an exchange ends, once, unless it is aborted before. */
export interface ExchangeOutcome {
  answered(reply: CheckReply): void;
  /** @param reason in words */
  unanswered(reason: string): void;
}

/** One request and its response on a connection that is used for nothing else. */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly #client: Client;
  #outcome: ExchangeOutcome | null;
  #status = 0;
  #headers: Fields = {};
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  /**
   * @param socket an open one; over TLS, what was agreed on is spoken
   * @param http2 HTTP/2 on a connection in clear
   */
  constructor(socket: Socket, request: CheckRequest, http2: boolean, outcome: ExchangeOutcome) {
    this.#outcome = outcome;
    const secure = 'encrypted' in socket;
    if (http2 && !secure) Object.assign(socket, { alpnProtocol: 'h2' });
    let used = false;
    // How long it may all take is the caller's business, by its clock.
    const noTimers = { headersTimeout: 0, bodyTimeout: 0, h2Options: { pingInterval: 0 } };
    this.#client = new Client(secure ? 'https://127.0.0.1' : 'http://127.0.0.1', {
      ...noTimers,
      connect: (_options, told) => {
        // undici does not go on where it is told before this returns.
        if (used) queueMicrotask(() => told(new Error('the connection was closed before the request was sent'), null));
        else queueMicrotask(() => told(null, socket));
        used = true;
      },
    });
    // `reset` says Connection: close, which HTTP/2 does not know.
    const once = socketSpeaksHttp2(socket) ? {} : { reset: true };
    this.#client.dispatch({ ...request, ...once, headers: { ...request.headers } }, this);
  }

  /** Ends it without an outcome, or what is left of it afterwards. */
  abort(): void {
    this.#outcome = null;
    this.#client.destroy().catch(() => {});
  }

  onRequestStart(): void {}

  onResponseStart(...[, status, headers]: Told<'onResponseStart'>): void {
    this.#status = status;
    this.#headers = headers;
  }

  onResponseData(...[, chunk]: Told<'onResponseData'>): void {
    this.#bytes += chunk.length;
    if (this.#bytes > MAX_BODY_BYTES) this.#answered({}, true);
    else this.#chunks.push(chunk);
  }

  onResponseEnd(...[, trailers]: Told<'onResponseEnd'>): void {
    this.#answered(trailers, false);
  }

  onResponseError(...[, error]: Told<'onResponseError'>): void {
    const where = this.#status === 0 ? '' : ` in the body of a response of status ${this.#status}`;
    // nghttp2: what came is no frame. gRPC goes by HTTP/2 alone.
    const foreign = this.#status === 0 && error.message === 'Protocol error';
    const words = foreign ? `what answers does not speak HTTP/2, which gRPC needs (${error.message})` : wordsOf(error);
    this.#end()?.unanswered(`${words}${where}`);
  }

  #answered(trailers: Fields, cut: boolean): void {
    const reply = { status: this.#status, headers: this.#headers, body: Buffer.concat(this.#chunks), cut, trailers };
    this.#end()?.answered(reply);
  }

  #end(): ExchangeOutcome | null {
    const outcome = this.#outcome;
    this.#outcome = null;
    return outcome;
  }
}

const socketSpeaksHttp2 = (socket: Socket): boolean => 'alpnProtocol' in socket && socket.alpnProtocol === 'h2';

function wordsOf(error: Error): string {
  const code = 'code' in error ? error.code : null;
  // undici: the peer ended the connection.
  if (code === 'UND_ERR_SOCKET' || code === 'ECONNRESET') return `the connection was closed (${error.message})`;
  return error.message;
}

type Told<Name extends keyof Dispatcher.DispatchHandler> = Parameters<NonNullable<Dispatcher.DispatchHandler[Name]>>;
