import { Watch } from '@kubernetes/client-node/dist/watch.js';
import type { Dispatcher } from 'undici';
import type { Clock } from '../../clock.ts';
import type { ApiAccess } from './api-access.ts';
import type { ApiCall } from './api-call.ts';
import type { ApiConnection } from './api-connection.ts';
import { answerFailure, eventFailure, lostEvent, networkFailure, notAnApi } from './api-failure.ts';
import { isJsonObject } from './json-value.ts';
import { ApiError, type Query, type WatchHandlers } from './kube-api.ts';
import { MARK, WatchTap } from './watch-tap.ts';

export type WatchAttemptOptions = {
  readonly access: ApiAccess;
  readonly connection: ApiConnection;
  readonly call: ApiCall;
  readonly path: string;
  readonly query: Query;
  /** Go with the request. */
  readonly headers: Readonly<Record<string, string>>;
  /** The namespace of our service account, for the words about missing rights. */
  readonly own: string | null;
  readonly clock: Clock;
  /** Called for all bytes that come. */
  readonly heard: () => void;
  readonly handlers: WatchHandlers;
};

/** Watch's own limit of silence is as good as none: the reflector has a better one. */
const NEVER_MS = 2 ** 31 - 1;

/** One watch request with client-node's Watch, on connections that outlive it. */
export class WatchAttempt {
  readonly #options: WatchAttemptOptions;
  #tap: WatchTap | null = null;
  #ended = false;
  #events = 0;

  constructor(options: WatchAttemptOptions) {
    this.#options = options;
  }

  /** Sends it; handlers are called later, never before this returns. */
  start(): void {
    const { access, path, query, headers, connection } = this.#options;
    const { origin, pathname } = access.server;
    const server = origin + pathname.replace(/\/$/, '');
    const dispatcher = connection.dispatcher(
      (dispatch) => (options, handler) => this.#dispatch(dispatch, options, handler),
    );
    const watch = new Watch({
      getCurrentCluster: () => ({ server }),
      applySecurityAuthentication: async (request) => {
        for (const [name, value] of Object.entries(headers)) request.setHeaderParam(name, value);
        request.setDispatcher(dispatcher);
      },
    });
    watch.requestTimeoutMs = NEVER_MS;
    watch
      .watch(
        path,
        query,
        (type, object) => this.#line(type, object),
        (error) => this.#done(error),
      )
      .catch((error: unknown) => this.#done(error));
  }

  /** Ends it without a word. */
  abort(): void {
    this.#ended = true;
    this.#tap?.stop(new Error('the watch is not wanted any more'));
  }

  /** Ends it, and says why. */
  fail(error: ApiError): void {
    if (this.#ended) return;
    this.abort();
    this.#options.handlers.ended(error);
  }

  #dispatch(
    dispatch: Dispatcher.Dispatch,
    options: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler,
  ): boolean {
    const { call, own, clock, heard, handlers } = this.#options;
    this.#tap = new WatchTap(handler, {
      clock,
      heard,
      accepted: () => {
        if (!this.#ended) handlers.opened();
      },
      refused: (answer) => answerFailure(call, answer, own, clock.wall()),
      foreign: () => notAnApi(call),
      endless: () => notAnApi(call),
    });
    if (this.#ended) this.abort();
    return dispatch(options, this.#tap);
  }

  #line(type: unknown, object: unknown): void {
    const tap = this.#tap;
    if (this.#ended || tap === null) return;
    const { call, own, clock, handlers } = this.#options;
    if (type === MARK) {
      // Watch has said nothing of a line that is no JSON.
      if (tap.marked() !== this.#events) this.fail(lostEvent(call));
      return;
    }
    this.#events++;
    if (type === 'ERROR') this.fail(eventFailure(call, object, own));
    else if (typeof type !== 'string' || !isJsonObject(object)) this.fail(notAnApi(call));
    else handlers.event(type, object, tap.readAt ?? clock.now());
  }

  /** Watch is through: with an error, or because the server has ended it. */
  #done(error: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    const { handlers, access } = this.#options;
    if (error) handlers.ended(networkFailure(access.server, error));
    else handlers.ended(this.#cutShort() ? this.#broken() : null);
  }

  /** Whether the end came in the middle of an event. The last line needs no line feed if it is whole. */
  #cutShort(): boolean {
    return this.#tap !== null && this.#tap.tailBytes > 0 && this.#events <= this.#tap.lines;
  }

  #broken(): ApiError {
    return new ApiError(
      'unreachable',
      `the ${this.#options.call.words} broke off in the middle of an event`,
      'Look for a proxy or load balancer before the API server that cuts answers off.',
    );
  }
}
