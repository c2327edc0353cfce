import { Buffer } from 'node:buffer';
import type { Clock } from '../../clock.ts';
import { LookupQueue } from '../lookup-queue.ts';
import type { ApiAccess } from './api-access.ts';
import { type ApiCall, apiCall } from './api-call.ts';
import { ApiConnection, samePlace } from './api-connection.ts';
import { answerFailure, networkFailure, notAnApi } from './api-failure.ts';
import type { Credentials } from './credentials.ts';
import { isJsonObject } from './json-value.ts';
import { ApiError, type KubeApi, type Query, type WatchHandle, type WatchHandlers } from './kube-api.ts';
import { RunningWatch } from './running-watch.ts';
import { WatchAttempt } from './watch-attempt.ts';

export type ApiClientOptions = {
  readonly credentials: Credentials;
  readonly clock: Clock;
  /** `carpool/1.2.3` */
  readonly userAgent: string;
  /** Each request, once it is known what becomes of it: `ok` (a watch: accepted), or the kind of its failure. */
  readonly observe?: (verb: 'get' | 'list' | 'watch', outcome: string) => void;
};

/** For a whole answer but a watch's. */
const DEADLINE_MS = 10_000;
/** GETs at once. Those of Services are far fewer, so this is for the lists of many namespaces that begin together. */
const MAX_GETS = 32;
const MAX_LIST_BYTES = 67_108_864;
const MAX_FAILURE_BYTES = 65_536;
/** GETs in a row without a byte from anywhere, after which the connections are taken for dead. */
const DEAF_GETS = 2;

/** The client of an API server: all calls share its connections, and each goes with the credentials of its time. */
export class ApiClient implements KubeApi {
  readonly #options: ApiClientOptions;
  readonly #queue = new LookupQueue(MAX_GETS);
  readonly #watches = new Set<RunningWatch>();
  #connection: ApiConnection | null = null;
  /** Those before a rotation of the CA, as long as calls run on them. */
  #retired: ApiConnection | null = null;
  #closed = false;
  /** Counts what comes in, to tell a dead connection from a slow answer. */
  #heard = 0;
  #deafGets = 0;

  constructor(options: ApiClientOptions) {
    this.#options = options;
  }

