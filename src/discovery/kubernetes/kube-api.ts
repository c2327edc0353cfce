/**
 * What carpool asks of a Kubernetes API server: objects by GET, changes by watch. `api-client.ts` does it over TLS; the
 * reflector and the registry of Services see this interface only.
 */

/** Why a call to the API server gave no answer that can be used. */
export type ApiFailureKind =
  /** No token, CA or kubeconfig that could be read: nothing was sent. */
  | 'no_credentials'
  /** No connection, or it broke. */
  | 'unreachable'
  /** The certificate is not one of the CA's. */
  | 'tls'
  /** 401 */
  | 'unauthorized'
  /** 403 */
  | 'forbidden'
  /** 404 with a Status: the object is not there. */
  | 'not_found'
  /** 410, or an ERROR event that says so: the resource version is too old, list again. */
  | 'gone'
  /** 400, 422: the request itself is refused. */
  | 'invalid'
  /** 429 */
  | 'throttled'
  /** 5xx */
  | 'server'
  /** Something answers, and it is no Kubernetes API. */
  | 'not_an_api';

/** A failed call, in words for the log: `message` says what happened, `hint` what to do. */
export class ApiError extends Error {
  readonly kind: ApiFailureKind;
  readonly status: number | null;
  /** What Retry-After (or the Status' retryAfterSeconds) asks for, in milliseconds, or null. */
  readonly retryAfterMs: number | null;
  readonly hint: string;

  constructor(
    kind: ApiFailureKind,
    message: string,
    hint: string,
    options: { readonly status?: number; readonly retryAfterMs?: number; readonly cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = 'ApiError';
    this.kind = kind;
    this.status = options.status ?? null;
    this.retryAfterMs = options.retryAfterMs ?? null;
    this.hint = hint;
  }
}

/**
 * Whatever a call threw, as the failure that it is.
 * @param what what did not work, such as `EndpointSlices could not be listed`
 */
export function asApiError(thrown: unknown, what: string): ApiError {
  if (thrown instanceof ApiError) return thrown;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return new ApiError('unreachable', `${what}: ${text}`, 'This is a fault of carpool.', { cause: thrown });
}

/** Of one Service. */
export function servicePath(namespace: string, name: string): string {
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/services/${encodeURIComponent(name)}`;
}

/** Of all EndpointSlices of a namespace, which a label selector narrows. */
export function slicesPath(namespace: string): string {
  return `/apis/discovery.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/endpointslices`;
}

export type Query = Readonly<Record<string, string | number | boolean>>;

/** What a watch tells. No call comes after `ended`, nor after `abort`. None of them may throw. */
export interface WatchHandlers {
  /** The server has accepted the watch (200); events follow. */
  opened(): void;
  /**
   * @param type ADDED, MODIFIED, DELETED or BOOKMARK
   * @param readAt `clock.now()` when the last bytes of the event were read
   */
  event(type: string, object: unknown, readAt: number): void;
  /** Once. null: the server ended it in good order (`timeoutSeconds`). An ERROR event ends it with its Status. */
  ended(error: ApiError | null): void;
}

export interface WatchHandle {
  /** Ends it; no handler is called any more. */
  abort(): void;
}

export interface KubeApi {
  /** The object (or list) at `path`. Rejects with `ApiError`. */
  get(path: string, query?: Query): Promise<unknown>;
  /** Begins a watch; how it goes comes by the handlers, never before this returns. */
  watch(path: string, query: Query, handlers: WatchHandlers): WatchHandle;
  /** Drops all connections, which may be dead without a sign: what runs ends with `unreachable`, the next call dials anew. */
  reconnect(): void;
  close(): void;
}
