import { ApiClient } from '../../../src/discovery/kubernetes/api-client.ts';
import { openCredentials } from '../../../src/discovery/kubernetes/credentials.ts';
import {
  ApiError,
  type Query,
  type WatchHandle,
  type WatchHandlers,
} from '../../../src/discovery/kubernetes/kube-api.ts';
import { TestClock } from '../../test-clock.ts';
import { type ApiServerOptions, ScriptedApiServer } from './scripted-api-server.ts';

type Teardown = { readonly teardown: (callback: () => void | Promise<void>) => void };

export const SLICES = '/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices';
export const ORDERS = '/api/v1/namespaces/shop/services/orders';

/** What a watch has told, and waiting for it. */
export class RecordedWatch implements WatchHandlers {
  /** `opened`, each event as `TYPE name`, and `ended` or `ended KIND`, in order. */
  readonly told: string[] = [];
  readonly events: { type: string; object: unknown; readAt: number }[] = [];
  error: ApiError | null | undefined = undefined;
  handle: WatchHandle | null = null;
  /** Called after each. */
  on: (what: string) => void = () => {};
  #waiting: (() => void)[] = [];

  opened(): void {
    this.#tell('opened');
  }

  event(type: string, object: unknown, readAt: number): void {
    this.events.push({ type, object, readAt });
    this.#tell(`${type} ${nameOf(object)}`);
  }

  ended(error: ApiError | null): void {
    this.error = error;
    this.#tell(error ? `ended ${error.kind}` : 'ended');
  }

  /** Waits until it has told `what`. */
  async until(what: string): Promise<void> {
    while (!this.told.includes(what)) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #tell(what: string): void {
    this.told.push(what);
    this.on(what);
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

function nameOf(object: unknown): string {
  const metadata: unknown = typeof object === 'object' && object !== null ? Reflect.get(object, 'metadata') : null;
  const name: unknown = typeof metadata === 'object' && metadata !== null ? Reflect.get(metadata, 'name') : null;
  return typeof name === 'string' ? name : '-';
}

/** An API client in a pod whose API server is the scripted one. */
export async function startClient(t: Teardown, options: ApiServerOptions & { server?: ScriptedApiServer } = {}) {
  const clock = new TestClock();
  const server = options.server ?? (await ScriptedApiServer.start(t, options));
  const tokenDir = server.accountDir(t);
  const env = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(server.port) };
  const credentials = openCredentials({ env, kubeconfig: null, apiServer: null, tokenDir, clock });
  const observed: string[] = [];
  const client = new ApiClient({
    credentials,
    clock,
    userAgent: 'carpool/1.2.3',
    observe: (verb, outcome) => observed.push(`${verb} ${outcome}`),
  });
  t.teardown(() => client.close());
  const watch = (query: Query = {}, path = SLICES): RecordedWatch => {
    const recorded = new RecordedWatch();
    recorded.handle = client.watch(path, { resourceVersion: server.store.version, ...query }, recorded);
    return recorded;
  };
  return { clock, server, tokenDir, credentials, client, observed, watch };
}

/** The ApiError that a promise rejects with. */
export async function failureOf(promise: Promise<unknown>): Promise<ApiError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}
