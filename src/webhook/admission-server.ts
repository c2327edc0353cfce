import { once } from 'node:events';
import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import { errorCode } from '../admin/listening.ts';
import type { Clock } from '../clock.ts';
import { type Review, readReview, writeAnswer } from './admission-review.ts';
import { BodyReader, type Incoming, type NoBody } from './request-body.ts';
import type { Verdict } from './verdict.ts';

const PATH = '/inject';
/**
 * Connections beyond this are closed as they come. An API server calls webhooks behind a Service by HTTP/1.1, a connection for
 * each question that runs, and lets 200 to 400 requests run that change something.
 */
const MAX_CONNECTIONS = 1_000;
const MAX_STREAMS = 250;
/** Milliseconds for a handshake. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
/**
 * Longer than Go keeps a connection without a request (90 s): the API server closes first, and no question meets a
 * connection that is being closed. A POST that does is lost, and with it the sidecar of a pod.
 */
const IDLE_TIMEOUT_MS = 180_000;
/** Between the two GOAWAYs of a gentle end: what the API server sent before it had read the first is still answered. */
const GOAWAY_MS = 1_000;
const MAX_STREAM_ID = 2 ** 31 - 1;

/** What the server needs around it. */
export type AdmissionServerOptions = {
  /** Null: every address of either family. */
  readonly host: string | null;
  /** 0: any free port. */
  readonly port: number;
  /** Connections without a request are closed after it. */
  readonly idleTimeoutMs?: number;
  readonly clock: Clock;
  readonly decide: (review: Review) => Verdict;
  /** Told of each question that was answered. @param seconds from its head to its answer */
  readonly answered: (review: Review, verdict: Verdict, seconds: number, httpVersion: string) => void;
  /** Told of each request that was no question. */
  readonly refused: (status: number, words: string) => void;
  /** Told of handshakes that failed and connections that broke, by the error's code. */
  readonly broken: (code: string) => void;
};

/** What the answers of both protocols can do, as far as it is used here. */
interface Response {
  writeHead(status: number, headers: Record<string, string>): unknown;
  end(body: string): unknown;
  on(event: 'error', listener: () => void): unknown;
}

const NO_BODY: Readonly<Record<Exclude<NoBody, 'gone'>, readonly [status: number, words: string]>> = {
  too_large: [400, 'the body has more than 3 MiB'],
  busy: [503, 'too many bodies are being read'],
  timeout: [408, 'the body did not come within 10 s'],
};

/** POST /inject over TLS, by HTTP/1.1 (the API server's choice for webhooks behind a Service) or HTTP/2. */
export class AdmissionServer {
  readonly #options: AdmissionServerOptions;
  readonly #server: Http2SecureServer;
  readonly #bodies: BodyReader;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #sockets = new Set<Socket>();
  #state: 'serving' | 'leaving' = 'serving';

  constructor(options: AdmissionServerOptions) {
    const { idleTimeoutMs = IDLE_TIMEOUT_MS } = options;
    this.#options = options;
    this.#bodies = new BodyReader(options.clock);
    this.#server = createSecureServer({
      allowHTTP1: true,
      minVersion: 'TLSv1.2',
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      settings: { maxConcurrentStreams: MAX_STREAMS },
      http1Options: {
        keepAliveTimeout: idleTimeoutMs,
      },
    });
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.setTimeout(idleTimeoutMs);
    // Of HTTP/2 it tells of a session, of HTTP/1.1 of a socket, which is left open because somebody listens here.
    this.#server.on('timeout', (idle: ServerHttp2Session | Socket) => {
      if ('goaway' in idle) idle.close();
      else idle.destroy();
    });
    this.#server.on('session', (session) => this.#track(session));
    this.#server.on('sessionError', (error: unknown) => options.broken(errorCode(error)));
    this.#server.on('tlsClientError', (error) => options.broken(errorCode(error)));
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    this.#server.on('secureConnection', (socket: Socket) =>
      socket.on('error', (error) => options.broken(errorCode(error))),
    );
    this.#server.on('request', (request, response) => void this.#serve(request, response));
  }

  /** Binds the port; handshakes fail until there is a certificate. Rejects with the error of the bind. */
  async start(): Promise<number> {
    const { host, port } = this.#options;
    // Node itself takes IPv4 where there is no IPv6, but only where it is given no host.
    this.#server.listen(host === null ? { port } : { host, port });
    await once(this.#server, 'listening');
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('listening, but not on a port');
    return address.port;
  }

  /** The certificate of handshakes from now on; connections that are open stay. @throws where TLS does not take it */
  useCertificate(cert: string, key: string): void {
    this.#server.setSecureContext({ cert, key, minVersion: 'TLSv1.2' });
  }

  /** From now on each answer by HTTP/1.1 is the last on its connection, so that clients go elsewhere with the next question. */
  leave(): void {
    this.#state = 'leaving';
  }

  /**
   * Ends gently: takes no connection any more, asks clients of open ones to send nothing more there, answers what has come.
   * @param withinMs what is left then is cut
   */
  async stop(withinMs: number): Promise<void> {
    const { clock } = this.#options;
    this.leave();
    const closed = this.#server.listening ? once(this.#server, 'close') : Promise.resolve();
    this.#server.close();
    for (const session of this.#sessions) session.goaway(0, MAX_STREAM_ID);
    const close = clock.setTimer(() => {
      for (const session of this.#sessions) session.close();
    }, GOAWAY_MS);
    const cut = clock.setTimer(() => {
      for (const session of this.#sessions) session.destroy();
      for (const socket of this.#sockets) socket.destroy();
    }, withinMs);
    await closed;
    close.cancel();
    cut.cancel();
  }

  #track(session: ServerHttp2Session): void {
    this.#sessions.add(session);
    session.on('close', () => this.#sessions.delete(session));
    if (!this.#server.listening) session.goaway(0, MAX_STREAM_ID);
  }

  async #serve(request: Incoming, response: Response): Promise<void> {
    const { clock, decide, answered } = this.#options;
    const startedAt = clock.now();
    response.on('error', () => {});
    const body = await this.#bodies.read(request);
    if (typeof body !== 'string') {
      if (body.none === 'gone') return;
      const [status, words] = NO_BODY[body.none];
      return this.#refuse(request, response, status, words);
    }
    const path = (request.url ?? '').split('?', 1)[0];
    if (path !== PATH) return this.#refuse(request, response, 404, `there is ${PATH} only`);
    if (request.method !== 'POST') return this.#refuse(request, response, 405, 'questions come by POST');
    const review = readReview(request.headers['content-type'], body);
    if ('refused' in review) return this.#refuse(request, response, 400, review.refused);
    const verdict = decide(review);
    this.#send(request, response, 200, 'application/json', writeAnswer(verdict.answer));
    answered(review, verdict, (clock.now() - startedAt) / 1000, request.httpVersion);
  }

  #refuse(request: Incoming, response: Response, status: number, words: string): void {
    this.#options.refused(status, words);
    this.#send(request, response, status, 'text/plain; charset=utf-8', `${words}\n`);
  }

  #send(request: Incoming, response: Response, status: number, type: string, body: string): void {
    const overHttp1 = request.httpVersionMajor === 1;
    // Of HTTP/1.1 what is left of a body that was not read cannot be told from the next request.
    const last = overHttp1 && (this.#state === 'leaving' || !request.complete);
    response.writeHead(status, {
      'content-type': type,
      'content-length': String(Buffer.byteLength(body)),
      ...(last ? { connection: 'close' } : {}),
    });
    response.end(body);
  }
}
