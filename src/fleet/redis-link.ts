import { backOffMs } from '../back-off.ts';
import type { Clock, Timer } from '../clock.ts';
import { LEASE_SCRIPT, LEASE_SHA } from './lease-script.ts';
import { noAnswer, type RedisFailure, redisFailure } from './redis-failure.ts';

/** How long a connect may take, and a call. */
export const CONNECT_MS = 2000;
const CALL_MS = 1000;
const BACKOFF_MS = 100;
const BACKOFF_MAX_MS = 3000;

/** One connection to Redis. It is opened once, and closed for good; another one is made then. */
export interface RedisConnection {
  /** Resolves when commands may be sent. Rejects once; `destroy` is to be called then. */
  open(): Promise<void>;
  /** Commands that are sent in the same turn go out in one write. */
  send(args: readonly string[]): Promise<unknown>;
  destroy(): void;
}

/** `waiting`: the last connection failed, and another one is opened in a while. */
type State =
  | { readonly state: 'waiting'; readonly timer: Timer }
  | { readonly state: 'connecting'; readonly connection: RedisConnection; readonly deadline: Timer }
  | { readonly state: 'open'; readonly connection: RedisConnection }
  | { readonly state: 'closed' };

export type RedisLinkOptions = {
  /** `host:port`, for people. */
  readonly where: string;
  readonly connect: (onLost: (error: unknown) => void) => RedisConnection;
  readonly clock: Clock;
  readonly random: () => number;
  /** Calls may be made now. */
  readonly onOpen: () => void;
  readonly onFailure: (failure: RedisFailure) => void;
};

/** The way to the lease script: one connection at a time, opened again for ever, with every wait bounded. */
export class RedisLink {
  readonly #options: RedisLinkOptions;
  #state: State;
  #failures = 0;

  constructor(options: RedisLinkOptions) {
    this.#options = options;
    this.#state = { state: 'waiting', timer: options.clock.setTimer(() => this.#connect(), 0) };
  }

  get isOpen(): boolean {
    return this.#state.state === 'open';
  }

  /**
   * Runs the lease script once for each of `calls`, in one round trip, and resolves with what each came to. Those that
   * failed have a `RedisFailure`; where another connection may help, it is opened.
   */
  async run(calls: readonly { readonly key: string; readonly args: readonly string[] }[]): Promise<unknown[]> {
    const state = this.#state;
    const { where } = this.#options;
    if (state.state !== 'open') return calls.map(() => redisFailure(new Error('is not connected'), where));
    const { connection } = state;
    const late = Promise.withResolvers<RedisFailure>();
    const deadline = this.#options.clock.setTimer(() => late.resolve(noAnswer(where, CALL_MS)), CALL_MS);
    const results = await Promise.all(
      calls.map(({ key, args }) => Promise.race([late.promise, this.#one(connection, key, args)])),
    );
    deadline.cancel();
    const failure = results.find((each): each is RedisFailure => each instanceof Error);
    if (failure === undefined) this.#failures = 0;
    // Late answers of this connection are not to be taken for others.
    else if (failure.reconnect) this.#lost(connection, failure);
    else this.#options.onFailure(failure);
    return results;
  }

  /** Sends a last word, and closes. Nothing is waited for but that it is on its way. */
  close(calls: readonly { readonly key: string; readonly args: readonly string[] }[]): void {
    const state = this.#state;
    this.#state = { state: 'closed' };
    if (state.state === 'waiting') state.timer.cancel();
    if (state.state === 'connecting') {
      state.deadline.cancel();
      state.connection.destroy();
    }
    if (state.state !== 'open') return;
    const { connection } = state;
    const deadline = this.#options.clock.setTimer(() => connection.destroy(), CALL_MS);
    void Promise.all(calls.map(({ key, args }) => this.#one(connection, key, args))).then(() => {
      deadline.cancel();
      connection.destroy();
    });
  }

  /** @returns the answer, or the failure; never rejects */
  async #one(connection: RedisConnection, key: string, args: readonly string[]): Promise<unknown> {
    try {
      return await connection.send(['EVALSHA', LEASE_SHA, '1', key, ...args]);
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT')))
        return redisFailure(error, this.#options.where);
    }
    try {
      return await connection.send(['EVAL', LEASE_SCRIPT, '1', key, ...args]);
    } catch (error) {
      return redisFailure(error, this.#options.where);
    }
  }

  #connect(): void {
    const { connect, where, clock } = this.#options;
    let connection: RedisConnection;
    try {
      connection = connect((error) => this.#lost(connection, redisFailure(error, where)));
    } catch (error) {
      this.#wait(redisFailure(error, where));
      return;
    }
    const deadline = clock.setTimer(() => this.#lost(connection, noAnswer(where, CONNECT_MS)), CONNECT_MS);
    this.#state = { state: 'connecting', connection, deadline };
    connection.open().then(
      () => {
        const state = this.#state;
        if (state.state !== 'connecting' || state.connection !== connection) return;
        deadline.cancel();
        this.#state = { state: 'open', connection };
        this.#options.onOpen();
      },
      (error: unknown) => this.#lost(connection, redisFailure(error, where)),
    );
  }

  /** A connection is of no use any more. */
  #lost(connection: RedisConnection, failure: RedisFailure): void {
    const state = this.#state;
    if (state.state !== 'connecting' && state.state !== 'open') return;
    if (state.connection !== connection) return;
    if (state.state === 'connecting') state.deadline.cancel();
    connection.destroy();
    this.#wait(failure);
  }

  #wait(failure: RedisFailure): void {
    const { clock, random, onFailure } = this.#options;
    const waitMs = backOffMs(BACKOFF_MS, BACKOFF_MAX_MS, Math.min(this.#failures++, 10), random);
    const timer = clock.setTimer(() => this.#connect(), waitMs);
    this.#state = { state: 'waiting', timer };
    onFailure(failure);
  }
}
