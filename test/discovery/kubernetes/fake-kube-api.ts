import { setImmediate } from 'node:timers/promises';
import {
  ApiError,
  type ApiFailureKind,
  type KubeApi,
  type Query,
  type WatchHandle,
  type WatchHandlers,
} from '../../../src/discovery/kubernetes/kube-api.ts';
import type { KubeObject } from './kube-objects.ts';

/** A list call: a test answers it when it likes. */
export type ListCall = {
  readonly path: string;
  readonly query: Query;
  answer(items: readonly unknown[], version: string | number, continueToken?: string): Promise<void>;
  answerRaw(value: unknown): Promise<void>;
  fail(kind: ApiFailureKind, options?: FailureOptions): Promise<void>;
};

type FailureOptions = { readonly retryAfterMs?: number; readonly status?: number; readonly message?: string };

/** A watch: a test tells it what it likes. */
export type WatchCall = {
  readonly path: string;
  readonly query: Query;
  readonly handlers: WatchHandlers;
  aborted: boolean;
};

export function failure(
  kind: ApiFailureKind,
  { message = `it is ${kind}`, ...options }: FailureOptions = {},
): ApiError {
  return new ApiError(kind, message, 'Do something.', options);
}

/** The same object at a resource version. */
export function at(version: string | number, object: KubeObject): KubeObject {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } };
}

/** An API server's client in the hand of a test, for what is a matter of time and order; sockets have tests of their own. */
export class FakeKubeApi implements KubeApi {
  readonly lists: ListCall[] = [];
  readonly watches: WatchCall[] = [];
  reconnects = 0;
  /** Watches that run at once, at most. */
  openPeak = 0;

  get(path: string, query: Query = {}): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const answerRaw = async (value: unknown) => {
      resolve(value);
      await settled();
    };
    this.lists.push({
      path,
      query,
      answerRaw,
      answer: (items, version, continueToken) =>
        answerRaw({
          kind: 'EndpointSliceList',
          metadata: { resourceVersion: String(version), ...(continueToken ? { continue: continueToken } : {}) },
          items,
        }),
      fail: async (kind, options) => {
        reject(failure(kind, options));
        await settled();
      },
    });
    return promise;
  }

  watch(path: string, query: Query, handlers: WatchHandlers): WatchHandle {
    const call: WatchCall = { path, query, handlers, aborted: false };
    this.watches.push(call);
    this.openPeak = Math.max(this.openPeak, this.open.length);
    return {
      abort: () => {
        call.aborted = true;
      },
    };
  }

  reconnect(): void {
    this.reconnects++;
  }

  close(): void {}

  get open(): readonly WatchCall[] {
    return this.watches.filter((watch) => !watch.aborted);
  }

  /** The list call that was made last. */
  get list(): ListCall {
    const last = this.lists.at(-1);
    if (last === undefined) throw new Error('nothing was listed');
    return last;
  }

  /** The watch that was begun last. */
  get last(): WatchCall {
    const last = this.watches.at(-1);
    if (last === undefined) throw new Error('nothing was watched');
    return last;
  }
}

/** Lets promises that are settled be heard. */
export async function settled(): Promise<void> {
  await setImmediate();
}
