import type { ApiAccess } from './api-access.ts';
import { type ApiError, asApiError, type WatchHandle, type WatchHandlers } from './kube-api.ts';
import type { WatchAttempt } from './watch-attempt.ts';

export type WatchContext = {
  /** @throws ApiError */
  readonly access: () => ApiAccess;
  readonly otherAccess: (refused: ApiAccess, error: ApiError) => ApiAccess | null;
  readonly attempt: (access: ApiAccess, told: WatchHandlers) => WatchAttempt;
  readonly observe: (outcome: string) => void;
  readonly over: (watch: RunningWatch) => void;
};

/**
 * A watch as its caller sees it: one attempt, or two where the credentials turned out to have been renewed. An attempt that
 * was aborted tells nothing any more.
 */
export class RunningWatch implements WatchHandle {
  readonly #handlers: WatchHandlers;
  readonly #context: WatchContext;
  #attempt: WatchAttempt | null = null;
  #over = false;

  constructor(handlers: WatchHandlers, context: WatchContext) {
    this.#handlers = handlers;
    this.#context = context;
  }

  begin(): void {
    if (this.#over) return;
    try {
      this.#start(this.#context.access(), true);
    } catch (thrown) {
      this.#end(asApiError(thrown, 'the watch could not be begun'));
    }
  }

  abort(): void {
    if (this.#over) return;
    this.#over = true;
    this.#context.over(this);
    this.#attempt?.abort();
  }

  fail(error: ApiError): void {
    if (this.#over) return;
    const attempt = this.#attempt;
    this.#end(error);
    attempt?.abort();
  }

  #start(access: ApiAccess, first: boolean): void {
    let opened = false;
    const attempt = this.#context.attempt(access, {
      opened: () => {
        opened = true;
        this.#context.observe('ok');
        this.#handlers.opened();
      },
      event: (type, object, readAt) => this.#handlers.event(type, object, readAt),
      ended: (error) => {
        if (this.#over) return;
        if (!opened) this.#context.observe(error?.kind ?? 'ok');
        const other = first && !opened && error ? this.#context.otherAccess(access, error) : null;
        if (other) this.#start(other, false);
        else this.#end(error);
      },
    });
    this.#attempt = attempt;
    attempt.start();
  }

  #end(error: ApiError | null): void {
    if (this.#over) return;
    this.#over = true;
    this.#context.over(this);
    this.#handlers.ended(error);
  }
}
