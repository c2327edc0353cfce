/**
 * The Watch of @kubernetes/client-node alone. The package's main module loads the whole generated client, which costs
 * 85 MB of resident memory; the typings of this file would do the same to the compiler.
 */
declare module '@kubernetes/client-node/dist/watch.js' {
  import type { Dispatcher } from 'undici';

  /** What a request is made of, as far as it is set here. */
  export type WatchRequest = {
    setHeaderParam(name: string, value: string): void;
    setDispatcher(dispatcher: Dispatcher): void;
  };

  /** What Watch uses of a KubeConfig. */
  export type WatchConfig = {
    getCurrentCluster(): { readonly server: string };
    applySecurityAuthentication(request: WatchRequest): Promise<void>;
  };

  export class Watch {
    /** Of silence, after which it aborts; at most 2^31-1. */
    requestTimeoutMs: number;
    constructor(config: WatchConfig);
    /**
     * @param callback each line's `type` and `object`; what it throws is swallowed, like a line that is no JSON
     * @param done once: an error, or null when the server ended it
     */
    watch(
      path: string,
      query: Readonly<Record<string, string | number | boolean>>,
      callback: (type: unknown, object: unknown) => void,
      done: (error: unknown) => void,
    ): Promise<AbortController>;
  }
}