  async get(path: string, query: Query = {}): Promise<unknown> {
    const call = apiCall(path, query, false);
    await new Promise<void>((resolve) => this.#queue.enter(resolve, true));
    try {
      const access = this.#access();
      return await this.#getOnce(call, access).catch((error: unknown) => {
        const other = this.#otherAccess(access, error);
        if (other === null) throw error;
        return this.#getOnce(call, other);
      });
    } finally {
      this.#queue.done();
    }
  }

  watch(path: string, query: Query, handlers: WatchHandlers): WatchHandle {
    const call = apiCall(path, query, true);
    const { clock, credentials, observe } = this.#options;
    const watch = new RunningWatch(handlers, {
      access: () => this.#access(),
      otherAccess: (access, error) => this.#otherAccess(access, error),
      observe: (outcome) => observe?.('watch', outcome),
      over: (ended) => this.#watches.delete(ended),
      attempt: (access, told) =>
        new WatchAttempt({
          access,
          connection: this.#connect(access),
          call,
          path,
          query,
          headers: this.#headers(access),
          own: credentials.namespace,
          clock,
          heard: () => this.#hear(),
          handlers: told,
        }),
    });
    this.#watches.add(watch);
    queueMicrotask(() => watch.begin());
    return watch;
  }

  reconnect(): void {
    const error = new ApiError(
      'unreachable',
      'the connections to the API server were given up, for nothing came any more',
      'carpool connects again. Look at the network between this pod and the API server if it happens often.',
    );
    this.#deafGets = 0;
    this.#drop(error);
    for (const watch of this.#watches) queueMicrotask(() => watch.fail(error));
  }

  close(): void {
    this.#closed = true;
    for (const watch of [...this.#watches]) watch.abort();
    this.#drop(closedError());
  }

  #drop(error: ApiError): void {
    this.#connection?.destroy(error);
    this.#retired?.destroy(error);
    this.#connection = null;
    this.#retired = null;
  }

  /** The credentials of now. */
  #access(): ApiAccess {
    if (this.#closed) throw closedError();
    return this.#options.credentials.read();
  }

  /** Whether the files have something else to offer than what was refused: worth another try at once. */
  #otherAccess(refused: ApiAccess, error: unknown): ApiAccess | null {
    if (this.#closed || !(error instanceof ApiError)) return null;
    if (error.kind !== 'unauthorized' && error.kind !== 'tls') return null;
    try {
      const access = this.#options.credentials.read(true);
      const same = error.kind === 'tls' ? samePlace(access, refused) : access.token === refused.token;
      return same ? null : access;
    } catch {
      // What was refused is the more telling of the two.
      return null;
    }
  }

  #connect(access: ApiAccess): ApiConnection {
    if (this.#connection?.fits(access)) return this.#connection;
    if (this.#connection) {
      // What runs on it goes on, and then it closes; but there are never more than two.
      this.#retired?.destroy(rotatedError());
      this.#retired = this.#connection;
    }
    this.#connection = new ApiConnection(access);
    return this.#connection;
  }

  #headers({ token }: ApiAccess): Record<string, string> {
    const headers = {
      accept: 'application/json',
      'accept-encoding': 'identity',
      'user-agent': this.#options.userAgent,
    };
    return token === null ? headers : { ...headers, authorization: `Bearer ${token}` };
  }

  #hear(): void {
    this.#heard++;
    this.#deafGets = 0;
  }

  async #getOnce(call: ApiCall, access: ApiAccess): Promise<unknown> {
    const { clock, observe } = this.#options;
    const heardBefore = this.#heard;
    const abort = new AbortController();
    const deadline = clock.setTimer(() => {
      abort.abort(slowError(call));
      if (this.#heard === heardBefore && ++this.#deafGets >= DEAF_GETS) this.reconnect();
    }, DEADLINE_MS);
    try {
      const answer = await this.#answer(call, access, abort.signal);
      observe?.(call.verb, 'ok');
      return answer;
    } catch (thrown) {
      const error = networkFailure(access.server, thrown);
      observe?.(call.verb, error.kind);
      throw error;
    } finally {
      deadline.cancel();
    }
  }

  async #answer(call: ApiCall, access: ApiAccess, signal: AbortSignal): Promise<unknown> {
    const { clock, credentials } = this.#options;
    const { origin, pathname } = access.server;
    const { statusCode, headers, body } = await this.#connect(access)
      .dispatcher()
      .request({
        origin,
        path: pathname.replace(/\/$/, '') + call.target,
        method: 'GET',
        headers: this.#headers(access),
        signal,
      });
    this.#hear();
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of body) {
      this.#hear();
      if (!Buffer.isBuffer(chunk)) continue;
      bytes += chunk.length;
      if (statusCode !== 200 && bytes > MAX_FAILURE_BYTES) break;
      if (bytes > MAX_LIST_BYTES) throw tooLongError(call);
      chunks.push(chunk);
    }
    const text = Buffer.concat(chunks).toString();
    const retryAfter = typeof headers['retry-after'] === 'string' ? headers['retry-after'] : null;
    if (statusCode !== 200)
      throw answerFailure(call, { status: statusCode, retryAfter, body: text }, credentials.namespace, clock.wall());
    return readObject(call, text);
  }
}

function readObject(call: ApiCall, text: string): unknown {
  let object: unknown;
  try {
    object = JSON.parse(text);
  } catch {
    throw notAnApi(call);
  }
  // The version is the one thing that is asked for and is no API object.
  if (isJsonObject(object) && ('kind' in object || 'gitVersion' in object)) return object;
  throw notAnApi(call);
}

const closedError = () => new ApiError('unreachable', 'the client of the API server is closed', 'carpool is stopping.');

const rotatedError = () =>
  new ApiError('unreachable', 'the CA of the API server has changed twice', 'carpool connects again by itself.');

const slowError = (call: ApiCall) =>
  new ApiError(
    'unreachable',
    `the API server has not answered the ${call.words} within ${DEADLINE_MS / 1_000} s`,
    'Look at the API server, at network policies and at what is between it and this pod.',
  );

const tooLongError = (call: ApiCall) =>
  new ApiError(
    'invalid',
    `the answer to the ${call.words} is longer than ${MAX_LIST_BYTES / 1_048_576} MiB`,
    'Watch fewer Services, or find them by DNS.',
  );
